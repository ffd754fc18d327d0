"""Whether a tokenizer is the one that a model was made for."""

from sightline.core.errors import DataError
from sightline.core.schema import TextSchema
from sightline.data.special_tokens import ROLES
from sightline.data.tokenizer import Tokenizer


def require_matching(tokenizer: Tokenizer, schema: TextSchema) -> None:
    """Refuse a tokenizer whose vocabulary is not the model's.

    A model may have more tokens than the tokenizer, up to the next multiple of 128: some families fill their tables up.

    Args:
        tokenizer: to be used with a model.
        schema: what the model was made for.

    Raises:
        DataError: when the sizes or the special tokens differ.

    Lecture: W1
    """
    size, wanted = tokenizer.vocabulary_size, schema.vocabulary_size
    mine = f"a {tokenizer.kind} tokenizer with {size:,}"
    beyond = sorted((token, name) for name, token in tokenizer.special_tokens.items() if token >= wanted)
    if wanted not in (size, -(-size // 64) * 64, -(-size // 128) * 128):
        more = f", among them {beyond[0][1]!r}, which is number {beyond[0][0]:,}" if beyond else ""
        raise _not_matching(f"a tokenizer with {wanted:,} tokens, as the model was trained with", mine + more)
    for role in ROLES:
        expected, found = getattr(schema, role), tokenizer.special(role)
        if expected is not None and expected != found:
            raise _not_matching(
                f"the model's tokenizer, in which number {expected} is the {role} token",
                f"{mine}, in which " + ("there is none" if found is None else f"it is number {found}"),
            )
    if schema.sentinels and schema.sentinels != tokenizer.sentinels:
        raise _not_matching(
            f"the model's tokenizer, with {len(schema.sentinels)} sentinels from number {schema.sentinels[0]}",
            f"{mine}, with {len(tokenizer.sentinels)} sentinels"
            + (f" from number {tokenizer.sentinels[0]}" if tokenizer.sentinels else ""),
        )


def _not_matching(expected: str, found: str) -> DataError:
    return DataError(expected=expected, found=found, do="give the tokenizer.json that was saved with the model")
