"""Explanations: every topic, on every kind of problem, gives numbers that the theory's own functions give too."""

import json
import math
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from sklearn.datasets import load_diabetes

from sightline.core.config import Choice
from sightline.core.errors import ConfigurationError, DataError, SightlineError, UnknownNameError
from sightline.explain import EXPLANATIONS, ExplainSpec, Explanation, Problem, explain, given, problem
from sightline.linear import (
    HeavyBall,
    gradient_descent_iterates,
    largest_stable_rate,
    mean_square_limit,
    minimum_norm,
    momentum_iterates,
    ridge,
    stationary_covariance,
    svd_coordinates,
)

QUICK: dict[str, dict[str, Any]] = {
    "double-descent": {"samples": 12, "repetitions": 4},
    "initialisation": {"depth": 6, "width": 32, "networks": 8},
    "adaptive": {"steps": 30},
    "early-stopping": {"steps": 50},
    "k-means": {"restarts": 2, "steps": 10},
    "stochastic-gradient": {"steps": 20},
    "linear-autoencoder": {"steps": 20},
    "denoising": {"steps": 10, "points": 60},
    "mode-collapse": {"steps": 2, "runs": 2},
    "masking": {"steps": 3, "repetitions": 2, "unrolled_steps": 2},
}
"""Options that make the slower topics quick."""


def of(topic: str, about: Problem, **options: Any) -> Explanation:
    found: Explanation = EXPLANATIONS[topic](about, **{**QUICK.get(topic, {}), **options})
    return found


def numbers(explanation: Explanation, heading: str) -> dict[str, dict[str, Any]]:
    """The rows of the table whose heading begins so, by their first cell."""
    (table,) = [t for t in explanation.tables if t.heading.startswith(heading)]
    return {str(row[0]): dict(zip(table.columns, row, strict=True)) for row in table.rows}


@pytest.fixture(scope="module")
def tall() -> Problem:
    return problem(rows=40, columns=4, condition=6.0, seed=3)


def test_there_are_fourteen_topics() -> None:
    assert sorted(EXPLANATIONS) == [
        "adaptive",
        "bias-variance",
        "denoising",
        "double-descent",
        "early-stopping",
        "gradient-descent",
        "initialisation",
        "k-means",
        "linear-autoencoder",
        "masking",
        "mode-collapse",
        "momentum",
        "ridge",
        "stochastic-gradient",
    ]


@pytest.mark.parametrize("topic", EXPLANATIONS)
@pytest.mark.parametrize("shape", [(30, 3), (6, 15), (12, 1)])
def test_every_topic_explains_every_shape(topic: str, shape: tuple[int, int], tmp_path: Path) -> None:
    rows, columns = shape
    samples = {"samples": 5} if topic == "double-descent" else {}
    found = of(topic, problem(rows=rows, columns=columns), **samples)
    text = str(found)
    assert found.title in text
    assert found.tables
    assert found.figures
    for table in found.tables:
        assert table.heading in text
    assert "NaN" not in text
    (page,) = found.save(tmp_path / "page.html")
    html = page.read_text(encoding="utf-8")
    assert all(figure.title.replace("'", "&#39;") in html for figure in found.figures)
    json.dumps(found.to_dict())


@pytest.mark.parametrize("topic", EXPLANATIONS)
@pytest.mark.parametrize("data", ["diabetes", "breast_cancer", "digits"])
def test_every_topic_explains_data_or_says_why_not(topic: str, data: str) -> None:
    about = problem(data=data, rows=60)
    if about.y.ndim == 2 and topic in ("bias-variance", "stochastic-gradient"):
        with pytest.raises(DataError, match="one number a row"):
            of(topic, about)
        return
    if topic == "mode-collapse":
        with pytest.raises(ConfigurationError, match="no data"):
            of(topic, about)
        return
    found = of(topic, about)
    assert data in found.problem
    assert "NaN" not in str(found)


def test_gradient_descent_tells_what_the_iteration_does(tall: Problem) -> None:
    found = of("gradient-descent", tall, steps=100)
    rates = numbers(found, "Rates")
    fastest = rates["the fastest"]
    w = gradient_descent_iterates(tall.X, tall.y, fastest["η"], 100)
    path = numbers(found, "The path")
    for k in (1, 10, 100):
        told = path[str(k)]
        assert told["loss ‖Xw − y‖²"] == pytest.approx(float((tall.X @ w[k] - tall.y).square().sum()), rel=1e-10)
        held = float((tall.X_test @ w[k] - tall.y_test).square().mean())
        assert told["held-out mean square"] == pytest.approx(held, rel=1e-10)


