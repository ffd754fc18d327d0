"""``torch.optim.SGD`` in the letters of :mod:`sightline.linear.momentum_forms`.

Legend: lr, momentum m and dampening τ are torch's; α the heavy ball's rate, w₀ the start, u₀ the start's velocity.
torch keeps b ← mb + (1 − τ)g and steps by −lr b, but lets the first gradient in whole: b₁ = g.
"""

from jaxtyping import Float
from torch import Tensor

from sightline.core.errors import ConfigurationError
from sightline.linear import inputs
from sightline.linear.momentum_forms import HeavyBall


def from_torch_sgd(lr: float, momentum: float = 0.0, dampening: float = 0.0, nesterov: bool = False) -> HeavyBall:
    """``torch.optim.SGD``'s method as a heavy ball: m = momentum, α = lr · (1 − dampening).

    With ``nesterov`` torch stores the point looked ahead to: θ = w − αmv, the form's ``ahead``. With
    dampening τ torch lets the first gradient in whole; :func:`dampened_start_velocity` says which start that is.
    With τ = m and from that start it is the average's form with η = lr and β = 1 − m.

    Raises:
        ConfigurationError: for numbers outside their range, and for Nesterov's form with dampening.

    Lecture: O2

    Example:
        >>> from sightline.linear.momentum_forms import AveragedMomentum
        >>> AveragedMomentum.from_heavy_ball(from_torch_sgd(0.5, momentum=0.75, dampening=0.75))
        AveragedMomentum(rate=0.5, beta=0.25, nesterov=False)
    """
    dampening = inputs.number(dampening, "dampening τ", minimum=0, below=1)
    if nesterov and dampening:
        raise ConfigurationError(
            expected="no dampening in Nesterov's form",
            found=f"nesterov = True, dampening = {dampening:g}",
            do="leave dampening at zero, or nesterov out",
        )
    kept = 1 - dampening if momentum else 1.0  # without momentum torch has nothing to dampen
    return HeavyBall(rate=lr * kept, momentum=momentum, nesterov=nesterov)


def dampened_start_velocity(
    first_gradient: Float[Tensor, "d *k"], lr: float, momentum: float, dampening: float
) -> Float[Tensor, "d *k"]:
    """u₀ = −lr (τ/m) ∇L(w₀): the velocity at which torch's undampened first step is like all the others.

    Raises:
        ConfigurationError: for numbers outside their range; m must be above zero.

    Lecture: O2

    Example:
        >>> import torch
        >>> dampened_start_velocity(torch.tensor([2.0]), lr=0.5, momentum=0.8, dampening=0.4)
        tensor([-0.5000], dtype=torch.float64)
    """
    gradient = inputs.start(first_gradient, first_gradient, "first_gradient")
    lr, momentum = inputs.number(lr, "lr", above=0), inputs.number(momentum, "momentum m", above=0, below=1)
    return -lr * inputs.number(dampening, "dampening τ", minimum=0, below=1) / momentum * gradient
