"""Which stretches of text a loop has trained on and evaluated: windows cut at random places share runs of tokens."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

SHORTEST, LONGEST = 16, 64
"""Tokens of a run."""

ABOUT = 32
"""Runs kept of a batch: of all its places those are kept whose hash falls right, so that each batch keeps the same."""

MOST = 200_000
"""Runs kept of each kind."""

VARIETY = 8
"""Different tokens that a run must have: padding and rules of dashes repeat by themselves."""

GROUP = 40
"""Runs that a share is judged by."""

FACTOR = 0x9E3779B97F4A7C15 - (1 << 64)
"""An odd number of 64 bits, as torch has them: its powers spread over all of them."""


@dataclass(frozen=True)
class TextShared:
    """Text evaluated that was trained on.

    Attributes:
        length: tokens of a run.
        evaluated, shared: different runs of evaluation, and those among them that were trained on.
        without: share of the stretches of evaluation in which hardly any was: those of another text.
        vocabulary: different tokens in the first batches.
    """

    length: int = 0
    evaluated: int = 0
    shared: int = 0
    without: float = 0.0
    vocabulary: int = 0


Tokens = NDArray[np.int64]


def run_hashes(x: Tokens, length: int) -> Tokens:
    """A number of 64 bits for every run of ``length`` tokens of each row: h = Σₖ xᵢ₊ₖ Fⁿ⁻¹⁻ᵏ, by doubling.

    Shapes: x (rows, places) → (rows, places − length + 1)

    Example:
        >>> h = run_hashes(np.array([[5, 6, 7, 5, 6]]), 2)
        >>> bool(h[0, 0] == h[0, 3]), bool(h[0, 0] == h[0, 1])
        (True, False)
    """
    places = x.shape[1] - length + 1
    parts, width, factor = x, 1, FACTOR  # of every place, the run of ``width`` tokens that begins there
    total: Tokens | None = None
    done = 0
    while True:
        if length & width:
            part = parts[:, done : done + places]
            total = part if total is None else total * factor + part
            done += width
        if done == length:
            assert total is not None
            return total
        parts = parts[:, :-width] * factor + parts[:, width:]
        width, factor = 2 * width, _wrapped(factor * factor)


def _wrapped(number: int) -> int:
    """As 64 bits with a sign hold it."""
    return (number + (1 << 63)) % (1 << 64) - (1 << 63)


class TextSeen:
    """Sets of runs of tokens trained on and evaluated; the first batch of at least 24 tokens a row sets the length."""

    def __init__(self) -> None:
        self.length = 0
        self._rare = 16
        self._trained: set[int] = set()
        self._evaluated: list[tuple[int, ...]] = []
        self._kept = self._batches = 0
        self._tokens: set[int] = set()

    def runs(self, x: Tensor) -> tuple[int, ...]:
        """Hashes of some runs of a batch of tokens, the same ones wherever they stand; none of other inputs."""
        if x.is_floating_point() or x.dim() != 2 or len(x) < 4 or x.dtype == torch.bool or x.is_complex():
            return ()
        if not self.length:
            if x.shape[1] < 24:
                return ()
            self.length = min(LONGEST, max(SHORTEST, 3 * x.shape[1] // 4))
            while len(x) * (x.shape[1] - self.length + 1) > 2 * ABOUT * self._rare:
                self._rare *= 2
        if x.shape[1] < self.length:
            return ()
        tokens: Tokens = x.detach().cpu().long().numpy()
        if self._batches < 4:
            self._batches += 1
            self._tokens.update(tokens.reshape(-1)[:4_096].tolist())
        hashes = run_hashes(tokens, self.length)
        # the highest bits depend on every token
        rows, places = np.nonzero((hashes * FACTOR >> 40) & (self._rare - 1) == 0)
        found = zip(rows.tolist(), places.tolist(), hashes[rows, places].tolist(), strict=True)
        return tuple(h for i, j, h in found if len(set(tokens[i, j : j + self.length].tolist())) >= VARIETY)

    def train(self, runs: tuple[int, ...]) -> None:
        """A batch was trained on."""
        if len(self._trained) < MOST:
            self._trained.update(runs)

    def evaluate(self, runs: tuple[int, ...]) -> None:
        """A batch was evaluated."""
        if runs and self._kept < MOST:
            self._kept += len(runs)
            self._evaluated.append(runs)

    def shared(self) -> TextShared:
        """Compare both."""
        every = {run for batch in self._evaluated for run in batch}
        known = every & self._trained
        share = len(known) / max(1, len(every))
        shares: list[float] = []
        for first in range(2):  # loops that evaluate a training and another batch in turn
            group: list[int] = []
            for batch in self._evaluated[first::2]:
                group += batch
                if len(group) >= GROUP:
                    shares.append(sum(run in self._trained for run in group) / len(group))
                    group = []
        without = sum(s < 0.25 * share for s in shares) / len(shares) if shares else 1.0
        return TextShared(self.length, len(every), len(known), without, len(self._tokens))
