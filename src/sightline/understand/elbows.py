"""One-dimensional ReLU networks: every place where the function bends, the unit that bends it, and how elbows move.

Legend: x the one input, on an interval; the network is a chain of pieces, on each its value is slope · x + intercept. A
unit's elbow is where what its ReLU is given changes its sign: in the first layer at −b/w.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from sightline.core.errors import ConfigurationError, InputError

UNCHANGING = (nn.Identity, nn.Dropout, nn.Flatten)
"""Layers that pass a vector on as it is, in evaluation mode."""


@dataclass(frozen=True)
class Elbow:
    """Where one unit switches.

    Attributes:
        layer: the ReLU's name.
        unit: its number.
        place: x.
        bend: by how much the slope of each output changes there, from left to right, by all units that bend at this
            place; 0 where no way leads from the unit to the output.
    """

    layer: str
    unit: int
    place: float
    bend: tuple[float, ...]


@dataclass(frozen=True)
class PiecewiseLinear:
    """A network on an interval, exactly.

    Attributes:
        knots: ends of the pieces, [K + 1], rising from the interval's one end to the other.
        slopes, intercepts: of each piece and output, [K, O].
        elbows: all units', by place.
        dead: of every ReLU layer the units that are 0 on the whole interval.
    """

    knots: Float[Tensor, " ends"]
    slopes: Float[Tensor, "K O"]
    intercepts: Float[Tensor, "K O"]
    elbows: tuple[Elbow, ...]
    dead: dict[str, tuple[int, ...]]

    def __call__(self, x: Float[Tensor, " N"]) -> Float[Tensor, "N O"]:
        """The network's outputs at places of the interval; beyond it the outer pieces go on."""
        piece = torch.bucketize(x.double(), self.knots[1:-1])
        return self.slopes[piece] * x.double()[:, None] + self.intercepts[piece]


@dataclass(frozen=True)
class ElbowMotion:
    """One unit's elbows at two times, each from left to right; in deeper layers a unit may have several."""

    layer: str
    unit: int
    before: tuple[float, ...]
    after: tuple[float, ...]

    @property
    def distance(self) -> float | None:
        """The farthest way of one of them; none where some came or went."""
        if len(self.before) != len(self.after):
            return None
        return max((abs(b - a) for a, b in zip(self.before, self.after, strict=True)), default=0.0)


def elbows(model: nn.Module, low: float, high: float) -> PiecewiseLinear:
    """Every elbow of a ReLU network with one input on [low, high], traced layer by layer in float64, nothing sampled.

    Costs pieces × widths², and pieces grow with the number of units: thousands of units are seconds.

    Args:
        model: ``nn.Sequential`` (also within each other) of Linear, ReLU and LeakyReLU, the first Linear with one
            input; dropout as in evaluation.
        low, high: ends of the interval.

    Raises:
        ConfigurationError: for low ≥ high.
        InputError: for another layer, named, more inputs than one, or weights that are not finite.

    Source: the lecture notes, lecture 3

    Lecture: F12

    Example:
        >>> network = nn.Sequential(nn.Linear(1, 2), nn.ReLU(), nn.Linear(2, 1))
        >>> network[0].weight.data, network[0].bias.data = torch.tensor([[1.0], [-1.0]]), torch.tensor([-1.0, -5.0])
        >>> found = elbows(network, -2.0, 3.0)
        >>> [(one.unit, one.place) for one in found.elbows], found.dead
        ([(0, 1.0)], {'1': (1,)})
    """
    if not -float("inf") < low < high < float("inf"):
        raise ConfigurationError(
            expected="an interval with low < high, both finite", found=f"[{low}, {high}]", do="give that of the data"
        )
    knots = torch.tensor([low, high], dtype=torch.float64)
    slopes, intercepts = torch.ones(1, 1, dtype=torch.float64), torch.zeros(1, 1, dtype=torch.float64)
    switches: list[tuple[str, int, float]] = []
    dead: dict[str, tuple[int, ...]] = {}
    for name, layer in _chain(model, ""):
        if isinstance(layer, nn.Linear):
            slopes, intercepts = _linear(name, layer, slopes, intercepts)
        elif isinstance(layer, nn.ReLU | nn.LeakyReLU):
            knots, slopes, intercepts = _split(knots, slopes, intercepts)
            middles = (knots[1:] + knots[:-1])[:, None] / 2
            active = slopes * middles + intercepts > 0
            for piece, unit in (active[1:] != active[:-1]).nonzero().tolist():
                switches.append((name, unit, float(knots[piece + 1])))
            if isinstance(layer, nn.ReLU):
                dead[name] = tuple((~active.any(0)).nonzero().flatten().tolist())
            factor = active.to(slopes)
            if isinstance(layer, nn.LeakyReLU):
                factor = factor + layer.negative_slope * (1 - factor)
            slopes, intercepts = slopes * factor, intercepts * factor
        elif not isinstance(layer, UNCHANGING):
            raise InputError(
                expected="a chain of Linear, ReLU and LeakyReLU",
                found=f"{type(layer).__name__} at '{name}'",
                do="give a network of these, or the part of it that is",
            )
    bends = slopes[1:] - slopes[:-1]
    at = {float(knot): bend for knot, bend in zip(knots[1:-1], bends.tolist(), strict=True)}
    found = sorted((Elbow(n, u, x, tuple(at[x])) for n, u, x in switches), key=lambda one: one.place)
    return PiecewiseLinear(knots, slopes, intercepts, tuple(found), dead)


