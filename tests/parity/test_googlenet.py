"""GoogLeNet against one that follows table 1 and §5 of the paper (Szegedy et al. 2015) literally."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from reference_layers import Weights, dense, disturbed, normalise, respond
from sightline.core.errors import ConfigurationError
from sightline.models.auxiliary import AuxiliaryOutputs
from sightline.models.googlenet import AuxiliaryHead, GoogLeNet

TABLE_1 = """
3a 64 96 128 16 32 32 256
3b 128 128 192 32 96 64 480
pool
4a 192 96 208 16 48 64 512
4b 160 112 224 24 64 64 512
4c 128 128 256 24 64 64 512
4d 112 144 288 32 64 64 528
4e 256 160 320 32 128 128 832
pool
5a 256 160 320 32 128 128 832
5b 384 192 384 48 128 128 1024
"""
"""1 × 1, 3 × 3 reduce, 3 × 3, 5 × 5 reduce, 5 × 5, pool projection; the sum of channels going out."""


def unit(x: Tensor, weights: Weights, name: str, training: bool, stride: int = 1) -> Tensor:
    kernel = weights[f"{name}.0.weight"]
    x = F.conv2d(x, kernel, weights.get(f"{name}.0.bias"), stride=stride, padding=kernel.shape[-1] // 2)
    if f"{name}.1.weight" in weights:
        x = normalise(x, weights, f"{name}.1", training)
    return x.clamp(min=0)


def halved(x: Tensor) -> Tensor:
    return F.max_pool2d(F.pad(x, (1, 1, 1, 1), value=-torch.inf), 3, 2)


def neighbours(x: Tensor) -> Tensor:
    return respond(x, neighbours=5, alpha=1e-4 / 5, beta=0.75, k=1.0)


def published_means(x: Tensor) -> Tensor:
    rows, columns = (range(0, side - 4, 3) for side in x.shape[2:])
    cells = [x[:, :, i : i + 5, j : j + 5].mean((2, 3)) for i in rows for j in columns]
    return torch.stack(cells, 2).view(*x.shape[:2], len(rows), len(columns))


def grid_means(x: Tensor) -> Tensor:
    """A grid whose cells reach to the next whole pixel."""
    height, width = x.shape[2:]
    cells = [
        x[:, :, i * height // 4 : -(-(i + 1) * height // 4), j * width // 4 : -(-(j + 1) * width // 4)].mean((2, 3))
        for i in range(4)
        for j in range(4)
    ]
    return torch.stack(cells, 2).view(*x.shape[:2], 4, 4)


def inside(x: Tensor, weights: Weights, name: str, training: bool) -> Tensor:
    """A head after a block: at the paper's 14 × 14 its 5 × 5 means of stride 3, else means of a 4 × 4 grid."""
    x = published_means(x) if x.shape[2:] == (14, 14) else grid_means(x)
    x = unit(x, weights, f"{name}.hidden.1", training).flatten(1)
    x = dense(x, weights, f"{name}.hidden.3").clamp(min=0)
    return dense(x, weights, f"{name}.head")


