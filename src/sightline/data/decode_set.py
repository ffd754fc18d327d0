"""Many encoded images: which can be used, to what size they go, and their pixels."""

from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
import torch
from jaxtyping import Int, UInt8
from torch import Tensor

from sightline.core.errors import DataError
from sightline.core.progress import progress
from sightline.data import cache
from sightline.data.duplicates import Hashes, as_hashes, content_hash, fingerprint
from sightline.data.image import Header, Pixels, decode, quiet, read_header
from sightline.data.pictures import Pictures
from sightline.data.spec import DataSpec
from sightline.data.stream_split import PictureStream

FORMAT = 3
"""Raised when decoding or the cache's layout changes, so that old entries are not used."""

NATIVE = 64
"""Largest side at which images that share a size keep it, in pixels."""

GIB = 2**30
T = TypeVar("T")


@dataclass(frozen=True)
class Shape:
    """What all images are decoded to."""

    channels: int
    height: int
    width: int


@dataclass(frozen=True)
class Decoded:
    """Images of one size and number of channels: in memory, or to be decoded on demand.

    Args:
        images: the pixels, or a stream of them.
        hashes: (n,) of the pixels of each.
        sizes: original sizes, in words.
        left_out: images that could not be used.
        notes: what else the account should say.
        resized: whether some had another size before.
    """

    images: UInt8[Tensor, "n channels height width"] | PictureStream
    hashes: Hashes
    sizes: str
    left_out: tuple[tuple[str, str], ...] = ()
    notes: tuple[str, ...] = ()
    resized: bool = False

    def of(self, rows: Int[Tensor, " rows"]) -> "Decoded":
        """Some of the images."""
        if len(rows) == len(self.hashes):
            return self
        images = self.images[rows] if isinstance(self.images, Tensor) else self.images.of(rows)
        return replace(self, images=images, hashes=self.hashes[rows.numpy()])


class DecodedOnDemand:
    """A stream of pictures, each decoded when it is read.

    Args:
        pictures: the encoded images.
        rows: (n,) which of them, in order.
        shape: what they are decoded to.
        workers: threads a split may decode with.
    """

    def __init__(self, pictures: Pictures, rows: Int[Tensor, " n"], shape: Shape, workers: int) -> None:
        self.pictures, self.rows, self.shape, self.workers = pictures, rows, shape, workers

    def read(self, rows: Int[Tensor, " rows"]) -> UInt8[Tensor, "rows channels height width"]:
        """Decode some images.

        Raises:
            DataError: when one can't be read any more.
        """
        s = self.shape
        images = np.empty((len(rows), s.channels, s.height, s.width), np.uint8)
        for place, index in enumerate(self.rows[rows].tolist()):
            images[place] = _decode_one(self.pictures, index, s)
        return torch.from_numpy(images)

    def of(self, rows: Int[Tensor, " rows"]) -> "DecodedOnDemand":
        """The stream of some of the images."""
        return DecodedOnDemand(self.pictures, self.rows[rows], self.shape, self.workers)


def decode_set(
    pictures: Pictures, spec: DataSpec, what: str, shape: Shape | None = None
) -> tuple[Decoded, Int[Tensor, " kept"]]:
    """Decode what can be decoded; the rest is left out and listed.

    Sets that are larger than ``spec.memory_gib`` once decoded are checked, hashed and then streamed.

    Args:
        pictures: the encoded images.
        spec: wanted size, memory, threads, cache.
        what: where they are from, for messages.
        shape: what they must be decoded to; none: decided from ``spec.image_size`` and the images.

    Returns:
        the images, and the rows of ``pictures`` they are.

    Raises:
        DataError: when there is no image, or more than half are broken.
    """
    if len(pictures) == 0:
        raise DataError(expected=f"images in {what}", found="none", do="check that it is the right folder")
    asked = f"{FORMAT} {spec.image_size} {shape} {spec.memory_gib}".encode()
    key = "images-" + fingerprint(asked, pictures.identity())
    entry = cache.fetch(key) if spec.cache else None
    note = None
    if entry is None:
        entry = _decode_all(pictures, spec, what, shape)
        note = cache.keep(key, entry) if spec.cache else None
    decoded, kept = _from_entry(entry, pictures, spec.workers)
    if note:
        decoded = replace(decoded, notes=(*decoded.notes, f"decoded images are not kept: {note}"))
    return decoded, kept


