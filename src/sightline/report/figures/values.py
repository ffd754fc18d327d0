"""What the figures accept: plain numbers in sequences of matching lengths, at least one of them to be drawn."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite

from sightline.core.errors import DataError
from sightline.report.vega import decades


@dataclass(frozen=True)
class Band:
    """A curve with what lies around it: ± a standard error, or two quantiles.

    Args:
        mean: the curve.
        low: lower edge of the band, as long as the curve.
        high: upper edge of the band, as long as the curve.
    """

    mean: Sequence[float]
    low: Sequence[float]
    high: Sequence[float]


def places(values: Iterable[float], name: str, *, above: float | None = None) -> list[float]:
    """Finite places along an axis, at least one; above a bound where a logarithm wants it.

    Raises:
        DataError: when there are none, or one is not finite or not above the bound.

    Example:
        >>> places((1, 2), "steps")
        [1.0, 2.0]
    """
    found = [float(value) for value in values]
    wrong = [value for value in found if not isfinite(value) or (above is not None and value <= above)]
    if not found or wrong:
        raise DataError(
            expected=f"{name} to be finite numbers"
            + (f" above {above:g}" if above is not None else "")
            + ", one or more",
            found=f"{wrong[0]} among them" if wrong else "none",
            do=f"leave out what can't be drawn and give at least one of {name}",
        )
    return found


def curves(named: Mapping[str, Sequence[float]], length: int, name: str) -> dict[str, list[float]]:
    """Named curves of one length; NaN and infinity may be among their values, but not everywhere.

    Raises:
        DataError: when there are none, one has another length, or none has a finite value.
    """
    found = {str(key): [float(value) for value in values] for key, values in named.items()}
    for key, values in found.items():
        if len(values) != length:
            raise DataError(
                expected=f"{name} '{key}' to hold {length:,} values, one a place along the horizontal axis",
                found=f"{len(values):,}",
                do="give every curve as many values as there are places",
            )
    if not any(isfinite(value) for values in found.values() for value in values):
        raise DataError(
            expected=f"{name} with at least one finite value",
            found=f"{len(found)} curves without one" if found else "no curve",
            do="draw the figure when there is something to draw",
        )
    return found


def log_ticks(values: Iterable[float]) -> list[float] | None:
    """Ticks for a logarithmic axis over the positive values; none, for Vega's own, where there are fewer than two."""
    positive = [value for value in values if isfinite(value) and value > 0]
    ticks = decades(positive) if positive else []
    return ticks if len(ticks) > 1 else None
