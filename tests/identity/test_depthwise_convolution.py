"""The depthwise convolution beside torch's, in value, gradient and second derivative."""

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.autograd import forward_ad
from torch.func import functional_call, jvp, vmap

from sightline.core.errors import ConfigurationError
from sightline.nn.depthwise_convolution import DepthwiseConv2d, _Depthwise, kernel_gradient

SIZES = [(2, 3, 9, 7, 3), (3, 2, 5, 6, 5), (2, 4, 2, 2, 7), (1, 1, 1, 1, 3), (2, 3, 6, 4, 1), (2, 2, 3, 8, 7)]


@pytest.mark.parametrize(("batch", "channels", "height", "width", "side"), SIZES)
def test_the_kernels_gradient_is_the_sum_over_positions(
    batch: int, channels: int, height: int, width: int, side: int
) -> None:
    torch.manual_seed(0)
    x, slope = torch.randn(2, batch, channels, height, width, dtype=torch.float64)
    found = kernel_gradient(x, slope, kernel_size=side)
    padded = F.pad(x, [side // 2] * 4)
    for i in range(side):
        for j in range(side):
            expected = (slope * padded[:, :, i : i + height, j : j + width]).sum((0, 2, 3))
            torch.testing.assert_close(found[:, 0, i, j], expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("bias", [True, False])
def test_first_and_second_derivatives(bias: bool) -> None:
    torch.manual_seed(0)
    x = torch.randn(2, 2, 4, 3, dtype=torch.float64, requires_grad=True)
    weight = torch.randn(2, 1, 3, 3, dtype=torch.float64, requires_grad=True)
    given: Any = (x, weight, torch.randn(2, dtype=torch.float64, requires_grad=True) if bias else None)
    assert torch.autograd.gradcheck(_Depthwise.apply, given)
    assert torch.autograd.gradgradcheck(_Depthwise.apply, given)


@pytest.mark.parametrize("autocast", [True, False])
def test_training_in_bfloat16_is_torchs_up_to_its_rounding(autocast: bool) -> None:
    torch.manual_seed(0)
    ours = DepthwiseConv2d(num_channels=8, kernel_size=7)
    plain = nn.Conv2d(8, 8, 7, padding=3, groups=8)
    plain.load_state_dict(ours.state_dict())
    x = torch.randn(4, 8, 10, 10).contiguous(memory_format=torch.channels_last)
    reference = plain(x.requires_grad_())
    slope = torch.randn_like(reference)
    reference.backward(slope)
    exact, x.grad = x.grad, None
    assert exact is not None
    kind = torch.float32 if autocast else torch.bfloat16
    if not autocast:
        ours.bfloat16()
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=autocast):
        y = ours(x.to(kind))
    assert y.dtype == torch.bfloat16
    assert "_Depthwise" in type(y.grad_fn).__name__
    y.backward(slope.bfloat16())
    near: Any = {"rtol": 2e-2, "atol": 2e-2}
    torch.testing.assert_close(y.float(), reference, **near)
    torch.testing.assert_close(x.grad, exact, **near)
    for mine, theirs in zip(ours.parameters(), plain.parameters(), strict=True):
        assert mine.grad is not None
        assert theirs.grad is not None
        assert mine.grad.dtype == kind
        scale = theirs.grad.abs().max()
        torch.testing.assert_close(mine.grad.float() / scale, theirs.grad / scale, **near)


def test_elsewhere_it_is_torchs_own() -> None:
    layer = DepthwiseConv2d(num_channels=3, kernel_size=3)
    x = torch.randn(2, 3, 5, 5)
    assert "_Depthwise" not in type(layer(x).grad_fn).__name__
    assert torch.equal(layer(x), F.conv2d(x, layer.weight, layer.bias, padding=1, groups=3))
    low = layer.bfloat16().requires_grad_(False)
    assert low(x.bfloat16().requires_grad_()).grad_fn is not None
    with torch.no_grad():
        assert layer(x.bfloat16()).grad_fn is None


def test_a_batch_of_kernels_in_bfloat16() -> None:
    """Under a transform of torch.func, which knows torch's own operations alone."""
    torch.manual_seed(0)
    layer = DepthwiseConv2d(num_channels=2, kernel_size=3).bfloat16()
    kernels = torch.randn(4, 2, 1, 3, 3).bfloat16()
    x = torch.randn(1, 2, 5, 5).bfloat16()
    found = vmap(lambda kernel: functional_call(layer, {"weight": kernel}, (x,)))(kernels)
    torch.testing.assert_close(found[2], F.conv2d(x, kernels[2], layer.bias, padding=1, groups=2), rtol=2e-2, atol=2e-2)


@pytest.mark.filterwarnings("ignore:.torch.jit.script:DeprecationWarning")  # torch's own forward mode loads it
@pytest.mark.parametrize("transform", ["forward_ad", "jvp"])
@pytest.mark.parametrize("autocast", [True, False])
def test_forward_mode_in_bfloat16(transform: str, autocast: bool) -> None:
    """A convolution is linear: the derivative along v is the convolution of v, without the bias."""
    torch.manual_seed(0)
    layer = DepthwiseConv2d(num_channels=2, kernel_size=3)
    x, v = torch.randn(2, 1, 2, 5, 5).bfloat16().float()
    expected = F.conv2d(v, layer.weight, padding=1, groups=2)
    if not autocast:
        layer, x, v = layer.bfloat16(), x.bfloat16(), v.bfloat16()
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=autocast):
        if transform == "jvp":
            slope = jvp(layer, (x,), (v,))[1]
        else:
            with forward_ad.dual_level():
                slope = forward_ad.unpack_dual(layer(forward_ad.make_dual(x, v))).tangent
    torch.testing.assert_close(slope.float(), expected, rtol=2e-2, atol=2e-2)


@pytest.mark.parametrize("side", [0, 2, 8])
def test_even_kernels_are_refused(side: int) -> None:
    with pytest.raises(ConfigurationError, match="an odd kernel"):
        DepthwiseConv2d(num_channels=2, kernel_size=side)
