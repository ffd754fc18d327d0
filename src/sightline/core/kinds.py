"""Values of the wrong Python type, refused by name before anything is done with them."""

from numbers import Integral, Real
from typing import Any

from sightline.core.errors import ConfigurationError, SightlineError

WORDS: dict[type, str] = {Integral: "a whole number", Real: "a number", str: "text"}
"""What we call types; others by their own names."""


def require_kind(
    value: object,
    kinds: type | tuple[type, ...],
    name: str,
    do: str,
    *,
    expected: str = "",
    error: type[SightlineError] = ConfigurationError,
) -> None:
    """Refuse a value that is of none of some types; true and false are no numbers.

    Args:
        value: what was given.
        kinds: the types; ``Integral`` and ``Real`` of ``numbers`` take NumPy's numbers too.
        name: of the option or input, for the message.
        do: what to give instead.
        expected: what was needed, in words; by default the types' own.
        error: the class that is raised.

    Raises:
        SightlineError: of that class.

    Example:
        >>> require_kind("5", Integral, "max_new_tokens", "give max_new_tokens=100")
        Traceback (most recent call last):
        sightline.core.errors.ConfigurationError: expected:   max_new_tokens: a whole number
        found:      '5', of type str
        what to do: give max_new_tokens=100
    """
    kinds = kinds if isinstance(kinds, tuple) else (kinds,)
    if isinstance(value, kinds) and (not isinstance(value, bool) or bool in kinds):
        return
    raise error(
        expected=f"{name}: " + (expected or " or ".join(WORDS.get(kind, kind.__name__) for kind in kinds)),
        found="None" if value is None else f"{shown(value)}of type {type(value).__name__}",
        do=do,
    )


def shown(value: Any) -> str:
    """A short value as it would be written, before its type; nothing for a long one.

    Example:
        >>> shown(2.5), shown("x" * 99)
        ('2.5, ', '')
    """
    if not isinstance(value, str | bytes | Real):
        return ""
    text = repr(value)
    return f"{text}, " if len(text) <= 40 else ""


def with_article(name: str) -> str:
    """A class's name as it is said: "an" before a vowel, and before a letter that is read as one begins.

    Example:
        >>> [with_article(name) for name in ("int", "str", "MLP", "UNet", "Encoder")]
        ['an int', 'a str', 'an MLP', 'a UNet', 'an Encoder']
    """
    by_letters = name[:2].isupper()
    vowels = "AEFHILMNORSX" if by_letters else "aeioAEIO"
    return f"{'an' if name[:1] in tuple(vowels) else 'a'} {name}"


def a_kind(value: object) -> str:
    """What a value is: "an int", "a str".

    Example:
        >>> a_kind(5)
        'an int'
    """
    return with_article(type(value).__name__)
