"""Saliency: gradients by hand, completeness of the integral, filters and maps as they are."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sightline.core.errors import ConfigurationError, InputError
from sightline.understand.filters import drawable, feature_maps, filters
from sightline.understand.saliency import gradient_times_input, input_gradient, integrated_gradients


class Quadratic(nn.Module):
    """Outputs xᵀ A x and its negative: the gradient is 2 A x."""

    def __init__(self) -> None:
        super().__init__()
        root = torch.randn(3, 3, dtype=torch.float64)
        self.A = nn.Parameter(root @ root.T)

    def forward(self, x: Tensor) -> Tensor:
        """Two numbers."""
        y = torch.einsum("ni,ij,nj->n", x, self.A, x)
        return torch.stack([y, -y], 1)


def prepared() -> tuple[nn.Module, Tensor]:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.Tanh(), nn.Flatten(), nn.Linear(64, 5))
    return model.double(), torch.randn(7, 1, 6, 6).double()


def test_a_form_of_second_degree_by_hand() -> None:
    torch.manual_seed(0)
    model, x = Quadratic(), torch.randn(5, 3).double()
    expected = 2 * x @ model.A.detach()
    torch.testing.assert_close(input_gradient(model, x).values, expected)
    target = torch.ones(5, dtype=torch.int64)
    torch.testing.assert_close(gradient_times_input(model, x, target).values, -x * expected)
    found = integrated_gradients(model, x, steps=1)  # one place of Gauss's suffices for a straight gradient
    torch.testing.assert_close(found.values, x * expected / 2)
    assert bool((found.targets == 0).all())
    baseline = torch.randn(3).double()
    moved = integrated_gradients(model, x, baseline=baseline, steps=1)
    torch.testing.assert_close(moved.values, (x - baseline) * ((x + baseline) @ model.A.detach()))


def test_the_integral_is_complete() -> None:
    model, x = prepared()
    found = integrated_gradients(model, x, steps=40)
    with torch.no_grad():
        scores = model.eval()(x)
        nothing = model(torch.zeros_like(x))
    target = scores.argmax(1)
    assert torch.equal(found.targets, target)
    torch.testing.assert_close(found.scores, scores.gather(1, target[:, None])[:, 0])
    rise = (scores - nothing).gather(1, target[:, None])[:, 0]
    torch.testing.assert_close(found.values.flatten(1).sum(1), rise, rtol=1e-10, atol=1e-10)
    assert found.gap is not None
    assert float(found.gap.max()) < 1e-10
    coarse = integrated_gradients(model, x, steps=1).gap
    assert coarse is not None
    assert float(coarse.max()) > 1e-3  # the gap tells of too few steps


def test_a_network_of_relus_without_biases_is_gradient_times_input() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 9, bias=False), nn.ReLU(), nn.Linear(9, 3, bias=False)).double()
    x = torch.randn(6, 4).double()
    found = gradient_times_input(model, x)
    torch.testing.assert_close(found.values.sum(1), found.scores)
    torch.testing.assert_close(integrated_gradients(model, x, steps=3).values, found.values)


def test_the_network_is_as_before() -> None:
    model, x = prepared()
    state = {n: t.clone() for n, t in model.state_dict().items()}
    integrated_gradients(model, x)
    assert all(torch.equal(t, state[n]) for n, t in model.state_dict().items())
    assert all(p.grad is None for p in model.parameters())
    assert model.training
    assert not x.requires_grad


def test_filters_and_maps() -> None:
    model, x = prepared()
    weight = model.get_parameter("0.weight")
    found = filters(model)
    assert torch.equal(found, weight)
    assert found.data_ptr() != weight.data_ptr()
    torch.testing.assert_close(feature_maps(model, x, "0"), F.conv2d(x, weight, model.get_parameter("0.bias")).detach())
    pictures = drawable(found, signed=True)
    assert float(pictures.min()) >= 0
    assert torch.equal((pictures > 0.5), (found > 0))
    torch.testing.assert_close((pictures - 0.5).abs().flatten(1).amax(1), torch.full((4,), 0.5).double())
    maps = drawable(feature_maps(model, x, "2"), signed=False)
    torch.testing.assert_close(maps.flatten(1).amin(1), torch.zeros(7).double())
    torch.testing.assert_close(maps.flatten(1).amax(1), torch.ones(7).double())
    assert bool((drawable(torch.ones(1, 2, 2), signed=False) == 0.5).all())


def test_mistakes_are_told(as_a_user_calls: None) -> None:
    model, x = prepared()
    with pytest.raises(InputError, match="targets from 0 to 4"):
        input_gradient(model, x, torch.full((7,), 5))
    with pytest.raises(InputError, match="embedding"):
        input_gradient(model, x.long())
    with pytest.raises(InputError, match="logits"):
        input_gradient(nn.Sequential(nn.Flatten(0)), x)
    with pytest.raises(InputError, match="baseline"):
        integrated_gradients(model, x, baseline=torch.zeros(2))
    with pytest.raises(ConfigurationError, match="one step"):
        integrated_gradients(model, x, steps=0)
    with pytest.raises(ConfigurationError, match="convolution"):
        filters(model, "4")
    with pytest.raises(ConfigurationError, match="convolution"):
        filters(nn.Linear(2, 2))
    with pytest.raises(InputError, match="maps"):
        feature_maps(model, x, "4")