def reference(x: Tensor, weights: Weights, stem: str, training: bool) -> AuxiliaryOutputs:
    auxiliary = []
    batch_norm = "stages.inception3a.one.1.weight" in weights
    if stem == "small":
        x = unit(x, weights, "stages.stem.0", training)
    else:
        x = halved(unit(x, weights, "stages.stem.0", training, stride=2))
        # modules without weights stand between: the normalisation by neighbours, where there is one
        second, third = (2, 3) if batch_norm else (3, 4)
        x = x if batch_norm else neighbours(x)
        x = unit(x, weights, f"stages.stem.{second}", training)
        x = unit(x, weights, f"stages.stem.{third}", training)
        x = halved(x if batch_norm else neighbours(x))
    for line in TABLE_1.split("\n")[1:-1]:
        if line == "pool":
            x = halved(x)
            continue
        name, *numbers = line.split()
        block = f"stages.inception{name}"
        branches = [
            unit(x, weights, f"{block}.one", training),
            unit(unit(x, weights, f"{block}.three.0", training), weights, f"{block}.three.1", training),
            unit(unit(x, weights, f"{block}.five.0", training), weights, f"{block}.five.1", training),
            unit(F.max_pool2d(x, 3, 1, 1), weights, f"{block}.pooled.1", training),
        ]
        kernels = [f"{block}.{part}.0.weight" for part in ("one", "three.0", "three.1", "five.0", "five.1", "pooled.1")]
        assert [len(weights[k]) for k in kernels] == [int(n) // 8 for n in numbers[:6]]
        assert [weights[k].shape[-1] for k in kernels] == [1, 1, 3, 1, 5, 1]
        x = torch.cat(branches, 1)
        assert x.shape[1] == int(numbers[6]) // 8
        if name in ("4a", "4d"):
            auxiliary.append(inside(x, weights, f"auxiliary.inception{name}", training))
    outputs = dense(x.mean((2, 3)), weights, "head")
    return AuxiliaryOutputs(outputs, tuple(auxiliary), (0.3, 0.3))


@pytest.mark.parametrize(
    ("stem", "batch_norm", "size"),
    [("small", True, (13, 8)), ("large", False, (64, 47)), ("large", True, (33, 64)), ("small", True, (28, 27))],
)
def test_equal_logits_of_all_heads(stem: str, batch_norm: bool, size: tuple[int, int]) -> None:
    torch.manual_seed(0)
    model = GoogLeNet(in_channels=2, num_outputs=5, stem=stem, width_factor=1 / 8, batch_norm=batch_norm)  # type: ignore[arg-type]
    model = model.double()
    assert [m.p for m in model.modules() if isinstance(m, nn.Dropout)] == [0.7, 0.7, 0.4]
    for layer in model.modules():
        if isinstance(layer, nn.Dropout):
            layer.p = 0.0
    x = 3 * torch.randn(4, 2, *size, dtype=torch.float64)
    weights = disturbed(model, x + 1)
    expected = reference(x, weights, stem, training=True)
    found = model.train()(x)
    assert found.weights == expected.weights == (0.3, 0.3)
    for ours, theirs in zip((found.outputs, *found.auxiliary), (expected.outputs, *expected.auxiliary), strict=True):
        assert theirs.std() > 0.05
        torch.testing.assert_close(ours.detach(), theirs, rtol=1e-8, atol=1e-8)
    weights = {name: value.detach().clone() for name, value in model.state_dict().items()}
    expected = reference(x, weights, stem, training=False)
    torch.testing.assert_close(model.eval()(x).detach(), expected.outputs, rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize("size", [(14, 14), (14, 16), (15, 15), (13, 14), (14, 17), (4, 4), (3, 20)])
def test_the_published_means_wherever_they_make_a_grid_of_four_by_four(size: tuple[int, int]) -> None:
    x = torch.randn(2, 3, *size, dtype=torch.float64)
    found = AuxiliaryHead(num_inputs=3, num_outputs=2, width_factor=0.1).hidden[0](x)
    published = published_means(x) if min(size) >= 5 else x
    expected = published if published.shape[2:] == (4, 4) and min(size) >= 5 else grid_means(x)
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)
    if size == (14, 14):
        assert not torch.allclose(found, grid_means(x), atol=0.01)


@pytest.mark.usefixtures("as_a_user_calls")
def test_words_that_name_no_stem_are_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"stem = 'Large'\n.*did you mean 'large'"):
        GoogLeNet(in_channels=3, num_outputs=2, stem="Large")  # type: ignore[arg-type]


def test_the_published_number_of_parameters() -> None:
    with torch.device("meta"):
        model = GoogLeNet(in_channels=3, num_outputs=1000, batch_norm=False)
        stem = model.stages[0](torch.empty(1, 3, 224, 224))
    inside = sum(p.numel() for p in model.auxiliary.parameters())
    assert sum(p.numel() for p in model.parameters()) - inside == 6_998_552
    assert inside == 6_379_728
    assert stem.shape == (1, 192, 28, 28)