def test_torchs_rate_makes_the_same_steps(tall: Problem) -> None:
    rate = numbers(of("gradient-descent", tall), "Rates")["the fastest"]
    layer = torch.nn.Linear(4, 1, bias=False).double()
    torch.nn.init.zeros_(layer.weight)
    optimizer = torch.optim.SGD(layer.parameters(), lr=rate["lr with torch's MSELoss"])
    for _ in range(20):
        optimizer.zero_grad()
        torch.nn.functional.mse_loss(layer(tall.X)[:, 0], tall.y).backward()
        optimizer.step()
    expected = gradient_descent_iterates(tall.X, tall.y, rate["η"], 20)[-1]
    assert float((layer.weight[0].detach() - expected).norm() / expected.norm()) < 1e-12


def test_momentum_tells_the_map_to_torch_and_the_stability_limit(tall: Problem) -> None:
    found = of("momentum", tall, momentum=0.9, rate=0.001)
    rows = numbers(found, "Stability")
    svd = svd_coordinates(tall.X, tall.y)
    assert rows["0.9"]["heavy ball α <"] == largest_stable_rate(svd.sigma, HeavyBall(1.0, 0.9))
    for share, stays in ((0.999, True), (1.001, False)):
        rate = share * rows["0.9"]["heavy ball α <"]
        weights = momentum_iterates(tall.X, tall.y, HeavyBall(rate, 0.9), 4000).weights
        grown = float(weights[-1].norm()) > 10 * float(weights[:2000].norm(dim=1).max())
        assert grown is not stays


def test_torchs_rate_counts_every_output() -> None:
    """Three outputs: MSELoss is a mean over rows and outputs."""
    generator = torch.Generator().manual_seed(0)
    X, y = torch.randn(30, 4, generator=generator).double(), torch.randn(30, 3, generator=generator).double()
    about = given(X, y)
    rate = numbers(of("gradient-descent", about), "Rates")["the fastest"]
    layer = torch.nn.Linear(4, 3, bias=False).double()
    torch.nn.init.zeros_(layer.weight)
    optimizer = torch.optim.SGD(layer.parameters(), lr=rate["lr with torch's MSELoss"])
    for _ in range(20):
        optimizer.zero_grad()
        torch.nn.functional.mse_loss(layer(about.X), about.y).backward()
        optimizer.step()
    expected = gradient_descent_iterates(about.X, about.y, rate["η"], 20)[-1]
    assert float((layer.weight.detach().mT - expected).norm() / expected.norm()) < 1e-12


def test_cross_validation_of_data_counts_the_fitted_mean() -> None:
    """Leave-one-out by refitting every row, its mean and all, is what the table says; so is the noise."""
    X, y = load_diabetes(return_X_y=True)
    about = given(torch.as_tensor(X[:18]) * 20, torch.as_tensor(y[:18]))
    n, penalty = len(about.X), 3.0
    told = of("ridge", about, ridge=penalty)
    chosen = numbers(told, "λ by cross-validation")["chosen"]
    errors = []
    for i in range(n):
        kept = [j for j in range(n) if j != i]
        rows, means = about.X[kept], about.X[kept].mean(0)
        target, mean = about.y[kept], about.y[kept].mean()
        w = ridge(rows - means, target - mean, penalty).w
        errors.append(float((about.y[i] - mean - (about.X[i] - means) @ w) ** 2))
    assert chosen["leave-one-out"] == pytest.approx(sum(errors) / n, rel=1e-10)
    w = ridge(about.X, about.y, penalty).w
    residual = float((about.y - about.X @ w).square().sum())
    df = float(torch.trace(torch.linalg.solve(about.X.mT @ about.X + penalty * torch.eye(10), about.X.mT @ about.X)))
    assert chosen["degrees of freedom"] == pytest.approx(df + 1, rel=1e-10)
    assert chosen["GCV"] == pytest.approx(n * residual / (n - df - 1) ** 2, rel=1e-10)
    (noise,) = [row[1] for t in told.tables for row in t.rows if str(row[0]).startswith("σ²_noise,")]
    assert noise == pytest.approx(residual / (n - df - 1), rel=1e-10)


def test_a_duplicated_column_changes_no_loss() -> None:
    generator = torch.Generator().manual_seed(0)
    X, y = torch.randn(30, 3, generator=generator).double(), torch.randn(30, generator=generator).double()
    about = given(torch.cat([X, X[:, :1]], 1), y)
    path = numbers(of("gradient-descent", about, steps=100), "The path")
    assert path["0"]["loss ‖Xw − y‖²"] == pytest.approx(float(about.y.square().sum()), rel=1e-12)


