"""Initialisation by its authors' names, parity with torch.nn.init, and networks of finite width.

Seeds are fixed. A tolerance is a stated number of standard errors of the Monte Carlo estimate.
"""

from collections.abc import Callable
from math import sqrt

import pytest
import torch

from sightline.core.errors import ConfigurationError
from sightline.linear.finite_width import relative_variance, simulate_signal
from sightline.linear.initialisation import Scheme, draw_layer, draw_weights, weight_variance
from sightline.linear.variance_propagation import propagate


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def by_matrices(
    scheme: Scheme,
    widths: list[int],
    networks: int,
    generator: torch.Generator,
    activation: Callable[..., torch.Tensor],
) -> torch.Tensor:
    """The slow oracle of ``simulate``: every weight matrix is drawn and multiplied. [layers, networks]."""
    found = []
    for _ in range(networks):
        z = torch.randn(widths[0], generator=generator, dtype=torch.float64)
        moments = [z.square().mean()]
        for fan_in, fan_out in zip(widths, widths[1:], strict=False):  # noqa: RUF007
            z = draw_weights(scheme, fan_out, fan_in, generator=generator) @ activation(z)
            moments.append(z.square().mean())
        found.append(torch.stack(moments))
    return torch.stack(found, 1)


def test_the_notes_xavier_is_lecuns() -> None:
    """Erratum 27: 1/fan_in is LeCun's; Glorot's 2/(fan_in + fan_out) equals it only for square layers."""
    for fan_in, fan_out in ((100, 300), (300, 100), (64, 64)):
        notes = 1 / fan_in
        assert weight_variance("lecun", fan_in, fan_out) == notes
        glorot = weight_variance("glorot", fan_in, fan_out)
        assert glorot == 2 / (fan_in + fan_out)
        assert (glorot == notes) == (fan_in == fan_out)
    assert weight_variance("he", 50, 7) == 2 / 50
    assert weight_variance("he", 50, 7, gain=3) == weight_variance("lecun", 50, 7, gain=3) == 9 / 50


@pytest.mark.parametrize(
    ("scheme", "torchs"),
    [
        ("glorot", torch.nn.init.xavier_normal_),
        ("he", torch.nn.init.kaiming_normal_),
        ("lecun", lambda W: torch.nn.init.kaiming_normal_(W, nonlinearity="linear")),
    ],
)
def test_the_variances_are_torchs(scheme: Scheme, torchs: Callable[[torch.Tensor], torch.Tensor]) -> None:
    """400 × 900 normals: their mean square has relative standard error √(2/360,000) = 0.0024; within 4 of it.

    torch's own draw is the same numbers times its own deviation, so that the two agree to rounding.
    """
    fan_out, fan_in = 400, 900
    W = draw_weights(scheme, fan_out, fan_in, generator=seeded(0))
    expected = weight_variance(scheme, fan_in, fan_out)
    error = sqrt(2 / W.numel())
    assert abs(float(W.square().mean()) / expected - 1) < 4 * error
    torch.manual_seed(1)
    theirs = torchs(torch.empty(fan_out, fan_in, dtype=torch.float64))
    torch.manual_seed(1)
    unit = torch.nn.init.normal_(torch.empty(fan_out, fan_in, dtype=torch.float64))
    assert abs(float((theirs * unit).sum() / unit.square().sum()) ** 2 / expected - 1) < 1e-12


@pytest.mark.parametrize(("fan_out", "fan_in"), [(5, 5), (3, 8), (8, 3), (1, 1)])
def test_orthogonal_weights_are_orthogonal_as_torchs(fan_out: int, fan_in: int) -> None:
    theirs = torch.nn.init.orthogonal_(torch.empty(fan_out, fan_in, dtype=torch.float64), gain=1.5)
    for W in (draw_weights("orthogonal", fan_out, fan_in, gain=1.5, generator=seeded(2)), theirs):
        gram = W @ W.mT if fan_out <= fan_in else W.mT @ W
        assert float((gram - 2.25 * torch.eye(len(gram), dtype=torch.float64)).abs().max()) < 1e-14
        variance = weight_variance("orthogonal", fan_in, fan_out, gain=1.5)
        assert abs(float(W.square().mean()) / variance - 1) < 1e-14


def test_every_orthogonal_matrix_is_equally_likely() -> None:
    """tr(Q) of Haar 3 × 3 has mean 0 and variance 1; 4,000 draws, within 4 standard errors (√(2/4000) for E tr²)."""
    draws = [draw_weights("orthogonal", 3, 3, generator=seeded(seed)).trace() for seed in range(4000)]
    traces = torch.stack(draws)
    assert abs(float(traces.mean())) < 4 / sqrt(4000)
    squares = traces.square()
    assert abs(float(squares.mean()) - 1) < 4 * float(squares.std()) / sqrt(4000)


def test_biases_are_zero_constant_or_counted() -> None:
    W, b = draw_layer("he", 6, 4, generator=seeded(3))
    assert torch.equal(b, torch.zeros(6, dtype=torch.float64))
    same, constant = draw_layer("he", 6, 4, "constant", constant=0.05, generator=seeded(3))
    assert torch.equal(same, W)
    assert torch.equal(constant, torch.full((6,), 0.05, dtype=torch.float64))
    W, b = draw_layer("lecun", 2000, 9, "counted", generator=seeded(4))
    together = torch.cat([W, b[:, None]], 1).square()
    assert abs(float(together.mean()) * 10 - 1) < 4 * sqrt(2 / together.numel())
    assert abs(float(b.square().mean()) * 10 - 1) < 4 * sqrt(2 / len(b))
    kept = (9 * 1.0 + 1) * weight_variance("lecun", 9 + 1, 2000)
    assert abs(kept - 1) < 1e-15


