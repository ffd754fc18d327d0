"""What is no distribution, no level and no point is refused with an error that says what to do."""

from typing import Any

import pytest
import torch
from torch import Tensor

from sightline.core.errors import ConfigurationError, InputError
from sightline.generate.bisection import smallest_reaching
from sightline.generate.chain_rule import ChainRule
from sightline.generate.continuous_distribution import Continuous, Normal, Numerical
from sightline.generate.discrete_distribution import Discrete, inverse_categorical
from sightline.generate.inverse_cdf import Distribution, sample_from
from sightline.generate.mixed_distribution import Mixed
from sightline.generate.piecewise_uniform import PiecewiseUniform, uniform_within

nan, inf = float("nan"), float("inf")


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def wide(*values: float) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


@pytest.mark.usefixtures("as_a_user_calls")
@pytest.mark.parametrize(
    "weights",
    [
        [0.5, 0.6],
        [0.3, 0.3],
        [0.5, 0.5 + 1e-5],
        [nan, 1.0],
        [-0.5, 1.5],
        [inf, 0.0],
        [0.0, 0.0],
        [],
        1.0,
        [1e308, 1e308],
    ],
    ids=str,
)
def test_what_is_no_distribution_is_refused(weights: list[float]) -> None:
    p = torch.tensor(weights, dtype=torch.float64)
    for attempt in (lambda: inverse_categorical(p, wide(0.5)), lambda: Discrete(p)):
        with pytest.raises(InputError):
            attempt()


@pytest.mark.parametrize("shape", [(-3,), (2, -1), (1.5,), (True,), ("3",)])
def test_shapes_that_are_none_are_refused(as_a_user_calls: None, shape: Any) -> None:
    with pytest.raises(ConfigurationError, match="whole numbers, each 0 or more"):
        sample_from(Normal(), shape)
    assert sample_from(Normal(), (0, 3)).shape == (0, 3)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_probabilities_of_a_coarser_format_sum_to_1_as_well_as_it_can(dtype: torch.dtype) -> None:
    p = torch.randn(20, 1000, generator=generator()).softmax(1).to(dtype)
    assert Discrete(p).cumulated[:, -1].tolist() == [1.0] * 20
    with pytest.raises(InputError, match="sum to 1"):
        Discrete(torch.tensor([0.5, 0.45], dtype=dtype))


LAWS: dict[str, Distribution] = {
    "discrete": Discrete(wide(0.5, 0.5)),
    "normal": Normal(),
    "continuous": Continuous(lambda x: x.clamp(0, 1), lambda u: u),
    "numerical": Numerical(torch.special.ndtr),
    "mixed": Mixed(wide(0), wide(0.5), Normal()),
    "piecewise": PiecewiseUniform(wide(0, 1, 2), wide(0.5, 0.5)),
}


@pytest.mark.usefixtures("as_a_user_calls")
@pytest.mark.parametrize("name", LAWS)
def test_levels_and_points_that_are_none_are_refused(name: str) -> None:
    law = LAWS[name]
    levels: list[Any] = [wide(0.5, nan), wide(-1e-9), wide(1 + 1e-9), wide(inf), torch.tensor(0.5 + 1j), 0.5]
    for u in levels:
        with pytest.raises(InputError):
            law.inverse_cdf(u)
    points: list[Any] = [wide(0, nan), 0.0]
    for x in points:
        with pytest.raises(InputError):
            law.cdf(x)
        with pytest.raises(InputError):
            law.cdf_below(x)
    assert law.cdf(wide(-inf, inf)).tolist() == [0, 1]
    assert law.cdf_below(wide(-inf, inf)).tolist() == [0, 1]


