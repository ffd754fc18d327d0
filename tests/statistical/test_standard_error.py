"""Standard errors against the spread seen over many simulated test sets; the jackknife against its slow self.

2,000 test sets of 250 examples. A standard deviation estimated from R draws has a relative standard
error of about 1/√(2R) = 1.6 % (more for skewed figures); 8 % leaves room for that and the figures' bias.
"""

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from sightline.objectives import standard_error as se
from sightline.objectives.standard_error import Estimate

REPEATS, EXAMPLES, CLASSES = 2000, 250, 4

Figure = Callable[[Tensor, Tensor], Estimate]

CLASSIFIED: dict[str, Figure] = {
    "accuracy": se.accuracy,
    "precision": lambda label, target: se.macro_precision(label, target, CLASSES),
    "recall": lambda label, target: se.macro_recall(label, target, CLASSES),
    "f1": lambda label, target: se.macro_f1(label, target, CLASSES),
}
MEASURED: dict[str, Figure] = {
    "mae": se.mean_absolute_error,
    "rmse": se.root_mean_squared_error,
    "r2": se.r_squared,
}


def labelled(generator: torch.Generator, shape: tuple[int, ...]) -> tuple[Tensor, Tensor]:
    """Unbalanced classes; one example in four gets a random label."""
    target = torch.multinomial(
        torch.tensor([0.4, 0.3, 0.2, 0.1]), math.prod(shape), replacement=True, generator=generator
    ).view(shape)
    noise = torch.randint(0, CLASSES, shape, generator=generator)
    return torch.where(torch.rand(shape, generator=generator) < 0.25, noise, target), target


def measured(generator: torch.Generator, shape: tuple[int, ...]) -> tuple[Tensor, Tensor]:
    target = 50 + 3 * torch.randn(shape, generator=generator, dtype=torch.float64)
    return target + 2 * torch.randn(shape, generator=generator, dtype=torch.float64), target


CASES = [(name, figure, labelled) for name, figure in CLASSIFIED.items()]
CASES += [(name, figure, measured) for name, figure in MEASURED.items()]


def test_every_figure_is_here() -> None:
    assert len(CASES) == 7


@pytest.mark.parametrize(("name", "figure", "draw"), CASES, ids=[name for name, *_ in CASES])
def test_agrees_with_the_spread_over_test_sets(
    name: str, figure: Figure, draw: Callable[[torch.Generator, tuple[int, ...]], tuple[Tensor, Tensor]]
) -> None:
    found, target = draw(torch.Generator().manual_seed(0), (REPEATS, EXAMPLES))
    estimates = torch.tensor([figure(found[i], target[i]) for i in range(REPEATS)], dtype=torch.float64)
    spread, stated = estimates[:, 0].std().item(), estimates[:, 1].mean().item()
    assert stated == pytest.approx(spread, rel=0.08)


@pytest.mark.parametrize("name", ["precision", "recall", "f1", "r2"])
def test_the_quick_jackknife_is_the_slow_one(name: str) -> None:
    generator = torch.Generator().manual_seed(1)
    figure = {**CLASSIFIED, **MEASURED}[name]
    for n in (2, 3, 10, 60):
        found, target = (labelled if name in CLASSIFIED else measured)(generator, (n,))
        without = [torch.cat([torch.arange(i), torch.arange(i + 1, n)]) for i in range(n)]
        figures = torch.tensor([figure(found[rest], target[rest]).value for rest in without], dtype=torch.float64)
        slow = math.sqrt((n - 1) / n * (figures - figures.mean()).square().sum().item())
        assert figure(found, target).standard_error == pytest.approx(slow, rel=1e-9, abs=1e-12, nan_ok=True)


def test_accuracys_interval_covers_as_often_as_it_should() -> None:
    generator = torch.Generator().manual_seed(2)
    right = torch.rand(REPEATS, EXAMPLES, generator=generator) < 0.8
    covered = 0
    for row in right.long():
        value, error = se.accuracy(row, torch.ones_like(row))
        covered += abs(value - 0.8) < 1.96 * error
    # 95 %, ± 4 standard errors of a share over 2,000 test sets, and the interval's own approximation
    assert covered / REPEATS == pytest.approx(0.95, abs=0.025)


def test_figures_without_error_are_sure_and_single_examples_are_not() -> None:
    label = torch.tensor([0, 1, 2, 1])
    for name, figure in CLASSIFIED.items():
        # four right of four do not make an accuracy sure: Wilson's interval reaches down by 1/(n + 1)
        assert figure(label, label) == (1.0, pytest.approx(0.1) if name == "accuracy" else 0.0), name
    y = torch.tensor([1.0, 2.0, 4.0])
    assert se.mean_absolute_error(y, y) == (0.0, 0.0)
    assert se.root_mean_squared_error(y, y) == (0.0, 0.0)
    assert se.r_squared(y, y) == (1.0, 0.0)
    for name, alone in {**CLASSIFIED, **MEASURED}.items():
        one = (torch.tensor([1]),) * 2 if name in CLASSIFIED else (torch.tensor([1.0]),) * 2
        assert name == "accuracy" or math.isnan(alone(*one).standard_error), name
