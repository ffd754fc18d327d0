"""Training a linear autoencoder by gradient descent on all examples at once, beside PCA.

Legend: M = BA, S = XᵀX/n, σ standard deviation of the noise on the input, L = E‖x − M(x + ε)‖².
"""

from dataclasses import dataclass
from math import isfinite, sqrt

import torch
from jaxtyping import Float
from torch import Tensor

from sightline.core.errors import DataError, NonFiniteLossError
from sightline.linear import inputs
from sightline.linear.linear_autoencoder import LinearAutoencoder
from sightline.linear.pca import principal_components
from sightline.linear.principal_angles import largest_principal_angle


@dataclass(frozen=True)
class AutoencoderCourse:
    """What happened in training.

    Attributes:
        steps: at which steps of gradient descent it was looked at, from 0.
        loss: L there.
        angle: the largest principal angle, in radians, between the columns of the decoder and PCA's subspace of as
            many dimensions; none where there is no such subspace (wide, or σ_k = σ_{k+1}).
        product: M = BA at the end.
    """

    steps: list[int]
    loss: list[float]
    angle: list[float] | None
    product: Float[Tensor, "d d"]


def descend(
    model: LinearAutoencoder,
    X: Float[Tensor, "n d"],
    *,
    steps: int,
    rate: float,
    noise: float = 0.0,
    every: int = 1,
) -> AutoencoderCourse:
    """Train by θ ← θ − η ∇L, L = ‖X − XMᵀ‖²/n + σ²‖M‖², gradients by autograd, all examples in every step.

    The noise is averaged in closed form, nothing is drawn: two runs from the same first weights are equal. X enters by
    its triangular factor alone, so a step costs the same for any number of examples.

    Args:
        model: trained in place.
        X: one row an example; no mean is taken away. With mean squares along the first direction of about 1
            (σ₁² = n), rates of about 0.1 are stable from first weights of scale 1.
        steps: of gradient descent, ≥ 0.
        rate: η > 0.
        noise: σ ≥ 0, in the units of X.
        every: how often to look, in steps; the first and the last are always looked at.

    Raises:
        DataError: when X is empty or not finite, or has other columns than the model.
        ConfigurationError: when a number is out of its range.
        NonFiniteLossError: when the rate was too large.

    Lecture: A1, A2

    Example:
        >>> from sightline.linear.linear_autoencoder import FreeAutoencoder
        >>> X = torch.tensor([[3.0, 0.0], [0.0, 1.0]]) / 2
        >>> model = FreeAutoencoder(2, 1, generator=torch.Generator().manual_seed(0))
        >>> course = descend(model, X, steps=200, rate=0.1)
        >>> round(course.loss[-1], 3)  # what PCA leaves: 0.5²/2
        0.125
    """
    X = inputs.matrix(X)
    if X.shape[1] != model.columns:
        raise DataError(
            expected=f"rows of {model.columns} entries, as the autoencoder was made for",
            found=f"{X.shape[1]}",
            do="make the autoencoder with as many columns as the data has",
        )
    steps, every = inputs.count(steps, "steps"), inputs.count(every, "every", minimum=1)
    rate, noise = inputs.number(rate, "rate", above=0), inputs.number(noise, "noise σ", minimum=0)
    n, d = X.shape
    R = (torch.linalg.qr(X, mode="r")[1] if n > d else X) / sqrt(n)
    found = principal_components(R)
    k = model.latent
    truth = found.subspace(k) if k < d and k <= len(found.sigma) and found.is_unique(k) else None
    weights = list(model.parameters())
    seen: list[int] = []
    losses: list[float] = []
    angles: list[float] = []
    for step in range(steps + 1):
        M = model.product()
        loss = (R - R @ M.mT).square().sum() + noise**2 * M.square().sum()
        if not isfinite(float(loss.detach())):
            raise NonFiniteLossError(
                expected="a loss that stays finite",
                found=f"{float(loss.detach())} after {step:,} steps at rate {rate:g}",
                do=f"lower the rate, to {rate / 10:.2g} for instance, or rescale the data to mean squares near 1",
            )
        if step % every == 0 or step == steps:
            seen.append(step)
            losses.append(float(loss.detach()))
            if truth is not None:
                angles.append(largest_principal_angle(model.B, truth))
        if step < steps:
            slopes = torch.autograd.grad(loss, weights, allow_unused=True)
            with torch.no_grad():
                for weight, slope in zip(weights, slopes, strict=True):
                    if slope is not None:
                        weight.sub_(rate * slope)
    return AutoencoderCourse(seen, losses, None if truth is None else angles, model.product().detach())
