"""A folder of images, with or without a folder for each class, and with or without folders for the splits above."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pyarrow as pa

from sightline.data.image import SUFFIXES
from sightline.data.pictures import FilePictures, entries
from sightline.data.source import ImageSource
from sightline.data.unusable_folder import no_image, no_training_images

SPLIT_FOLDERS = {
    "train": "train",
    "training": "train",
    "validation": "validation",
    "valid": "validation",
    "val": "validation",
    "test": "test",
}
NO_IMAGE = "no image by its name"
TARGET = "class"
"""What the folders of a folder of images tell."""


def read_image_folder(root: Path) -> ImageSource:
    """Find ``root/class/image`` or ``root/{train,validation,test}/class/image``; the same without classes else.

    Images that lie beside class folders belong to none of them and are left out.

    Args:
        root: the folder.

    Raises:
        DataError: for an empty folder, one without images, or one without training images.
    """
    splits = find_splits(root)
    found = _by_class(root, splits) or _without_classes(root, splits) or _without_classes(root, {})
    return found or no_image(root, files_below(root))


def _by_class(root: Path, splits: dict[Path, str]) -> ImageSource | None:
    """The images of class folders; none where no folder has any."""
    paths, labels, given, notes = [], [], [], []
    ignored = []
    for folder, split in _folders(root, splits):
        for kind in subfolders(folder):
            images, others = _divided(files_below(kind))
            paths += images
            labels += [kind.name] * len(images)
            given += [split] * len(images)
            ignored += [(str(p.relative_to(root)), NO_IMAGE) for p in others]
            if not images:
                notes.append(f"no image in {kind.relative_to(root)}")
        loose, _ = _divided(p for p in entries(folder) if p.is_file())
        ignored += [(str(p.relative_to(root)), "beside the class folders, not in one") for p in loose]
    if not paths:
        return None
    if splits and "train" not in given:
        raise no_training_images(root, splits)
    return ImageSource(
        what=str(root),
        images=FilePictures(paths, root),
        target=TARGET,
        labels=pa.chunked_array([pa.array(labels, pa.string())]),
        given=given if splits else None,
        left_out=tuple(ignored),
        notes=tuple(notes),
    )


def _without_classes(root: Path, splits: dict[Path, str]) -> ImageSource | None:
    """The images that lie in the folder itself, or in those of the splits; none where there are none."""
    paths, given = [], []
    ignored = []
    for folder, split in _folders(root, splits):
        images, others = _divided(p for p in entries(folder) if p.is_file())
        paths += images
        given += [split] * len(images)
        ignored += [(str(p.relative_to(root)), NO_IMAGE) for p in others]
    if not paths:
        return None
    if splits and "train" not in given:
        raise no_training_images(root, splits)
    return ImageSource(
        what=str(root),
        images=FilePictures(paths, root),
        target="",
        labels=None,
        given=given if splits else None,
        left_out=tuple(ignored),
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
        raise no_training_images(root, splits)
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


def _folders(root: Path, splits: dict[Path, str]) -> Sequence[tuple[Path, str]]:
    return list(splits.items()) or [(root, "train")]


def _divided(files: Iterator[Path]) -> tuple[list[Path], list[Path]]:
    """Images by their names, and the rest."""
    images: list[Path] = []
    others: list[Path] = []
    for file in files:
        (images if file.suffix.lower() in SUFFIXES else others).append(file)
    return images, others


def without_single_class(source: ImageSource) -> ImageSource:
    """A source whose images all lie in one class folder, as one without classes: one name tells nothing apart.

    Args:
        source: from anywhere; others stay as they are.
    """
    if source.labels is None or source.target != TARGET or len(source.labels.unique()) > 1:
        return source
    note = f"all images are in one folder, {source.labels[0]}: they have no classes"
    return replace(source, target="", labels=None, notes=(*source.notes, note))
