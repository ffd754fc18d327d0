"""Activations: derivatives by hand against autograd, and where they jump."""

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from sightline.core.errors import UnknownNameError
from sightline.nn.activations import (
    ACTIVATIONS,
    activation,
    gelu_backward,
    gelu_tanh,
    gelu_tanh_backward,
    leaky_relu_backward,
    relu_backward,
    sigmoid_backward,
    silu_backward,
    softmax,
    softmax_backward,
    softmax_jacobian,
    tanh_backward,
)

FROM_OUTPUT = {"sigmoid": sigmoid_backward, "tanh": tanh_backward, "relu": relu_backward}
FROM_INPUT = {
    "relu": relu_backward,
    "leaky-relu": leaky_relu_backward,
    "gelu": gelu_backward,
    "silu": silu_backward,
}


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_by_hand_is_as_by_autograd(name: str) -> None:
    x = torch.linspace(-30, 30, 1201, dtype=torch.float64).requires_grad_()
    gradient = torch.cos(torch.arange(1201, dtype=torch.float64))
    y = activation(name)(x)
    (expected,) = torch.autograd.grad(y, x, gradient)
    found = [
        functions[name](gradient, saved)
        for functions, saved in ((FROM_OUTPUT, y), (FROM_INPUT, x))
        if name in functions
    ]
    assert found
    for by_hand in found:
        torch.testing.assert_close(by_hand.detach(), expected, rtol=1e-12, atol=1e-14)


def test_an_infinite_gradient_stops_at_a_unit_that_is_off() -> None:
    infinite = torch.full((3,), torch.inf)
    assert relu_backward(infinite, torch.tensor([-1.0, 0.0, 1.0])).tolist() == [0, 0, torch.inf]


def test_every_activation_is_covered() -> None:
    assert set(FROM_OUTPUT) | set(FROM_INPUT) == set(ACTIVATIONS)
    assert len(ACTIVATIONS) == 6
    with pytest.raises(UnknownNameError, match="did you mean 'gelu'"):
        activation("gellu")


def test_a_slope_of_ones_own() -> None:
    x = torch.tensor([-2.0, 0.0, 3.0], dtype=torch.float64).requires_grad_()
    (expected,) = torch.autograd.grad(F.leaky_relu(x, 0.3).sum(), x)
    torch.testing.assert_close(leaky_relu_backward(torch.ones(3, dtype=torch.float64), x, 0.3).detach(), expected)


def jump(function: Callable[[Tensor], Tensor], step: float) -> float:
    """function(+step) − function(−step)"""
    left, right = torch.tensor([-step], dtype=torch.float64), torch.tensor([step], dtype=torch.float64)
    return float(function(right) - function(left))


def test_relu_and_gelu_are_continuous_and_only_relus_derivative_jumps() -> None:
    """Erratum 11: the notes call GELU "discontinuous like ReLU"; neither is, and GELU has not even a kink."""

    def slope(backward: Callable[[Tensor, Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
        return lambda x: backward(torch.ones_like(x), x)

    for step in (1e-2, 1e-4, 1e-6):
        assert abs(jump(F.relu, step)) <= step  # continuous: the jump goes to zero with the step
        assert abs(jump(F.gelu, step)) <= 1.01 * step
        assert jump(slope(relu_backward), step) == 1.0  # a kink: the derivative's jump does not
        assert 0 < jump(slope(gelu_backward), step) < 1.6 * step  # 2φ(0)·2 step = 1.596 step
    # one-sided difference quotients agree: a derivative for GELU, two slopes for ReLU
    for function, left, right in ((F.gelu, 0.5, 0.5), (F.relu, 0.0, 1.0)):
        quotients = [float(function(torch.tensor(h, dtype=torch.float64))) / h for h in (-1e-7, 1e-7)]
        assert quotients == pytest.approx([left, right], abs=1e-6)


def test_gelu_is_not_monotonic() -> None:
    x = torch.tensor([-0.7517916, -0.7517915], dtype=torch.float64)
    slopes = gelu_backward(torch.ones(2, dtype=torch.float64), x)
    assert slopes[0] < 0 < slopes[1]


def test_gelu_is_the_mean_of_a_relu_with_a_random_threshold() -> None:
    """E[x·1(N < x)], summed over a fine grid of the normal distribution."""
    threshold = torch.linspace(-10, 10, 200_001, dtype=torch.float64)
    density = torch.exp(-0.5 * threshold**2)
    for x in (-1.3, 0.4, 2.0):
        mean = (x * (threshold < x) * density).sum() / density.sum()
        assert float(mean) == pytest.approx(float(F.gelu(torch.tensor(x, dtype=torch.float64))), abs=1e-4)


def test_the_tanh_form_of_gelu() -> None:
    x = torch.linspace(-10, 10, 200_001, dtype=torch.float64)
    torch.testing.assert_close(gelu_tanh(x), F.gelu(x, approximate="tanh"), rtol=1e-12, atol=1e-14)
    gap = (gelu_tanh(x) - F.gelu(x)).abs()
    assert 4.73e-4 < gap.max() < 4.74e-4
    assert abs(float(x[gap.argmax()])) == pytest.approx(2.70, abs=0.005)
    x = x[::100].clone().requires_grad_()
    (expected,) = torch.autograd.grad(F.gelu(x, approximate="tanh").sum(), x)
    found = gelu_tanh_backward(torch.ones_like(x), x)
    torch.testing.assert_close(found.detach(), expected, rtol=1e-11, atol=1e-13)


@pytest.mark.parametrize("batch", [(), (4,), (2, 3)])
def test_softmax_and_its_jacobian(batch: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    x = (3 * torch.randn(*batch, 5, dtype=torch.float64)).requires_grad_()
    gradient = torch.randn(*batch, 5, dtype=torch.float64)
    p = softmax(x)
    torch.testing.assert_close(p, x.softmax(-1), rtol=1e-13, atol=1e-15)
    (expected,) = torch.autograd.grad(x.softmax(-1), x, gradient)
    p = p.detach()
    torch.testing.assert_close(softmax_backward(gradient, p), expected, rtol=1e-12, atol=1e-13)
    by_matrix = torch.einsum("...ij,...j->...i", softmax_jacobian(p), gradient)
    torch.testing.assert_close(by_matrix, expected, rtol=1e-12, atol=1e-13)
    assert softmax_jacobian(p).sum(-1).abs().max() < 1e-15


def test_softmax_of_large_numbers() -> None:
    x = torch.tensor([[1e4, 1e4 - 1, -1e4]])
    torch.testing.assert_close(softmax(x), torch.tensor([[0.7310586, 0.2689414, 0.0]]))
    assert softmax_backward(torch.ones(1, 3), softmax(x)).abs().max() < 1e-6
