"""AlexNet against one written layer by layer from the paper (Krizhevsky et al. 2012, §3)."""

import pytest
import torch
from torch import Tensor, nn

from reference_layers import Weights, convolve, dense, disturbed, pool, respond
from sightline.models.alexnet import AlexNet, SmallAlexNet
from sightline.nn.local_response_norm import LocalResponseNorm


def two_groups(x: Tensor, weights: Weights, name: str, padding: int) -> Tensor:
    """Each half of the kernels sees its own half of the maps."""
    kernels, biases = weights[f"{name}.weight"].chunk(2), weights[f"{name}.bias"].chunk(2)
    halves = zip(x.chunk(2, 1), kernels, biases, strict=True)
    return torch.cat([convolve(*half, padding=padding) for half in halves], 1)


def large(x: Tensor, weights: Weights) -> Tensor:
    first = (weights["stages.conv1.0.weight"], weights["stages.conv1.0.bias"])
    third = (weights["stages.conv3.0.weight"], weights["stages.conv3.0.bias"])
    constants = {"neighbours": 5, "alpha": 1e-4, "beta": 0.75, "k": 2.0}
    x = convolve(x, *first, stride=4, padding=2).clamp(min=0)
    x = pool(respond(x, **constants), 3, 2)  # type: ignore[arg-type]
    x = two_groups(x, weights, "stages.conv2.0", 2).clamp(min=0)
    x = pool(respond(x, **constants), 3, 2)  # type: ignore[arg-type]
    x = convolve(x, *third, padding=1).clamp(min=0)
    x = two_groups(x, weights, "stages.conv4.0", 1).clamp(min=0)
    x = pool(two_groups(x, weights, "stages.conv5.0", 1).clamp(min=0), 3, 2)
    x = dense(x.flatten(1), weights, "stages.dense6.1").clamp(min=0)
    x = dense(x, weights, "stages.dense7.0").clamp(min=0)
    return dense(x, weights, "head")


def small(x: Tensor, weights: Weights) -> Tensor:
    for name, mean in (("conv1", False), ("conv2", True), ("conv3", True)):
        x = convolve(x, weights[f"stages.{name}.0.weight"], weights[f"stages.{name}.0.bias"], padding=2)
        x = pool(x.clamp(min=0), 3, 2, padding=1, mean=mean)
    x = dense(x.flatten(1), weights, "stages.dense4.1").clamp(min=0)
    return dense(x, weights, "head")


@pytest.mark.parametrize("size", [(63, 63), (68, 95)])
def test_the_large_form_gives_equal_logits(size: tuple[int, int]) -> None:
    torch.manual_seed(0)
    model = AlexNet(in_channels=3, num_outputs=5, image_size=size, width_factor=0.06).double()
    # bright enough for neighbours to matter beside k = 2
    x = 100 * torch.randn(3, 3, *size, dtype=torch.float64)
    weights = disturbed(model, x)
    expected = large(x, weights)
    assert expected.std() > 0.1
    torch.testing.assert_close(model.eval()(x).detach(), expected, rtol=1e-9, atol=1e-9)
    assert not torch.equal(model.train()(x), model(x))


@pytest.mark.parametrize("size", [(32, 32), (9, 7)])
def test_the_small_form_gives_equal_logits(size: tuple[int, int]) -> None:
    torch.manual_seed(0)
    model = SmallAlexNet(in_channels=2, num_outputs=5, image_size=size, width_factor=0.25).double()
    x = torch.randn(3, 2, *size, dtype=torch.float64)
    weights = disturbed(model, x)
    expected = small(x, weights)
    assert expected.std() > 0.1
    torch.testing.assert_close(model(x).detach(), expected, rtol=1e-9, atol=1e-9)


def test_the_published_numbers_of_parameters() -> None:
    with torch.device("meta"):
        net, small = AlexNet(in_channels=3, num_outputs=1000), SmallAlexNet(in_channels=3, num_outputs=10)
        square = AlexNet(in_channels=3, num_outputs=1000, image_size=(227, 227))
        assert net.features(torch.empty(1, 3, 224, 224)).shape == (1, 4096)
    assert sum(p.numel() for p in net.parameters()) == 60_965_224
    assert sum(p.numel() for p in square.parameters()) == 60_965_224
    assert sum(p.numel() for p in small.parameters()) == 145_578


def test_rectified_units_start_with_variance_2_over_fan_in_and_dropout_is_one_half() -> None:
    torch.manual_seed(0)
    net = AlexNet(in_channels=3, num_outputs=1000, image_size=(64, 64), width_factor=0.25)
    for name, layer in net.named_modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            gain = 1 if name == "head" else 2
            assert layer.weight.var().item() * layer.weight[0].numel() == pytest.approx(gain, rel=0.06)
            assert layer.bias is not None
            assert not layer.bias.any()
    assert [m.p for m in net.modules() if isinstance(m, nn.Dropout)] == [0.5, 0.5]


@pytest.mark.parametrize("neighbours", [1, 2, 5, 9])
def test_local_response_normalisation_is_torchs_but_for_what_divides_alpha(neighbours: int) -> None:
    torch.manual_seed(0)
    a = torch.randn(2, 6, 3, 4, dtype=torch.float64)
    ours = LocalResponseNorm(neighbours=neighbours, alpha=0.3, beta=0.6, k=1.5)
    torchs = nn.LocalResponseNorm(neighbours, alpha=0.3 * neighbours, beta=0.6, k=1.5)
    torch.testing.assert_close(ours(a), torchs(a), rtol=1e-12, atol=1e-12)
    if neighbours % 2:
        expected = respond(a, neighbours=neighbours, alpha=0.3, beta=0.6, k=1.5)
        torch.testing.assert_close(ours(a), expected, rtol=1e-12, atol=1e-12)
    assert torch.autograd.gradcheck(ours, (a[:1, :, :2, :2].requires_grad_(),))
