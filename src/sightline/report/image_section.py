"""The page's section of a run that makes images: what it made after its looks at the validation split."""

from typing import Any

from sightline.core.errors import RunFolderError
from sightline.core.run_folder import RunFolder
from sightline.report.embedded_picture import DAMAGED, EmbeddedPicture, embedded
from sightline.report.read import evenly, reading, whole_lines

RECORD = "samples/images.jsonl"

MOST_LOOKS = 7
"""Looks whose pictures are shown: the first, the last, and some evenly between."""

BYTES = 120_000
"""A picture becomes a JPEG above this size."""


def made_images(folder: RunFolder) -> list[dict[str, Any]]:
    """The pictures of some looks, oldest first; none where the run makes no images.

    Raises:
        RunFolderError: when the record or a picture is not what a run writes; it names the file.
    """
    if not folder.has(RECORD):
        return []
    with reading(folder, RECORD):
        rows = evenly(whole_lines(folder, RECORD), MOST_LOOKS)
        files = [(int(row["step"]), str(row["file"])) for row in rows]
    return [
        {"step": step, "picture": kept_picture(folder, file, RECORD)}
        for step, file in files
        if (folder.path / file).is_file()
    ]


def kept_picture(folder: RunFolder, file: str, record: str) -> EmbeddedPicture:
    """A picture of images that a record of the run names.

    Raises:
        RunFolderError: when it lies outside the run folder or is no whole PNG file.
    """
    path = folder.path / file
    found = "outside the run folder"
    if path.resolve().is_relative_to(folder.path.resolve()):
        try:
            return embedded(path, largest=BYTES)
        except DAMAGED as error:
            found = f"which can't be read: {error}"
    raise RunFolderError(
        expected=f"PNG pictures inside {folder.path}",
        found=f"{file}, {found}",
        do=f"move {record} away: the report then leaves that part out",
    )
