"""A number at every step, in bounded memory: means over spans of steps, twice as long whenever there are too many."""

from dataclasses import dataclass, field
from math import inf

SPANS = 4_096


@dataclass
class Curve:
    """Values by step; ``means[k]`` is over the steps ``k·span`` to ``(k + 1)·span − 1``.

    A NaN or infinity stays in the mean of its span.

    Example:
        >>> curve = Curve()
        >>> for value in range(10):
        ...     curve.add(float(value))
        >>> curve.first(2), curve.last(2)
        (0.5, 8.5)
    """

    means: list[float] = field(default_factory=list)
    span: int = 1
    count: int = 0
    lowest: float = inf
    not_finite: int | None = None
    _open: list[float] = field(default_factory=list)

    def add(self, value: float) -> None:
        """The next step's."""
        if not abs(value) < inf and self.not_finite is None:
            self.not_finite = self.count
        self.lowest = min(self.lowest, value)
        self.count += 1
        self._open.append(value)
        if len(self._open) == self.span:
            self.means.append(sum(self._open) / self.span)
            self._open = []
        if len(self.means) == SPANS:
            self.means = [(a + b) / 2 for a, b in zip(self.means[::2], self.means[1::2], strict=True)]
            self.span *= 2

    @property
    def values(self) -> list[float]:
        """All spans, the last of them perhaps not whole."""
        return [*self.means, *([sum(self._open) / len(self._open)] if self._open else [])]

    def first(self, steps: int) -> float:
        """Mean of about the first steps."""
        values = self.values[: max(1, steps // self.span)]
        return sum(values) / len(values)

    def last(self, steps: int) -> float:
        """Mean of about the last steps."""
        values = self.values[-max(1, steps // self.span) :]
        return sum(values) / len(values)
