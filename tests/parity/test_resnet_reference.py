"""ResNet against a slow functional one written from the papers (He et al. 2016, both; stages, blocks, shortcuts)."""

from typing import Any

import pytest
import torch
from torch import Tensor

from sightline.models.resnet import ResNet

Weights = dict[str, Tensor]


def convolve(x: Tensor, kernel: Tensor, stride: int = 1) -> Tensor:
    """k × k cross-correlation with padding (k − 1)/2, as a sum over the k² shifts."""
    batch, channels, height, width = x.shape
    size = kernel.shape[2]
    border = size // 2
    padded = torch.zeros(batch, channels, height + 2 * border, width + 2 * border, dtype=x.dtype)
    padded[:, :, border : border + height, border : border + width] = x
    terms = []
    for row in range(size):
        for column in range(size):
            shifted = padded[:, :, row : row + height : stride, column : column + width : stride]
            terms.append(torch.einsum("bihw,oi->bohw", shifted, kernel[:, :, row, column]))
    return torch.stack(terms).sum(0)


def largest(x: Tensor) -> Tensor:
    """The maximum of each 3 × 3 window, at every second row and column."""
    batch, channels, height, width = x.shape
    padded = torch.full((batch, channels, height + 2, width + 2), -torch.inf, dtype=x.dtype)
    padded[:, :, 1:-1, 1:-1] = x
    shifts = [padded[:, :, r : r + height : 2, c : c + width : 2] for r in range(3) for c in range(3)]
    return torch.stack(shifts).amax(0)


def normalise(x: Tensor, weights: Weights, name: str, training: bool) -> Tensor:
    """Batch normalisation by the batch's own or the running statistics."""
    if training:
        mean = x.mean((0, 2, 3))
        variance = (x - mean[:, None, None]).square().mean((0, 2, 3))
    else:
        mean, variance = weights[f"{name}.running_mean"], weights[f"{name}.running_var"]
    scaled = (x - mean[:, None, None]) / (variance[:, None, None] + 1e-5).sqrt()
    return weights[f"{name}.weight"][:, None, None] * scaled + weights[f"{name}.bias"][:, None, None]


def skip(x: Tensor, y: Tensor, weights: Weights, name: str, training: bool, stride: int, kind: str) -> Tensor:
    """What goes round: x itself; with other shapes its projection, or x with nothing for the new channels."""
    if x.shape == y.shape:
        return x
    if kind == "projection":
        projected = convolve(x, weights[f"{name}.shortcut.conv.weight"], stride)
        known = f"{name}.shortcut.norm.weight" in weights
        return normalise(projected, weights, f"{name}.shortcut.norm", training) if known else projected
    padded = torch.zeros_like(y)
    for channel in range(x.shape[1]):
        padded[:, channel] = x[:, channel, ::stride, ::stride]
    return padded


def post_activation(x: Tensor, weights: Weights, name: str, training: bool, strides: list[int], kind: str) -> Tensor:
    y = x
    for layer, stride in enumerate(strides, 1):
        y = normalise(
            convolve(y, weights[f"{name}.conv{layer}.weight"], stride), weights, f"{name}.norm{layer}", training
        )
        if layer < len(strides):
            y = y.clamp(min=0)
    if kind != "none":
        y = y + skip(x, y, weights, name, training, max(strides), kind)
    return y.clamp(min=0)


def pre_activation(x: Tensor, weights: Weights, name: str, training: bool, strides: list[int], kind: str) -> Tensor:
    y = round_it = x
    for layer, stride in enumerate(strides, 1):
        y = normalise(y, weights, f"{name}.norm{layer}", training).clamp(min=0)
        if layer == 1 and name.endswith(".0"):  # a stage's first unit activates before the paths split
            round_it = y
        y = convolve(y, weights[f"{name}.conv{layer}.weight"], stride)
    return y if kind == "none" else y + skip(round_it, y, weights, name, training, max(strides), kind)


