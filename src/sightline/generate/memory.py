"""Memory that decoding asks for and does not get, told in our words."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

from sightline.core.errors import ConfigurationError

_MEMORY = re.compile(r"allocate|out of memory|buffer size|storage size|numel: integer multiplication overflow", re.I)


@contextmanager
def telling_memory() -> Iterator[None]:
    """Turn what Python and torch raise for want of memory into an error that says how to need less.

    Raises:
        ConfigurationError: in place of it; all else goes on as it is.

    Lecture: X8

    Example:
        >>> with telling_memory():
        ...     raise MemoryError
        Traceback (most recent call last):
        sightline.core.errors.ConfigurationError: expected:   memory for texts of this length, side by side
        found:      MemoryError
        what to do: ask for fewer tokens, a narrower beam, or fewer texts at a time (batch_size)
    """
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if not isinstance(error, MemoryError) and not _MEMORY.search(str(error)):
            raise
        line = (str(error).strip().splitlines() or [""])[0][:200]
        raise ConfigurationError(
            expected="memory for texts of this length, side by side",
            found=f"{type(error).__name__}{': ' if line else ''}{line}",
            do="ask for fewer tokens, a narrower beam, or fewer texts at a time (batch_size)",
        ) from error
