"""ResNet against a slow functional one written from the paper (He et al. 2016, §3.3 option A, §4.2)."""

import pytest
import torch
from torch import Tensor

from sightline.models import ResNet


def convolve(x: Tensor, kernel: Tensor, stride: int) -> Tensor:
    """3 × 3 cross-correlation with padding 1, as a sum over the nine shifts."""
    batch, _, height, width = x.shape
    padded = torch.zeros(batch, x.shape[1], height + 2, width + 2, dtype=x.dtype)
    padded[:, :, 1:-1, 1:-1] = x
    terms = []
    for row in range(3):
        for column in range(3):
            shifted = padded[:, :, row : row + height : stride, column : column + width : stride]
            terms.append(torch.einsum("bihw,oi->bohw", shifted, kernel[:, :, row, column]))
    return torch.stack(terms).sum(0)


def normalise(x: Tensor, weights: dict[str, Tensor], name: str, training: bool) -> Tensor:
    """Batch normalisation by the batch's own or the running statistics."""
    if training:
        mean = x.mean((0, 2, 3))
        variance = (x - mean[:, None, None]).square().mean((0, 2, 3))
    else:
        mean, variance = weights[f"{name}.running_mean"], weights[f"{name}.running_var"]
    scaled = (x - mean[:, None, None]) / (variance[:, None, None] + 1e-5).sqrt()
    return weights[f"{name}.weight"][:, None, None] * scaled + weights[f"{name}.bias"][:, None, None]


def reference(x: Tensor, weights: dict[str, Tensor], depth: int, training: bool) -> Tensor:
    blocks = (depth - 2) // 6
    x = normalise(convolve(x, weights["conv.weight"], 1), weights, "norm", training).clamp(min=0)
    for stage in range(3):
        for block in range(blocks):
            name = f"stages.{stage}.{block}"
            stride = 2 if stage > 0 and block == 0 else 1
            y = convolve(x, weights[f"{name}.conv1.weight"], stride)
            y = normalise(y, weights, f"{name}.norm1", training).clamp(min=0)
            y = convolve(y, weights[f"{name}.conv2.weight"], 1)
            y = normalise(y, weights, f"{name}.norm2", training)
            for b in range(len(x)):  # the identity, channel by channel; new channels get nothing
                for channel in range(x.shape[1]):
                    y[b, channel] = y[b, channel] + x[b, channel, ::stride, ::stride]
            x = y.clamp(min=0)
    pooled = x.sum((2, 3)) / (x.shape[2] * x.shape[3])
    return pooled @ weights["head.weight"].T + weights["head.bias"]


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize(("depth", "size"), [(8, (8, 8)), (14, (8, 8)), (8, (9, 7))])
def test_equal_logits(depth: int, size: tuple[int, int], training: bool) -> None:
    torch.manual_seed(0)
    model = ResNet(in_channels=3, num_outputs=5, depth=depth, width=4).double()
    model(torch.randn(16, 3, *size, dtype=torch.float64) * 3 + 1)  # moves the running statistics
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter), alpha=0.1)
    model.train(training)
    x = torch.randn(4, 3, *size, dtype=torch.float64)
    weights = {name: value.detach().clone() for name, value in model.state_dict().items()}
    expected = reference(x, weights, depth, training)
    assert expected.std() > 0.1
    torch.testing.assert_close(model(x).detach(), expected, rtol=1e-9, atol=1e-9)
