"""LeNet-5 against one written layer by layer from the paper (LeCun et al. 1998, §II.B and appendix A)."""

import math

import pytest
import torch
from torch import Tensor, nn

from reference_layers import Weights, convolve, dense, disturbed, normalise, pool
from sightline.core.errors import ConfigurationError
from sightline.models.lenet import LeNet5, ModernLeNet5, ScaledTanh
from sightline.nn.connection_table import TableConvolution
from sightline.nn.sub_sampling import SubSampling

TABLE_1 = [
    "X...XXX..XXXX.XX",
    "XX...XXX..XXXX.X",
    "XXX...XXX..X.XXX",
    ".XXX..XXXX..X.XX",
    "..XXX..XXXX.XX.X",
    "...XXX..XXXX.XXX",
]
"""A row for each map of S2, a column for each of C3."""


def squash(x: Tensor) -> Tensor:
    e = torch.exp(4 * x / 3)
    return 1.7159 * (e - 1) / (e + 1)


def sub_sample(x: Tensor, weights: Weights, name: str) -> Tensor:
    rows, columns = x.shape[2] // 2 * 2, x.shape[3] // 2 * 2
    x = x[:, :, :rows, :columns]
    total = x[:, :, ::2, ::2] + x[:, :, 1::2, ::2] + x[:, :, ::2, 1::2] + x[:, :, 1::2, 1::2]
    for c in range(x.shape[1]):
        total[:, c] = weights[f"{name}.weight"].flatten()[c] * total[:, c] + weights[f"{name}.bias"][c]
    return total


def original(x: Tensor, weights: Weights, padding: int) -> Tensor:
    x = squash(convolve(x, weights["stages.c1.0.weight"], weights["stages.c1.0.bias"], padding=padding))
    x = squash(sub_sample(x, weights, "stages.s2.0"))
    maps, kernels = [], iter(weights["stages.c3.0.weight"])
    for o in range(16):
        total = weights["stages.c3.0.bias"][o]
        seen = [i for i in range(6) if TABLE_1[i][o] == "X"]
        # the layer keeps a row's kernels in the order in which the table goes round the six maps
        for i in sorted(seen, key=ORDER[o].index):
            total = total + convolve(x[:, i : i + 1], next(kernels)[None])
        maps.append(total)
    assert next(kernels, None) is None
    x = squash(torch.cat(maps, 1))
    x = squash(sub_sample(x, weights, "stages.s4.0"))
    x = squash(convolve(x, weights["stages.c5.0.weight"], weights["stages.c5.0.bias"]))
    assert x.shape[2:] == (1, 1)
    x = squash(dense(x[:, :, 0, 0], weights, "stages.f6.0"))
    return dense(x, weights, "head")


ORDER = [
    [0, 1, 2], [1, 2, 3], [2, 3, 4], [3, 4, 5], [4, 5, 0], [5, 0, 1],
    [0, 1, 2, 3], [1, 2, 3, 4], [2, 3, 4, 5], [3, 4, 5, 0], [4, 5, 0, 1], [5, 0, 1, 2],
    [0, 1, 3, 4], [1, 2, 4, 5], [2, 3, 5, 0], [0, 1, 2, 3, 4, 5],
]  # fmt: skip


def modern(x: Tensor, weights: Weights, padding: int, batch_norm: bool, training: bool) -> Tensor:
    for conv, padded in (("c1", padding), ("c3", 0)):
        name = f"stages.{conv}"
        x = convolve(x, weights[f"{name}.0.weight"], weights.get(f"{name}.0.bias"), padding=padded)
        if batch_norm:
            x = normalise(x, weights, f"{name}.1", training)
        x = pool(x.clamp(min=0), 2, 2)
    x = convolve(x, weights["stages.c5.0.weight"], weights["stages.c5.0.bias"]).clamp(min=0)
    x = dense(x.flatten(1), weights, "stages.f6.0").clamp(min=0)
    return dense(x, weights, "head")


