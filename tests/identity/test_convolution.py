"""Convolution and its transpose: the formula against torch, backward passes by hand against autograd."""

from collections.abc import Callable
from itertools import product
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from sightline.core.errors import ConfigurationError, InputError
from sightline.nn.convolution import convolution, convolution_backward, convolution_sizes
from sightline.nn.output_size import per_axis
from sightline.nn.separable import SeparableConvolution2d, depthwise, pointwise
from sightline.nn.transposed_convolution import (
    transposed_convolution,
    transposed_convolution_backward,
    zero_stuff,
)

CASES: list[dict[str, Any]] = [
    {},
    {"stride": 2},
    {"padding": 1},
    {"dilation": 2},
    {"dilation": 3, "padding": 3},
    {"groups": 2},
    {"stride": 3, "padding": 2, "dilation": 2, "groups": 2},
    {"stride": 2, "padding": 3, "groups": 4},
]
UNEVEN: dict[str, Any] = {"stride": (2, 3), "padding": (0, 2), "dilation": (2, 1)}
SIZES = {1: ((11,), (3,)), 2: ((9, 8), (3, 2))}


def drawn(*shape: int) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64).requires_grad_()


def same(found: tuple[Tensor, ...], expected: tuple[Tensor, ...]) -> None:
    for by_hand, by_autograd in zip(found, expected, strict=True):
        torch.testing.assert_close(by_hand, by_autograd, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(("axes", "options"), [*product((1, 2), CASES), (2, UNEVEN)])
def test_convolution(axes: int, options: dict[str, Any]) -> None:
    torch.manual_seed(0)
    size, kernel = SIZES[axes]
    kernels: Callable[..., Tensor] = F.conv1d if axes == 1 else F.conv2d
    x, weight, bias = drawn(3, 4, *size), drawn(8, 4 // options.get("groups", 1), *kernel), drawn(8)
    expected = kernels(x, weight, bias, **options)
    same((convolution(x, weight, bias, **options),), (expected,))
    same((convolution(x, weight, **options),), (kernels(x, weight, None, **options),))
    gradient = torch.randn_like(expected)
    same(
        convolution_backward(gradient, x, weight, **options),
        torch.autograd.grad(expected, (x, weight, bias), gradient),
    )


@pytest.mark.parametrize(("axes", "options"), [*product((1, 2), CASES), (2, UNEVEN)])
@pytest.mark.parametrize("output_padding", [0, 1, 2])
def test_transposed_convolution(axes: int, options: dict[str, Any], output_padding: int) -> None:
    torch.manual_seed(0)
    size, kernel = SIZES[axes]
    kernels: Callable[..., Tensor] = F.conv_transpose1d if axes == 1 else F.conv_transpose2d
    groups = options.get("groups", 1)
    x, weight, bias = drawn(3, 4, *size), drawn(4, 8 // groups, *kernel), drawn(8)
    limits = [
        max(s, d) for s, d in zip(*(per_axis(options.get(k, 1), axes, k) for k in ("stride", "dilation")), strict=True)
    ]
    extra: dict[str, Any] = {"output_padding": tuple(min(output_padding, limit - 1) for limit in limits)}
    expected = kernels(x, weight, bias, **options, **extra)
    same((transposed_convolution(x, weight, bias, **options, **extra),), (expected,))
    without = kernels(x, weight, None, **options, **extra)
    same((transposed_convolution(x, weight, **options, **extra),), (without,))
    gradient = torch.randn_like(expected)
    same(
        transposed_convolution_backward(gradient, x, weight, **options),
        torch.autograd.grad(expected, (x, weight, bias), gradient),
    )


def test_the_gradient_is_a_full_convolution_with_the_kernel_turned_round() -> None:
    torch.manual_seed(0)
    x, weight = drawn(2, 3, 7).detach(), drawn(5, 3, 4).detach()
    gradient = torch.randn(2, 5, 4, dtype=torch.float64)
    dx, _, _ = convolution_backward(gradient, x, weight)
    same((dx,), (convolution(gradient, weight.flip(2).transpose(0, 1), padding=3),))


def test_padding_beyond_the_kernel_is_cropped_on_the_way_back() -> None:
    """The part cropped can be longer than what the zeros are put between."""
    x, weight = drawn(1, 1, 1), drawn(1, 1, 1)
    options: dict[str, Any] = {"stride": 5, "padding": 2, "output_padding": 4}
    same((transposed_convolution(x, weight, **options),), (F.conv_transpose1d(x, weight, None, **options),))


def test_zeros_between_values() -> None:
    stuffed = zero_stuff(torch.ones(1, 1, 2, 3), (1, 2))
    assert stuffed[0, 0].tolist() == [[1, 0, 1, 0, 1], [1, 0, 1, 0, 1]]


def test_depthwise_is_every_channel_by_itself() -> None:
    torch.manual_seed(0)
    x = torch.randn(2, 3, 9, 8)
    layer = depthwise(num_channels=3, kernel_size=3, stride=2, dilation=2)
    y = layer(x)
    for channel in range(3):
        alone = F.conv2d(x[:, [channel]], layer.weight[[channel]], stride=2, padding=2, dilation=2)
        torch.testing.assert_close(y[:, [channel]], alone)
    assert layer.weight.numel() == 9 * 3
    assert y.shape == (2, 3, 5, 4)


def test_pointwise_is_one_matrix_at_every_position() -> None:
    torch.manual_seed(0)
    x, layer = torch.randn(2, 3, 4, 5), pointwise(num_inputs=3, num_outputs=6)
    assert layer.bias is not None
    with torch.no_grad():
        layer.bias.normal_()
    expected = F.linear(x.movedim(1, -1), layer.weight[:, :, 0, 0], layer.bias).movedim(-1, 1)
    torch.testing.assert_close(layer(x), expected)
    assert pointwise(num_inputs=3, num_outputs=6, bias=False).bias is None


@pytest.mark.parametrize("bias", [True, False])
def test_separable_has_k2c_plus_cd_weights_and_is_one_convolution_of_rank_one(bias: bool) -> None:
    torch.manual_seed(0)
    layer = SeparableConvolution2d(num_inputs=4, num_outputs=10, kernel_size=5, stride=2, bias=bias).double()
    assert sum(p.numel() for p in layer.parameters()) == 5 * 5 * 4 + 4 * 10 + 10 * bias
    x = torch.randn(2, 4, 9, 8, dtype=torch.float64)
    kernel = layer.pointwise.weight * layer.depthwise.weight.transpose(0, 1)  # (10, 4, 5, 5)
    assert kernel.numel() == 25 * 4 * 10
    torch.testing.assert_close(layer(x), F.conv2d(x, kernel, layer.pointwise.bias, stride=2, padding=2))


def test_separable_starts_with_the_variance_that_a_relu_wants() -> None:
    torch.manual_seed(0)
    layer = SeparableConvolution2d(num_inputs=256, num_outputs=256, kernel_size=3)
    assert float(layer.depthwise.weight.detach().var()) == pytest.approx(
        1 / 9, rel=0.1
    )  # 2304 draws: 3 % standard error
    assert float(layer.pointwise.weight.detach().var()) == pytest.approx(2 / 256, rel=0.05)
    assert layer.pointwise.bias is not None
    assert layer.pointwise.bias.abs().max() == 0


@pytest.mark.usefixtures("as_a_user_calls")
def test_what_does_not_fit_is_refused() -> None:
    x, weight = torch.zeros(1, 4, 8, 8), torch.zeros(6, 4, 3, 3)
    with pytest.raises(InputError, match="window of the convolution: 9 or more"):
        convolution(x, weight, dilation=4)
    with pytest.raises(InputError, match=r"an input of 8 channels \(4 for each of 2 groups\)"):
        convolution(x, weight, groups=2)
    with pytest.raises(ConfigurationError, match="groups = 4"):
        convolution(x, weight, groups=4)
    with pytest.raises(InputError, match="one value for each output channel, a vector of 6"):
        convolution(x, weight, torch.zeros(1))
    with pytest.raises(InputError, match="one value for each output channel, a vector of 4"):
        transposed_convolution(torch.zeros(1, 6, 8, 8), weight, torch.zeros(1))
    with pytest.raises(InputError, match=r"the output's shape, \(1, 6, 6, 6\)"):
        convolution_backward(torch.zeros(1, 6, 7, 6), x, weight)
    with pytest.raises(InputError, match="add the missing axis"):
        convolution_sizes(x[0], weight)
    for size in (5, 9):  # 6, and 7 and 8 with output padding, are outputs
        with pytest.raises(InputError, match=r"the output's size, \(6, 6\)"):
            transposed_convolution_backward(torch.zeros(1, 4, 6, size), torch.zeros(1, 6, 2, 2), weight, stride=3)
    with pytest.raises(InputError, match="at least 1 position from the transposed convolution"):
        transposed_convolution(torch.zeros(1, 6, 1, 1), weight, padding=2)
    for groups in (0, 4):  # of 6 input channels
        with pytest.raises(ConfigurationError, match=f"divides the 6 input channels\\n.*groups = {groups}"):
            transposed_convolution(torch.zeros(1, 6, 4, 4), weight, groups=groups)
        with pytest.raises(ConfigurationError, match=f"groups = {groups}"):
            transposed_convolution_backward(torch.zeros(1, 4, 6, 6), torch.zeros(1, 6, 4, 4), weight, groups=groups)
    for channels in (1, 4):
        with pytest.raises(InputError, match="an input of 6 channels"):
            transposed_convolution(torch.zeros(1, channels, 4, 4), weight)
    for shape in ((6, 4), (6, 4, 4), (1, 6, 4, 4, 4)):
        with pytest.raises(InputError, match="add the missing axis"):
            transposed_convolution(torch.zeros(shape), weight)
    for stride in (0, -1, (1, 0)):
        with pytest.raises(ConfigurationError, match="stride of 1 or more"):
            zero_stuff(torch.zeros(1, 1, 4, 4), stride)
    with pytest.raises(ConfigurationError, match="output_padding = 1"):
        transposed_convolution(torch.zeros(1, 6, 4, 4), weight, output_padding=1)
