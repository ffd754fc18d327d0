"""Sharpness: the largest eigenvalues of the loss's Hessian, as the optimiser meets them.

Legend: H the Hessian, η the rate, D a positive diagonal: what a step is divided by (Adam's √v̂ + ε); D = 1 for plain
descent. A step is Δ = −η D⁻¹ g, so on a quadratic the curvature that counts is that of D^{−1/2} H D^{−1/2}.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from sightline.core.errors import InputError
from sightline.understand.lanczos import lanczos
from sightline.understand.loss_surface import LossSurface


@dataclass(frozen=True)
class Sharpness:
    """The largest eigenvalues of the (preconditioned) Hessian.

    Attributes:
        values: the largest first; in units of loss over squared weight, or, preconditioned, of one over the rate.
        bounds: of each one's error.
        directions: [k, P] in the weights' own coordinates, of norm 1: where the loss bends so.
        loss: L(θ).
        gradient_norm: |g|.
        products: with the Hessian, computed for this.
        converged: whether the errors are within the tolerance asked for.
    """

    values: Float[Tensor, " k"]
    bounds: Float[Tensor, " k"]
    directions: Float[Tensor, "k P"]
    loss: float
    gradient_norm: float
    products: int
    converged: bool

    @property
    def largest(self) -> float:
        """The sharpness proper."""
        return float(self.values[0])


def sharpness(
    surface: LossSurface,
    *,
    k: int = 1,
    scale: Float[Tensor, " P"] | None = None,
    tolerance: float = 1e-4,
    max_products: int = 100,
    seed: int = 0,
) -> Sharpness:
    """The k largest eigenvalues of H, or of D^{−1/2} H D^{−1/2}.

    Above the stability limit of the rate (:func:`~sightline.understand.stability_limit.stability_limit`) descent along
    the first direction grows at every step. Costs one product with the Hessian an iteration of Lanczos, about four
    forward passes over the batches each; 10 to 40 are common.

    Args:
        surface: the loss.
        k: eigenvalues.
        scale: D; none: 1. All of it above 0.
        tolerance: of the eigenvalues, over the largest in size.
        max_products: at most.
        seed: of the start.

    Raises:
        ConfigurationError: for k, tolerance or max_products out of range.
        InputError: for a scale of another size or not above 0, or a loss that is not finite.

    Source: Cohen et al. 2021, "Gradient Descent on Neural Networks Typically Occurs at the Edge of Stability";
        preconditioned Cohen et al. 2022, "Adaptive Gradient Methods at the Edge of Stability"

    Lecture: U3

    Example:
        >>> from torch import nn
        >>> model, x = nn.Linear(1, 1, bias=False), torch.tensor([[1.0], [3.0]])
        >>> surface = LossSurface(model, [x], lambda x: model(x).square().mean())
        >>> sharpness(surface).largest
        10.0
    """
    size = surface.num_parameters
    first = next(iter(surface.parameters.values()))
    working = torch.promote_types(first.dtype, torch.float32)  # directions at right angles need its digits
    root = torch.ones((), dtype=working, device=first.device)
    if scale is not None:
        if scale.shape != (size,) or not bool((scale > 0).all()) or not bool(scale.isfinite().all()):
            raise InputError(
                expected=f"{size:,} finite numbers above 0, one for each trainable parameter",
                found=f"shape {tuple(scale.shape)}, smallest {float(scale.min()) if scale.numel() else 'none'}",
                do="give √v̂ + ε of every parameter, in the order of named_parameters()",
            )
        root = scale.to(root).sqrt()
    before = surface.num_products
    generator = torch.Generator().manual_seed(seed)
    start = torch.randn(size, generator=generator, dtype=torch.float64).to(root)

    def product(v: Tensor) -> Tensor:
        return surface.product((v / root).to(first)).to(root) / root

    found = lanczos(product, start, k=k, tolerance=tolerance, max_products=max_products)
    directions = found.vectors / root
    return Sharpness(
        values=found.values,
        bounds=found.bounds,
        directions=directions / directions.norm(dim=1, keepdim=True),
        loss=surface.value(),
        gradient_norm=float(surface.gradient().norm()),
        products=surface.num_products - before,
        converged=found.converged,
    )
