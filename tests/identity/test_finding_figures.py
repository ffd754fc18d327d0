"""The small figures of findings hold the numbers of the loop itself."""

import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

import sightline
from sightline.diagnose import Record, figures
from sightline.diagnose.curve import Curve
from sightline.diagnose.finding import Curves
from sightline.diagnose.reading import Reading


class Loop:
    """A loop of six updates that writes down what a figure should show."""

    def __init__(self, *, dead: bool = False) -> None:
        torch.manual_seed(0)
        self.network = nn.Sequential(nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 3))
        if dead:
            nn.init.constant_(self.network.get_parameter("2.bias"), -100.0)  # of the second hidden layer
        self.optimizer = torch.optim.SGD(self.network.parameters(), lr=0.1)
        self.losses: list[float] = []
        self.norms: list[float] = []
        self.ratios: list[list[float]] = []
        self.weights: list[float] = []

    def run(self) -> Record:
        x, y = torch.randn(32, 4), torch.arange(32) % 3
        with sightline.watch(self.network, self.optimizer) as watch:
            for step in range(6):
                self.optimizer.zero_grad()
                loss = F.cross_entropy(self.network(x), y)
                loss.backward()
                self.note(loss)
                self.optimizer.param_groups[0]["lr"] = 0.1 if step < 3 else 0.01
                self.optimizer.step()
        return watch.record

    def note(self, loss: Tensor) -> None:
        self.losses.append(loss.item())
        pairs = [(p.grad, p.detach()) for p in self.network.parameters() if p.grad is not None]
        self.norms.append(math.sqrt(sum(float(g.square().sum()) for g, _ in pairs)))
        self.weights.append(math.sqrt(sum(float(p.square().sum()) for _, p in pairs)))
        self.ratios.append([float(g.norm() / p.norm()) for g, p in pairs if p.dim() > 1])


@pytest.fixture(scope="module")
def loop() -> tuple[Loop, Reading]:
    made = Loop()
    return made, Reading(made.run())


def lines(found: Curves | None) -> dict[str, list[tuple[float, float]]]:
    assert found is not None
    return {name: list(line) for name, line in found.lines.items()}


def test_the_loss_stands_against_the_best_constant_guess(loop: tuple[Loop, Reading]) -> None:
    told = lines(figures.loss_curve(loop[1]))
    assert [x for x, _ in told["training"]] == list(range(6))
    assert [y for _, y in told["training"]] == pytest.approx(loop[0].losses)
    shares = [11 / 32, 11 / 32, 10 / 32]
    entropy = -sum(p * math.log(p) for p in shares)
    assert [x for x, _ in told["best constant guess"]] == [0.0, 5.0]
    assert [y for _, y in told["best constant guess"]] == pytest.approx([entropy, entropy])


def test_a_long_loss_is_told_by_means_and_keeps_nan() -> None:
    record = Record()
    record.loss = Curve()
    for step in range(1000):
        record.loss.add(math.nan if step == 999 else float(step))
    told = lines(figures.loss_curve(Reading(record)))["training"]
    assert len(told) <= figures.MOST_POINTS
    assert told[0] == (0.0, 3.0)  # the mean of 0 to 6
    assert math.isnan(told[-1][1])


def test_norms_by_update(loop: tuple[Loop, Reading]) -> None:
    for maker, expected in ((figures.gradient_norm, loop[0].norms), (figures.weight_norm, loop[0].weights)):
        ((_, line),) = lines(maker(loop[1])).items()
        seen = [int(step) for step, _ in line]
        assert len(seen) >= 3
        assert [value for _, value in line] == pytest.approx([expected[step] for step in seen], rel=1e-4)


def test_ratios_by_layer_are_medians_of_early_and_of_late_looks(loop: tuple[Loop, Reading]) -> None:
    steps = [u.step for u in loop[1].updates]
    third = max(1, len(steps) // 3)
    for name, maker, rate in (("gradient", figures.gradient_by_layer, None), ("update", figures.update_by_layer, 0.1)):
        told = lines(maker(loop[1]))
        assert min(loop[0].ratios[0]) > 1e-3
        early = torch.tensor([loop[0].ratios[step] for step in steps[:third]]).quantile(0.5, dim=0)
        assert [x for x, _ in told["early"]] == [1.0, 2.0, 3.0]
        values = [y for _, y in told["early"]]
        assert values == pytest.approx((early * (rate or 1)).tolist(), rel=0.02, abs=1e-9), name
        late = torch.tensor([loop[0].ratios[step] for step in steps[-third:]]).quantile(0.5, dim=0)
        values = [y for _, y in told["late"]]
        assert values == pytest.approx((late * (0.01 if rate else 1)).tolist(), rel=0.02, abs=1e-9), name


def test_dead_units_by_layer() -> None:
    told = lines(figures.dead_by_layer(Reading(Loop(dead=True).run())))["late"]
    assert [x for x, _ in told] == [1.0, 2.0]
    assert told[0][1] < 0.7
    assert told[1][1] == 1.0


def test_saturated_values_by_layer() -> None:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 8), nn.Tanh(), nn.Linear(8, 1))
    nn.init.constant_(network.get_parameter("2.bias"), 50.0)
    optimizer = torch.optim.SGD(network.parameters(), lr=1e-3)
    with sightline.watch(network, optimizer) as watch:
        for _ in range(4):
            optimizer.zero_grad()
            F.mse_loss(network(torch.randn(32, 4)), torch.randn(32, 1)).backward()
            optimizer.step()
    told = lines(figures.saturated_by_layer(Reading(watch.record)))["early"]
    assert told[0][1] < 0.2
    assert told[1] == (2.0, 1.0)


def test_the_rate_is_held_until_it_changes(loop: tuple[Loop, Reading]) -> None:
    assert lines(figures.learning_rate(loop[1]))["learning rate"] == [(0.0, 0.1), (2.0, 0.1), (3.0, 0.01), (5.0, 0.01)]


def test_classes_are_counted(loop: tuple[Loop, Reading]) -> None:
    told = lines(figures.class_counts(loop[1]))["examples"]
    assert [x for x, _ in told] == [0.0, 1.0, 2.0]
    total = sum(y for _, y in told)
    assert [y / total for _, y in told] == pytest.approx([11 / 32, 11 / 32, 10 / 32])


def test_nothing_seen_gives_no_figure() -> None:
    empty = Reading(Record())
    makers: list[Any] = [
        figures.loss_curve, figures.gradient_norm, figures.weight_norm, figures.learning_rate, figures.update_by_layer,
        figures.gradient_by_layer, figures.dead_by_layer, figures.saturated_by_layer, figures.class_counts,
    ]  # fmt: skip
    assert [maker(empty) for maker in makers] == [None] * len(makers)
