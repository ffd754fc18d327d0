"""A split held as one tensor: batches are cut out and standardised on the device, without a loop."""

from collections.abc import Iterator

import pyarrow as pa
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


class TensorSplit(Split):
    """Examples in memory: uint8 images, or a table's standardised rows.

    Images stay uint8, a quarter of the memory, and are standardised a batch at a time on the device
    they are used on, where they are kept after their first use.

    Shapes:
        inputs (n, channels, height, width) uint8 or (n, inputs) float32; target (n,)

    Args:
        name: "train", "validation" or "test".
        inputs: all examples.
        target: class numbers, or regression targets in raw units.
        schema: how images are standardised.
        rows: a table's raw rows, for :meth:`row`.

    Lecture: F2, O10

    Example:
        >>> split = TensorSplit("train", torch.eye(3), torch.arange(3), Schema("table", "classification", (3,)))
        >>> [batch.indices.tolist() for batch in split.batches(batch_size=2)]
        [[0, 1], [2]]
    """

    def __init__(
        self,
        name: str,
        inputs: UInt8[Tensor, "n channels height width"] | Float[Tensor, "n inputs"],
        target: Int[Tensor, " n"] | Float[Tensor, " n"],
        schema: Schema,
        rows: pa.Table | None = None,
    ) -> None:
        super().__init__(name, target)
        self.inputs = inputs
        self.schema = schema
        self._rows = rows
        self._homes: dict[torch.device, _Home] = {}

    def cut(self, epoch: Epoch, device: torch.device) -> Iterator[Batch]:
        """The batches of an epoch, cut on the device."""
        home = self._home(device)
        for rows in epoch.on(home.inputs.device):
            yield home.batch(rows, epoch.consecutive, epoch.augment)

    def picture(self, index: int) -> Image.Image | None:
        """An image as it was before standardisation; none for a table."""
        return to_picture(self.inputs[index]) if self.inputs.dtype == torch.uint8 else None

    def row(self, index: int) -> dict[str, object] | None:
        """A table's row as it stands in the file; none for images."""
        if self._rows is None:
            return None
        return {name: self._rows.column(name)[index].as_py() for name in self._rows.column_names}

    def _home(self, device: torch.device) -> "_Home":
        if device not in self._homes:
            self._homes[device] = _Home(self, device)
        return self._homes[device]


class _Home:
    """A split's tensors on one device."""

    def __init__(self, split: TensorSplit, device: torch.device) -> None:
        self.inputs = split.inputs.to(device)
        self.target = target_on(split.target, device)
        self.standardiser = Standardiser(split.schema, device) if self.inputs.dtype == torch.uint8 else None

    def batch(self, rows: BatchRows, consecutive: bool, augment: EpochAugmenter | None) -> Batch:
        indices = rows.indices.to(self.inputs.device)
        target = self.target.index_select(0, indices.to(self.target.device))
        if consecutive and len(indices):
            first = int(rows.indices[0])
            inputs = self.inputs[first : first + len(indices)]
        else:
            inputs = self.inputs.index_select(0, indices)
        if self.standardiser is None:
            # a copy: a model may change its inputs in place
            return Batch(inputs.clone() if consecutive else inputs, target, indices, rows.global_size)
        given = Augmented(inputs, target)
        if augment is not None:
            given = augment(inputs, target, indices, number=rows.number)
        return Batch(self.standardiser(given.images), given.target, indices, rows.global_size, given.mix)
