"""Surrogate losses: values and gradients against closed forms in float64, and stability in float32."""

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from sightline.objectives import surrogate

F = torch.linspace(-6, 6, 25, dtype=torch.float64) + 0.013
Y = torch.sin(7 * F)
LABEL = (torch.arange(25) % 2).double()

Pair = Callable[[Tensor], Tensor]
CASES: dict[str, tuple[Pair, Pair, Pair]] = {
    "squared": (lambda f: surrogate.squared(f, Y), lambda f: (f - Y) ** 2, lambda f: 2 * (f - Y)),
    "absolute": (lambda f: surrogate.absolute(f, Y), lambda f: abs(f - Y), lambda f: torch.sign(f - Y)),
    "logistic": (
        surrogate.logistic,
        lambda m: torch.log(1 + torch.exp(-m)),
        lambda m: -1 / (1 + torch.exp(m)),
    ),
    "hinge": (surrogate.hinge, lambda m: torch.where(m < 1, 1 - m, 0.0), lambda m: -(m < 1).double()),
    "exponential": (surrogate.exponential, lambda m: math.e ** (-m), lambda m: -(math.e ** (-m))),
    "binary_cross_entropy": (
        lambda f: surrogate.binary_cross_entropy(f, LABEL),
        lambda f: -LABEL * torch.log(sigmoid(f)) - (1 - LABEL) * torch.log(1 - sigmoid(f)),
        lambda f: sigmoid(f) - LABEL,
    ),
}
every_loss = pytest.mark.parametrize("name", CASES)


def sigmoid(f: Tensor) -> Tensor:
    return 1 / (1 + torch.exp(-f))


def test_every_elementwise_loss_is_here() -> None:
    assert len(CASES) == 6


@every_loss
def test_value_and_derivative_have_their_closed_forms(name: str) -> None:
    loss, value, derivative = CASES[name]
    f = F.clone().requires_grad_()
    found = loss(f)
    assert found.shape == F.shape
    torch.testing.assert_close(found.detach(), value(F), rtol=1e-12, atol=1e-12)
    (gradient,) = torch.autograd.grad(found.sum(), f)
    torch.testing.assert_close(gradient, derivative(F), rtol=1e-12, atol=1e-12)


@every_loss
def test_derivative_agrees_with_finite_differences(name: str) -> None:
    assert torch.autograd.gradcheck(CASES[name][0], F.clone().requires_grad_())


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.5])
def test_cross_entropy_has_its_closed_form(smoothing: float) -> None:
    z = torch.randn(8, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0)).requires_grad_()
    target = torch.arange(8) % 4
    q = torch.full((8, 4), smoothing / 4, dtype=torch.float64)
    q[torch.arange(8), target] = 1 - smoothing * 3 / 4
    p = torch.exp(z.detach()) / torch.exp(z.detach()).sum(1, keepdim=True)
    found = surrogate.cross_entropy(z, target, smoothing)
    torch.testing.assert_close(found.detach(), -(q * torch.log(p)).sum(1))
    (gradient,) = torch.autograd.grad(found.sum(), z)
    torch.testing.assert_close(gradient, p - q)
    assert torch.autograd.gradcheck(lambda z: surrogate.cross_entropy(z, target, smoothing), z)


def test_large_logits_neither_overflow_nor_vanish_in_float32() -> None:
    far = torch.tensor([1e4, -1e4], requires_grad=True)
    assert surrogate.logistic(far).tolist() == [0.0, 1e4]
    assert surrogate.binary_cross_entropy(far, torch.tensor([0.0, 1.0])).tolist() == [1e4, 1e4]
    assert surrogate.cross_entropy(far[None], torch.tensor([1])).tolist() == [2e4]
    (gradient,) = torch.autograd.grad(surrogate.logistic(far).sum(), far)
    assert gradient.tolist() == [0.0, -1.0]
    assert surrogate.logistic(torch.tensor([30.0])).item() == pytest.approx(math.exp(-30), rel=1e-5)


def test_the_kinks_have_the_stated_derivative() -> None:
    kink = torch.tensor([1.0], requires_grad=True)
    assert torch.autograd.grad(surrogate.hinge(kink).sum(), kink)[0].item() == 0
    assert torch.autograd.grad(surrogate.absolute(kink, torch.ones(1)).sum(), kink)[0].item() == 0


def test_margin_losses_bound_the_error_rate() -> None:
    wrong = (F <= 0).double()
    assert (surrogate.hinge(F) >= wrong).all()
    assert (surrogate.exponential(F) >= wrong).all()
    assert (surrogate.logistic(F) / math.log(2) >= wrong).all()


def test_binary_cross_entropy_is_the_logistic_loss_of_the_margin() -> None:
    torch.testing.assert_close(
        surrogate.binary_cross_entropy(F, LABEL), surrogate.logistic((2 * LABEL - 1) * F), rtol=1e-12, atol=0
    )
