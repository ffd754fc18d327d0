"""A split whose images are decoded when they are needed, by threads that work ahead."""

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float, Int, UInt8
from PIL import Image
from torch import Tensor

from sightline.core.schema import Schema
from sightline.data.batch import Batch
from sightline.data.pixels import to_picture
from sightline.data.split import BatchRows, count_batches, rows_of_batches
from sightline.data.standardise import Standardiser

AHEAD = 2
"""Batches each worker prepares ahead of their use."""


@runtime_checkable
class PictureStream(Protocol):
    """Images decoded on demand, all to one size and number of channels.

    Args:
        workers: threads that decode.
    """

    workers: int

    def read(self, rows: Int[Tensor, " rows"]) -> UInt8[Tensor, "rows channels height width"]:
        """Decode some images."""
        ...

    def of(self, rows: Int[Tensor, " rows"]) -> "PictureStream":
        """The stream of some of the images."""
        ...


class StreamSplit:
    """Examples on disk, decoded by threads while the model works (Pillow decodes outside Python's lock).

    The batches are those of :class:`~sightline.data.tensor_split.TensorSplit`, in the same order.

    Args:
        name: "train", "validation" or "test".
        stream: the images.
        target: class numbers, or regression targets in raw units.
        schema: how images are standardised.
    """

    def __init__(
        self,
        name: str,
        stream: PictureStream,
        target: Int[Tensor, " n"] | Float[Tensor, " n"],
        schema: Schema,
    ) -> None:
        self.name = name
        self.stream = stream
        self.target: Tensor = target
        self.schema = schema

    def __len__(self) -> int:
        return len(self.target)

    def batches(
        self,
        *,
        batch_size: int,
        order: Int[Tensor, " n"] | None = None,
        start: int = 0,
        rank: int = 0,
        world: int = 1,
        smallest: int = 1,
        device: torch.device | str = "cpu",
    ) -> Iterator[Batch]:
        """The batches of one epoch; see :meth:`sightline.data.split.Split.batches`."""
        standardiser = Standardiser(self.schema, device)
        order = order if order is None else order.cpu()
        plan = rows_of_batches(len(self), order, batch_size, start, rank, world, smallest)
        with ThreadPoolExecutor(self.stream.workers, thread_name_prefix="decode") as pool:
            waiting: deque[tuple[BatchRows, Future[Tensor]]] = deque()
            try:
                for rows in plan:
                    waiting.append((rows, pool.submit(self.stream.read, rows.indices)))
                    if len(waiting) > AHEAD * self.stream.workers:
                        yield self._batch(*waiting.popleft(), standardiser, device)
                while waiting:
                    yield self._batch(*waiting.popleft(), standardiser, device)
            finally:
                pool.shutdown(wait=False, cancel_futures=True)

    def num_batches(self, batch_size: int, smallest: int = 1) -> int:
        """Number of batches in an epoch."""
        return count_batches(len(self), batch_size, smallest)

    def picture(self, index: int) -> Image.Image | None:
        """An image as it was before standardisation."""
        return to_picture(self.stream.read(torch.tensor([index]))[0])

    def row(self, index: int) -> dict[str, object] | None:
        """None: an image is no row."""
        return None

    def _batch(
        self, rows: BatchRows, pixels: Future[Tensor], standardiser: Standardiser, device: torch.device | str
    ) -> Batch:
        inputs = standardiser(pixels.result().to(device, non_blocking=True))
        return Batch(inputs, self.target[rows.indices].to(device), rows.indices.to(device), rows.global_size)
