"""The noise of gradients against the dense covariance of single examples, at all batch sizes at once."""

from itertools import product

import pytest
import torch
from torch import Tensor, nn

from sightline.core.errors import InputError
from sightline.understand.gradient_noise import GradientNoise, gradient_noise, noise_from_two_sizes
from sightline.understand.update_ratio import snapshot, update_ratio


def prepared() -> tuple[nn.Module, Tensor]:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 1)).double(), torch.randn(40, 3).double()


def gradients(model: nn.Module, x: Tensor) -> Tensor:
    """One row an example."""
    rows = []
    for one in x:
        parts = torch.autograd.grad((model(one[None]) - 1).square().mean(), list(model.parameters()))
        rows.append(torch.cat([part.flatten() for part in parts]))
    return torch.stack(rows)


def test_of_single_examples_it_is_the_dense_covariance() -> None:
    model, x = prepared()
    G = gradients(model, x)
    found = gradient_noise(model, list(x.split(1)), lambda x: (model(x) - 1).square().mean(), [1] * 40)
    trace = float(G.T.cov().trace())
    assert found.whole.trace == pytest.approx(trace, rel=1e-9)
    assert found.whole.squared == pytest.approx(float(G.mean(0).square().sum()) - trace / 40, rel=1e-9)
    assert found.whole.noise_scale == pytest.approx(found.whole.trace / found.whole.squared)
    assert found.by_parameter["0.weight"].trace == pytest.approx(float(G[:, :12].T.cov().trace()), rel=1e-9)
    assert found.whole.signal_to_noise(4) == pytest.approx(2 * found.whole.noise_scale**-0.5)
    assert (found.num_batches, found.num_examples) == (40, 40)


def test_it_is_unbiased_whatever_the_sizes() -> None:
    """All 64 equally likely draws of a batch of one and a batch of two of four examples: the exact mean."""
    torch.manual_seed(1)
    G = torch.randn(4, 2, dtype=torch.float64) + torch.tensor([1.0, 0.5])
    mean = G.mean(0)
    model = nn.Linear(2, 1, bias=False).double()
    found = []
    for drawn in product(range(4), repeat=3):
        batches = list(G[list(drawn)].split([1, 2]))
        noise = gradient_noise(model, batches, lambda g: model(g).mean(), [1, 2])
        found.append((noise.whole.squared, noise.whole.trace))
    squared, trace = torch.tensor(found).mean(0).tolist()
    assert squared == pytest.approx(float(mean.square().sum()), rel=1e-6)
    assert trace == pytest.approx(float((G - mean).square().sum() / 4), rel=1e-6)


def test_norms_of_two_sizes_suffice() -> None:
    """Expected norms in, exact numbers out: |G|² = 4, tr Σ = 6."""
    small, big = torch.tensor([(4 + 6 / 2) ** 0.5]), torch.tensor([(4 + 6 / 8) ** 0.5])
    found = noise_from_two_sizes(small, big, small=2, big=8)
    assert found.squared == pytest.approx(4, rel=1e-5)
    assert found.trace == pytest.approx(6, rel=1e-5)


def test_no_signal_and_no_noise() -> None:
    assert GradientNoise(-1.0, 2.0).noise_scale == float("inf")
    assert GradientNoise(-1.0, 2.0).signal_to_noise(8) == 0
    assert GradientNoise(1.0, 0.0).signal_to_noise(8) == float("inf")


def test_update_ratios() -> None:
    model, _ = prepared()
    before = snapshot(model)
    with torch.no_grad():
        model.get_parameter("0.weight").add_(0.5)
    rows = {row.name: row for row in update_ratio(before, snapshot(model)).rows}
    assert rows["0.weight"].update == pytest.approx(0.5 * 12**0.5)
    assert rows["0.weight"].ratio == pytest.approx(0.5 * 12**0.5 / float(before["0.weight"].norm()))
    assert rows["2.bias"].ratio == 0
    before["0.weight"].zero_()
    assert update_ratio(before, snapshot(model)).rows[0].ratio == float("inf")


def test_mistakes_are_told(as_a_user_calls: None) -> None:
    model, x = prepared()
    with pytest.raises(InputError, match="two batches"):
        gradient_noise(model, [x], lambda x: model(x).mean(), [40])
    with pytest.raises(InputError, match="sizes"):
        gradient_noise(model, [x, x], lambda x: model(x).mean(), [40])
    with pytest.raises(InputError, match="two sizes"):
        noise_from_two_sizes(torch.ones(2), torch.ones(2), small=4, big=4)
    with pytest.raises(InputError, match=r"0\.bias"):
        update_ratio({"0.bias": torch.ones(2)}, {})
