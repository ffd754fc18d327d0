"""Pictures of a run folder inside the page: PNG files as data URIs."""

from base64 import b64encode
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

from PIL import Image


@dataclass(frozen=True)
class EmbeddedPicture:
    """A picture as the page holds it.

    Args:
        uri: its bytes.
        width: in pixels.
        height: in pixels.
        words: the description that the file carries.
    """

    uri: str
    width: int
    height: int
    words: str = ""


DAMAGED = (OSError, SyntaxError, ValueError, Image.DecompressionBombError)
"""What a file that is no whole PNG raises."""


def embedded(path: Path, *, largest: int) -> EmbeddedPicture:
    """A PNG file as a data URI: its own bytes, or a JPEG where these are more than ``largest``.

    Args:
        path: the file.
        largest: most bytes of a PNG.

    Raises:
        DAMAGED: one of them, where the file is no whole PNG.
    """
    with Image.open(path, formats=["PNG"]) as picture:
        picture.load()
        content = path.read_bytes()
        if len(content) > largest:
            buffer = BytesIO()
            picture.convert("RGB").save(buffer, "JPEG", quality=85)
            content = buffer.getvalue()
        words = str(picture.info.get("Description", ""))
        return EmbeddedPicture(data_uri(content), picture.width, picture.height, words)


def data_uri(content: bytes) -> str:
    """The bytes of a PNG or a JPEG as a data URI.

    Example:
        >>> data_uri(b"\\x89PNG")
        'data:image/png;base64,iVBORw=='
    """
    kind = "png" if content.startswith(b"\x89PNG") else "jpeg"
    return f"data:image/{kind};base64," + b64encode(content).decode()