def test_linear_orthogonal_networks_keep_the_norm_exactly() -> None:
    """30 drawn matrices of 40 × 40: the norm to 1e-13 relative; and the same in ``simulate``."""
    generator = seeded(5)
    z = torch.randn(40, generator=generator, dtype=torch.float64)
    first = float(z.norm())
    for _ in range(30):
        z = draw_weights("orthogonal", 40, 40, generator=generator) @ z
    assert abs(float(z.norm()) / first - 1) < 1e-13
    found = simulate_signal("identity", [40] * 31, "orthogonal", networks=20, generator=generator)
    assert float((found.mean / found.mean[0] - 1).abs().max()) < 1e-13


@pytest.mark.parametrize("scheme", ["he", "orthogonal", "glorot"])
def test_simulating_without_matrices_is_simulating_with_them(scheme: Scheme) -> None:
    """Widths 12-20-6-9, ReLU: mean and mean of logarithms by 1,500 and 40,000 networks; within 4 standard errors."""
    widths = [12, 20, 6, 9]
    slow = by_matrices(scheme, widths, 1500, seeded(6), torch.relu)
    fast = simulate_signal("relu", widths, scheme, networks=40_000, generator=seeded(7))
    error = (slow.std(1).square() / 1500 + fast.standard_error.square()).sqrt()
    assert float(((slow.mean(1) - fast.mean) / error).abs().max()) < 4
    below = (slow < fast.median[:, None]).double().mean(1)
    assert float((below - 0.5).abs().max()) < 4 * 0.5 / sqrt(1500)


def test_he_stays_within_a_factor_of_two_for_fifty_layers_and_lecun_does_not() -> None:
    """ReLU, width 1,024, 50 layers, 500 networks: the average by layer.

    He: within 4 standard errors of 1, and so inside [½, 2] at every depth, as is the median. LeCun: 2^−l.
    """
    widths = [1024] * 51
    he = simulate_signal("relu", widths, "he", networks=500, generator=seeded(8))
    assert len(he.mean) == 51
    assert float(((he.mean - 1) / he.standard_error).abs().max()) < 4
    assert float(he.standard_error.max()) < 0.03
    assert 0.5 < float(he.mean.min()) <= float(he.mean.max()) < 2
    assert 0.5 < float(he.median.min()) <= float(he.median.max()) < 2
    lecun = simulate_signal("relu", widths, "lecun", networks=500, generator=seeded(8))
    expected = propagate("relu", 1.0, depth=50).variances
    assert float(((lecun.mean - expected) / lecun.standard_error).abs().max()) < 4
    assert float(lecun.mean[-1]) < 1e-14


@pytest.mark.parametrize("widths", [[64] * 21, [200, 200, 4]])
@pytest.mark.parametrize("name", ["relu", "identity"])
def test_the_spread_at_finite_width_is_its_closed_form(name: str, widths: list[int]) -> None:
    """20 layers of 64, and 200-200-4; 20,000 networks: relative variance within 4 standard errors of 20 batches."""
    batches = [
        simulate_signal(name, widths, "he" if name == "relu" else "lecun", networks=1000, generator=seeded(s))
        for s in range(20)
    ]
    spread = torch.stack([1000 * one.standard_error[-1].square() for one in batches])
    error = float(spread.std()) / sqrt(20)
    assert abs(float(spread.mean()) - relative_variance(name, widths)) < 4 * error
    assert error < 0.2 * relative_variance(name, widths)


def test_simulated_tanh_with_biases_is_the_mean_field() -> None:
    """Width 4,000, 200 networks, σ_w² = 1.7, σ_b² = 0.1: within 4 standard errors plus O(1/width)."""
    found = simulate_signal("tanh", [4000] * 11, "lecun", sqrt(1.7), 0.1, networks=200, generator=seeded(9))
    expected = propagate("tanh", 1.7, 0.1, depth=10).variances
    assert float(((found.mean - expected).abs() - 2 / 4000).clamp(min=0).div(found.standard_error).max()) < 4


@pytest.mark.parametrize(
    "call",
    [
        lambda: weight_variance("xavier", 3, 3),  # type: ignore[arg-type]
        lambda: weight_variance("he", 0, 3),
        lambda: weight_variance("he", 3, -1),
        lambda: weight_variance("he", 3, 3, gain=0),
        lambda: weight_variance("he", 3, 3, gain=float("nan")),
        lambda: draw_weights("orthogonal", 0, 3),
        lambda: draw_layer("he", 3, 3, "random"),  # type: ignore[arg-type]
        lambda: draw_layer("he", 3, 3, "constant", constant=float("inf")),
        lambda: draw_layer("he", 3, 0, "counted"),
        lambda: simulate_signal("relu", [4]),
        lambda: simulate_signal("relu", [4, 0]),
        lambda: simulate_signal("relu", [4, 4], networks=1),
        lambda: simulate_signal("relu", [4, 4], bias_variance=-1.0),
        lambda: simulate_signal("relu", [4, 4], start=0.0),
        lambda: simulate_signal("relu", [4, 4], gain=-1.0),
        lambda: relative_variance("tanh", [4, 4]),
        lambda: relative_variance("relu", []),
        lambda: relative_variance("relu", [0]),
    ],
)
@pytest.mark.usefixtures("as_a_user_calls")
def test_what_is_out_of_range_is_refused(call: Callable[[], object]) -> None:
    with pytest.raises(ConfigurationError) as caught:
        call()
    assert all((caught.value.expected, caught.value.found, caught.value.do))
