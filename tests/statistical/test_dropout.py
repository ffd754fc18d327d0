"""Dropout and its kin: what they do to single numbers exactly, and to means and variances by many draws.

Seeds are fixed. A Monte Carlo estimate must lie within 4.5 of its standard errors.
"""

from collections.abc import Callable
from math import sqrt

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sightline.core.errors import ConfigurationError, InputError
from sightline.nn.drop_connect import DropConnect
from sightline.nn.dropout import InvertedDropout, OriginalDropout
from sightline.nn.multiplicative_noise import MultiplicativeNoise, UniformMultiplicativeNoise
from sightline.nn.stochastic_depth import StochasticDepth, linear_decay

DRAWS = 40_000
X = torch.tensor([0.0, 1.0, -2.0, 0.5, 3.0], dtype=torch.float64)


def close(found: Tensor, expected: Tensor) -> bool:
    """Means over the first axis within 4.5 standard errors."""
    error = found.std(0) / sqrt(len(found))
    return bool(((found.mean(0) - expected).abs() <= 4.5 * error + 1e-12).all())


def moments_are(found: Tensor, mean: Tensor, variance: Tensor) -> None:
    assert close(found, mean)
    assert close((found - mean).square(), variance)


@pytest.mark.parametrize("p", [0.1, 0.5, 0.8])
def test_mean_and_variance_of_training_and_the_mean_in_evaluation(p: float) -> None:
    """40,000 draws each: E and Var of every kind; evaluation gives exactly the mean."""
    torch.manual_seed(0)
    x = X.expand(DRAWS, 5)
    ratio = p / (1 - p)
    for layer in (InvertedDropout(drop_probability=p), MultiplicativeNoise(drop_probability=p)):
        moments_are(layer(x), X, ratio * X.square())
        assert torch.equal(layer.eval()(X), X)
    original = OriginalDropout(drop_probability=p)
    moments_are(original(x), (1 - p) * X, p * (1 - p) * X.square())
    assert torch.equal(original.eval()(X), (1 - p) * X)
    uniform = UniformMultiplicativeNoise()
    moments_are(uniform(x), X, X.square() / 3)
    assert torch.equal(uniform.eval()(X), X)


def test_both_scalings_give_the_next_layer_the_mean_of_evaluation() -> None:
    """Pre-activations of a linear layer after dropout: 40,000 draws; and the two differ by the factor 1 − p alone."""
    torch.manual_seed(1)
    weight = torch.randn(5, 3, dtype=torch.float64)
    for layer in (InvertedDropout(drop_probability=0.3), OriginalDropout(drop_probability=0.3)):
        trained = layer(X.expand(DRAWS, 5)) @ weight
        assert close(trained, layer.eval()(X) @ weight)
    torch.manual_seed(2)
    ours = set((OriginalDropout(drop_probability=0.3)(torch.ones(500)) / 0.7).tolist())
    assert ours == set(InvertedDropout(drop_probability=0.3)(torch.ones(500)).tolist())


def test_inverted_dropout_is_torchs() -> None:
    torch.manual_seed(3)
    ours = InvertedDropout(drop_probability=0.4)(X)
    torch.manual_seed(3)
    assert torch.equal(ours, nn.Dropout(0.4)(X))


def test_stochastic_depth_drops_whole_examples() -> None:
    """Each example's branch is 0 or divided by 1 − p, all of it; 40,000 examples: mean and variance."""
    torch.manual_seed(4)
    layer = StochasticDepth(drop_probability=0.3)
    branch = torch.rand(DRAWS, 2, 3, 1, dtype=torch.float64) + 0.5
    y = layer(branch)
    factor = y / branch
    assert float((factor - factor[:, :1, :1]).abs().max()) < 1e-15
    single = factor[:, 0, 0, 0]
    assert float(torch.minimum(single, (single - 1 / 0.7).abs()).max()) < 1e-15
    moments_are(single, torch.tensor(1.0), torch.tensor(0.3 / 0.7))
    assert layer.eval()(branch) is branch
    assert StochasticDepth(drop_probability=0.0)(branch) is branch


def test_the_linear_decay_counts_blocks_from_one() -> None:
    """p_l = 1 − l/L (1 − p_L) is what survives: the first block drops already, the last with the given probability."""
    for count, last in ((54, 0.5), (3, 0.3), (1, 0.2)):
        survival = [1 - block / count * (1 - (1 - last)) for block in range(1, count + 1)]
        found = linear_decay(count, last)
        assert max(abs(1 - p - s) for p, s in zip(found, survival, strict=True)) < 1e-12
        assert found[-1] == last
        assert found[0] == pytest.approx(last / count)
    assert linear_decay(3, 0.0) == [0.0] * 3


