"""Text files: packed or not, UTF-8."""

import gzip
import zlib
from collections.abc import Iterable
from pathlib import Path

from sightline.core.errors import DataError
from sightline.data.pictures import read_bytes

TEXT_SUFFIXES = (".txt", ".txt.gz", ".text")
"""What text files in a folder are called."""


def is_text_file(path: Path) -> bool:
    """Whether a file is a text by its name.

    Example:
        >>> is_text_file(Path("novel.txt.gz")), is_text_file(Path("notes.md"))
        (True, False)
    """
    return path.name.lower().endswith(TEXT_SUFFIXES)


def read_plain(path: Path) -> bytes:
    """A file's bytes, unpacked where its name ends in .gz.

    Raises:
        DataError: when it can't be read or unpacked.
    """
    content = read_bytes(path)
    if path.suffix.lower() != ".gz":
        return content
    try:
        return gzip.decompress(content)
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(
            expected=f"a whole gzip file at {path}", found=str(error), do="fetch or pack the file again"
        ) from error


def to_text(content: bytes, path: Path) -> str:
    """UTF-8 bytes as text, a byte order mark left away.

    Raises:
        DataError: naming the first byte that is no UTF-8.

    Example:
        >>> to_text(b"caf\\xe9", Path("menu.txt"))
        Traceback (most recent call last):
        sightline.core.errors.DataError: expected:   UTF-8 text in menu.txt
        found:      byte 3 is 0xe9, which is no UTF-8 there
        what to do: save the file as UTF-8
    """
    try:
        return content.decode("utf-8").removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        raise DataError(
            expected=f"UTF-8 text in {path}",
            found=f"byte {error.start} is 0x{content[error.start]:02x}, which is no UTF-8 there",
            do="save the file as UTF-8",
        ) from error


def read_text(path: Path) -> str:
    """A text file's text.

    Raises:
        DataError: when it can't be read or unpacked, or is no UTF-8.
    """
    return to_text(read_plain(path), path)


def stem(path: Path) -> str:
    """A text file's name without what says that it is one.

    Example:
        >>> stem(Path("books/emma.txt.gz"))
        'emma'
    """
    name = path.name
    for suffix in sorted(TEXT_SUFFIXES, key=len, reverse=True):
        if name.lower().endswith(suffix):
            return name[: -len(suffix)]
    return name


def text_files(paths: Iterable[Path]) -> tuple[Path, ...]:
    """The text files among others."""
    return tuple(path for path in paths if is_text_file(path))
