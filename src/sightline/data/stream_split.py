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
from sightline.data.augment.augmenter import Augmented, EpochAugmenter
from sightline.data.batch import Batch, target_on
from sightline.data.pixels import to_picture
from sightline.data.split import BatchRows, Epoch, Split
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


class StreamSplit(Split):
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
        super().__init__(name, target)
        self.stream = stream
        self.schema = schema

    def cut(self, epoch: Epoch, device: torch.device) -> Iterator[Batch]:
        """The batches of an epoch, decoded ahead of their use."""
        standardiser = Standardiser(self.schema, device)
        with ThreadPoolExecutor(self.stream.workers, thread_name_prefix="decode") as pool:
            waiting: deque[tuple[BatchRows, Future[Tensor]]] = deque()
            try:
                for rows in epoch.on(torch.device("cpu")):
                    waiting.append((rows, pool.submit(self.stream.read, rows.indices)))
                    if len(waiting) > AHEAD * self.stream.workers:
                        yield self._batch(*waiting.popleft(), standardiser, device, epoch.augment)
                while waiting:
                    yield self._batch(*waiting.popleft(), standardiser, device, epoch.augment)
            finally:
                pool.shutdown(wait=False, cancel_futures=True)

    def picture(self, index: int) -> Image.Image | None:
        """An image as it was before standardisation."""
        return to_picture(self.stream.read(torch.tensor([index]))[0])

    def _batch(
        self,
        rows: BatchRows,
        pixels: Future[Tensor],
        standardiser: Standardiser,
        device: torch.device,
        augment: EpochAugmenter | None,
    ) -> Batch:
        target, indices = target_on(self.target[rows.indices], device), rows.indices.to(device)
        given = Augmented(pixels.result().to(device, non_blocking=True), target)
        if augment is not None:
            given = augment(given.images, target, indices, number=rows.number)
        return Batch(standardiser(given.images), given.target, indices, rows.global_size, given.mix)