def _decode_all(pictures: Pictures, spec: DataSpec, what: str, asked: Shape | None) -> cache.Entry:
    headers = _each(
        "looking", len(pictures), spec.workers, lambda i: read_header(pictures.content(i), pictures.name(i))
    )
    good = [h for h in headers if isinstance(h, Header)]
    _refuse_mostly_broken(headers, len(good), what)
    shape = asked or _common_shape(good, spec.image_size)
    size = shape.channels * shape.height * shape.width
    stream = len(pictures) * size > spec.memory_gib * GIB
    held = 0 if stream else len(pictures)
    images = np.zeros((held, shape.channels, shape.height, shape.width), np.uint8)

    def decode_and_hash(index: int) -> bytes:
        header = headers[index]
        if isinstance(header, DataError):
            raise header
        pixels = _decode_one(pictures, index, shape)
        if not stream:
            images[index] = pixels
        return content_hash(pixels.tobytes())

    hashes = _each("decoding", len(pictures), spec.workers, decode_and_hash)
    kept = np.array([i for i, h in enumerate(hashes) if isinstance(h, bytes)], np.int64)
    _refuse_mostly_broken(hashes, len(kept), what)
    used = [h for h in (headers[i] for i in kept.tolist()) if isinstance(h, Header)]
    broken = [[pictures.name(i), h.found] for i, h in enumerate(hashes) if isinstance(h, DataError)]
    facts = {
        "shape": [shape.channels, shape.height, shape.width],
        "stream": stream,
        "left_out": broken,
        "sizes": _describe_sizes(used, shape),
        "animated": sum(h.animated for h in used),
        "resized": any((h.height, h.width) != (shape.height, shape.width) for h in used),
    }
    digests = as_hashes([h for h in hashes if isinstance(h, bytes)])
    return cache.Entry(
        {
            "images": images if stream or len(kept) == len(images) else images[kept],
            "kept": kept,
            "hashes": np.frombuffer(digests.tobytes(), np.uint8).reshape(-1, 16),
        },
        facts,
    )


def _from_entry(entry: cache.Entry, pictures: Pictures, workers: int) -> tuple[Decoded, Tensor]:
    facts = entry.facts
    kept = torch.from_numpy(entry.arrays["kept"])
    notes = []
    if facts["animated"]:
        notes.append(f"{facts['animated']} animated images: their first frame is used")
    if facts["stream"]:
        notes.append("decoded, the images exceed memory_gib: they are streamed")
    channels, height, width = facts["shape"]
    images = (
        DecodedOnDemand(pictures, kept, Shape(channels, height, width), workers)
        if facts["stream"]
        else torch.from_numpy(entry.arrays["images"])
    )
    hashes = np.frombuffer(entry.arrays["hashes"].tobytes(), "V16")
    left_out = tuple((name, why) for name, why in facts["left_out"])
    return Decoded(images, hashes, facts["sizes"], left_out, tuple(notes), facts["resized"]), kept


def _decode_one(pictures: Pictures, index: int, shape: Shape) -> Pixels:
    return decode(pictures.content(index), pictures.name(index), shape.height, shape.width, shape.channels)


def _each(doing: str, count: int, workers: int, function: Callable[[int], T]) -> list[T | DataError]:
    """The function of each index, or the error it raised, by threads."""

    def attempt(first: int) -> list[T | DataError]:
        results: list[T | DataError] = []
        for index in range(first, min(first + 256, count)):
            try:
                results.append(function(index))
            except DataError as error:
                results.append(error)
        return results

    results: list[T | DataError] = []
    with quiet(), ThreadPoolExecutor(workers) as pool, progress(doing, count, "images") as bar:
        for part in pool.map(attempt, range(0, count, 256)):
            results += part
            bar.advance(len(part))
    return results


def _refuse_mostly_broken(results: Sequence[object], good: int, what: str) -> None:
    if 2 * good < len(results) or good == 0:
        first = next(r for r in results if isinstance(r, DataError))
        raise DataError(
            expected=f"whole images in {what}",
            found=f"{len(results) - good:,} of {len(results):,} are broken; the first: {first.expected}, {first.found}",
            do="check that it is the right folder and that it was copied whole",
        )


def _common_shape(headers: Sequence[Header], image_size: int | None) -> Shape:
    channels = 1 if all(h.grey for h in headers) else 3
    if image_size is not None:
        return Shape(channels, image_size, image_size)
    sizes = {(h.height, h.width) for h in headers}
    height, width = max(sizes)
    if len(sizes) == 1 and max(height, width) <= NATIVE:
        return Shape(channels, height, width)
    return Shape(channels, NATIVE, NATIVE)


def _describe_sizes(headers: Sequence[Header], shape: Shape) -> str:
    sizes = Counter((h.width, h.height) for h in headers)
    (width, height), most = sizes.most_common(1)[0]
    if len(sizes) == 1 and (width, height) == (shape.width, shape.height):
        return f"{width} × {height}"
    cut = f"; centre-cropped and resized to {shape.width} × {shape.height}"
    if len(sizes) == 1:
        return f"{width} × {height}{cut}"
    widths, heights = [h.width for h in headers], [h.height for h in headers]
    return (
        f"{len(sizes):,} different, widths {min(widths)} to {max(widths)}, heights {min(heights)} to"
        f" {max(heights)}, most often {width} × {height} ({most:,}){cut}"
    )