@pytest.mark.parametrize(("size", "padding"), [((28, 28), 2), ((17, 20), 0)])
def test_the_original_gives_equal_logits(size: tuple[int, int], padding: int) -> None:
    torch.manual_seed(0)
    model = LeNet5(in_channels=2, num_outputs=5, image_size=size, padding=padding).double()
    x = torch.randn(3, 2, *size, dtype=torch.float64)
    weights = disturbed(model, x)
    expected = original(x, weights, padding)
    assert expected.std() > 0.1
    torch.testing.assert_close(model.eval()(x).detach(), expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("batch_norm", [True, False])
def test_the_modern_one_gives_equal_logits(batch_norm: bool, training: bool) -> None:
    torch.manual_seed(0)
    model = ModernLeNet5(
        in_channels=2, num_outputs=5, image_size=(15, 18), padding=1, width_factor=0.5, batch_norm=batch_norm
    ).double()
    x = torch.randn(4, 2, 15, 18, dtype=torch.float64)
    weights = disturbed(model, 3 * x + 1)
    expected = modern(x, weights, 1, batch_norm, training)
    assert expected.std() > 0.1
    torch.testing.assert_close(model.train(training)(x).detach(), expected, rtol=1e-9, atol=1e-9)


def test_the_layers_have_the_published_numbers_of_parameters() -> None:
    model = LeNet5(in_channels=1, num_outputs=10)
    counts = {name: sum(p.numel() for p in stage.parameters()) for name, stage in model.stages.named_children()}
    assert counts == {"c1": 156, "s2": 12, "c3": 1516, "s4": 32, "c5": 48120, "f6": 10164}
    assert sum(row.count("X") for row in TABLE_1) == 60


def test_first_weights_are_the_published_draw() -> None:
    torch.manual_seed(0)
    stages = LeNet5(in_channels=1, num_outputs=10).stages
    fans = {"c1": 25, "s2": 4, "s4": 4, "c5": 400, "f6": 120}
    for name, fan_in in fans.items():
        weight = stages.get_submodule(f"{name}.0").get_parameter("weight")
        assert 0.5 * 2.4 / fan_in < weight.abs().max() <= 2.4 / fan_in
        # the mean of n uniform draws within ±b is within five standard errors b/√(3n) of 0
        assert weight.mean().abs() <= 5 * 2.4 / fan_in / math.sqrt(3 * weight.numel())
    kernels = stages.get_submodule("c3.0").get_parameter("weight")
    for number, kernel in enumerate(kernels):
        fan_in = 25 * (3 if number < 18 else 4 if number < 54 else 6)
        assert 0.7 * 2.4 / fan_in < kernel.abs().max() <= 2.4 / fan_in
    assert not any(p.any() for name, p in stages.named_parameters() if name.endswith("bias"))


def test_scaled_tanh_maps_one_to_one_and_bends_most_there() -> None:
    x = torch.linspace(0, 3, 3001, dtype=torch.float64, requires_grad=True)
    y = ScaledTanh()(x)
    assert y[1000].item() == pytest.approx(1, abs=1e-4)
    (slope,) = torch.autograd.grad(y.sum(), x, create_graph=True)
    (bend,) = torch.autograd.grad(slope.sum(), x)
    assert x[bend.argmin()].item() == pytest.approx(1, abs=0.02)
    assert y[-1].item() == pytest.approx(1.7159 * math.tanh(2), abs=1e-12)


@pytest.mark.parametrize(
    "layer",
    [SubSampling(num_channels=3), TableConvolution(num_inputs=3, table=[[2, 0], [1], [0, 1, 2]], kernel=3)],
    ids=lambda layer: type(layer).__name__,
)
def test_layers_pass_gradcheck(layer: nn.Module) -> None:
    torch.manual_seed(0)
    x = torch.randn(2, 3, 5, 4, dtype=torch.float64, requires_grad=True)
    weight, bias = (p.detach().double().requires_grad_() for p in layer.parameters())

    def call(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        outputs: Tensor = torch.func.functional_call(layer, {"weight": weight, "bias": bias}, (x,))
        return outputs

    assert torch.autograd.gradcheck(call, (x, weight, bias))


def test_sub_sampling_begins_as_the_mean() -> None:
    x = torch.randn(2, 3, 7, 6)
    torch.testing.assert_close(SubSampling(num_channels=3, size=3)(x), nn.functional.avg_pool2d(x, 3))


@pytest.mark.parametrize("table", [[], [[0], []], [[0, 0]], [[0, 3]], [[-1]]])
def test_a_table_with_an_error_is_refused(table: list[list[int]]) -> None:
    with pytest.raises(ConfigurationError, match="table"):
        TableConvolution(num_inputs=3, table=table, kernel=3)
