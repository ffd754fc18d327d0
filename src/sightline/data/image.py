"""One image, from any file's bytes to uint8 pixels; every fault is an error that names the file."""

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps, UnidentifiedImageError

from sightline.core.errors import DataError

Image.init()
FORMATS = tuple(f for f in ("PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP", "PPM") if f in Image.OPEN)
"""Formats that are tried; those that run other programs (EPS) are not."""

SUFFIXES = frozenset(
    (".png", ".jpg", ".jpeg", ".jfif", ".gif", ".bmp", ".tif", ".tiff", ".webp", ".ppm", ".pgm", ".pbm")
)
GREY = frozenset(("1", "L", "LA", "La", "I", "I;16", "I;16B", "I;16L", "I;16N"))
WITH_ALPHA = frozenset(("LA", "La", "PA", "RGBA", "RGBa"))

Pixels = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Header:
    """What a file says of its image before its pixels are decoded.

    Args:
        width: in pixels, after the camera's orientation is applied.
        height: in pixels, likewise.
        grey: whether it has no colour.
        animated: whether it has more than one frame; the first is used.
    """

    width: int
    height: int
    grey: bool
    animated: bool


@contextmanager
def quiet() -> Iterator[None]:
    """Silence Pillow's warnings on odd files; for the main thread, around its workers too."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def read_header(content: bytes, name: str) -> Header:
    """Size and kind of an image, without decoding it.

    Args:
        content: the file.
        name: of the file, for messages.

    Raises:
        DataError: when it is no image, or too large to be one in earnest.
    """
    with _reading(name, content), _open(content) as image:
        width, height = image.size
        if "exif" in image.info and image.getexif().get(0x0112, 1) >= 5:
            width, height = height, width
        return Header(width, height, image.mode in GREY, getattr(image, "n_frames", 1) > 1)


def decode(content: bytes, name: str, height: int, width: int, channels: int) -> Pixels:
    """Decode an image to one size: centre-cropped to the shape, then resized.

    Orientation is applied, transparency laid on white, CMYK and palettes turned into RGB, 16-bit grey
    divided by 257; of an animation the first frame is used.

    Shapes:
        returns (channels, height, width) uint8

    Args:
        content: the file.
        name: of the file, for messages.
        height: wanted, in pixels.
        width: wanted, in pixels.
        channels: 1 (grey) or 3 (RGB).

    Raises:
        DataError: when it is no image, is truncated, or has pixels of a kind that can't be shown.

    Example:
        >>> file = io.BytesIO()
        >>> Image.new("RGBA", (9, 5), (0, 0, 0, 0)).save(file, "PNG")
        >>> decode(file.getvalue(), "x.png", 2, 2, 3).tolist()[0]
        [[255, 255], [255, 255]]
    """
    with _reading(name, content), _open(content) as opened:
        if opened.format == "JPEG":
            side = 2 * max(width, height)
            opened.draft("L" if channels == 1 else "RGB", (side, side))
        image: Image.Image = opened
        image.load()
        if "exif" in image.info:
            image = ImageOps.exif_transpose(image)
        image = _to_mode(image, "L" if channels == 1 else "RGB", name)
        if image.size != (width, height):
            image = ImageOps.fit(image, (width, height), Image.Resampling.BILINEAR)
        array = np.array(image, dtype=np.uint8)
        return array[None] if channels == 1 else np.ascontiguousarray(array.transpose(2, 0, 1))


def _open(content: bytes) -> Image.Image:
    return Image.open(io.BytesIO(content), formats=FORMATS)


def _to_mode(image: Image.Image, mode: str, name: str) -> Image.Image:
    if image.mode in ("F", "I") or image.mode.startswith("I;"):
        image = _from_deep_grey(image, name)
    if image.mode in WITH_ALPHA or "transparency" in image.info:
        image = image.convert("RGBA")
        white = Image.new("RGBA", image.size, (255, 255, 255, 255))
        image = Image.alpha_composite(white, image)
    if image.mode == mode:
        return image
    return image.convert("RGB").convert(mode) if image.mode == "CMYK" else image.convert(mode)


def _from_deep_grey(image: Image.Image, name: str) -> Image.Image:
    """16-bit grey as 8-bit: 0 … 65535 → 0 … 255."""
    values = np.asarray(image)
    if image.mode == "F" or values.min() < 0 or values.max() > 65535:
        raise DataError(
            expected=f"8 or 16 bits a pixel in {name}",
            found="floating-point pixels" if image.mode == "F" else f"pixels from {values.min()} to {values.max()}",
            do="save the image as 8-bit PNG",
        )
    return Image.fromarray(np.round(values / 257).astype(np.uint8))


@contextmanager
def _reading(name: str, content: bytes) -> Iterator[None]:
    """Turn whatever a decoder raises into an error that names the file."""
    try:
        yield
    except DataError:
        raise
    except Image.DecompressionBombError as error:
        raise DataError(
            expected=f"an image of a size that can be decoded safely in {name}",
            found=str(error),
            do="make the image smaller, or take the file away",
        ) from error
    except Exception as error:  # decoders raise almost anything on broken bytes
        raise DataError(
            expected=f"a whole image in {name}",
            found=_describe(content, error),
            do="replace the file by a good copy, or take it away",
        ) from error


def _describe(content: bytes, error: Exception) -> str:
    if not content:
        return "an empty file"
    if isinstance(error, UnidentifiedImageError):
        head = content[:64]
        text = head.isascii() and all(b >= 32 or b in b"\t\r\n" for b in head)
        return "text, no image" if text else f"no known image format; it starts with {head[:8].hex(' ')}"
    return f"{len(content):,} bytes that can't be decoded: {str(error) or type(error).__name__}"
