"""Early stopping: leave off when the validation metric has not improved for a while."""

import math
from collections.abc import Mapping
from typing import Any

from sightline.core.errors import ConfigurationError


class EarlyStopping:
    """Counts evaluations since the best one.

    A value is better when it beats the best so far by more than ``min_delta``, or equals it with a smaller
    loss; NaN never is.

    Args:
        patience: evaluations in a row without a better value after which to stop, ≥ 1.
        mode: "max" where larger is better, "min" where smaller is.
        min_delta: improvement that does not count yet, in the metric's units, ≥ 0.

    Raises:
        ConfigurationError: for a value out of its range.

    Source: Prechelt 1998, "Early Stopping — But When?", the UP criterion

    Lecture: O6

    Example:
        >>> stopping = EarlyStopping(patience=2, mode="min")
        >>> [stopping.update(value) for value in (3.0, 2.0, 2.5, 2.0)]
        [True, True, False, False]
        >>> stopping.stop
        True
    """

    def __init__(self, *, patience: int, mode: str, min_delta: float = 0.0) -> None:
        if patience < 1 or mode not in ("max", "min") or not min_delta >= 0:
            raise ConfigurationError(
                expected="patience ≥ 1, mode 'max' or 'min', min_delta ≥ 0",
                found=f"patience = {patience}, mode = {mode!r}, min_delta = {min_delta:g}",
                do="correct the one that is out of range",
            )
        self.patience, self.mode, self.min_delta = patience, mode, min_delta
        self.best: float | None = None
        self.best_loss = math.inf
        self.waited = 0

    @property
    def stop(self) -> bool:
        """Whether patience has run out."""
        return self.waited >= self.patience

    def update(self, value: float, loss: float = math.inf) -> bool:
        """Take one evaluation's value, and the loss that breaks ties; returns whether it is the best so far."""
        improved = self._is_better(value, loss)
        if improved:
            self.best, self.best_loss = value, loss
        self.waited = 0 if improved else self.waited + 1
        return improved

    def _is_better(self, value: float, loss: float) -> bool:
        if self.best is None:
            return not math.isnan(value)
        if value == self.best:
            return loss < self.best_loss
        gain = value - self.best if self.mode == "max" else self.best - value
        return gain > self.min_delta

    def state_dict(self) -> dict[str, Any]:
        """The best value, its loss, and the evaluations since."""
        return {"best": self.best, "best_loss": self.best_loss, "waited": self.waited}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from :meth:`state_dict`."""
        self.best, self.best_loss, self.waited = state["best"], state["best_loss"], state["waited"]