def test_early_stopping_tells_both_held_out_errors(tall: Problem) -> None:
    for k, row in numbers(of("early-stopping", tall, rate=0.001), "Degrees").items():
        w = gradient_descent_iterates(tall.X, tall.y, 0.001, int(k))[-1]
        held = float((tall.X_test @ w - tall.y_test).square().mean())
        assert row["held-out, steps"] == pytest.approx(held, rel=1e-9)
        matched = ridge(tall.X, tall.y, 1 / (2 * 0.001 * int(k))).w
        assert row["held-out, ridge"] == pytest.approx(
            float((tall.X_test @ matched - tall.y_test).square().mean()), rel=1e-9
        )
    curves = of("early-stopping", tall, rate=0.001).figures[1].spec["datasets"]["points"]
    drawn = {(p["series"], p["x"]): p["value"] for p in curves}
    for steps in (1, 50):
        matched = ridge(tall.X, tall.y, 1 / (2 * 0.001 * steps)).w
        held = float((tall.X_test @ matched - tall.y_test).square().mean())
        assert drawn["ridge λ = 1/(2ηk)", steps] == pytest.approx(held, rel=1e-9)


def test_minibatches_are_told_by_the_moments(tall: Problem) -> None:
    table = numbers(of("stochastic-gradient", tall), "Batches")
    eta = mean_square_limit(tall.X, 1) / 2
    spread = stationary_covariance(tall.X, tall.y, eta, 4)
    assert table["4"]["lasting loss above the least"] == pytest.approx(
        float(((tall.X @ spread) * tall.X).sum()), rel=1e-10
    )