@pytest.mark.parametrize("name", ["discrete", "normal", "mixed", "piecewise"])
def test_levels_and_points_of_another_batch_are_refused(name: str) -> None:
    p = torch.full((3, 2), 0.5, dtype=torch.float64)
    laws: dict[str, Distribution] = {
        "discrete": Discrete(p),
        "normal": Normal(torch.zeros(3)),
        "mixed": Mixed(wide(0), p[:, :1], Normal()),
        "piecewise": PiecewiseUniform(wide(0, 1, 2), p),
    }
    law = laws[name]
    for ask in (law.cdf, law.cdf_below, law.inverse_cdf):
        assert ask(torch.full((4, 3), 0.5)).shape == (4, 3)
        with pytest.raises(InputError, match=r"batch of distributions, \(3,\)"):
            ask(torch.full((4,), 0.5))


@pytest.mark.usefixtures("as_a_user_calls")
def test_bad_parameters_are_refused() -> None:
    for values in (wide(0), wide(1, 0), wide(0, 0), wide(0, nan), wide(0, inf)):
        with pytest.raises(InputError):
            Discrete(wide(0.5, 0.5), values)
    for mean, spread in ((nan, 1.0), (inf, 1.0), (0.0, 0.0), (0.0, -1.0), (0.0, nan), (0.0, inf)):
        with pytest.raises(InputError):
            Normal(mean, spread)
    for atoms, weights in (
        (wide(), wide()), (wide(0), wide(1)), (wide(0), wide(-0.1)), (wide(0), wide(nan)), (wide(1, 0), wide(0.1, 0.1)),
        (wide(nan), wide(0.1)), (wide(0, 1), wide(0.1)), (wide(0), torch.tensor(0.1)),
    ):  # fmt: skip
        with pytest.raises(InputError):
            Mixed(atoms, weights, Normal())
    for edges in (wide(0, 1), wide(0, 1, 1), wide(2, 1, 0), wide(0, nan, 2), wide(0, 1, inf), wide(0, 1, 2, 3)):
        with pytest.raises(InputError):
            PiecewiseUniform(edges, wide(0.5, 0.5))
    for interval in (-1, 2):
        with pytest.raises(InputError):
            uniform_within(torch.tensor([interval]), wide(0, 1, 2), wide(0.5))


@pytest.mark.usefixtures("as_a_user_calls")
def test_what_is_no_distribution_function_is_refused() -> None:
    u = wide(0.3, 0.7)
    wrong: dict[str, Any] = {
        "survival function": lambda x: 1 - torch.special.ndtr(x),
        "density": lambda x: torch.exp(-x * x),
        "not 1 at the end": lambda x: 0.9 * torch.special.ndtr(x),
        "falls on the way": lambda x: torch.special.ndtr(torch.where(x.abs() < 5, -x, x)),
        "NaN": lambda x: x / x * nan,
        "above 1": lambda x: 1.1 * torch.special.ndtr(x),
        "no tensor": lambda x: 0.5,
        "another shape": lambda x: torch.special.ndtr(x)[:1],
    }
    for name, function in wrong.items():
        with pytest.raises(InputError):
            pytest.fail(f"{name} gave {smallest_reaching(function, u).tolist()}")
    for low, high in ((1.0, 1.0), (2.0, 1.0), (nan, 1.0), (0.0, nan)):
        with pytest.raises(ConfigurationError):
            smallest_reaching(torch.special.ndtr, u, low=low, high=high)


@pytest.mark.usefixtures("as_a_user_calls")
def test_bad_vectors_are_refused() -> None:
    with pytest.raises(ConfigurationError):
        ChainRule([])
    pair = ChainRule([lambda before: Normal(), lambda before: Normal(before[:, 0])])
    for u in (torch.full((3, 3), 0.5), torch.full((2,), 0.5), torch.full((3, 2), nan), torch.full((3, 2), 2.0)):
        with pytest.raises(InputError):
            pair.from_uniforms(u)
        with pytest.raises(InputError):
            pair.to_uniforms(torch.zeros(3, 2), u)
    with pytest.raises(InputError):
        pair.to_uniforms(torch.full((3, 2), nan), torch.full((3, 2), 0.5))
    column = ChainRule([lambda before: Normal(), lambda before: Normal(before[:, :1])])
    with pytest.raises(InputError, match="component 1"):
        column.sample(3)
