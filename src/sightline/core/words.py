"""Options that are one word of a few: what is none of them is refused by name."""

from collections.abc import Iterable
from typing import TypeVar

from sightline.core.errors import ConfigurationError, near

W = TypeVar("W", bound=str)


def one_of(value: W, allowed: Iterable[str], name: str) -> W:
    """The value, if it is one of the words allowed.

    Args:
        value: what was given.
        allowed: the words, for example ``get_args`` of a ``Literal``.
        name: of the option, for the message.

    Raises:
        ConfigurationError: for any other value; it suggests the words that are close.

    Example:
        >>> one_of("small", ["large", "small"], "stem")
        'small'
    """
    words = tuple(allowed)
    if value not in words:
        raise ConfigurationError(
            expected=f"{name}: one of {', '.join(words)}", found=f"{name} = {value!r}", do=near(str(value), words)
        )
    return value
