"""Texts: read, counted and described."""

import gzip
import zlib
from collections import Counter
from pathlib import Path

from sightline.core.errors import DataError
from sightline.core.schema import Schema
from sightline.data.data import Data
from sightline.data.duplicates import fingerprint
from sightline.data.found import Found
from sightline.data.pictures import read_bytes
from sightline.data.source import TextSource
from sightline.data.spec import DataSpec
from sightline.data.split import EmptySplit
from sightline.data.splits import SPLIT_NAMES


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


def text_data(spec: DataSpec, source: TextSource) -> Data:
    """Count what a text holds. There is nothing to predict in it: its splits are empty and say so.

    Args:
        spec: what was asked for.
        source: the text.

    Raises:
        DataError: for an empty text.
    """
    text = source.text
    if not text:
        raise DataError(expected=f"text in {source.what}", found="an empty file", do="check that it is the right file")
    letters = Counter(text)
    counts = {
        "characters": len(text),
        "lines": len(text.splitlines()),
        "words": len(text.split()),
        "distinct characters": len(letters),
    }
    found = Found(
        kind="text",
        task="none",
        what=f"{source.what}: a text of {len(text):,} characters, {len(letters)} of them different",
        counts=counts,
        notes=("most frequent: " + " ".join(repr(c) for c, _ in letters.most_common(8)),),
    )
    schema = Schema(kind="text", task="none", input_shape=(), target="")
    do = "give images by class or a table with --target; `sightline data` describes the text"
    train, validation, test = (EmptySplit(name, f"{source.what}, a text", do) for name in SPLIT_NAMES)
    return Data(spec.source, spec, schema, train, validation, test, found, fingerprint(text.encode()))