def elbow_motion(before: PiecewiseLinear, after: PiecewiseLinear) -> list[ElbowMotion]:
    """The way of every unit's elbows between two snapshots of a network, on the same interval.

    Args:
        before, after: by :func:`elbows`.

    Raises:
        InputError: for other layers or another interval.

    Lecture: F12

    Example:
        >>> network = nn.Sequential(nn.Linear(1, 1), nn.ReLU())
        >>> network[0].weight.data.fill_(2.0), network[0].bias.data.fill_(1.0)
        (tensor([[2.]]), tensor([1.]))
        >>> before = elbows(network, -2.0, 2.0)
        >>> _ = network[0].bias.data.fill_(-1.0)
        >>> elbow_motion(before, elbows(network, -2.0, 2.0))[0].distance
        1.0
    """
    ends = [tuple(f.knots[[0, -1]].tolist()) for f in (before, after)]
    if ends[0] != ends[1] or before.slopes.shape[1] != after.slopes.shape[1] or before.dead.keys() != after.dead.keys():
        raise InputError(
            expected="one network on one interval, at two times",
            found=f"intervals {ends[0]} and {ends[1]}, layers {list(before.dead)} and {list(after.dead)}",
            do="trace both snapshots alike",
        )
    places: dict[tuple[str, int], tuple[list[float], list[float]]] = {}
    for side, of in enumerate((before, after)):
        for one in of.elbows:
            places.setdefault((one.layer, one.unit), ([], []))[side].append(one.place)
    return [ElbowMotion(layer, unit, tuple(a), tuple(b)) for (layer, unit), (a, b) in sorted(places.items())]


def _chain(module: nn.Module, name: str) -> Iterator[tuple[str, nn.Module]]:
    if isinstance(module, nn.Sequential):
        for part, inner in module._modules.items():  # a layer that is used twice, twice
            assert inner is not None
            yield from _chain(inner, f"{name}.{part}".lstrip("."))
    else:
        yield name, module


def _linear(name: str, layer: nn.Linear, slopes: Tensor, intercepts: Tensor) -> tuple[Tensor, Tensor]:
    W = layer.weight.detach().double().cpu()
    b = torch.zeros(len(W), dtype=torch.float64) if layer.bias is None else layer.bias.detach().double().cpu()
    if W.shape[1] != slopes.shape[1] or not bool(W.isfinite().all()) or not bool(b.isfinite().all()):
        raise InputError(
            expected=f"finite weights for {slopes.shape[1]} inputs at '{name}'",
            found=f"{W.shape[1]} inputs" if W.shape[1] != slopes.shape[1] else "some that are infinite or NaN",
            do="give a network with one input x",
        )
    return slopes @ W.T, intercepts @ W.T + b


def _split(knots: Tensor, slopes: Tensor, intercepts: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """New knots where a unit crosses 0 inside of a piece."""
    left, right = slopes * knots[:-1, None] + intercepts, slopes * knots[1:, None] + intercepts
    crossing = left * right < 0
    roots = -intercepts[crossing] / slopes[crossing]
    every = torch.cat([knots, roots]).unique()  # sorted
    every = every[(every >= knots[0]) & (every <= knots[-1])]
    piece = torch.bucketize((every[1:] + every[:-1]) / 2, knots[1:-1])
    return every, slopes[piece], intercepts[piece]
