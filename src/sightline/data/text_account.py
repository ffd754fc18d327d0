"""What is said of texts: how much of each split, how well the vocabulary fits, and how it begins."""

from collections.abc import Mapping, Sequence

from sightline.core.schema import Schema
from sightline.data.duplicates import Hashes, find_duplicates
from sightline.data.found import Found
from sightline.data.spec import DataSpec
from sightline.data.split import Split
from sightline.data.splits import SPLIT_NAMES, SplitName
from sightline.data.token_array import Stored
from sightline.data.tokenizer import Tokenizer

SHOWN = 16
"""Tokens of the beginning that are shown."""


def text_found(
    spec: DataSpec,
    what: str,
    schema: Schema,
    splits: Mapping[SplitName, Split],
    kept: Stored,
    tokenizer: Tokenizer,
    *,
    balance: Mapping[str, Mapping[str, int]] | None = None,
    left_out: Sequence[tuple[str, str]] = (),
    notes: Sequence[str] = (),
) -> Found:
    """The account of a text.

    Args:
        spec: what was asked for.
        what: where the text is from, and what it is.
        schema: what became of it.
        splits: its examples.
        kept: its tokens and the facts about them.
        tokenizer: whose tokens they are.
        balance: examples of each class in each split.
        left_out: what was not used, and why.
        notes: everything else worth knowing.
    """
    facts = kept.facts
    hashes: dict[str, Hashes] = {
        name: kept[f"{name}-hashes"].view("V16") for name in SPLIT_NAMES if f"{name}-hashes" in kept.arrays
    }
    return Found(
        kind="text",
        task=schema.task,
        what=f"{what}; {in_words(spec, tokenizer)}",
        counts={name: len(splits[name]) for name in SPLIT_NAMES},
        balance=balance or {},
        input_shape=schema.input_shape,
        left_out=tuple(left_out),
        duplicates=tuple(find_duplicates(hashes)),
        notes=(
            *(split_line(name, facts["counts"][name]) for name in SPLIT_NAMES if facts["counts"][name]["documents"]),
            f"it begins {facts['beginning']!r}",
            "its first tokens: " + "|".join(tokenizer.pieces(first_tokens(tokenizer, facts["beginning"]))),
            *cut_off_note(facts["cut_off"], spec.text.length),
            *notes,
            *([kept.note] if kept.note else []),
        ),
    )


def in_words(spec: DataSpec, tokenizer: Tokenizer) -> str:
    """The tokenizer in a few words."""
    from_where = "" if spec.text.tokenizer == tokenizer.kind else f" from {spec.text.tokenizer}"
    return f"{tokenizer.vocabulary_size:,} different tokens ({tokenizer.kind}{from_where})"


def split_line(name: str, count: Mapping[str, int]) -> str:
    """One split's figures.

    Example:
        >>> split_line(
        ...     "test",
        ...     {"characters": 12, "bytes": 14, "lines": 2, "words": 3, "documents": 1, "tokens": 7, "unknown": 1},
        ... )
        'test: 12 characters, 2 lines, 3 words, 1 document, 7 tokens of 2.00 bytes, 14.29 % of them unknown'
    """
    documents = f"{count['documents']:,} document{'' if count['documents'] == 1 else 's'}"
    tokens = max(count["tokens"], 1)
    return (
        f"{name}: {count['characters']:,} characters, {count['lines']:,} lines, {count['words']:,} words, {documents}, "
        f"{count['tokens']:,} tokens of {count['bytes'] / tokens:.2f} bytes, "
        f"{count['unknown'] / tokens:.2%} of them unknown".replace("%", " %")
    )


def first_tokens(tokenizer: Tokenizer, text: str) -> list[int]:
    """The first tokens of a text."""
    return tokenizer.encode(text)[:SHOWN]


def cut_off_note(count: int, length: int) -> list[str]:
    """What is said of documents that are too long."""
    if not count:
        return []
    verb = "document is" if count == 1 else "documents are"
    return [f"{count:,} {verb} longer than {length} tokens: what stands behind is left out (--data.text.length)"]
