"""The whitening network beside its formulas, written out."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sightline.core.errors import ConfigurationError, DataError, InputError
from sightline.core.schema import Schema
from sightline.models.whitening_net import SHIFT_SCALE, FastShiftNorm, WhiteningNet, whitening_net
from sightline.nn.whitening import PatchWhitening, whitening_filters
from sightline.optim import parameter_groups

TABLE = Schema("table", "classification", (5,), classes=("no", "yes"))


def pictures(count: int = 64, side: int = 12, seed: int = 0) -> Tensor:
    """Smooth random images, whose neighbouring pixels are alike, as in photographs."""
    noise = torch.randn(count, 3, side + 4, side + 4, generator=torch.Generator().manual_seed(seed))
    return F.avg_pool2d(noise, 5, stride=1) * 4 + torch.tensor([0.5, -1.0, 2.0])[:, None, None]


@pytest.mark.parametrize("kernel_size", [1, 2, 3])
def test_whitened_patches_are_uncorrelated_with_unit_second_moment(kernel_size: int) -> None:
    x = pictures().double()
    before = F.unfold(x, kernel_size).transpose(0, 1).flatten(1)
    entries = len(before)
    y = F.conv2d(x, whitening_filters(x, kernel_size, 0.0))
    assert y.shape[1] == 2 * entries
    torch.testing.assert_close(y[:, :entries], -y[:, entries:])
    after = y[:, :entries].transpose(0, 1).flatten(1)
    torch.testing.assert_close(after @ after.T / after.shape[1], torch.eye(entries, dtype=torch.float64))
    assert (before @ before.T / before.shape[1] - torch.eye(entries)).abs().max() > 0.5


def test_epsilon_is_added_to_the_variance() -> None:
    x = pictures().double()
    plain, damped = whitening_filters(x, 2, 0.0)[:12], whitening_filters(x, 2, 0.3)[:12]
    variance = plain.flatten(1).square().sum(1).reciprocal()  # rows are eᵢ/√λᵢ with |eᵢ| = 1
    assert (variance.diff() <= 1e-9).all()  # largest first
    torch.testing.assert_close(damped.flatten(1).square().sum(1), 1 / (variance + 0.3))


def test_a_direction_without_variance_is_not_blown_up() -> None:
    filters = whitening_filters(torch.ones(10, 3, 4, 4), 2, 5e-4)
    assert torch.isfinite(filters).all()
    assert filters.abs().max() <= 1 / 5e-4**0.5


def test_fitting_changes_the_filters_once_and_no_gradient_reaches_them() -> None:
    net = WhiteningNet(in_channels=3, num_outputs=5, widths=(4, 4, 4))
    first = net.whitening.weight.clone()
    net.initialise_from_data(pictures())
    fitted = net.whitening.weight.clone()
    assert not torch.equal(first, fitted)
    net.initialise_from_data(pictures(seed=1))
    assert torch.equal(net.whitening.weight, fitted)
    assert "stages.whitening.0.weight" not in dict(net.named_parameters())
    assert "stages.whitening.0.weight" in net.state_dict()


def reference(net: WhiteningNet, x: Tensor, training: bool) -> Tensor:
    """The network as a formula: torch's own operations on the state dict."""
    w = net.state_dict()
    x = F.gelu(F.conv2d(x, w["stages.whitening.0.weight"], w["stages.whitening.0.bias"]))
    for group in ("group1", "group2", "group3"):
        for layer in "12":
            x = F.conv2d(x, w[f"stages.{group}.conv{layer}.weight"], padding=1)
            if layer == "1":
                x = x.unfold(2, 2, 2).unfold(3, 2, 2).amax((-1, -2))
            norm = f"stages.{group}.norm{layer}"
            mean, variance = w[f"{norm}.running_mean"], w[f"{norm}.running_var"]
            if training:
                mean, variance = x.mean((0, 2, 3)), x.var((0, 2, 3), correction=0)
            x = (x - mean[:, None, None]) / (variance[:, None, None] + 1e-12).sqrt()
            x = F.gelu(x + 8.0 * w[f"{norm}.shift"])
    head: Tensor = w["head.weight"]
    return x.amax((2, 3)) @ head.T / 9


def test_equals_its_formula_in_training_and_with_the_mirror_image_in_evaluation() -> None:
    torch.manual_seed(0)
    net = WhiteningNet(in_channels=3, num_outputs=5, widths=(6, 5, 4)).double()
    x = pictures(count=8, side=14).double()
    net.initialise_from_data(x)
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.add_(torch.randn_like(parameter), alpha=0.2)
    torch.testing.assert_close(net(x), reference(net, x, training=True))
    net.eval()
    both = (reference(net, x, training=False) + reference(net, x.flip(3), training=False)) / 2
    torch.testing.assert_close(net(x), both)
    assert not torch.allclose(both, reference(net, x, training=False))
    net.mirror = False
    torch.testing.assert_close(net(x), reference(net, x, training=False))


