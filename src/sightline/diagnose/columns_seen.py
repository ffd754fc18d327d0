"""Columns that are one number in training and vary in evaluation."""

import torch
from torch import Tensor

MOST_COLUMNS = 4_096


class ColumnsSeen:
    """Lowest and highest number of every column, of training and of no more examples of evaluation."""

    def __init__(self) -> None:
        self._trained: Tensor | None = None
        self._evaluated: Tensor | None = None
        self.trained = self.evaluated = 0

    def note(self, x: Tensor, *, training: bool) -> None:
        """Examples that a network was called on. Costs two passes over them."""
        if x.dim() < 2 or not x.is_floating_point() or x.layout is not torch.strided or x.numel() == 0:
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
