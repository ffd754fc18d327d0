"""VGG against one that follows table 1 of the paper (Simonyan & Zisserman 2015) literally."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from reference_layers import Weights, dense, disturbed, normalise
from sightline.models.vgg import VGG, vgg11, vgg13, vgg16, vgg19

TABLE_1 = {
    11: "64 pool 128 pool 256 256 pool 512 512 pool 512 512 pool",
    13: "64 64 pool 128 128 pool 256 256 pool 512 512 pool 512 512 pool",
    16: "64 64 pool 128 128 pool 256 256 256 pool 512 512 512 pool 512 512 512 pool",
    19: "64 64 pool 128 128 pool 256 256 256 256 pool 512 512 512 512 pool 512 512 512 512 pool",
}


def reference(x: Tensor, weights: Weights, depth: int, batch_norm: bool, units: list[int]) -> Tensor:
    block, place = 1, 0
    for word in TABLE_1[depth].split():
        if word == "pool":
            x = F.max_pool2d(x, 2)
            block, place = block + 1, 0
            continue
        name = f"stages.block{block}.{place}"
        x = F.conv2d(x, weights[f"{name}.0.weight"], weights.get(f"{name}.0.bias"), padding=1)
        assert x.shape[1] == int(word) // 16
        if batch_norm:
            x = normalise(x, weights, f"{name}.1", training=False)
        x, place = x.clamp(min=0), place + 1
    x = x.flatten(1) if units else x.flatten(2).mean(2)
    for number in range(1, len(units) + 1):
        x = dense(x, weights, f"stages.dense{number}.{1 if number == 1 else 0}").clamp(min=0)
    return dense(x, weights, "head")


@pytest.mark.parametrize("depth", TABLE_1)
@pytest.mark.parametrize(("batch_norm", "units"), [(True, []), (False, [9, 11])])
def test_equal_logits(depth: int, batch_norm: bool, units: list[int]) -> None:
    torch.manual_seed(0)
    model = VGG(
        in_channels=3,
        num_outputs=5,
        image_size=(32, 65),
        depth=depth,
        width_factor=1 / 16,
        dense=units,
        batch_norm=batch_norm,
    ).double()
    x = torch.randn(3, 3, 32, 65, dtype=torch.float64)
    weights = disturbed(model, x)
    expected = reference(x, weights, depth, batch_norm, units)
    assert expected.std() > 0.05
    torch.testing.assert_close(model.eval()(x).detach(), expected, rtol=1e-9, atol=1e-9)
    assert sum(isinstance(m, nn.Conv2d | nn.Linear) for m in model.modules()) == depth - 2 + len(units)
    assert [m.p for m in model.modules() if isinstance(m, nn.Dropout)] == [0.5] * len(units)


def test_the_published_numbers_of_parameters() -> None:
    published = {vgg11: 132_863_336, vgg13: 133_047_848, vgg16: 138_357_544, vgg19: 143_667_240}
    for build, count in published.items():
        with torch.device("meta"):
            model = build(batch_norm=False)
            assert model.features(torch.empty(1, 3, 224, 224)).shape == (1, 4096)
        assert sum(p.numel() for p in model.parameters()) == count
        assert f"{count:,}" in (build.__doc__ or "")