@pytest.mark.parametrize("mirror", [False, True])
def test_moved_views_are_averaged_in_evaluation_alone(mirror: bool) -> None:
    net = WhiteningNet(in_channels=3, num_outputs=5, widths=(6, 5, 4), mirror=mirror, shift=True).double()
    x = pictures(count=4, side=12).double()
    net.initialise_from_data(x)
    torch.testing.assert_close(net(x), reference(net, x, training=True))
    net.eval()
    expected = torch.zeros(4, 5, dtype=torch.float64)
    for move, weight in ((0, 2), (1, 1), (-1, 1)):
        moved = torch.empty_like(x)
        for row in range(12):
            for column in range(12):
                down, right = (abs(i + move) if i + move < 12 else 10 for i in (row, column))
                moved[:, :, row, column] = x[:, :, down, right]
        for image in (moved, moved.flip(3)) if mirror else (moved,):
            expected += weight / (8 if mirror else 4) * reference(net, image, training=False)
    torch.testing.assert_close(net(x), expected)


def test_convolutions_start_as_the_identity() -> None:
    net = WhiteningNet(in_channels=3, num_outputs=5, widths=(30, 30, 20))
    x = torch.randn(2, 24, 6, 6)
    group = net.stages.get_submodule("group1")
    assert torch.equal(group.get_submodule("conv1")(x)[:, :24], x)
    narrow = net.stages.get_submodule("group3.conv1")
    y = torch.randn(2, 30, 6, 6)
    assert torch.equal(narrow(y), y[:, :20])


def test_shifts_move_by_the_square_of_their_scale() -> None:
    """Gradient descent on c with s·c in the formula moves s·c by s² times the plain rate, and decays it alike."""
    x, direction = torch.randn(4, 3, 5, 5), torch.randn(4, 3, 5, 5)
    ours, plain = FastShiftNorm(3), nn.BatchNorm2d(3, eps=1e-12)
    for shift, norm, factor in ((ours.shift, ours, 1.0), (plain.bias, plain, SHIFT_SCALE**2)):
        optimizer = torch.optim.SGD([shift], lr=0.01 * factor, weight_decay=0.5 / factor, momentum=0.9, nesterov=True)
        for _ in range(5):
            optimizer.zero_grad()
            (norm(x) * direction).sin().sum().backward()
            optimizer.step()
    torch.testing.assert_close(SHIFT_SCALE * ours.shift.flatten(), plain.bias, rtol=1e-4, atol=1e-5)


def test_shifts_decay_with_the_weights() -> None:
    net = WhiteningNet(in_channels=3, num_outputs=5, widths=(4, 4, 4))
    decaying = next(g["params"] for g in parameter_groups(net, weight_decay=0.1) if g["regularised"])
    shifts = [p for name, p in net.named_parameters() if name.endswith("shift")]
    assert len(shifts) == 6
    assert all(any(p is q for q in decaying) for p in shifts)


def test_running_statistics_take_forty_per_cent_of_a_batch() -> None:
    norm = FastShiftNorm(3)
    x = torch.randn(64, 3, 5, 5) * 3 + 1
    norm(x)
    torch.testing.assert_close(norm.running_mean, 0.4 * x.mean((0, 2, 3)))
    before = norm.running_mean.clone()
    norm.eval()(x)
    assert torch.equal(norm.running_mean, before)


@pytest.mark.usefixtures("as_a_user_calls")
@pytest.mark.parametrize(
    "x",
    [
        torch.ones(4, 2, 4, 4),
        torch.ones(4, 3, 1, 1),
        torch.ones(0, 3, 4, 4),
        torch.ones(3, 4, 4),
        torch.full((4, 3, 4, 4), float("nan")),
    ],
    ids=["other channels", "smaller than a patch", "none", "no batch", "nan"],
)
def test_filters_are_not_found_from_images_that_have_none(x: Tensor) -> None:
    with pytest.raises(InputError, match="images"):
        PatchWhitening(in_channels=3).fit(x)


def test_mistakes_are_told() -> None:
    with pytest.raises(ConfigurationError, match="three groups"):
        WhiteningNet(in_channels=3, num_outputs=2, widths=(4, 4))
    with pytest.raises(ConfigurationError, match="one pixel"):
        PatchWhitening(in_channels=3, kernel_size=0)
    with pytest.raises(DataError, match="use the model 'mlp'"):
        whitening_net(TABLE)
    with pytest.raises(ConfigurationError, match="9 × 9 pixels or larger"):
        whitening_net(Schema("image", "classification", (3, 8, 40), classes=("no", "yes")))
    smallest = whitening_net(Schema("image", "classification", (3, 9, 9), classes=("no", "yes")), width=2)
    assert smallest(torch.zeros(2, 3, 9, 9)).shape == (2, 2)


def test_many_images_are_taken_in_parts() -> None:
    x = pictures(count=300, side=6).double()
    patches = F.unfold(x, 2).transpose(1, 2).flatten(0, 1)
    values, vectors = torch.linalg.eigh(patches.T @ patches / len(patches))
    largest = vectors[:, -1] / values[-1].sqrt()
    found = whitening_filters(x, 2, 0.0)[0].flatten()
    torch.testing.assert_close(found.abs(), largest.abs())


@pytest.mark.usefixtures("as_a_user_calls")
def test_images_that_pooling_would_make_empty_are_refused_by_the_layer() -> None:
    net = WhiteningNet(in_channels=3, num_outputs=2, widths=(4, 4, 4))
    with pytest.raises(InputError, match="group3"):
        net(torch.zeros(2, 3, 6, 6))
