"""A split held as one tensor: batches are cut out and standardised on the device, without a loop."""

from collections.abc import Iterator

import pyarrow as pa
import torch
from jaxtyping import Float, Int, UInt8
from PIL import Image
from torch import Tensor

from sightline.core.schema import Schema
from sightline.data.batch import Batch
from sightline.data.pixels import to_picture
from sightline.data.split import BatchRows, count_batches, rows_of_batches
from sightline.data.standardise import Standardiser


class TensorSplit:
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
        self.name = name
        self.inputs = inputs
        self.target: Tensor = target
        self.schema = schema
        self._rows = rows
        self._homes: dict[torch.device, _Home] = {}

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
        home = self._home(torch.device(device))
        consecutive = order is None and world == 1
        order = order if order is None else order.to(home.target.device)
        for rows in rows_of_batches(len(self), order, batch_size, start, rank, world, smallest):
            yield home.batch(rows, consecutive)

    def num_batches(self, batch_size: int, smallest: int = 1) -> int:
        """Number of batches in an epoch."""
        return count_batches(len(self), batch_size, smallest)

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
        self.target = split.target.to(device)
        self.standardiser = Standardiser(split.schema, device) if self.inputs.dtype == torch.uint8 else None

    def batch(self, rows: BatchRows, consecutive: bool) -> Batch:
        indices = rows.indices.to(self.target.device)
        if consecutive and len(indices):
            first = int(rows.indices[0])
            inputs, target = (t[first : first + len(indices)] for t in (self.inputs, self.target))
        else:
            inputs, target = self.inputs.index_select(0, indices), self.target.index_select(0, indices)
        inputs = self.standardiser(inputs) if self.standardiser else inputs
        return Batch(inputs, target, indices, rows.global_size)
