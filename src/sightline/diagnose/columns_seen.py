"""Columns of the inputs, in training and in evaluation: those that are one number, and how far their means differ."""

from dataclasses import dataclass

import torch
from torch import Tensor

MOST_COLUMNS = 4_096


@dataclass(frozen=True)
class ColumnShift:
    """How far the means of columns differ between training and evaluation, in deviations of a column.

    Attributes:
        pattern: √ of the mean square over columns, less what chance gives, after the shift that all columns share.
        common: the shift that all columns share.
        columns: how many vary.
        exchanged: correlation over columns of the means in training with those in evaluation.
    """

    pattern: float
    common: float
    columns: int
    exchanged: float


class ColumnsSeen:
    """Ends, sum and squares of every column, of training and of no more examples of evaluation."""

    def __init__(self) -> None:
        self._trained: Tensor | None = None
        self._evaluated: Tensor | None = None
        self._sums: dict[bool, Tensor] = {}
        self.trained = self.evaluated = 0

    def note(self, x: Tensor, *, training: bool) -> None:
        """Examples that a network was called on. Costs four passes over them."""
        if x.dim() < 2 or not x.is_floating_point() or x.numel() == 0:
            return
        room = len(x) if training else self.trained - self.evaluated
        rows = x.detach()[: max(0, room)].flatten(1)
        known = self._trained if training else self._evaluated
        wanted = self._trained.shape[1] if self._trained is not None else rows.shape[1]
        if not len(rows) or rows.shape[1] != wanted or wanted > MOST_COLUMNS:
            return
        # the lowest of x and of -x
        ends = torch.stack([rows.amin(0), -rows.amax(0)], 0).float().cpu()
        ends = ends if known is None else torch.minimum(known, ends)
        sums = torch.stack([rows.double().sum(0), rows.double().square().sum(0)]).cpu()
        self._sums[training] = self._sums[training] + sums if training in self._sums else sums
        if training:
            self._trained, self.trained = ends, self.trained + len(rows)
        else:
            self._evaluated, self.evaluated = ends, self.evaluated + len(rows)

    def only_in_training(self) -> tuple[int, int]:
        """Columns that are one number in training and vary in evaluation, and columns in all."""
        if self._trained is None or self._evaluated is None or self.trained < 64 or self.evaluated < 16:
            return 0, 0
        one = self._trained[0] == -self._trained[1]
        vary = self._evaluated[0] < -self._evaluated[1]
        return int((one & vary).sum()), len(one)

    def shift(self) -> ColumnShift | None:
        """None before 64 examples of training and 32 of evaluation, or where fewer than 4 columns vary."""
        if self.trained < 64 or self.evaluated < 32 or len(self._sums) < 2:
            return None
        counts = {True: self.trained, False: self.evaluated}
        means = {which: sums[0] / counts[which] for which, sums in self._sums.items()}
        variances = {which: sums[1] / counts[which] - means[which].square() for which, sums in self._sums.items()}
        pooled = (variances[True] + variances[False]) / 2
        wide = pooled > 1e-4 * pooled.mean()
        if int(wide.sum()) < 4 or not bool(pooled.isfinite().all()):
            return None
        apart = (means[False] - means[True])[wide] / pooled[wide].sqrt()
        common = float(apart.mean())
        chance = 1 / self.trained + 1 / self.evaluated
        pattern = max(0.0, float((apart - common).square().mean()) - chance) ** 0.5
        both = torch.corrcoef(torch.stack([means[True][wide], means[False][wide]]))[0, 1]
        return ColumnShift(round(pattern, 4), round(common, 4), int(wide.sum()), round(float(both), 4))
