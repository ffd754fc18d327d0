"""Which parts of an input a network's answer rests on: gradients, and their integral along a way from nothing.

Legend: s(x) the score looked at (one of the outputs), x the input, x̄ a baseline that stands for nothing.
"""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from sightline.core.errors import ConfigurationError, InputError
from sightline.understand.output_features import evaluated


@dataclass(frozen=True)
class Saliency:
    """What each number of an input adds to the score.

    Attributes:
        values: shaped as the inputs.
        scores: s(x), [N].
        targets: which output was looked at, [N].
        gap: |Σ values − (s(x) − s(x̄))|, [N]: 0 where the values add up to the score's rise (completeness); none for
            those that do not claim it.
    """

    values: Float[Tensor, "N ..."]
    scores: Float[Tensor, " N"]
    targets: Int[Tensor, " N"]
    gap: Float[Tensor, " N"] | None = None


def input_gradient(model: nn.Module, x: Float[Tensor, "N ..."], target: Int[Tensor, " N"] | None = None) -> Saliency:
    """∂s/∂x: how the score would change with each number. Costs a forward and a backward pass in evaluation mode.

    Args:
        model: any module with outputs (N, O) that treats examples apart. For texts let it begin at the embedding.
        x: inputs.
        target: the output looked at of each example; none: its greatest.

    Raises:
        InputError: for outputs of another shape, inputs that are no real numbers, or targets out of range.

    Source: Simonyan et al. 2014, "Deep Inside Convolutional Networks", §3

    Lecture: U6

    Example:
        >>> layer = nn.Linear(2, 1, bias=False)
        >>> layer.weight.data = torch.tensor([[2.0, -1.0]])
        >>> input_gradient(layer, torch.tensor([[3.0, 4.0]])).values.tolist()
        [[2.0, -1.0]]
    """
    with evaluated(model):
        scores, target = _scores(model, x, target)
        return Saliency(_gradient(model, x, target), scores, target)


def gradient_times_input(
    model: nn.Module, x: Float[Tensor, "N ..."], target: Int[Tensor, " N"] | None = None
) -> Saliency:
    """x · ∂s/∂x, number by number: of a piecewise linear network without biases they add up to the score.

    Arguments, costs and errors: :func:`input_gradient`.

    Source: Shrikumar et al. 2016, "Not Just a Black Box", §2

    Lecture: U6

    Example:
        >>> layer = nn.Linear(2, 1, bias=False)
        >>> layer.weight.data = torch.tensor([[2.0, -1.0]])
        >>> gradient_times_input(layer, torch.tensor([[3.0, 4.0]])).values.tolist()
        [[6.0, -4.0]]
    """
    found = input_gradient(model, x, target)
    return Saliency(x.detach() * found.values, found.scores, found.targets)


def integrated_gradients(
    model: nn.Module,
    x: Float[Tensor, "N ..."],
    target: Int[Tensor, " N"] | None = None,
    *,
    baseline: Float[Tensor, "..."] | None = None,
    steps: int = 32,
) -> Saliency:
    """(x − x̄) · ∫₀¹ ∂s/∂x (x̄ + t(x − x̄)) dt: values that add up to s(x) − s(x̄), up to ``gap``.

    The integral is a Gauss-Legendre sum: exact for smooth scores up to degree 2·steps − 1 on the way; kinks of ReLUs
    leave a gap that falls with the steps. Costs a forward and a backward pass a step.

    Args:
        model, x, target: see :func:`input_gradient`; the target is chosen at x.
        baseline: x̄, shaped as the inputs or as one of them; none: zeros.
        steps: at least 1.

    Raises:
        ConfigurationError: for no step.
        InputError: see :func:`input_gradient`; and for a baseline of another shape.

    Source: Sundararajan et al. 2017, "Axiomatic Attribution for Deep Networks", §3

    Lecture: U6

    Example:
        >>> layer = nn.Linear(2, 1)
        >>> integrated_gradients(layer, torch.tensor([[3.0, 4.0]]), steps=1).gap.round(decimals=4).tolist()
        [0.0]
    """
    if steps < 1:
        raise ConfigurationError(expected="at least one step", found=f"steps = {steps}", do="use steps=32")
    start = torch.zeros_like(x) if baseline is None else baseline.to(x)
    if start.shape not in (x.shape, x.shape[1:]):
        raise InputError(
            expected=f"a baseline shaped as the inputs, {tuple(x.shape)}, or as one of them",
            found=f"shape {tuple(start.shape)}",
            do="give for example the mean of the data",
        )
    places, weights = np.polynomial.legendre.leggauss(steps)
    way, total = x.detach() - start, torch.zeros_like(x)
    with evaluated(model):
        scores, target = _scores(model, x, target)
        for place, weight in zip((places + 1) / 2, weights / 2, strict=True):
            total += float(weight) * _gradient(model, start + float(place) * way, target)
        nothing, _ = _scores(model, start.expand_as(x), target)
    values = way * total
    return Saliency(values, scores, target, (values.flatten(1).sum(1) - (scores - nothing)).abs())


def _scores(model: nn.Module, x: Tensor, target: Tensor | None) -> tuple[Tensor, Tensor]:
    if not x.is_floating_point():
        raise InputError(
            expected="inputs that are real numbers", found=f"{x.dtype}", do="look at the part after the embedding"
        )
    with torch.no_grad():
        y = model(x)
    if not isinstance(y, Tensor) or y.dim() != 2 or len(y) != len(x):
        raise InputError(
            expected=f"outputs (N, O) for {len(x)} examples",
            found=f"shape {tuple(y.shape)}" if isinstance(y, Tensor) else type(y).__name__,
            do="wrap the network so that it gives its logits",
        )
    if target is None:
        target = y.argmax(1)
    if target.shape != (len(x),) or not bool(((target >= 0) & (target < y.shape[1])).all()):
        raise InputError(
            expected=f"{len(x)} targets from 0 to {y.shape[1] - 1}",
            found=f"shape {tuple(target.shape)}, values {target.flatten()[:10].tolist()}",
            do="number the outputs from 0",
        )
    return y.gather(1, target[:, None])[:, 0], target


def _gradient(model: nn.Module, x: Tensor, target: Tensor) -> Tensor:
    x = x.detach().requires_grad_()
    score = model(x).gather(1, target[:, None]).sum()
    (gradient,) = torch.autograd.grad(score, x, materialize_grads=True)
    return gradient
