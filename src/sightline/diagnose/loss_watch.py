"""Seeing losses: what torch's loss functions are called on, what they come to, and what the truth is like."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from sightline.diagnose.call_site import call_site
from sightline.diagnose.function_watch import LOSSES
from sightline.diagnose.long_series import MOST, add_losses
from sightline.diagnose.readable import readable
from sightline.diagnose.record import LossSeen, Record
from sightline.diagnose.targets_seen import (
    accuracy,
    arguments,
    counted_targets,
    note_columns,
    note_copies,
    note_right,
    note_targets,
    note_tokens,
)
from sightline.diagnose.validation import TrainingLoss


class LossWatch:
    """Note calls of loss functions in a record.

    Args:
        record: is written to.

    Attributes:
        training_loss: how the loop called its loss function last; None before.
    """

    def __init__(self, record: Record) -> None:
        self._record = record
        self._open: list[LossSeen] = []
        self._function = ""
        self.training_loss: TrainingLoss | None = None

    def called(
        self,
        func: Any,
        args: Sequence[Any],
        kwargs: Mapping[str, Any],
        result: Any,
        *,
        given: Tensor | None,
        looking: bool,
        mode: bool,
    ) -> None:
        """A loss function was called.

        Args:
            func: one of torch's.
            args, kwargs: what it was given.
            result: what it gave.
            given: what the network was called on last.
            looking: whether this step is looked at closely.
            mode: of the network called last.
        """
        grad = torch.is_grad_enabled()
        outputs, target = arguments(args, kwargs)
        if not isinstance(result, Tensor) or outputs is None or target is None or not (looking or not grad or mode):
            return
        if not all(map(readable, (result, outputs, target))):
            return
        name, step = LOSSES[func], self._record.steps
        with torch.no_grad():
            counted = counted_targets(name, target, kwargs)
            if grad and mode:
                self._function = name
                note_targets(self._record.targets, counted, target.numel() - counted.numel())
                if counted.numel() < target.numel():
                    self._record.targets.left_out = int(kwargs.get("ignore_index", -100))
                self._broken(result, target)
                self._beside(given, target, looking)
                self.training_loss = TrainingLoss.of(func, args, kwargs, outputs, target)
            if not grad and not mode and name == self._function:
                note_targets(self._record.evaluated_targets, counted, 0)
                if name in ("cross_entropy", "nll_loss") and outputs.dim() == target.dim() + 1 > 1:
                    note_right(self._record.evaluated_targets, outputs.argmax(1) == target, target)
            if not looking and grad:
                return
            value = float(result.detach().double().mean())
            if kwargs.get("reduction") == "sum":
                value /= max(1, counted.numel())
            right = accuracy(name, outputs, target, kwargs)
            count = max(1, counted.numel())
            self._open.append(LossSeen(step, name, value, grad, mode, right, count, call_site(3)))
            if len(self._open) >= MOST:
                self.keep()

    def _broken(self, result: Tensor, target: Tensor) -> None:
        """Whether the first loss that is no number has targets that are none."""
        if self._record.loss.not_finite is not None or target.is_cuda or not target.is_floating_point():
            return
        if result.numel() == 1 and not bool(result.isfinite()) and not bool(target.isfinite().all()):
            self._record.targets.broken_at = self._record.steps

    def _beside(self, given: Tensor | None, target: Tensor, looking: bool) -> None:
        """The truth beside what the network was given."""
        seen = self._record.targets
        if given is None:
            return
        if self._record.steps < 2 and not (given.is_floating_point() or target.is_floating_point()):
            note_tokens(seen, given, target)
        if looking:
            note_columns(seen, given, target)
            note_copies(seen, given, target)

    def keep(self) -> None:
        """Losses of this step go to the record."""
        add_losses(self._record, self._open)
        self._open.clear()
