"""A picture of what the network sees: training examples beside augmented copies of them."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from io import BytesIO
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont
from PIL.PngImagePlugin import PngInfo
from torch import Tensor

from sightline.core.run_folder import RunFolder
from sightline.core.schema import Schema
from sightline.core.seeds import Seeds, permutation
from sightline.data import Data, Split
from sightline.data.augment import Augmenter
from sightline.data.augment.augmenter import Augmented
from sightline.data.pixels import to_picture

GALLERY = "samples/augmented.png"
EXAMPLES = 6
COPIES = 7
TILE = 96
"""Pixels of a picture's longer side, about: small ones are enlarged by whole factors."""

GAP, MARGIN, LINE, LETTERS = 10, 18, 15, 12
NO_LETTER = "\uffff"
PAPER, INK, QUIET = (255, 255, 255), (32, 33, 36), (110, 113, 120)


@dataclass(frozen=True)
class Tile:
    """One picture of the gallery and the lines below it."""

    picture: Image.Image
    lines: tuple[str, ...]


def write_gallery(folder: RunFolder, data: Data, seed: int, epochs: int) -> Path | None:
    """Write ``samples/augmented.png``: a row an example, as it is and as epochs 1 to 7 may show it.

    Mixed examples are mixed among those shown. What is done stands in the file's description too.

    Args:
        folder: the run.
        data: its training split and its augmentations.
        seed: the run's.
        epochs: the run's; fewer than seven copies are shown where it has fewer.

    Returns:
        The file; none where nothing is augmented, or images are neither grey nor colour.

    Raises:
        RunFolderError: when it can't be written.

    Lecture: O9
    """
    if not data.spec.augment.active or data.schema.input_shape[0] not in (1, 3):
        return None
    augmenter = Augmenter(data.spec.augment, data.schema, Seeds(seed))
    about = PngInfo()
    about.add_itxt("Description", data.spec.augment.in_words())
    buffer = BytesIO()
    draw_gallery(gallery_rows(data.train, augmenter, min(epochs, COPIES))).save(
        buffer, "PNG", pnginfo=about, optimize=True
    )
    return folder.write(GALLERY, buffer.getvalue())


def gallery_rows(split: Split, augmenter: Augmenter, copies: int = COPIES) -> list[list[Tile]]:
    """Of some examples drawn at random: the picture as it is, then augmented copies of it."""
    schema = augmenter.schema
    rows = permutation(len(split), augmenter.seeds.number("sample"))[:EXAMPLES]
    images = torch.stack([_pixels(split, row) for row in rows.tolist()])
    target = split.target[rows]
    shown = [Augmented(images, target)]
    shown += [augmenter.epoch(epoch)(images, target, rows, number=0) for epoch in range(copies)]
    return [[Tile(_picture(s.images[i]), _lines(s, i, schema)) for s in shown] for i in range(len(rows))]


def draw_gallery(rows: Sequence[Sequence[Tile]]) -> Image.Image:
    """The tiles row by row, the originals apart at the left."""
    width, height = rows[0][0].picture.size
    cell = max(width, TILE)
    below = LINE * max(len(tile.lines) for row in rows for tile in row) + GAP
    columns = len(rows[0])
    epochs = "epoch 1" if columns == 2 else f"epochs 1 to {columns - 1}"
    heading = f"examples of what the network sees in {epochs}"
    across = max(columns * (cell + GAP), cell + 2 * GAP + math.ceil(_font().getlength(heading)))
    size = (2 * MARGIN + across, MARGIN + LINE + GAP + len(rows) * (height + below) + GAP)
    sheet = Image.new("RGB", size, PAPER)
    pen = ImageDraw.Draw(sheet)
    starts = [MARGIN + column * (cell + GAP) + GAP * (column > 0) for column in range(columns)]
    pen.text((starts[0], MARGIN), "as it is", QUIET, _font(), anchor="lt")
    pen.text((starts[1], MARGIN), heading, QUIET, _font(), anchor="lt")
    for number, row in enumerate(rows):
        top = MARGIN + LINE + GAP + number * (height + below)
        for start, tile in zip(starts, row, strict=True):
            sheet.paste(tile.picture, (start + (cell - width) // 2, top))
            for place, line in enumerate(tile.lines):
                at = (start + cell / 2, top + height + 3 + place * LINE)
                pen.text(at, fitted(line, cell + GAP - 4), INK, _font(), anchor="mt")
    return sheet


def fitted(words: str, width: float) -> str:
    """Words cut to a width in pixels, the cut marked.

    Example:
        >>> fitted("cat", 100), fitted("a very long name of a class", 60).endswith("…")
        ('cat', True)
    """
    if _font().getlength(words) <= width:
        return words
    while words and _font().getlength(words + "…") > width:
        words = words[:-1]
    return words + "…"


@cache
def _font() -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(LETTERS)


def _pixels(split: Split, row: int) -> Tensor:
    picture = split.picture(row)
    assert picture is not None
    pixels = torch.from_numpy(np.array(picture))
    return pixels[None] if pixels.ndim == 2 else pixels.permute(2, 0, 1)


def _picture(pixels: Tensor) -> Image.Image:
    """Enlarged by a whole factor with the pixels showing, or scaled down."""
    values = (pixels * 255).round().to(torch.uint8) if pixels.is_floating_point() else pixels
    picture = to_picture(values)
    longer = max(picture.size)
    if longer <= TILE:
        factor = TILE // longer
        return picture.resize((picture.width * factor, picture.height * factor), Image.Resampling.NEAREST)
    sides = tuple(max(1, round(side * TILE / longer)) for side in picture.size)
    return picture.resize((sides[0], sides[1]), Image.Resampling.LANCZOS)


def _lines(shown: Augmented, row: int, schema: Schema) -> tuple[str, ...]:
    """An example's label; of a mixed one both, with their shares."""
    own = _name(shown.target[row], schema)
    if shown.mix is None:
        return (own,)
    other, share = _name(shown.mix.partner[row], schema), float(shown.mix.share[row])
    if own == other or share >= 0.995:
        return (own,)
    kept = round(100 * share)
    return (f"{own} ({kept} %)", f"+ {other} ({100 - kept} %)")


def _name(target: Tensor, schema: Schema) -> str:
    """A class by its name on one line, or by its number from 0 where the font has not all the letters."""
    if schema.task == "none":
        return ""
    if not schema.classes:
        return f"{float(target):.4g}"
    letters = schema.classes[int(target)]
    name = " ".join("".join(c if c.isprintable() else " " for c in letters).split())
    return name if name and all(map(_has_glyph, name)) else f"class {int(target)}"


@cache
def _has_glyph(letter: str) -> bool:
    """Whether the font draws a letter otherwise than as the box for what it lacks."""
    try:
        found, box = (_font().getmask(c) for c in (letter, NO_LETTER))
    except UnicodeEncodeError:  # a font of Latin letters only
        return letter.isascii()
    return letter == " " or (found.size, bytes(found)) != (box.size, bytes(box))
