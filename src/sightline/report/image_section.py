"""The page's section of a run that makes images: what it made after its looks at the validation split."""

from base64 import b64encode
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

from PIL import Image

from sightline.core.errors import RunFolderError
from sightline.core.files import from_json
from sightline.core.run_folder import RunFolder
from sightline.report.read import Row, reading

RECORD = "samples/images.jsonl"

MOST_LOOKS = 7
"""Looks whose pictures are shown: the first, the last, and some evenly between."""

BYTES = 120_000
"""A picture becomes a JPEG above this size."""


def made_images(folder: RunFolder) -> list[dict[str, Any]]:
    """The pictures of some looks as data URIs, oldest first; none where the run makes no images.

    Raises:
        RunFolderError: when the record or a picture is not what a run writes; it names the file.
    """
    if not folder.has(RECORD):
        return []
    with reading(folder, RECORD):
        text = folder.text(RECORD)
        lines = text.splitlines() if text.endswith("\n") else text.splitlines()[:-1]
        rows = chosen([dict(from_json(line)) for line in lines])
        files = [(int(row["step"]), str(row["file"])) for row in rows]
    return [{"step": step, **_picture(folder, file)} for step, file in files if (folder.path / file).is_file()]


def chosen(rows: Sequence[Row], most: int = MOST_LOOKS) -> list[Row]:
    """At most so many rows: the first, the last, and some evenly between.

    Example:
        >>> [row["step"] for row in chosen([{"step": i} for i in range(10)], 3)]
        [0, 4, 9]
    """
    if len(rows) <= most:
        return list(rows)
    return [rows[place * (len(rows) - 1) // (most - 1)] for place in range(most)]


def _picture(folder: RunFolder, file: str) -> dict[str, Any]:
    path: Path = folder.path / file
    found = "outside the run folder"
    if path.resolve().is_relative_to(folder.path.resolve()):
        try:
            with Image.open(path, formats=["PNG"]) as picture:
                picture.load()
                content, kind = path.read_bytes(), "png"
                if len(content) > BYTES:
                    buffer = BytesIO()
                    picture.convert("RGB").save(buffer, "JPEG", quality=85)
                    content, kind = buffer.getvalue(), "jpeg"
                uri = f"data:image/{kind};base64," + b64encode(content).decode()
                return {"uri": uri, "width": picture.width, "height": picture.height}
        except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
            found = f"which can't be read: {error}"
    raise RunFolderError(
        expected=f"PNG pictures of samples inside {folder.path}",
        found=f"{file}, {found}",
        do=f"move {RECORD} away: the report then leaves that part out",
    )
