"""Depthwise convolution whose kernel learns quickly in bfloat16 on a CPU.

Legend: B batch, C channels, H × W positions, k side of the kernel, p = (k − 1)/2, G gradient of the outputs.
"""

from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn
from torch.autograd import forward_ad
from torch.fx import Proxy
from torch.nn.grad import conv2d_input

from sightline.core.errors import ConfigurationError


class DepthwiseConv2d(nn.Conv2d):
    """y[c] = K[c] * x[c] + b[c]: every channel convolved by itself, padded so that sizes stay.

    It is ``nn.Conv2d`` with as many groups as channels but for one thing: in training, in bfloat16 on a CPU, the
    gradient of K is :func:`kernel_gradient`. torch's own, for a 7 × 7 kernel, takes most of the time of a network of
    such layers.

    Shapes:
        x (batch, num_channels, height, width) → the same

    Args:
        num_channels: C.
        kernel_size: k, odd.
        bias: whether there is a b.

    Raises:
        ConfigurationError: for an even kernel.

    Source: Chollet 2017, "Xception", §1; Liu et al. 2022, "A ConvNet for the 2020s", §2.5

    Lecture: N2

    Example:
        >>> DepthwiseConv2d(num_channels=4, kernel_size=7)(torch.zeros(1, 4, 9, 9)).shape
        torch.Size([1, 4, 9, 9])
    """

    def __init__(self, *, num_channels: int, kernel_size: int, bias: bool = True) -> None:
        if kernel_size < 1 or kernel_size % 2 == 0:
            raise ConfigurationError(
                expected="an odd kernel, whose middle is a position",
                found=f"kernel_size = {kernel_size}",
                do=f"use {kernel_size + 1}" if kernel_size > 0 else "use 7",
            )
        padding = kernel_size // 2
        super().__init__(num_channels, num_channels, kernel_size, padding=padding, groups=num_channels, bias=bias)

    def forward(self, x: Float[Tensor, "batch channels height width"]) -> Float[Tensor, "batch channels height width"]:
        """The convolved maps."""
        if isinstance(x, Proxy) or not self._learns_in_bfloat16(x):
            return super().forward(x)
        low = (None if t is None else t.to(torch.bfloat16) for t in (x, self.weight, self.bias))
        with torch.autocast("cpu", enabled=False):
            convolved: Tensor = _Depthwise.apply(*low)  # type: ignore[no-untyped-call]
        return convolved

    def _learns_in_bfloat16(self, x: Tensor) -> bool:
        """Whether this pass is one in which the kernel's gradient will be wanted, in bfloat16 on a CPU."""
        if type(x) is not Tensor or x.device.type != "cpu" or not torch.is_grad_enabled():
            return False
        if not self.weight.requires_grad or torch._C._are_functorch_transforms_active():
            return False
        if getattr(forward_ad, "_current_level", -1) >= 0:  # forward mode knows torch's own operations alone
            return False
        if torch.is_autocast_enabled("cpu"):
            return torch.get_autocast_dtype("cpu") == torch.bfloat16
        return x.dtype == self.weight.dtype == torch.bfloat16


class _Depthwise(torch.autograd.Function):
    """The convolution; its backward pass is made of differentiable operations, so it can be differentiated again."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        ctx.save_for_backward(x, weight)
        return F.conv2d(x, weight, bias, padding=weight.shape[2] // 2, groups=len(weight))

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        x, weight = ctx.saved_tensors
        side = weight.shape[2]
        inputs = None
        if ctx.needs_input_grad[0]:
            inputs = conv2d_input(x.shape, weight, gradient, padding=side // 2, groups=len(weight))
        kernel = kernel_gradient(x, gradient, kernel_size=side).to(weight.dtype)
        return inputs, kernel, gradient.sum((0, 2, 3)) if ctx.needs_input_grad[2] else None


def kernel_gradient(
    x: Float[Tensor, "batch channels height width"],
    gradient: Float[Tensor, "batch channels height width"],
    *,
    kernel_size: int,
) -> Float[Tensor, "channels 1 kernel_size kernel_size"]:
    """∂L/∂K[c, i, j] = Σ_{b,h,w} G[b, c, h, w] · x[b, c, h + i − p, w + j − p], x being 0 outside.

    For each row i of the kernel the sum over b and h is a product of matrices, M = Σ Gᵀ x, whose entry (w, w′) stands
    for the pair of columns w and w′; the sum over w is the sum along its j-th diagonal. That is W times as many
    multiplications as needed, in the processor's fastest operation.

    Args:
        x: what was convolved.
        gradient: G.
        kernel_size: k, odd.

    Lecture: N2

    Example:
        >>> kernel_gradient(torch.ones(1, 1, 2, 2), torch.ones(1, 1, 2, 2), kernel_size=3)[0, 0].tolist()
        [[1.0, 2.0, 1.0], [2.0, 4.0, 2.0], [1.0, 2.0, 1.0]]
    """
    channels, height, width = x.shape[1:]
    padding, padded = kernel_size // 2, width + 2 * (kernel_size // 2)
    # (C, H, B, W): some rows of all examples lie together, so that no row of the kernel needs a copy
    maps = F.pad(x, (padding, padding)).permute(1, 2, 0, 3).contiguous()
    slopes = gradient.permute(1, 2, 0, 3).contiguous()
    rows = []
    for i in range(kernel_size):
        first, last = max(0, padding - i), min(height, height + padding - i)
        if last <= first:  # the kernel's row lies outside of every map
            rows.append(torch.zeros(channels, kernel_size, dtype=x.dtype, device=x.device))
            continue
        left = slopes[:, first:last].reshape(channels, -1, width).transpose(1, 2)
        right = maps[:, first + i - padding : last + i - padding].reshape(channels, -1, padded)
        pairs = torch.bmm(left, right).contiguous()
        steps = (width * padded, 1, padded + 1)
        rows.append(pairs.as_strided((channels, kernel_size, width), steps).sum(2))
    return torch.stack(rows, 1)[:, None]
