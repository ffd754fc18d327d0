"""Batch normalisation: each channel's mean and variance over the batch, and what stands in for them at test time.

The module is ``torch.nn.BatchNorm2d``; these are its two forms, its running statistics and its backward pass.

Legend: γ weight, β bias, μ mean, σ² variance, m torch's momentum, g = ∂L/∂y, x̂ = (x − μ)/√(σ² + ε).
"""

from jaxtyping import Float
from torch import Tensor

from sightline.core.errors import ConfigurationError, InputError
from sightline.nn.normalisation import normalise, normalise_backward, require_one_each
from sightline.nn.shapes import require_gradient_of

Maps = Float[Tensor, "batch channels *positions"]
PerChannel = Float[Tensor, " channels"]


def batch_norm(x: Maps, weight: PerChannel, bias: PerChannel, eps: float = 1e-5) -> Maps:
    """Training form: y = γ x̂ + β with each channel's μ and σ over the batch and all positions.

    Shapes:
        x (batch, channels, *positions), weight and bias (channels) → (batch, channels, *positions)

    Args:
        x: two values a channel or more.
        weight: γ.
        bias: β.
        eps: ε > 0.

    Raises:
        InputError: where a channel has one value (x̂ would be zero whatever it is), or γ or β is not one a channel.

    Source: Ioffe & Szegedy 2015, algorithm 1

    Lecture: N4

    Example:
        >>> import torch
        >>> batch_norm(torch.tensor([[1.0], [3.0]]), torch.ones(1), torch.full((1,), 5.0)).round(decimals=3)
        tensor([[4.],
                [6.]])
    """
    axes = _batch_axes(x)
    return per_channel(weight, x) * normalise(x, axes, eps) + per_channel(bias, x)


def running_statistics(
    x: Maps, running_mean: PerChannel, running_variance: PerChannel, momentum: float = 0.1
) -> tuple[PerChannel, PerChannel]:
    """What a training step remembers for test time: r ← (1 − m) r + m r_batch, for the mean and the variance.

    m is the weight of the *new* batch, so 1 − m is what other places call momentum. The variance remembered is the
    unbiased one, Σ(x − μ)²/(n − 1), although the step itself normalised with Σ(x − μ)²/n.

    Shapes:
        x (batch, channels, *positions), statistics (channels) → mean (channels), variance (channels)

    Args:
        x: the batch; n = batch · positions is two or more.
        running_mean: r before the step; torch starts at 0.
        running_variance: r before the step; torch starts at 1.
        momentum: m, from 0 to 1.

    Raises:
        InputError: as :func:`batch_norm`.
        ConfigurationError: for m outside [0, 1].

    Source: Ioffe & Szegedy 2015, algorithm 2; ``torch.nn.BatchNorm2d``

    Lecture: N4

    Example:
        >>> import torch
        >>> running_statistics(torch.tensor([[1.0], [3.0]]), torch.zeros(1), torch.ones(1), momentum=0.5)
        (tensor([1.]), tensor([1.5000]))
    """
    if not 0 <= momentum <= 1:
        raise ConfigurationError(
            expected="momentum from 0 (keep the old) to 1 (take the new)",
            found=f"momentum = {momentum}",
            do="use 0.1, torch's own",
        )
    axes = _batch_axes(x)
    variance = x.var(axes, correction=1)
    return (1 - momentum) * running_mean + momentum * x.mean(axes), (
        1 - momentum
    ) * running_variance + momentum * variance


def batch_norm_at_test(
    x: Maps, mean: PerChannel, variance: PerChannel, weight: PerChannel, bias: PerChannel, eps: float = 1e-5
) -> Maps:
    """Test form: y = γ (x − μ)/√(σ²_running + ε) + β, an affine map with fixed numbers for each channel.

    An example's output no longer depends on the others in its batch; the layer can be folded into the one before.

    Shapes:
        x (batch, channels, *positions), the rest (channels) → (batch, channels, *positions)

    Args:
        x: any batch, one example or none included.
        mean: the running mean.
        variance: the running variance.
        weight: γ.
        bias: β.
        eps: ε > 0.

    Raises:
        InputError: where one of them is not one a channel.

    Source: Ioffe & Szegedy 2015, algorithm 2, line 11

    Lecture: N4

    Example:
        >>> import torch
        >>> one, four = torch.ones(1), torch.full((1,), 4.0)
        >>> batch_norm_at_test(torch.tensor([[5.0]]), one, four, one, 0 * one, eps=0.0)
        tensor([[2.]])
    """
    scale = per_channel(weight, x) / (per_channel(variance, x) + eps).sqrt()
    return (x - per_channel(mean, x)) * scale + per_channel(bias, x)


def batch_norm_backward(
    gradient: Maps, x: Maps, weight: PerChannel, eps: float = 1e-5
) -> tuple[Maps, PerChannel, PerChannel]:
    """∂L/∂x of the training form by :func:`normalise_backward` with ĝ = γ g; ∂L/∂γ = Σ g x̂, ∂L/∂β = Σ g.

    Sums run over the batch and all positions. In the test form μ and σ are constants and ∂L/∂x = γ g/σ only.

    Shapes:
        gradient and x (batch, channels, *positions), weight (channels) → the shapes of x, weight and bias

    Args:
        gradient: g = ∂L/∂y.
        x: the layer's input.
        weight: γ.
        eps: as in the forward pass.

    Returns:
        (∂L/∂x, ∂L/∂γ, ∂L/∂β)

    Raises:
        InputError: as :func:`batch_norm`, and where g has not the shape of x.

    Source: Ioffe & Szegedy 2015, §3

    Lecture: N4

    Example:
        >>> import torch
        >>> dx, dweight, dbias = batch_norm_backward(torch.ones(4, 2), torch.randn(4, 2), torch.ones(2))
        >>> dbias
        tensor([4., 4.])
    """
    axes = _batch_axes(x)
    require_gradient_of(gradient, x.shape)
    dx = normalise_backward(per_channel(weight, x) * gradient, x, axes, eps)
    return dx, (gradient * normalise(x, axes, eps)).sum(axes), gradient.sum(axes)


def per_channel(values: PerChannel, x: Maps) -> Float[Tensor, "1 channels *ones"]:
    """One value a channel, shaped to multiply maps.

    Shapes:
        values (channels), x (batch, channels, *positions) → (1, channels, 1, …)

    Raises:
        InputError: where there is not one for each channel.

    Example:
        >>> import torch
        >>> per_channel(torch.ones(3), torch.ones(2, 3, 4, 4)).shape
        torch.Size([1, 3, 1, 1])
    """
    require_one_each(values, x.shape[1], "channel")
    return values.reshape(1, -1, *[1] * (x.dim() - 2))


def _batch_axes(x: Tensor) -> tuple[int, ...]:
    """All axes but the channels', which must hold two values or more."""
    if x.dim() < 2 or x.numel() < 2 * x.shape[1]:
        raise InputError(
            expected="two values of each channel or more, to take a mean and a variance of",
            found=f"an input of shape {tuple(x.shape)}",
            do="use a batch of two examples or more; for one at a time, the test form or group normalisation",
        )
    return (0, *range(2, x.dim()))
