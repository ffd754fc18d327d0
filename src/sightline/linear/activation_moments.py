"""Gaussian integrals of an activation: what it leaves of a normal signal's second moment, and of its gradient's.

Legend: φ activation, z ~ N(0, 1), q second moment of the pre-activations √q z, g gain.

Linear on each side of 0 (identity, ReLU, leaky ReLU): closed form. Any other function: Gauss-Legendre
quadrature, to about 1e-13 for tanh, sigmoid, GELU and SiLU at any q.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from math import pi, sqrt

import torch
from torch import Tensor

from sightline.core.errors import ConfigurationError, DataError, near
from sightline.linear import inputs

NODES = 24
"""Gauss-Legendre nodes a panel."""

REACH = 12
"""Panels reach so many standard deviations; a normal variable is outside in 4e-33 of all cases."""

Function = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Activation:
    """An activation function with what its integrals need to know of it.

    Args:
        function: φ, elementwise, float64 to float64.
        derivative: φ', the same way; by autograd where none is given.
        kinks: places x where φ or a derivative jumps or changes fast, beside 0, which always counts as one.
        slopes: for φ(x) = slopes[0]·x left of 0 and slopes[1]·x right of it; moments are then closed forms.

    Lecture: F13
    """

    function: Function
    derivative: Function | None = None
    kinks: tuple[float, ...] = ()
    slopes: tuple[float, float] | None = None


def leaky_relu(slope: float) -> Activation:
    """max(x, 0) + slope · min(x, 0): ReLU for 0, the identity for 1.

    Raises:
        ConfigurationError: when the slope is not finite.

    Example:
        >>> second_moment(leaky_relu(0.5), 2.0)
        1.25
    """
    slope = inputs.number(slope, "slope")
    return Activation(lambda x: torch.where(x > 0, x, slope * x), slopes=(slope, 1.0))


ACTIVATIONS: dict[str, Activation] = {
    "identity": Activation(lambda x: x * 1.0, slopes=(1.0, 1.0)),
    "relu": Activation(torch.relu, slopes=(0.0, 1.0)),
    "tanh": Activation(torch.tanh, lambda x: torch.cosh(x).square().reciprocal()),
    "sigmoid": Activation(torch.sigmoid, lambda x: torch.sigmoid(x) * torch.sigmoid(-x)),
    "gelu": Activation(torch.nn.functional.gelu),
    "silu": Activation(torch.nn.functional.silu),
}
"""Activations that can be asked for by name."""

Choice = Activation | Function | str


def second_moment(activation: Choice, q: float) -> float:
    """E[φ(√q z)²]: closed form for ReLU, leaky ReLU and the identity, quadrature for any other.

    Args:
        activation: a name of ``ACTIVATIONS``, an :class:`Activation`, or a function of a tensor.
        q: second moment of the pre-activations, ≥ 0.

    Raises:
        ConfigurationError: when the name is unknown or q < 0.
        DataError: when the function returns another shape, or values that are not finite.

    Source: He et al. 2015, 2.2 (ReLU); Poole et al. 2016 (the length map).

    Lecture: F13

    Example:
        >>> second_moment("relu", 1.0), round(second_moment("tanh", 1.0), 10)
        (0.5, 0.3942944904)
    """
    chosen, q = chosen_activation(activation), inputs.number(q, "q", minimum=0)
    if chosen.slopes is not None:
        return q * (chosen.slopes[0] ** 2 + chosen.slopes[1] ** 2) / 2
    return _expected(chosen, q, lambda z, x: checked_values(chosen.function, x).square())


def slope_moment(activation: Choice, q: float) -> float:
    """E[φ'(√q z)²]; σ_w² times it is χ, what a layer makes of the gradient's second moment.

    Args, Raises: see :func:`second_moment`.

    Source: Schoenholz et al. 2017 (χ).

    Lecture: F13

    Example:
        >>> slope_moment("relu", 1.0)
        0.5
    """
    chosen, q = chosen_activation(activation), inputs.number(q, "q", minimum=0)
    if chosen.slopes is not None:
        return (chosen.slopes[0] ** 2 + chosen.slopes[1] ** 2) / 2
    return _expected(chosen, q, lambda z, x: _slopes(chosen, x).square())


def gain(activation: Choice) -> float:
    """g = 1/√E[φ(z)²]: weights of variance g²/fan_in (and no bias) keep q = 1 from layer to layer.

    √2 for a ReLU. For tanh it is 1.5925…; torch.nn.init.calculate_gain gives 5/3, which keeps a larger q.

    Raises:
        ConfigurationError: when E[φ(z)²] is 0. DataError: see :func:`second_moment`.

    Source: He et al. 2015, (10), for any φ.

    Lecture: F13

    Example:
        >>> gain("identity"), round(gain("relu") ** 2, 12), round(gain("tanh"), 4)
        (1.0, 2.0, 1.5925)
    """
    moment = second_moment(activation, 1.0)
    if moment == 0:
        raise ConfigurationError(
            expected="an activation that is not 0 everywhere",
            found="E[φ(z)²] = 0",
            do="use an activation that lets something through",
        )
    return 1 / sqrt(moment)


def second_moment_slope(activation: Choice, q: float) -> float:
    """dE[φ(√q z)²]/dq = E[z φ(√q z) φ'(√q z)]/√q; at q = 0 its limit, for φ(0) = 0.

    Args, Raises: see :func:`second_moment`; q = 0 is refused where φ(0) ≠ 0.

    Source: differentiation under the integral.

    Lecture: F13

    Example:
        >>> second_moment_slope("relu", 3.0)
        0.5
    """
    chosen, q = chosen_activation(activation), inputs.number(q, "q", minimum=0)
    if chosen.slopes is not None:
        return (chosen.slopes[0] ** 2 + chosen.slopes[1] ** 2) / 2
    if q == 0 and float(checked_values(chosen.function, torch.zeros(1, dtype=torch.float64))) != 0:
        raise ConfigurationError(
            expected="q > 0 for an activation with φ(0) ≠ 0", found="q = 0", do="give a small positive q"
        )
    root = sqrt(q) if q else 1e-150

    def integrand(z: Tensor, x: Tensor) -> Tensor:
        return z * (checked_values(chosen.function, x) / root) * _slopes(chosen, x)

    return _expected(chosen, root**2, integrand)


def chosen_activation(activation: Choice) -> Activation:
    """The activation that a name or a bare function stands for.

    Raises:
        ConfigurationError: when the name is unknown, or it is neither.
    """
    if isinstance(activation, Activation):
        return activation
    if isinstance(activation, str):
        if activation not in ACTIVATIONS:
            raise ConfigurationError(
                expected="the name of an activation, or a function of a tensor",
                found=f"activation = {activation!r}",
                do=near(activation, ACTIVATIONS),
            )
        return ACTIVATIONS[activation]
    if not callable(activation):
        raise ConfigurationError(
            expected="the name of an activation, or a function of a tensor",
            found=type(activation).__name__,
            do="give a function such as torch.tanh",
        )
    return Activation(activation)


def checked_values(function: Function, x: Tensor) -> Tensor:
    """φ(x), once it is seen to be one finite number for each x.

    Raises:
        DataError: when it is not.
    """
    values = function(x.clone())
    if not isinstance(values, Tensor) or values.shape != x.shape or not torch.isfinite(values).all():
        raise DataError(
            expected="an activation that gives one finite number for each of its inputs",
            found="another shape" if not isinstance(values, Tensor) or values.shape != x.shape else "NaN or infinity",
            do="check the function on a tensor of numbers between −12 and 12 standard deviations",
        )
    return values


def _slopes(chosen: Activation, x: Tensor) -> Tensor:
    if chosen.derivative is not None:
        return checked_values(chosen.derivative, x)
    with torch.enable_grad():
        at = x.detach().requires_grad_()
        values = checked_values(chosen.function, at.clone())  # a copy: some work in place
        if not values.requires_grad:  # constant on each side of its jumps
            return torch.zeros_like(x)
        (found,) = torch.autograd.grad(values.sum(), at)
    return checked_values(lambda _: found, x)


def _expected(chosen: Activation, q: float, integrand: Callable[[Tensor, Tensor], Tensor]) -> float:
    """E[f(z, √q z)] by Gauss-Legendre on panels that are split where φ bends or changes fast.

    Panels are one standard deviation wide at most, and grow by doubling away from 0 and from each kink,
    from 1 in units of x: an activation's own scale is resolved however large q is.
    """
    root = sqrt(q)
    edges = {float(edge) for edge in range(-REACH, REACH + 1)}
    if root > 0:
        steps = [0.0] + [sign * 2.0**power for power in range(8) for sign in (-1, 1)]
        edges |= {(kink + step) / root for kink in (0.0, *chosen.kinks) for step in steps}
    ordered = torch.tensor(sorted(edge for edge in edges if abs(edge) <= REACH), dtype=torch.float64)
    nodes, weights = _gauss_legendre(NODES)
    half = ordered.diff()[:, None] / 2
    z = (ordered[:-1, None] + half * (1 + nodes)).reshape(-1)
    mass = (half * weights).reshape(-1) * (-z.square() / 2).exp() / sqrt(2 * pi)
    return float((mass * integrand(z, root * z)).sum())


@cache
def _gauss_legendre(count: int) -> tuple[Tensor, Tensor]:
    """Nodes and weights on [−1, 1], from the eigenvectors of the Jacobi matrix (Golub & Welsch 1969)."""
    k = torch.arange(1, count, dtype=torch.float64)
    beside = k / (4 * k.square() - 1).sqrt()
    nodes, vectors = torch.linalg.eigh(torch.diag(beside, 1) + torch.diag(beside, -1))
    return nodes, 2 * vectors[0].square()
