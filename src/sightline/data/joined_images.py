"""Two sets of images as one, the second after the first, each in memory or decoded on demand."""

from dataclasses import replace

import numpy as np
import torch
from jaxtyping import Int, UInt8
from torch import Tensor

from sightline.data.decode_set import Decoded
from sightline.data.stream_split import PictureStream

Images = UInt8[Tensor, "n channels height width"] | PictureStream


def join_images(first: Decoded, second: Decoded) -> Decoded:
    """All images of two sets of one shape; what is said of them is what the first says, and what both left out.

    Args:
        first: some images.
        second: others of the same channels, height and width.

    Example:
        >>> from sightline.data.duplicates import row_hashes
        >>> one, two = (torch.full((n, 1, 2, 2), n, dtype=torch.uint8) for n in (1, 2))
        >>> joined = join_images(*(Decoded(x, row_hashes(x.numpy()), "2 × 2") for x in (one, two)))
        >>> joined.images[:, 0, 0, 0].tolist(), len(joined.hashes)
        ([1, 2, 2], 3)
    """
    images: Tensor | JoinedStream
    if isinstance(first.images, Tensor) and isinstance(second.images, Tensor):
        images = torch.cat([first.images, second.images])
    else:
        images = JoinedStream(first.images, second.images, len(first.hashes))
    hashes = np.concatenate([first.hashes, second.hashes])
    return replace(first, images=images, hashes=hashes, left_out=(*first.left_out, *second.left_out))


class JoinedStream:
    """A stream of the images of two sets.

    Args:
        first: some images.
        second: others.
        count: how many the first are.
    """

    def __init__(self, first: Images, second: Images, count: int) -> None:
        self.first, self.second, self.count = first, second, count
        self.workers = max(getattr(part, "workers", 1) for part in (first, second))

    def read(self, rows: Int[Tensor, " rows"]) -> UInt8[Tensor, "rows channels height width"]:
        """Some of the images, in the order asked for.

        Raises:
            DataError: when one can't be read any more.
        """
        ours = rows < self.count
        first, second = _read(self.first, rows[ours]), _read(self.second, rows[~ours] - self.count)
        images = first.new_empty(len(rows), *first.shape[1:])
        images[ours], images[~ours] = first, second
        return images

    def of(self, rows: Int[Tensor, " rows"]) -> PictureStream:
        """The stream of some of the images."""
        return PickedStream(self, rows)


class PickedStream:
    """A stream of some images of another, which reads them.

    Args:
        stream: the other.
        rows: (n,) which of its images, in order.
    """

    def __init__(self, stream: PictureStream, rows: Int[Tensor, " n"]) -> None:
        self.stream, self.rows, self.workers = stream, rows, stream.workers

    def read(self, rows: Int[Tensor, " rows"]) -> UInt8[Tensor, "rows channels height width"]:
        """Some of the images."""
        return self.stream.read(self.rows[rows])

    def of(self, rows: Int[Tensor, " rows"]) -> PictureStream:
        """The stream of some of them."""
        return PickedStream(self.stream, self.rows[rows])


def _read(images: Images, rows: Tensor) -> Tensor:
    return images[rows] if isinstance(images, Tensor) else images.read(rows)
