"""What a reader hands on: examples as they stand, neither split nor standardised."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from sightline.data.decode_set import Decoded
from sightline.data.pictures import Pictures


@dataclass(frozen=True)
class ImageSource:
    """Images and what they show.

    Args:
        what: where they are from, in a few words.
        images: encoded, or decoded already.
        target: name of what is to be predicted; empty where nothing is.
        labels: its values, one an image: names, numbers of ``classes``, or numbers; none: nothing is to be predicted.
        classes: names of the classes, where the source gives them.
        given: the split of each image, where the source gives it.
        left_out: what was passed over.
        notes: what else the account should say.
    """

    what: str
    images: Pictures | Decoded
    target: str
    labels: pa.ChunkedArray | None
    classes: Sequence[str] | None = None
    given: Sequence[str] | None = None
    left_out: tuple[tuple[str, str], ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class TableSource:
    """Rows of columns.

    Args:
        what: where they are from, in a few words.
        table: all rows.
        target: name of the column to predict, where the source gives it.
        classes: names of the target's classes, where the source gives them.
        given: the split of each row, where the source gives it.
        notes: what else the account should say.
    """

    what: str
    table: pa.Table
    target: str | None = None
    classes: Sequence[str] | None = None
    given: Sequence[str] | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class TextSource:
    """Text files.

    Args:
        what: where they are, in a few words.
        files: of a folder, in a fixed order; or the one.
        root: the folder, or the file itself.
    """

    what: str
    files: tuple[Path, ...]
    root: Path


Source = ImageSource | TableSource | TextSource
