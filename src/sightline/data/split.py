"""What every split is: examples that come in batches, in any order, from any place in an epoch."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Int
from PIL import Image
from torch import Tensor

from sightline.core.errors import DataError
from sightline.data.batch import Batch


@runtime_checkable
@runtime_checkable
class Split(Protocol):
    """One part of a data set: training, validation or test examples.

    Args:
        name: "train", "validation" or "test".
        target: (n,) int64 class numbers or (n,) float32 in raw units, on the CPU.

    Lecture: F2
    """

    name: str
    target: Tensor

    def __len__(self) -> int: ...

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
        """The batches of one epoch.

        Args:
            batch_size: examples in a batch, over all processes.
            order: rows in the order they are wanted; none: 0 … n-1.
            start: batches to skip, at no cost.
            rank: number of this process; of every batch it gets the rows ``[rank::world]``.
            world: number of processes.
            smallest: a last batch with fewer examples is left out, unless it is the only one.
            device: where the batches are wanted.
        """
        ...

    def num_batches(self, batch_size: int, smallest: int = 1) -> int:
        """Number of batches in an epoch."""
        ...

    def picture(self, index: int) -> Image.Image | None:
        """An image as it was before standardisation; none where examples are no images."""
        ...

    def row(self, index: int) -> dict[str, object] | None:
        """A table's row as it stands in the file; none where examples are no rows."""
        ...


@dataclass(frozen=True)
class BatchRows:
    """The rows one process takes of one batch.

    Args:
        indices: (rows,) int64.
        global_size: examples in the whole batch over all processes.
    """

    indices: Int[Tensor, " rows"]
    global_size: int


def count_batches(examples: int, batch_size: int, smallest: int = 1) -> int:
    """Batches in an epoch; a last one below ``smallest`` is left out unless it is the only one.

    Example:
        >>> count_batches(10, 4), count_batches(10, 4, smallest=3), count_batches(2, 4, smallest=3)
        (3, 2, 1)
    """
    whole, rest = divmod(examples, batch_size)
    return whole + int(rest >= smallest or (whole == 0 and rest > 0)) if rest else whole


def rows_of_batches(
    examples: int,
    order: Int[Tensor, " n"] | None,
    batch_size: int,
    start: int,
    rank: int,
    world: int,
    smallest: int,
) -> Iterator[BatchRows]:
    """The rows of each batch that one process takes, in turn; see :meth:`Split.batches`."""
    if order is None:
        order = torch.arange(examples)
    for number in range(start, count_batches(len(order), batch_size, smallest)):
        whole = order[number * batch_size : (number + 1) * batch_size]
        yield BatchRows(whole[rank::world], len(whole))


class EmptySplit:
    """The split of data nothing can be predicted from yet: it has no batches and says why.

    Args:
        name: "train", "validation" or "test".
        what: the data, in words.
        do: what the data can be used for.
    """

    def __init__(self, name: str, what: str, do: str) -> None:
        self.name, self.what, self.do = name, what, do
        self.target: Tensor = torch.zeros(0, dtype=torch.int64)

    def __len__(self) -> int:
        return 0

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
        """There are none.

        Raises:
            DataError: always.
        """
        raise DataError(expected="examples with a target to predict", found=self.what, do=self.do)

    def num_batches(self, batch_size: int, smallest: int = 1) -> int:
        """None: 0."""
        return 0

    def picture(self, index: int) -> Image.Image | None:
        """None."""
        return None

    def row(self, index: int) -> dict[str, object] | None:
        """None."""
        return None
