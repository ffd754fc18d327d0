"""A folder in which nothing can be loaded: why not, and what would mend it, as the files in it suggest."""

from collections.abc import Iterable
from itertools import islice
from pathlib import Path
from typing import NoReturn

from sightline.core.errors import DataError
from sightline.data.pictures import entries

REMEDIES = (
    ((".zip", ".tar", ".tgz", ".7z", ".rar", ".gz", ".bz2", ".xz"), "an archive", "unpack it"),
    ((".heic", ".heif", ".avif", ".svg", ".psd", ".raw", ".dng", ".jp2"), "an image of a kind that is not read",
     "save the images as PNG or JPEG"),
    ((".npy", ".npz", ".mat", ".h5", ".hdf5", ".pt", ".pth", ".pkl", ".tfrecord"), "an array",
     "write images as PNG, or numbers as a CSV or Parquet table"),
    ((".xls", ".xlsx", ".ods", ".feather", ".arrow", ".db", ".sqlite"), "a table of a kind that is not read",
     "save the table as CSV or Parquet, and give that file"),
    ((".pdf", ".doc", ".docx", ".odt", ".rtf", ".html", ".htm", ".epub"), "a document", "save its text as .txt"),
    ((".json", ".jsonl", ".conll"), "a file that is loaded by its own name", "give that file itself"),
)  # fmt: skip
"""Endings of files that people have their data in, what each is, and how it becomes one that is read."""


LOOKED_AT = 1000
"""Files that a remedy is sought for."""


def no_image(root: Path, files: Iterable[Path]) -> NoReturn:
    """Refuse a folder without images, tables or texts.

    Args:
        root: the folder.
        files: those in it and the folders below it.

    Raises:
        DataError: always.
    """
    inside = [p.name for p in entries(root)]
    if not inside:
        raise DataError(
            expected=f"images, a table or texts in {root}", found="an empty folder", do="check that it is the right one"
        )
    listed = ", ".join(inside[:5]) + ("…" if len(inside) > 5 else "")
    what, do = _suggested([file.name for file in islice(files, LOOKED_AT)])
    raise DataError(
        expected=f"images, a table (.csv, .tsv, .parquet) or texts (.txt) in {root}",
        found=f"none in it or its folders; it holds {listed}{what}",
        do=do,
    )


def no_training_images(root: Path, splits: Iterable[Path]) -> DataError:
    """The error for folders of splits of which none has images to train on."""
    return DataError(
        expected=f"a folder 'train' with images in {root}, in class folders if those of the other splits are",
        found=", ".join(f.name for f in splits),
        do="add the training images, or give the folder whose folders are the classes",
    )


def _suggested(names: list[str]) -> tuple[str, str]:
    """What one of the files is, and what to do with it."""
    for endings, what, do in REMEDIES:
        known = next((name for name in names if name.lower().endswith(endings)), None)
        if known is not None:
            return f"; {known} is {what}", do
    return "", "put images there, in one folder a class for a network that tells classes; or give another folder"
