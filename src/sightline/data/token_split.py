"""Blocks of a stream of tokens: every example is a window of one array, cut without a loop."""

import hashlib
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import torch
from jaxtyping import Int
from numpy.lib.stride_tricks import sliding_window_view
from torch import Tensor

from sightline.data.batch import Batch
from sightline.data.split import Epoch, Split
from sightline.data.token_array import TokenArray
from sightline.data.tokenizer import Tokenizer

LOOKED_AT = 16
"""Rows of an epoch's order that decide where its grid begins."""


class BlockSplit(Split):
    """A stream of T tokens as blocks of L: the inputs are tokens s … s+L−1, the target tokens s+1 … s+L.

    Block i begins at s = p + i·L. Where the grid is moved, p is drawn anew for every epoch from 0 … T−1−n·L, so that
    over the epochs every place that can begin a block does; n, the number of blocks, is the same for all p:
    max(1, ⌊(T−L)/L⌋). Where it is not moved, p = 0 and n = ⌊(T−1)/L⌋. Within an epoch no token is the input of two
    blocks; the fewer than 2·L tokens that stand before and behind the grid are none's.

    p is a hash of the first 16 rows of the epoch's order, and depends on nothing else: every process, and a run that
    is resumed within the epoch, finds the same. Without an order p = 0. A text of fewer than about six blocks has few
    orders and so few grids; one of a single block has one.

    Args:
        name: "train", "validation" or "test".
        tokens: the stream, T ≥ L + 1.
        length: L, tokens in a block.
        moved: whether each epoch has a grid of its own.
        tokenizer: writes tokens as text again, for :meth:`row`; none: it gives no rows.

    Lecture: F2, W1

    Example:
        >>> split = BlockSplit("validation", TokenArray(np.arange(8, dtype=np.uint16)), 3)
        >>> batch = next(split.batches(batch_size=2))
        >>> batch.inputs.tolist(), batch.target.tolist()
        ([[0, 1, 2], [3, 4, 5]], [[1, 2, 3], [4, 5, 6]])
    """

    def __init__(
        self, name: str, tokens: TokenArray, length: int, *, moved: bool = False, tokenizer: Tokenizer | None = None
    ) -> None:
        count = len(tokens)
        assert count > length, (count, length)
        blocks = max(1, (count - length) // length) if moved else (count - 1) // length
        super().__init__(name, torch.zeros((), dtype=torch.int64).expand(blocks))  # a target that takes no memory
        self.tokens, self.length, self.moved, self.tokenizer = tokens, length, moved, tokenizer

    def phase(self, order: Int[Tensor, " rows"] | None) -> int:
        """Where an epoch's grid begins."""
        if not self.moved or order is None:
            return 0
        content = order[:LOOKED_AT].to("cpu", torch.int64).numpy().tobytes()
        number = int.from_bytes(hashlib.blake2b(content, digest_size=8).digest(), "big")
        return number % (len(self.tokens) - len(self) * self.length)

    def cut(self, epoch: Epoch, device: torch.device) -> Iterator[Batch]:
        """The batches of an epoch on a device, each cut by one look-up."""
        windows = sliding_window_view(self.tokens.values, self.length + 1)
        phase = self.phase(epoch.order)
        for rows in epoch:
            indices = rows.indices.to("cpu")
            cut = windows[phase + indices.numpy() * self.length]
            inputs, target = (on(part, device) for part in (cut[:, :-1], cut[:, 1:]))
            yield Batch(inputs, target, indices.to(device), rows.global_size)

    def row(self, index: int) -> dict[str, object] | None:
        """The text of a block of the grid that begins at the first token."""
        if self.tokenizer is None:
            return None
        start = index * self.length
        return {"text": self.tokenizer.decode(self.tokens.values[start : start + self.length].tolist())}


def on(values: npt.NDArray[np.integer], device: torch.device) -> Tensor:
    """A copy as int64 on a device; on its way to a GPU it does not stop the program."""
    tensor = torch.from_numpy(values.astype(np.int64))
    if device.type == "cuda":
        return tensor.pin_memory().to(device, non_blocking=True)
    return tensor.to(device)
