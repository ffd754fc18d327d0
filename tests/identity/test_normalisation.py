"""Normalisation: the functions against torch's modules, backward passes by hand against autograd."""

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sightline.core.errors import ConfigurationError, InputError
from sightline.nn.batch_norm import batch_norm, batch_norm_at_test, batch_norm_backward, running_statistics
from sightline.nn.group_norm import group_norm, group_norm_backward
from sightline.nn.normalisation import ChannelLayerNorm, layer_norm_backward, normalise, normalise_backward
from sightline.nn.weight_standardisation import WeightStandardisedConv2d

POSITIONS: list[tuple[int, ...]] = [(), (5,), (3, 4)]
EPS = 1e-2  # large enough that a backward pass which forgot it would show


def drawn(*shape: int) -> Tensor:
    return (2 * torch.randn(*shape, dtype=torch.float64) + 1).requires_grad_()


def same(found: tuple[Tensor, ...], expected: tuple[Tensor, ...]) -> None:
    for by_hand, by_autograd in zip(found, expected, strict=True):
        torch.testing.assert_close(by_hand, by_autograd, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("axes", [(0,), (-1,), (0, 2), (0, 1, 2)])
def test_normalise(axes: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    x = drawn(3, 4, 5)
    y = normalise(x, axes, EPS)
    variance, mean = torch.var_mean(x, axes, correction=0, keepdim=True)
    same((y,), ((x - mean) / (variance + EPS).sqrt(),))
    gradient = torch.randn_like(y)
    same((normalise_backward(gradient, x, axes, EPS),), torch.autograd.grad(y, x, gradient))


def test_the_jacobian_takes_out_shift_and_scale() -> None:
    torch.manual_seed(0)
    x = torch.randn(6, dtype=torch.float64)
    scaled = normalise(x, (0,), 0)
    jacobian = torch.stack([normalise_backward(unit, x, (0,), 0) for unit in torch.eye(6, dtype=torch.float64)])
    sigma = x.std(correction=0)
    projection = torch.eye(6, dtype=torch.float64) - (1 + torch.outer(scaled, scaled)) / 6
    same((jacobian,), (projection / sigma,))
    assert (jacobian @ torch.ones(6, dtype=torch.float64)).abs().max() < 1e-15
    assert (jacobian @ scaled).abs().max() < 1e-15


@pytest.mark.parametrize("positions", POSITIONS)
def test_batch_norm_in_training(positions: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    x, weight, bias = drawn(6, 3, *positions), drawn(3), drawn(3)
    expected = F.batch_norm(x, None, None, weight, bias, training=True, eps=EPS)
    same((batch_norm(x, weight, bias, EPS),), (expected,))
    gradient = torch.randn_like(expected)
    found = batch_norm_backward(gradient, x, weight, EPS)
    same(found, torch.autograd.grad(expected, (x, weight, bias), gradient))


@pytest.mark.parametrize("momentum", [0.1, 0.75, 0.0, 1.0])
def test_running_statistics_and_the_test_form(momentum: float) -> None:
    torch.manual_seed(0)
    module = nn.BatchNorm2d(3, momentum=momentum, eps=EPS).double()
    nn.init.normal_(module.weight)
    nn.init.normal_(module.bias)
    mean, variance = torch.zeros(3, dtype=torch.float64), torch.ones(3, dtype=torch.float64)
    for _ in range(3):
        x = drawn(4, 3, 2, 2)
        module(x)
        mean, variance = running_statistics(x.detach(), mean, variance, momentum)
    assert module.running_mean is not None
    assert module.running_var is not None
    same((mean, variance), (module.running_mean, module.running_var))
    module.eval()
    for examples in (5, 1, 0):
        x = drawn(examples, 3, 2, 2)
        same((batch_norm_at_test(x, mean, variance, module.weight, module.bias, EPS),), (module(x),))


def test_what_is_remembered_is_the_unbiased_variance() -> None:
    x = torch.tensor([[0.0], [2.0]])
    _, variance = running_statistics(x, torch.zeros(1), torch.ones(1), momentum=1.0)
    assert variance.item() == 2.0  # Σ(x − 1)²/(n − 1), where the step itself divides by √(Σ(x − 1)²/n) = 1
    assert batch_norm(x, torch.ones(1), torch.zeros(1), eps=0.0).tolist() == [[-1.0], [1.0]]


@pytest.mark.parametrize("batch", [(), (5,), (2, 3)])
def test_layer_norm(batch: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    x, weight, bias = drawn(*batch, 4), drawn(4), drawn(4)
    y = F.layer_norm(x, (4,), weight, bias, EPS)
    gradient = torch.randn_like(y)
    same(layer_norm_backward(gradient, x, weight, EPS), torch.autograd.grad(y, (x, weight, bias), gradient))


@pytest.mark.parametrize("num_groups", [1, 2, 3, 6])
@pytest.mark.parametrize("positions", [(5,), (3, 4)])
def test_group_norm_and_its_two_limits(num_groups: int, positions: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    x, weight, bias = drawn(2, 6, *positions), drawn(6), drawn(6)
    expected = F.group_norm(x, num_groups, weight, bias, EPS)
    found = group_norm(x, num_groups, weight, bias, EPS)
    same((found,), (expected,))
    wide = (6, *[1] * len(positions))
    if num_groups == 1:
        layer = F.layer_norm(x, x.shape[1:], eps=EPS)  # over channels and positions
        same((found,), (weight.view(wide) * layer + bias.view(wide),))
    if num_groups == 6:
        same((found,), (F.instance_norm(x, weight=weight, bias=bias, eps=EPS),))
    gradient = torch.randn_like(expected)
    by_hand = group_norm_backward(gradient, x, num_groups, weight, EPS)
    same(by_hand, torch.autograd.grad(expected, (x, weight, bias), gradient))


@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
def test_channel_layer_norm(memory_format: torch.memory_format) -> None:
    torch.manual_seed(0)
    layer = ChannelLayerNorm(num_channels=5).double()
    assert layer.eps == 1e-6
    assert layer.weight.tolist() == [1] * 5
    assert layer.bias.tolist() == [0] * 5
    nn.init.normal_(layer.weight)
    nn.init.normal_(layer.bias)
    layer.eps = EPS
    x = drawn(2, 5, 3, 4).detach().to(memory_format=memory_format).requires_grad_()
    y = layer(x)
    scaled = normalise(x, (1,), EPS)
    same((y,), (layer.weight.view(5, 1, 1) * scaled + layer.bias.view(5, 1, 1),))
    gradient = torch.randn_like(y)
    last = [t.movedim(1, -1) for t in (gradient, x)]
    dx, dweight, dbias = layer_norm_backward(last[0], last[1], layer.weight, EPS)
    same((dx.movedim(-1, 1), dweight, dbias), torch.autograd.grad(y, (x, layer.weight, layer.bias), gradient))


def test_channel_layer_norm_reads_and_gives_channels_last() -> None:
    layer, x = ChannelLayerNorm(num_channels=4), torch.randn(2, 4, 3, 3).to(memory_format=torch.channels_last)
    assert layer(x).is_contiguous(memory_format=torch.channels_last)
    assert x.permute(0, 2, 3, 1).is_contiguous()  # what the kernel reads is the memory as it lies
    assert layer.bfloat16()(x.bfloat16()).dtype == torch.bfloat16
    assert layer(x[:0].bfloat16()).shape == (0, 4, 3, 3)
    assert repr(layer) == "ChannelLayerNorm(num_channels=4, eps=1e-06)"


OPTIONS: dict[str, Any] = {"stride": 2, "padding": 2, "dilation": 2, "groups": 2}


def test_weight_standardisation() -> None:
    torch.manual_seed(0)
    layer = WeightStandardisedConv2d(num_inputs=4, num_outputs=6, kernel_size=3, eps=EPS, **OPTIONS).double()
    assert layer.bias is not None
    nn.init.normal_(layer.bias)
    x = drawn(2, 4, 7, 7)
    y = layer(x)
    weight = layer.weight
    rows = weight.flatten(1)
    flat = (rows - rows.mean(1, keepdim=True)) / (rows.var(1, correction=0, keepdim=True) + EPS).sqrt()
    same((y,), (F.conv2d(x, flat.view_as(weight), layer.bias, **OPTIONS),))
    same((layer.standardised_weight(),), (flat.view_as(weight),))

    # its gradient is that of the standardised kernel, taken back through the mean and the standard deviation
    standardised = flat.view_as(weight).detach().requires_grad_()
    gradient = torch.randn_like(y)
    (outer,) = torch.autograd.grad(F.conv2d(x, standardised, layer.bias, **OPTIONS), standardised, gradient)
    (inner,) = torch.autograd.grad(y, weight, gradient)
    same((normalise_backward(outer, weight, (1, 2, 3), EPS),), (inner,))


def test_weight_standardisation_does_not_feel_the_kernels_scale_or_shift() -> None:
    torch.manual_seed(0)
    layer = WeightStandardisedConv2d(num_inputs=3, num_outputs=4, kernel_size=3, bias=False, eps=0.0).double()
    x = torch.randn(2, 3, 5, 5, dtype=torch.float64)
    y = layer(x)
    y.square().sum().backward()
    assert layer.weight.grad is not None
    along_shift = layer.weight.grad.sum((1, 2, 3))
    along_scale = (layer.weight.grad * layer.standardised_weight()).sum((1, 2, 3))
    size = layer.weight.grad.abs().max()
    assert torch.stack([along_shift, along_scale]).abs().max() < 1e-12 * size
    with torch.no_grad():
        layer.weight.mul_(7).add_(3)
    torch.testing.assert_close(layer(x), y, rtol=1e-10, atol=1e-10)


def test_weight_standardisation_starts_as_he_normal_with_a_bias_of_zero() -> None:
    torch.manual_seed(0)
    layer = WeightStandardisedConv2d(num_inputs=32, num_outputs=64, kernel_size=3)
    assert layer.weight.detach().var().item() == pytest.approx(2 / (32 * 9), rel=0.05)  # 18432 draws: 1 %
    assert layer.bias is not None
    assert layer.bias.abs().max().item() == 0


@pytest.mark.usefixtures("as_a_user_calls")
def test_what_does_not_fit_is_refused() -> None:
    x, three = torch.zeros(2, 3, 4), torch.zeros(3)
    with pytest.raises(InputError, match=r"two values of each channel or more.*\n.*\(1, 3\)"):
        batch_norm(torch.zeros(1, 3), three, three)
    with pytest.raises(InputError, match="two values"):
        running_statistics(torch.zeros(0, 3, 4), three, three)
    with pytest.raises(InputError, match="two values"):
        batch_norm_backward(torch.zeros(1, 3), torch.zeros(1, 3), three)
    for weight, bias in ((three[:1], three), (three, three[:1])):
        with pytest.raises(InputError, match="one value for each channel, a vector of 3"):
            batch_norm(x, weight, bias)
        with pytest.raises(InputError, match="one value for each channel, a vector of 3"):
            group_norm(x, 1, weight, bias)
    with pytest.raises(InputError, match="one value for each channel, a vector of 3"):
        batch_norm_at_test(x, three, three[:1], three, three)
    with pytest.raises(InputError, match="one value for each feature, a vector of 4"):
        layer_norm_backward(x, x, three[:1])
    with pytest.raises(ConfigurationError, match="num_groups = 2"):
        group_norm(x, 2, three, three)
    with pytest.raises(ConfigurationError, match="num_groups = 0"):
        group_norm_backward(x, x, 0, three)
    with pytest.raises(ConfigurationError, match=r"momentum = 1\.5"):
        running_statistics(x, three, three, momentum=1.5)
    for axes, eps in (((), 1.0), ((0,), -1.0)):
        with pytest.raises(ConfigurationError, match="one axis or more"):
            normalise(x, axes, eps)
        with pytest.raises(ConfigurationError, match="one axis or more"):
            normalise_backward(x, x, axes, eps)
    for inputs, outputs, groups in ((4, 4, 0), (4, 6, 4), (6, 4, 4)):
        with pytest.raises(ConfigurationError, match=f"groups = {groups}"):
            WeightStandardisedConv2d(num_inputs=inputs, num_outputs=outputs, kernel_size=3, groups=groups)
    with pytest.raises(ConfigurationError, match="2 inputs in 2 groups with a 1 × 1 kernel"):
        WeightStandardisedConv2d(num_inputs=2, num_outputs=2, kernel_size=1, groups=2)
