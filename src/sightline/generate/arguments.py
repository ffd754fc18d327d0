"""What decoding is asked for, checked before anything is decoded."""

from collections.abc import Sequence
from numbers import Integral
from typing import Any

from sightline.core.errors import ConfigurationError, InputError
from sightline.core.kinds import require_kind
from sightline.generate.rules import Rule, require_known
from sightline.generate.stepwise import Limits

MOST_TOKENS = 100_000_000
"""New tokens of one call at most, those of all prompts together: room for them is taken before the first is known."""


def require_options(rules: Sequence[Rule], stream: object, batch_size: int, seed: int) -> None:
    """Refuse options of the wrong kind, and a batch of no prompt.

    Raises:
        ConfigurationError: naming the option.

    Example:
        >>> require_options([], None, 32, 0)
    """
    require_kind(batch_size, Integral, "batch_size", "use 32")
    require_kind(seed, Integral, "seed", "use 0")
    if batch_size < 1:
        raise ConfigurationError(expected="batch_size of at least 1", found=f"batch_size = {batch_size}", do="use 32")
    require_kind(rules, (list, tuple), "rules", "give rules=[NoRepeatedNgram(3)], for one", expected="rules in a list")
    wrong = next((rule for rule in [*rules, *([] if stream is None else [stream])] if not callable(rule)), None)
    if wrong is not None:
        raise ConfigurationError(
            expected="rules as functions of scores, and stream as a function of (prompt, token)",
            found=f"{wrong!r}, which can't be called",
            do="give NoRepeatedNgram(3), for one, or leave it out",
        )


def checked_ends(end: int | Sequence[int]) -> tuple[int, ...]:
    """The tokens that end a text, each once.

    Raises:
        ConfigurationError: for anything but numbers of tokens.

    Example:
        >>> checked_ends(3), checked_ends([3, 4, 3])
        ((3,), (3, 4))
    """
    tokens: Sequence[Any] = end if isinstance(end, Sequence) and not isinstance(end, str) else [end]
    for token in tokens:
        require_kind(token, Integral, "end", "give the number of the end token", expected="numbers of tokens")
    return tuple(dict.fromkeys(map(int, tokens)))


def checked_limits(longest: int, shortest: int, end: tuple[int, ...], prompts: int) -> Limits:
    """When a text ends.

    Args:
        longest: most new tokens.
        shortest: new tokens before an end token may come.
        end: tokens that end a text.
        prompts: how many there are.

    Raises:
        ConfigurationError: for a number of the wrong kind, or out of its range.

    Example:
        >>> checked_limits(9, 0, (4,), 1).longest
        9
    """
    require_kind(longest, Integral, "max_new_tokens", "give max_new_tokens=100")
    require_kind(shortest, Integral, "min_new_tokens", "leave it out for none")
    most = MOST_TOKENS // max(prompts, 1)
    if not 1 <= longest <= most:
        given = "a prompt" if prompts == 1 else f"{prompts:,} prompts"
        raise ConfigurationError(
            expected=f"max_new_tokens of at least 1, and at most {most:,} for {given}",
            found=f"max_new_tokens = {longest}",
            do="use 100" if most >= 100 else "give fewer prompts in one call",
        )
    if not 0 <= shortest <= longest:
        raise ConfigurationError(
            expected=f"min_new_tokens from 0 to max_new_tokens, {longest}",
            found=f"min_new_tokens = {shortest}",
            do="ask for fewer at least, or allow more",
        )
    return Limits(longest=int(longest), end=end, shortest=int(shortest))


def checked_prompts(
    prompts: Sequence[Sequence[int]], begin: int | None, vocabulary_size: int | None
) -> list[list[int]]:
    """The prompts' tokens; one without any becomes the token that begins a text.

    Raises:
        InputError: for what is no list of numbers, an empty prompt, or a token that the model does not know.

    Example:
        >>> checked_prompts([[1, 2], []], 0, 9)
        [[1, 2], [0]]
    """
    encode, numbers = "encode texts with the model's tokenizer, or call generate_text", "lists of numbers of tokens"
    rows: Any = _listed(prompts)
    require_kind(rows, (list, tuple), "prompts", encode, expected=numbers, error=InputError)
    checked = []
    for number, prompt in enumerate(rows):
        tokens: Any = _listed(prompt)
        require_kind(tokens, (list, tuple, range), f"prompt {number}", encode, expected=numbers, error=InputError)
        tokens = list(map(_listed, tokens))
        for token in tokens:
            require_kind(token, Integral, f"prompt {number}", encode, expected=numbers, error=InputError)
        tokens = [int(token) for token in tokens] or ([] if begin is None else [begin])
        if not tokens:
            raise InputError(
                expected="at least one token in every prompt: there is no token that begins a text",
                found=f"prompt {number} is empty",
                do="write some text, or name the token that begins one: begin=...",
            )
        require_known(tokens, vocabulary_size, f"in prompt {number}: token")
        checked.append(tokens)
    return checked


def _listed(value: object) -> object:
    """Arrays and tensors as lists and numbers."""
    return value.tolist() if hasattr(value, "tolist") else value
