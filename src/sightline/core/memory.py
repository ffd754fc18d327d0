"""Memory that is asked for and not there, told in our words."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

from sightline.core.errors import ConfigurationError

_MEMORY = re.compile(r"allocate|out of memory|buffer size|storage size|numel: integer multiplication overflow", re.I)


@contextmanager
def telling_memory(what: str, do: str) -> Iterator[None]:
    """Turn what Python and torch raise for want of memory into an error that says how to need less.

    Args:
        what: the memory is for.
        do: how to need less.

    Raises:
        ConfigurationError: in place of it; all else goes on as it is.

    Example:
        >>> with telling_memory("a table of a million rows", "take fewer rows"):
        ...     raise MemoryError
        Traceback (most recent call last):
        sightline.core.errors.ConfigurationError: expected:   memory for a table of a million rows
        found:      MemoryError
        what to do: take fewer rows
    """
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if not isinstance(error, MemoryError) and not _MEMORY.search(str(error)):
            raise
        line = (str(error).strip().splitlines() or [""])[0][:200]
        raise ConfigurationError(
            expected=f"memory for {what}",
            found=f"{type(error).__name__}{': ' if line else ''}{line}",
            do=do,
        ) from error
