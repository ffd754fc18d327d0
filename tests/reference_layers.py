"""Layers written slowly from their definitions, for the references that networks are compared with."""

from itertools import product

import torch
from torch import Tensor

Weights = dict[str, Tensor]


def convolve(x: Tensor, kernel: Tensor, bias: Tensor | None = None, *, stride: int = 1, padding: int = 0) -> Tensor:
    """Cross-correlation as a sum over the kernel's taps."""
    x = torch.nn.functional.pad(x, (padding,) * 4)
    rows, columns = ((x.shape[2 + a] - kernel.shape[2 + a]) // stride + 1 for a in (0, 1))
    total = torch.zeros(len(x), len(kernel), rows, columns, dtype=x.dtype)
    for row, column in product(range(kernel.shape[2]), range(kernel.shape[3])):
        shifted = x[:, :, row : row + stride * rows : stride, column : column + stride * columns : stride]
        total += torch.einsum("bihw,oi->bohw", shifted[:, :, :rows, :columns], kernel[:, :, row, column])
    return total if bias is None else total + bias[:, None, None]


def pool(x: Tensor, size: int, stride: int, *, padding: int = 0, mean: bool = False) -> Tensor:
    """Maxima or means of windows, each cut to the image."""
    height, width = x.shape[2:]
    rows, columns = ((n + 2 * padding - size) // stride + 1 for n in (height, width))
    y = torch.empty(*x.shape[:2], rows, columns, dtype=x.dtype)
    for row, column in product(range(rows), range(columns)):
        top, left = row * stride - padding, column * stride - padding
        window = x[:, :, max(0, top) : top + size, max(0, left) : left + size].flatten(2)
        y[:, :, row, column] = window.mean(2) if mean else window.amax(2)
    return y


def normalise(x: Tensor, weights: Weights, name: str, training: bool) -> Tensor:
    """Batch normalisation by the batch's own or the running statistics."""
    mean, variance = weights[f"{name}.running_mean"], weights[f"{name}.running_var"]
    if training:
        mean = x.mean((0, 2, 3))
        variance = (x - mean[:, None, None]).square().mean((0, 2, 3))
    scaled = (x - mean[:, None, None]) / (variance[:, None, None] + 1e-5).sqrt()
    return weights[f"{name}.weight"][:, None, None] * scaled + weights[f"{name}.bias"][:, None, None]


def respond(a: Tensor, *, neighbours: int, alpha: float, beta: float, k: float) -> Tensor:
    """Local response normalisation, unit by unit: a_i / (k + α Σ a_j²)^β, j within neighbours // 2 of i."""
    reach, channels = neighbours // 2, a.shape[1]
    b = torch.empty_like(a)
    for i in range(channels):
        near = range(max(0, i - reach), min(channels - 1, i + reach) + 1)
        b[:, i] = a[:, i] / (k + alpha * sum(a[:, j] ** 2 for j in near)) ** beta
    return b


def dense(x: Tensor, weights: Weights, name: str) -> Tensor:
    return x @ weights[f"{name}.weight"].T + weights[f"{name}.bias"]


def disturbed(model: torch.nn.Module, x: Tensor) -> Weights:
    """Move the running statistics and every parameter away from where they start; copies of all of them."""
    model.train()(x)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter), alpha=0.1)
    return {name: value.detach().clone() for name, value in model.state_dict().items()}