def test_the_parts_of_the_error_add_up_to_what_a_drawn_noise_gives(tall: Problem) -> None:
    """4,000 noises: the sum in the table within 4 standard errors of the simulated error."""
    assert tall.truth is not None
    assert tall.noise is not None
    rows = [row for t in of("bias-variance", tall).tables[:1] for row in t.rows]
    (best,) = [row for row in rows if row[-1] == "least"]
    penalty, total = float(best[0]), float(best[5])
    signal = tall.X @ tall.truth
    draws = torch.randn(2, len(signal), 4000, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    fitted = tall.X @ ridge(tall.X, signal[:, None] + tall.noise * draws[0], penalty).w
    errors = (signal[:, None] + tall.noise * draws[1] - fitted).square().mean(0)
    assert abs(float(errors.mean()) - total) < 4 * float(errors.std()) / 4000**0.5


def test_adaptive_methods_are_torchs(tall: Problem) -> None:
    found = of("adaptive", tall, steps=100)
    eta = 0.05 * float(minimum_norm(tall.X, tall.y).w.abs().max())
    w = torch.zeros(4, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.Adam([w], lr=eta)
    for _ in range(100):
        optimizer.zero_grad()
        (tall.X @ w - tall.y).square().sum().backward()
        optimizer.step()
    least = float(minimum_norm(tall.X, tall.y).residual)
    told = numbers(found, "Loss")["Adam"]["k = 100"]
    assert told == pytest.approx(float((tall.X @ w.detach() - tall.y).square().sum()) - least, rel=1e-8)


def test_initialisation_tells_the_recursion(tall: Problem) -> None:
    (table,) = [t for t in of("initialisation", tall, depth=7).tables if t.heading.startswith("Variance")]
    told = {(row[0], row[1]): row[2] for row in table.rows}
    assert told["LeCun 1/fan_in", 7] == 2.0**-7
    assert told["He 2/fan_in", 7] == 1.0


def test_linear_autoencoder_tells_pca_and_the_closed_form(tall: Problem) -> None:
    found = of("linear-autoencoder", tall, steps=300, noise=0.5)
    sigma = torch.linalg.svdvals(tall.X)
    table = numbers(found, "PCA")
    for k in range(4):
        assert table[str(k + 1)]["σ_k"] == pytest.approx(float(sigma[k]), rel=1e-12)
    squares = (sigma / sigma[0]).square()
    narrow = numbers(found, "Narrow, k = 3")
    assert narrow["2: A = (BᵀB)⁻¹Bᵀ"]["at 300"] < 1e-6
    assert all(row["loss"] >= float(squares[3]) - 1e-12 for row in narrow.values())
    best = numbers(found, "Wide, noise")
    for i, square in enumerate(squares):
        assert best[str(i + 1)]["λ/(λ + σ²)"] == pytest.approx(float(square / (square + 0.25)), rel=1e-10)
    errors = numbers(found, "Wide: E")
    assert errors["the identity"]["trained with, shown noise"] == pytest.approx(4 * 0.25)
    assert errors["2: A = (BᵀB)⁻¹Bᵀ"]["trained with, shown noise"] == pytest.approx(4 * 0.25)
    with pytest.raises(ConfigurationError, match="latent"):
        of("linear-autoencoder", tall, latent=4)


def test_masking_tells_an_angle_and_an_error_for_every_share(tall: Problem) -> None:
    found = of("masking", tall)
    (table,) = [t for t in found.tables if t.heading.startswith("Recovering")]
    assert len(table.rows) == 15
    assert [row[0] for row in table.rows[::5]] == ["20%", "40%", "60%"]
    assert all(0 <= float(row[2]) <= math.pi / 2 and float(row[4]) > 0 for row in table.rows)
    with pytest.raises(ConfigurationError, match="latent"):
        of("masking", tall, latent=5)
    with pytest.raises(DataError, match="vary"):
        of("masking", given(torch.ones(9, 2), torch.arange(9.0)))


def test_double_descent_tells_medians_of_the_curve() -> None:
    found = of("double-descent", problem(columns=4, seed=1), samples=20, repetitions=30)
    table = numbers(found, "Squared errors, minimum norm")
    medians = {int(width): row["test, median"] for width, row in table.items()}
    peak = max(medians, key=medians.__getitem__)
    assert 0.9 <= peak / 20 <= 1.1
    assert f"It peaks at {peak} features" in found.lead


def test_the_momentum_figures_line_is_the_limit(tall: Problem) -> None:
    spec = of("momentum", tall).figures[4].spec
    (line,) = [spec["datasets"][layer["data"]["name"]] for layer in spec["layer"] if layer["mark"]["type"] == "line"]
    assert len(line) == 60
    for point in line:
        assert point["x"] == pytest.approx(2 * (1 + point["y"]), rel=1e-12)


def test_denoising_tells_no_problem_that_it_does_not_use() -> None:
    found = of("denoising", problem(rows=50, columns=6, seed=4))
    assert found.problem == "A ring of 8 Gaussians, variance 1 along each axis, σ = 0.1; seed 4."


def test_a_generated_problem_is_what_it_says() -> None:
    about = problem(rows=50, columns=6, condition=20.0)
    sigma = torch.linalg.svdvals(about.X)
    assert float(sigma[0]) == pytest.approx(50**0.5, rel=1e-12)
    assert float(sigma[0] / sigma[-1]) == pytest.approx(20.0, rel=1e-10)
    ratios = sigma[1:] / sigma[:-1]
    assert float(ratios.max() - ratios.min()) < 1e-10


def test_ridge_tells_one_solution_in_six_ways(tall: Problem) -> None:
    forms = numbers(of("ridge", tall, ridge=0.7), "One solution")
    assert len(forms) == 6
    assert all(form["relative difference to the first"] < 1e-12 for form in forms.values())


def test_the_same_seed_gives_the_same_explanation() -> None:
    for topic in EXPLANATIONS:
        first, second = (of(topic, problem(rows=20, columns=3, seed=5)) for _ in range(2))
        assert str(first) == str(second)
        assert first.html() == second.html()


def test_options_are_checked_like_every_configuration() -> None:
    with pytest.raises(ConfigurationError, match="rate"):
        explain(ExplainSpec(topic=Choice("gradient-descent", {"rate": -1.0})))
    with pytest.raises(ConfigurationError):
        explain(ExplainSpec(topic=Choice("ridge", {"lambda": 1.0})))
    with pytest.raises(UnknownNameError, match="ridge"):
        ExplainSpec(topic=Choice("rigde"))
    with pytest.raises(ConfigurationError, match="--data"):
        problem(target="y")
    with pytest.raises(ConfigurationError, match="held_share"):
        given(torch.eye(3), torch.ones(3), held_share=1.0)


def test_tensors_of_ones_own_can_be_explained() -> None:
    X = torch.randn(30, 4, generator=torch.Generator().manual_seed(0))
    about = given(X, X @ torch.ones(4))
    assert about.X.shape == (24, 4)
    assert float(about.X.mean(0).abs().max()) < 1e-15
    assert "NaN" not in str(of("ridge", about))
    with pytest.raises(DataError, match="varies"):
        of("ridge", given(torch.ones(5, 2), torch.arange(5.0)))


def test_pictures_are_written_one_a_figure(tall: Problem, tmp_path: Path) -> None:
    found = of("ridge", tall)
    written = found.save(tmp_path / "ridge.png")
    assert [path.name for path in written] == ["ridge.png", "ridge-2.png"]
    for path in written:
        with Image.open(path) as picture:
            assert picture.width > 600
            assert len(picture.convert("L").getcolors() or []) > 1
    for wrong in ("ridge.pdf", "nowhere/ridge.html"):
        with pytest.raises(SightlineError):
            found.save(tmp_path / wrong)


def test_a_rate_above_the_limit_is_told_honestly(tall: Problem) -> None:
    limit = 1 / float(svd_coordinates(tall.X, tall.y).sigma[0] ** 2)
    found = of("gradient-descent", tall, rate=2 * limit, steps=10_000)
    assert "never settles" in found.lead
    assert numbers(found, "The path")["10000"]["above the least"] == math.inf
