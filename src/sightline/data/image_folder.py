"""A folder of images, one folder a class, with or without folders for the splits above them."""

import os
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa

from sightline.core.errors import DataError
from sightline.data.image import SUFFIXES
from sightline.data.pictures import FilePictures, entries
from sightline.data.source import ImageSource

SPLIT_FOLDERS = {
    "train": "train",
    "training": "train",
    "validation": "validation",
    "valid": "validation",
    "val": "validation",
    "test": "test",
}


def read_image_folder(root: Path) -> ImageSource:
    """Find ``root/class/image`` or ``root/{train,validation,test}/class/image``.

    Args:
        root: the folder.

    Raises:
        DataError: for an empty folder, one without class folders, or one without training images.
    """
    splits = find_splits(root)
    paths, labels, given, notes = [], [], [], []
    ignored = []
    for folder, split in splits.items() if splits else [(root, "train")]:
        for kind in subfolders(folder):
            files = list(files_below(kind))
            images = [p for p in files if p.suffix.lower() in SUFFIXES]
            others = [p for p in files if p.suffix.lower() not in SUFFIXES]
            paths += images
            labels += [kind.name] * len(images)
            given += [split] * len(images)
            ignored += [(str(p.relative_to(root)), "no image by its name") for p in others]
            if not images:
                notes.append(f"no image in {kind.relative_to(root)}")
        loose = [p for p in entries(folder) if p.is_file() and p.suffix.lower() in SUFFIXES]
        ignored += [(str(p.relative_to(root)), "beside the class folders, not in one") for p in loose]
    if not paths:
        inside = [p.name for p in entries(root)]
        listed = ", ".join(inside[:5]) + ("…" if len(inside) > 5 else "")
        raise DataError(
            expected=f"one folder a class in {root}, each with images",
            found=f"no image in any folder below it; it holds {listed}" if inside else "an empty folder",
            do="put the images of each class into a folder named after it",
        )
    return ImageSource(
        what=str(root),
        images=FilePictures(paths, root),
        target="class",
        labels=pa.chunked_array([pa.array(labels, pa.string())]),
        given=given if splits else None,
        left_out=tuple(ignored),
        notes=tuple(notes),
    )


def find_splits(root: Path) -> dict[Path, str]:
    """The folders of the splits; empty where the folders are classes.

    Raises:
        DataError: when there are folders of splits but none to train on.
    """
    names = {folder: SPLIT_FOLDERS.get(folder.name.lower()) for folder in subfolders(root)}
    splits = {folder: split for folder, split in names.items() if split is not None}
    if not splits or len(splits) < len(names):
        return {}
    if "train" not in splits.values():
        raise DataError(
            expected=f"a folder 'train' in {root}",
            found=", ".join(f.name for f in splits),
            do="add the training images, or give the folder whose folders are the classes",
        )
    return splits


def subfolders(folder: Path) -> list[Path]:
    """Folders in a folder, sorted, hidden ones left out.

    Raises:
        DataError: when the folder can't be read.
    """
    return [p for p in entries(folder) if p.is_dir()]


def files_below(folder: Path) -> Iterator[Path]:
    """Files in a folder and the folders below it, in a fixed order, hidden ones left out."""
    for place, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        yield from (Path(place, name) for name in sorted(names) if not name.startswith("."))
