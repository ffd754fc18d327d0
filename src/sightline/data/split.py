"""What every split is: examples that come in batches, in any order, from any place in an epoch."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float, Int
from PIL import Image
from torch import Tensor

from sightline.core.errors import DataError
from sightline.data.augment.augmenter import EpochAugmenter
from sightline.data.batch import Batch


@dataclass(frozen=True)
class BatchRows:
    """The rows one process takes of one batch.

    Args:
        indices: (rows,) int64.
        global_size: examples in the whole batch over all processes.
        number: of the batch in its epoch.
    """

    indices: Int[Tensor, " rows"]
    global_size: int
    number: int = 0


def count_batches(examples: int, batch_size: int, smallest: int = 1) -> int:
    """Batches in an epoch; a last one below ``smallest`` is left out unless it is the only one.

    Example:
        >>> count_batches(10, 4), count_batches(10, 4, smallest=3), count_batches(2, 4, smallest=3)
        (3, 2, 1)
    """
    whole, rest = divmod(examples, batch_size)
    return whole + int(rest >= smallest or (whole == 0 and rest > 0)) if rest else whole


@dataclass(frozen=True)
class Epoch:
    """Which rows each batch of an epoch takes; see :meth:`Split.batches`.

    Args:
        examples: in the split.
        batch_size: examples in a batch, over all processes.
        order: (rows,) rows in the order they are wanted; none: 0 … examples-1.
        start: batches to skip.
        rank: number of this process.
        world: number of processes.
        smallest: a last batch with fewer examples is left out, unless it is the only one.
        augment: changes the images of each batch; none: as they are.
    """

    examples: int
    batch_size: int
    order: Int[Tensor, " rows"] | None = None
    start: int = 0
    rank: int = 0
    world: int = 1
    smallest: int = 1
    augment: EpochAugmenter | None = None

    @property
    def consecutive(self) -> bool:
        """Whether each batch's rows follow one another."""
        return self.order is None and self.world == 1

    def on(self, device: torch.device) -> "Epoch":
        """The same epoch with its order on a device."""
        return self if self.order is None else replace(self, order=self.order.to(device))

    def __iter__(self) -> Iterator[BatchRows]:
        order = torch.arange(self.examples) if self.order is None else self.order
        for number in range(self.start, count_batches(len(order), self.batch_size, self.smallest)):
            whole = order[number * self.batch_size : (number + 1) * self.batch_size]
            yield BatchRows(whole[self.rank :: self.world], len(whole), number)


class Split(ABC):
    """One part of a data set: training, validation or test examples.

    Args:
        name: "train", "validation" or "test".
        target: (n,) int64 class numbers or (n,) float64 in raw units, on the CPU.

    Lecture: F2
    """

    bytes_per_term: float | None = None
    """Of a text whose next token is to be predicted, its UTF-8 bytes over the tokens predicted; none: not known."""
    notes: tuple[str, ...] = ()
    """What was done to other data to fit a schema."""

    def __init__(self, name: str, target: Int[Tensor, " n"] | Float[Tensor, " n"]) -> None:
        self.name = name
        self.target: Tensor = target

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
        augment: EpochAugmenter | None = None,
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
            augment: changes the images of each batch; none: as they are. Only for training.
        """
        epoch = Epoch(len(self), batch_size, order, start, rank, world, smallest, augment)
        return self.cut(epoch, torch.device(device))

    @abstractmethod
    def cut(self, epoch: Epoch, device: torch.device) -> Iterator[Batch]:
        """The batches of an epoch on a device."""

    def num_batches(self, batch_size: int, smallest: int = 1) -> int:
        """Number of batches in an epoch."""
        return count_batches(len(self), batch_size, smallest)

    def picture(self, index: int) -> Image.Image | None:
        """An image as it was before standardisation; none where examples are no images."""
        return None

    def row(self, index: int) -> dict[str, object] | None:
        """A table's row as it stands in the file; none where examples are no rows."""
        return None


class EmptySplit(Split):
    """The split of data nothing can be predicted from yet: it has no batches and says why.

    Args:
        name: "train", "validation" or "test".
        what: the data, in words.
        do: what the data can be used for.
    """

    def __init__(self, name: str, what: str, do: str) -> None:
        super().__init__(name, torch.zeros(0, dtype=torch.int64))
        self.what, self.do = what, do

    def cut(self, epoch: Epoch, device: torch.device) -> Iterator[Batch]:
        """There are none.

        Raises:
            DataError: always.
        """
        raise DataError(expected="examples with a target to predict", found=self.what, do=self.do)
