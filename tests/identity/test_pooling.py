"""Pooling, unpooling and up-sampling: backward passes by hand against autograd, and what undoes what."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sightline.core.errors import ConfigurationError, InputError
from sightline.nn.pooling import (
    PickOnePool2d,
    WeightedPool2d,
    average_pool_backward,
    max_pool_backward,
    pick_one_backward,
    weighted_pool_backward,
)
from sightline.nn.unpooling import MaxUnpool2d, max_unpool_backward
from sightline.nn.upsampling import Mode, interpolation_matrix, upsample, upsample_backward


def drawn(*shape: int) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64).requires_grad_()


def gradient_of(y: Tensor, *inputs: Tensor) -> tuple[Tensor, tuple[Tensor, ...]]:
    """A drawn ∂L/∂y and what autograd makes of it."""
    gradient = torch.randn_like(y)
    return gradient, torch.autograd.grad(y, inputs, gradient)


def close(found: Tensor, expected: Tensor) -> None:
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(("kernel", "stride", "padding"), [(2, 2, 0), (3, 2, 1), (3, 1, 0), (2, 3, 0)])
def test_maximum_and_average(kernel: int, stride: int, padding: int) -> None:
    torch.manual_seed(0)
    x = drawn(2, 3, 9, 8)
    y, indices = F.max_pool2d(x, kernel, stride, padding, return_indices=True)
    gradient, (expected,) = gradient_of(y, x)
    close(max_pool_backward(gradient, indices, (9, 8)), expected)
    gradient, (expected,) = gradient_of(F.avg_pool2d(x, kernel, stride, padding), x)
    close(average_pool_backward(gradient, (9, 8), kernel, stride, padding), expected)


def test_average_pooling_steps_by_its_kernel_unless_told() -> None:
    gradient = torch.ones(1, 1, 2, 2)
    assert torch.equal(average_pool_backward(gradient, (4, 4), 2), torch.full((1, 1, 4, 4), 0.25))


def test_the_first_of_equal_values_wins() -> None:
    x = torch.ones(1, 1, 2, 2)
    _, indices = F.max_pool2d(x, 2, return_indices=True)
    assert max_pool_backward(torch.ones(1, 1, 1, 1), indices, (2, 2)).flatten().tolist() == [1, 0, 0, 0]


@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("size", [(7, 8), (6, 9), (1, 2)])
def test_pick_one(stride: int, size: tuple[int, int]) -> None:
    torch.manual_seed(0)
    x = drawn(2, 3, *size)
    y = PickOnePool2d(stride=stride)(x)
    close(y, F.max_pool2d(x, 1, stride))  # a window of one position has one to pick
    gradient, (expected,) = gradient_of(y, x)
    close(pick_one_backward(gradient, size, stride), expected)


def test_a_stride_is_a_convolution_and_then_pick_one() -> None:
    torch.manual_seed(0)
    x, weight = drawn(2, 3, 9, 8), drawn(4, 3, 3, 3)
    close(F.conv2d(x, weight, stride=2, padding=1), PickOnePool2d(stride=2)(F.conv2d(x, weight, padding=1)))


def test_weighted_starts_as_the_average() -> None:
    torch.manual_seed(0)
    x = drawn(2, 3, 9, 8)
    close(WeightedPool2d(kernel_size=3).double()(x), F.avg_pool2d(x, 3))
    close(WeightedPool2d(kernel_size=3, stride=2).double()(x), F.avg_pool2d(x, 3, 2))


@pytest.mark.parametrize(("kernel", "stride"), [(2, None), (3, 2), (3, 1), (1, 2)])
def test_weighted(kernel: int, stride: int | None) -> None:
    torch.manual_seed(0)
    x, layer = drawn(2, 3, 9, 8), WeightedPool2d(kernel_size=kernel, stride=stride).double()
    nn.init.normal_(layer.logits, std=2)
    y = layer(x)
    weights = layer.logits.exp() / layer.logits.exp().sum()
    step = stride or kernel
    for row, column in ((0, 0), (1, 2)):
        window = x[:, :, row * step : row * step + kernel, column * step : column * step + kernel]
        close(y[:, :, row, column], (weights * window).sum((2, 3)))
    gradient, (dx, dlogits) = gradient_of(y, x, layer.logits)
    found = weighted_pool_backward(gradient, x, layer.logits, step)
    close(found[0], dx)
    close(found[1], dlogits)


def test_a_weighted_mean_lies_between_the_least_and_the_largest() -> None:
    torch.manual_seed(0)
    layer = WeightedPool2d(kernel_size=2)
    nn.init.normal_(layer.logits, std=3)
    x = torch.randn(4, 3, 8, 8)
    y = layer(x)
    assert bool((y <= F.max_pool2d(x, 2) + 1e-6).all())
    assert bool((y >= -F.max_pool2d(-x, 2) - 1e-6).all())
    torch.testing.assert_close(layer(torch.full((1, 2, 4, 4), 7.0)), torch.full((1, 2, 2, 2), 7.0))


@pytest.mark.parametrize("size", [(8, 6), (9, 7)])
def test_unpooling(size: tuple[int, int]) -> None:
    torch.manual_seed(0)
    x = torch.rand(2, 3, *size, dtype=torch.float64)
    pool = nn.MaxPool2d(2, return_indices=True)
    pooled, indices = pool(x)
    unpooled = MaxUnpool2d()(pooled, indices, x.shape[-2:])
    close(unpooled, nn.MaxUnpool2d(2)(pooled, indices, output_size=list(size)))
    assert torch.equal(pool(unpooled)[0], pooled)  # pool(unpool(y)) = y where y ≥ 0
    winners = unpooled != 0
    assert int(winners.sum()) == pooled.numel()
    assert torch.equal(unpooled[winners], x[winners])  # unpool(pool(x)) keeps the maxima where they were
    z = drawn(*pooled.shape)
    gradient, (expected,) = gradient_of(MaxUnpool2d()(z, indices, size), z)
    close(max_unpool_backward(gradient, indices), expected)


def test_unpooling_is_the_adjoint_of_picking_the_maxima_where_windows_overlap() -> None:
    torch.manual_seed(0)
    x = torch.randn(2, 3, 7, 7, dtype=torch.float64)
    _, indices = nn.MaxPool2d(3, stride=1, return_indices=True)(x)
    y, z = torch.randn(2, 3, 5, 5, dtype=torch.float64), torch.randn(2, 3, 7, 7, dtype=torch.float64)
    assert int(indices[0, 0].unique().numel()) < 25  # some position won more than once
    close((MaxUnpool2d()(y, indices, (7, 7)) * z).sum(), (y * max_unpool_backward(z, indices)).sum())


class Hourglass(nn.Module):
    """Down and up again: the pair as a U-Net uses it."""

    def __init__(self) -> None:
        super().__init__()
        self.pool, self.unpool = nn.MaxPool2d(2, return_indices=True), MaxUnpool2d()
        self.inner = nn.Conv2d(3, 3, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        pooled, indices = self.pool(x)
        y: Tensor = self.unpool(self.inner(pooled), indices, x.shape[-2:])
        return y


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_pair_in_a_network(dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    network, x = Hourglass().to(dtype), torch.randn(2, 3, 7, 6, dtype=dtype)
    y = network(x)
    assert y.shape == x.shape
    assert y.dtype == dtype
    y.sum().backward()
    assert all(p.grad is not None and bool(p.grad.abs().sum() > 0) for p in network.parameters())
    torch.testing.assert_close(network(x.to(memory_format=torch.channels_last)), y)


@pytest.mark.parametrize("mode", ["nearest", "bilinear"])
@pytest.mark.parametrize("factor", [1, 2, 3, 4, 7])
@pytest.mark.parametrize("size", [(3, 5), (1, 2)])
def test_upsampling(mode: Mode, factor: int, size: tuple[int, int]) -> None:
    torch.manual_seed(0)
    x = drawn(2, 3, *size)
    expected = F.interpolate(x, scale_factor=factor, mode=mode)
    close(upsample(x, factor, mode), expected)
    gradient, (dx,) = gradient_of(expected, x)
    close(upsample_backward(gradient, factor, mode), dx)
    close(interpolation_matrix(size[0], factor, mode).sum(1), torch.ones(factor * size[0], dtype=torch.float64))


@pytest.mark.usefixtures("as_a_user_calls")
def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="stride = 0"):
        PickOnePool2d(stride=0)
    with pytest.raises(ConfigurationError, match="kernel_size = 0"):
        WeightedPool2d(kernel_size=0)
    with pytest.raises(ConfigurationError, match="stride = 0"):
        WeightedPool2d(kernel_size=2, stride=0)
    indices = torch.zeros(1, 1, 3, 2, dtype=torch.int64)
    with pytest.raises(InputError, match=r"one index for each value: shape \(1, 1, 2, 2\)"):
        MaxUnpool2d()(torch.zeros(1, 1, 2, 2), indices, (4, 4))
    for size in ((4, 1), (2, 4)):
        with pytest.raises(InputError, match=f"size {size[0]} × {size[1]}"):
            MaxUnpool2d()(torch.zeros(1, 1, 3, 2), indices, size)
    with pytest.raises(InputError, match=r"the output's shape, \(1, 1, 2, 2\)"):
        weighted_pool_backward(torch.zeros(1, 1, 2, 3), torch.zeros(1, 1, 4, 4), torch.zeros(2, 2), 2)
    for factor in (0, 3):
        with pytest.raises(ConfigurationError, match=f"factor = {factor}"):
            upsample_backward(torch.zeros(1, 1, 3, 4), factor)
    with pytest.raises(InputError, match=r"the output's shape, \(1, 1, 2, 3\)"):  # as many windows, turned
        average_pool_backward(torch.zeros(1, 1, 3, 2), (4, 6), 2)
    with pytest.raises(ConfigurationError, match="stride = 0"):
        pick_one_backward(torch.zeros(1, 1, 2, 2), (4, 4), 0)
    calls: list[Callable[[Any], Tensor]] = [
        lambda mode: interpolation_matrix(2, 2, mode),
        lambda mode: upsample(torch.zeros(1, 1, 2, 2), 2, mode),
        lambda mode: upsample_backward(torch.zeros(1, 1, 2, 2), 2, mode),
    ]
    for call in calls:
        with pytest.raises(ConfigurationError, match=r"one of nearest, bilinear\n.*\n.*did you mean 'bilinear'"):
            call("bilinaer")
        with pytest.raises(ConfigurationError, match="mode = 'bicubic'"):
            call("bicubic")
    with pytest.raises(ConfigurationError, match="factor = 0"):
        upsample(torch.zeros(1, 1, 3, 4), 0)