LAYER_STRIDES = {
    "basic": lambda s: [s, 1],
    "bottleneck": lambda s: [1, s, 1],
    "bottleneck-1x1-stride": lambda s: [s, 1, 1],
    "pre-activation": lambda s: [s, 1],
    "pre-activation-bottleneck": lambda s: [1, s, 1],
}


def reference(x: Tensor, weights: Weights, training: bool, options: dict[str, Any]) -> Tensor:
    block, kind = options.get("block", "basic"), options.get("shortcut", "pad")
    pre, large = block.startswith("pre"), options.get("stem") == "large"
    x = convolve(x, weights["stages.stem.conv.weight"], 2 if large else 1)
    if not pre:
        x = normalise(x, weights, "stages.stem.norm", training).clamp(min=0)
    if large:
        x = largest(x)
    for stage, depth in enumerate(options["depths"], 1):
        for index in range(depth):
            stride = options["strides"][stage - 1] if index == 0 else 1
            name = f"stages.stage{stage}.{index}"
            unit = pre_activation if pre else post_activation
            x = unit(x, weights, name, training, LAYER_STRIDES[block](stride), kind)
    if pre:
        x = normalise(x, weights, "stages.activation.norm", training).clamp(min=0)
    pooled = x.sum((2, 3)) / (x.shape[2] * x.shape[3])
    return pooled @ weights["head.weight"].T + weights["head.bias"]


SMALL = {"depths": [1, 2], "widths": [4, 8], "strides": [1, 2]}
CASES: list[tuple[dict[str, Any], tuple[int, int]]] = [
    ({"depths": [1, 1, 1], "widths": [4, 8, 16], "strides": [1, 2, 2]}, (8, 8)),
    ({"depths": [2, 2, 2], "widths": [4, 8, 16], "strides": [1, 2, 2]}, (9, 7)),
    ({**SMALL, "shortcut": "none"}, (8, 8)),
    ({**SMALL, "shortcut": "projection", "stem_width": 3, "strides": [2, 2]}, (9, 8)),
    ({**SMALL, "stem": "large", "shortcut": "projection"}, (19, 16)),
    ({**SMALL, "block": "bottleneck", "stem_width": 2}, (7, 8)),
    ({**SMALL, "block": "bottleneck", "stem_width": 2, "shortcut": "projection"}, (7, 8)),
    ({**SMALL, "block": "bottleneck-1x1-stride", "stem_width": 2, "shortcut": "projection"}, (7, 8)),
    ({**SMALL, "block": "bottleneck", "shortcut": "none"}, (8, 8)),
    ({**SMALL, "block": "pre-activation"}, (9, 7)),
    ({**SMALL, "block": "pre-activation", "stem": "large", "shortcut": "projection"}, (19, 16)),
    ({**SMALL, "block": "pre-activation", "shortcut": "none"}, (8, 8)),
    ({**SMALL, "block": "pre-activation-bottleneck", "stem_width": 2, "shortcut": "projection"}, (7, 8)),
    ({**SMALL, "block": "pre-activation-bottleneck", "stem_width": 2}, (7, 8)),
]


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize(
    ("options", "size"), CASES, ids=[f"{o.get('block')}-{o.get('shortcut')}-{s}" for o, s in CASES]
)
def test_equal_logits(options: dict[str, Any], size: tuple[int, int], training: bool) -> None:
    torch.manual_seed(0)
    model = ResNet(in_channels=3, num_outputs=5, **options).double()
    model(torch.randn(16, 3, *size, dtype=torch.float64) * 3 + 1)  # moves the running statistics
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter), alpha=0.1)
    model.train(training)
    x = torch.randn(4, 3, *size, dtype=torch.float64)
    weights = {name: value.detach().clone() for name, value in model.state_dict().items()}
    expected = reference(x, weights, training, options)
    assert expected.std() > 0.03
    torch.testing.assert_close(model(x).detach(), expected, rtol=1e-9, atol=1e-9)