def test_drop_connect_drops_weights_example_by_example() -> None:
    """Outputs are sums over subsets of the weights, the bias among them; 40,000 masks: mean and variance."""
    torch.manual_seed(5)
    layer = DropConnect(num_inputs=3, num_outputs=2, drop_probability=0.3).double()
    x = torch.tensor([1.0, -2.0, 0.5], dtype=torch.float64)
    y = layer(x.expand(DRAWS, 3)).detach()
    for unit in range(2):
        terms = [*(layer.weight[unit] * x).tolist(), float(layer.bias[unit].detach())]
        subsets = torch.tensor([sum(t for k, t in enumerate(terms) if mask >> k & 1) for mask in range(16)]).double()
        assert float((y[:, unit, None] - subsets).abs().min(1).values.max()) < 1e-6
    moments = layer.moments(x[None])
    moments_are(y, moments.mean[0].detach(), moments.variance[0].detach())
    assert torch.allclose(layer.eval()(x[None]), moments.mean, rtol=1e-14)
    assert torch.allclose(layer(x[None]), 0.7 * F.linear(x[None], layer.weight, layer.bias), rtol=1e-14)
    unbiased = DropConnect(num_inputs=3, num_outputs=2, drop_probability=0.5, bias=False).double()
    both = unbiased.moments(x[None])
    moments_are(unbiased(x.expand(DRAWS, 3)).detach(), both.mean[0].detach(), both.variance[0].detach())


def test_moment_matching_is_nearer_than_mean_weights() -> None:
    """E[relu(y)] over 40,000 masks of 60 inputs: the normal comes within 0.01 of it, mean weights do not."""
    torch.manual_seed(6)
    layer = DropConnect(num_inputs=60, num_outputs=4, drop_probability=0.5).double()
    x = torch.randn(60, dtype=torch.float64)
    with torch.no_grad():
        true = torch.cat([layer(x.expand(4000, 60)).relu() for _ in range(10)])
        normal = layer.moments(x[None]).sample((DRAWS,))[:, 0].relu().mean(0)
        weights = layer.eval()(x[None])[0].relu()
    assert float((true.mean(0) - normal).abs().max()) < 0.01
    assert float((true.mean(0) - weights).abs().max()) > 0.02


@pytest.mark.parametrize(
    "make",
    [
        lambda: InvertedDropout(drop_probability=0.4),
        lambda: OriginalDropout(drop_probability=0.4),
        lambda: MultiplicativeNoise(drop_probability=0.4),
        UniformMultiplicativeNoise,
        lambda: StochasticDepth(drop_probability=0.4),
        lambda: DropConnect(num_inputs=5, num_outputs=3, drop_probability=0.4),
    ],
)
@pytest.mark.parametrize("training", [True, False])
def test_gradients_dtypes_and_empty_batches(make: Callable[[], nn.Module], training: bool) -> None:
    layer = make().train(training)
    x = torch.randn(4, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(7)).requires_grad_()

    def same_chance(x: Tensor) -> Tensor:
        torch.manual_seed(8)
        y: Tensor = layer.double()(x)
        return y

    assert torch.autograd.gradcheck(same_chance, (x,))
    assert layer(x[:0]).shape[0] == 0
    assert layer.bfloat16()(x.detach().bfloat16()).dtype == torch.bfloat16
    assert "0.4" in repr(layer) or isinstance(layer, UniformMultiplicativeNoise)


@pytest.mark.usefixtures("as_a_user_calls")
@pytest.mark.parametrize("p", [-0.1, 1.0, 2.0, float("nan")])
def test_probabilities_out_of_range_are_refused(p: float) -> None:
    for kind in (InvertedDropout, OriginalDropout, MultiplicativeNoise, StochasticDepth):
        with pytest.raises(ConfigurationError, match="drop_probability"):
            kind(drop_probability=p)
    with pytest.raises(ConfigurationError, match="drop_probability"):
        DropConnect(num_inputs=2, num_outputs=2, drop_probability=p)
    with pytest.raises(ConfigurationError, match="last"):
        linear_decay(3, p)


@pytest.mark.usefixtures("as_a_user_calls")
@pytest.mark.parametrize("shape", [(2,), (3, 4, 2), (2, 2, 2)])
def test_drop_connect_takes_one_row_an_example(shape: tuple[int, ...]) -> None:
    """In training and evaluation alike; with as many steps as inputs, too, where a product would go through."""
    layer = DropConnect(num_inputs=2, num_outputs=2)
    for call in (layer.train(), layer.moments):
        with pytest.raises(InputError, match="one row an example"):
            call(torch.ones(shape))
    with pytest.raises(InputError, match="one row an example"):
        layer.eval()(torch.ones(shape))
    assert torch.fx.symbolic_trace(layer)(torch.ones(3, 2)).shape == (3, 2)


@pytest.mark.usefixtures("as_a_user_calls")
def test_layers_without_anything_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="num_blocks"):
        linear_decay(0, 0.1)
    with pytest.raises(ConfigurationError, match="num_inputs"):
        DropConnect(num_inputs=0, num_outputs=2)
    with pytest.raises(ConfigurationError, match="above 0"):
        DropConnect(num_inputs=2, num_outputs=2, drop_probability=0.0).moments(torch.ones(1, 2))
