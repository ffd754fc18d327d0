"""Elbows by exact tracing: −b/w in the first layer, kinks of the function in all, against the network itself."""

import pytest
import torch
from torch import nn

from sightline.core.errors import ConfigurationError, InputError
from sightline.linear.elbows import dead_on, elbow
from sightline.understand.elbows import elbow_motion, elbows


def network(widths: list[int], seed: int = 0, leaky: bool = False) -> nn.Sequential:
    torch.manual_seed(seed)
    layers: list[nn.Module] = []
    for inner, outer in zip([1, *widths[:-1]], widths, strict=True):
        layers += [nn.Linear(inner, outer), nn.LeakyReLU(0.2) if leaky else nn.ReLU()]
    return nn.Sequential(*layers, nn.Linear(widths[-1], 2)).double()


@pytest.mark.parametrize("widths", [[8], [6, 5], [5, 4, 4]])
@pytest.mark.parametrize("leaky", [False, True])
@pytest.mark.parametrize("seed", [0, 1])
def test_it_is_the_function(widths: list[int], leaky: bool, seed: int) -> None:
    model = network(widths, seed, leaky)
    found = elbows(model, -3.0, 3.0)
    x = torch.linspace(-3, 3, 1001, dtype=torch.float64, requires_grad=True)
    y = model(x[:, None])
    torch.testing.assert_close(found(x.detach()), y.detach(), rtol=1e-10, atol=1e-12)
    for a in range(2):
        (slope,) = torch.autograd.grad(y[:, a].sum(), x, retain_graph=True)
        piece = torch.bucketize(x.detach(), found.knots[1:-1])
        inside = (x.detach()[:, None] - found.knots).abs().amin(1) > 1e-9
        torch.testing.assert_close(found.slopes[piece, a][inside], slope[inside], rtol=1e-9, atol=1e-12)
    # the list of elbows with a bend is the list of kinks
    bent = sorted({one.place for one in found.elbows if max(map(abs, one.bend)) > 1e-12})
    changes = found.slopes.diff(dim=0).abs().amax(1)
    kinks = found.knots[1:-1][changes > 1e-12].tolist()
    assert bent == kinks
    assert sorted({one.place for one in found.elbows}) == found.knots[1:-1].tolist()


def test_those_of_the_first_layer_are_minus_b_over_w() -> None:
    model = network([20])
    w, b = model.get_parameter("0.weight")[:, 0].detach(), model.get_parameter("0.bias").detach()
    places = elbow(w, b)
    found = elbows(model, -1.5, 1.0)
    inside = {unit: float(place) for unit, place in enumerate(places) if -1.5 < place < 1.0}
    assert len(inside) > 5
    assert {one.unit: one.place for one in found.elbows} == pytest.approx(inside, abs=1e-12)
    assert set(found.dead["1"]) == set(dead_on(w, b, -1.5, 1.0).nonzero().flatten().tolist())
    assert found.dead["1"]
    v = model.get_parameter("2.weight").detach()
    for one in found.elbows:  # the slope changes by v |w| whichever way the unit faces
        assert one.bend == pytest.approx(tuple((v[:, one.unit] * w[one.unit].abs()).tolist()), rel=1e-9)


def test_a_tent_and_its_folding() -> None:
    """Two tents on each other have kinks at the quarters: a deeper unit with two elbows."""
    first, last = nn.Linear(1, 2), nn.Linear(2, 1)
    first.weight.data, first.bias.data = torch.tensor([[2.0], [4.0]]), torch.tensor([0.0, -2.0])
    last.weight.data, last.bias.data = torch.tensor([[1.0, -1.0]]), torch.zeros(1)
    tent = nn.Sequential(first, nn.ReLU(), last)
    found = elbows(nn.Sequential(tent, nn.Dropout(), tent), -0.5, 1.5)
    deeper = [(one.unit, one.place) for one in found.elbows if one.layer == "2.1"]
    assert deeper == [(0, 0.0), (1, 0.25), (1, 0.75), (0, 1.0)]
    assert [one.place for one in found.elbows if one.layer == "0.1"] == [0.0, 0.5]


def test_motion() -> None:
    model = network([6, 5])
    before = elbows(model, -3.0, 3.0)
    first = {(m.layer, m.unit): m for m in elbow_motion(before, before)}
    assert all(m.distance == 0 for m in first.values())
    with torch.no_grad():
        model.get_parameter("0.bias").add_(0.1)
    w = model.get_parameter("0.weight")[:, 0].detach()
    moved = {m.unit: m for m in elbow_motion(before, elbows(model, -3.0, 3.0)) if m.layer == "1"}
    assert moved
    for unit, motion in moved.items():
        if motion.distance is not None:
            assert motion.distance == pytest.approx(float(0.1 / w[unit].abs()), rel=1e-9)
    assert any(m.distance is not None for m in moved.values())


def test_mistakes_are_told(as_a_user_calls: None) -> None:
    with pytest.raises(InputError, match="Tanh at '1'"):
        elbows(nn.Sequential(nn.Linear(1, 2), nn.Tanh()), 0.0, 1.0)
    with pytest.raises(InputError, match="one input"):
        elbows(nn.Linear(2, 2), 0.0, 1.0)
    with pytest.raises(ConfigurationError, match="interval"):
        elbows(nn.Linear(1, 2), 1.0, 1.0)
    model = network([3])
    with pytest.raises(InputError, match="interval"):
        elbow_motion(elbows(model, 0.0, 1.0), elbows(model, 0.0, 2.0))
    with torch.no_grad():
        model.get_parameter("0.bias")[0] = float("nan")
    with pytest.raises(InputError, match="infinite or NaN"):
        elbows(model, 0.0, 1.0)
