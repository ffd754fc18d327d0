"""A watch that changes something: what it says and no more, and with nothing to change nothing."""

from collections.abc import Callable, Mapping
from math import inf, nan
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim import SGD, Adam, Optimizer

from sightline.core.errors import ConfigurationError
from sightline.diagnose import CHANGES, ChangedWatch
from sightline.diagnose.changes import changes_forward, in_a_program, measure_of

Make = Callable[[nn.Module], Optimizer]


def network(*, p: float = 0.5) -> nn.Sequential:
    return nn.Sequential(nn.Linear(3, 8), nn.ReLU(), nn.Dropout(p), nn.Linear(8, 2))


def sgd(lr: float = 0.1, **options: Any) -> Make:
    return lambda net: SGD(net.parameters(), lr=lr, **options)


def trained(
    change: Mapping[str, Any] | None,
    *,
    made: Callable[[], nn.Module] = network,
    optimizer: Make | None = None,
    steps: int = 6,
    shrink: float = 1.0,
    zero: bool = True,
    scale: float = 1.0,
    prepare: Callable[[Tensor], Tensor] = lambda x: x,
) -> tuple[list[Tensor], int]:
    """Weights at the end, and how often the change was made; None: no watch at all."""
    torch.manual_seed(0)
    net = made()
    optim = (optimizer or sgd())(net)
    schedule = torch.optim.lr_scheduler.ExponentialLR(optim, shrink)

    def loop() -> None:
        for _ in range(steps):
            x = prepare(torch.randn(16, 3) * torch.tensor([1.0, 2.0, 3.0]) * scale)
            y = torch.randint(2, (16,))
            if zero:
                optim.zero_grad()
            F.cross_entropy(net(x), y).backward()
            optim.step()
            schedule.step()
            if not zero and change is None:
                optim.zero_grad()
        net.eval()
        with torch.no_grad():
            F.cross_entropy(net(x), y)
        net.train()

    count = 0
    if change is None:
        loop()
    else:
        with ChangedWatch(change) as watch:
            loop()
        count = watch.made
    return [p.detach().clone() for p in net.parameters()], count


def same(a: list[Tensor], b: list[Tensor]) -> bool:
    return all(torch.equal(x, y) for x, y in zip(a, b, strict=True))


def test_with_nothing_to_change_a_run_is_the_same_bit_for_bit() -> None:
    weights, count = trained({})
    assert same(weights, trained(None)[0])
    assert count == 0


@pytest.mark.parametrize(
    ("change", "by_hand"),
    [
        ({"lr": 0.01}, {"optimizer": sgd(0.01)}),
        ({"momentum": 0.5}, {"optimizer": sgd(momentum=0.5)}),
        ({"weight_decay": 0.1}, {"optimizer": sgd(weight_decay=0.1)}),
        ({"lr": 0.01, "weight_decay": 0.1}, {"optimizer": sgd(0.01, weight_decay=0.1)}),
        ({"dropout": 0.2}, {"made": lambda: network(p=0.2)}),
    ],
)
def test_a_change_is_what_one_would_write(change: Mapping[str, Any], by_hand: Mapping[str, Any]) -> None:
    weights, count = trained(change)
    assert same(weights, trained(None, **by_hand)[0])
    assert not same(weights, trained(None)[0])
    assert count > 0


@pytest.mark.parametrize("change", [{"betas": "(0.5, 0.6)"}, {"eps": 0.1}])
def test_adams_numbers(change: Mapping[str, Any]) -> None:
    options: dict[str, Any] = {"betas": (0.5, 0.6)} if "betas" in change else {"eps": 0.1}
    weights, _ = trained(change, optimizer=lambda net: Adam(net.parameters(), lr=0.1))
    assert same(weights, trained(None, optimizer=lambda net: Adam(net.parameters(), lr=0.1, **options))[0])


def test_a_rate_that_a_schedule_sets_is_scaled_and_the_schedule_goes_on() -> None:
    weights, count = trained({"lr": 0.05}, optimizer=sgd(0.2), shrink=0.5)
    expected = trained(None, optimizer=sgd(0.05), shrink=0.5)[0]
    for mine, other in zip(weights, expected, strict=True):
        torch.testing.assert_close(mine, other)
    assert count == 6


def test_a_rate_that_is_not_above_0_becomes_what_is_said() -> None:
    def below(net: nn.Module) -> Optimizer:
        optimizer = SGD(net.parameters(), lr=0.1)
        optimizer.param_groups[0]["lr"] = -0.1
        return optimizer

    assert same(trained({"lr": 0.3}, optimizer=below)[0], trained(None, optimizer=sgd(0.3))[0])


def test_gradients_are_set_to_zero_after_each_update() -> None:
    weights, count = trained({"zero_grad": True}, zero=False)
    assert same(weights, trained(None, zero=False)[0])
    assert count == 6 * 4


def test_gradients_are_clipped() -> None:
    net = nn.Linear(2, 1)
    before = net.weight.detach().clone()
    optimizer = SGD(net.parameters(), lr=1.0)
    with ChangedWatch({"clip_norm": 0.5}):
        (net(torch.ones(4, 2)) * 1e4).sum().backward()
        optimizer.step()
    assert float((net.weight.detach() - before).norm()) == pytest.approx(0.5 * (2 / 3) ** 0.5, rel=1e-4)


def test_inputs_are_standardised_by_column_and_the_batches_stay_the_same() -> None:
    seen: list[Tensor] = []
    net = nn.Linear(3, 1)
    given = torch.randn(32, 3) * torch.tensor([1.0, 100.0, 0.0]) + torch.tensor([0.0, 500.0, 7.0])
    handle = net.register_forward_pre_hook(lambda _, args: seen.append(args[0].clone()))
    with ChangedWatch({"standardise": True}) as watch:
        net(given).sum().backward()
    handle.remove()
    assert watch.made == 1
    expected = (given - given.mean(0)) / given.std(0, correction=0).clamp_min(1e-30)
    torch.testing.assert_close(seen[0][:, :2], expected[:, :2], rtol=1e-4, atol=1e-4)
    assert torch.equal(seen[0][:, 2], torch.zeros(32))


def test_initial_weights_are_drawn_anew_without_touching_the_loops_stream() -> None:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(400, 300), nn.ReLU(), nn.Linear(300, 2))
    weight, bias, last = (net.get_parameter(name) for name in ("0.weight", "0.bias", "2.weight"))
    nn.init.zeros_(weight)
    nn.init.constant_(bias, 9.0)
    kept, state = last.detach().clone(), torch.get_rng_state()
    with ChangedWatch({"redraw": "0.weight, 0.bias"}) as watch:
        net(torch.ones(2, 400))
    assert torch.equal(torch.get_rng_state(), state)
    # deviation √(2/400); of n = 120,000 draws its standard error is σ/√(2n), taken five times
    sigma = (2 / 400) ** 0.5
    assert float(weight.detach().std()) == pytest.approx(sigma, abs=5 * sigma / (2 * 120_000) ** 0.5)
    assert not bias.any()
    assert torch.equal(last, kept)
    assert watch.made == 2


def test_what_is_left_out_is_that_call_alone() -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inside, self.outside = nn.Softmax(1), nn.Softmax(1)

        def forward(self, x: Tensor) -> Tensor:
            y: Tensor = self.outside(self.inside(x))
            return y

    class Scored(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.net = nn.Linear(3, 3), Net()

        def forward(self, x: Tensor) -> Tensor:
            y: Tensor = self.net(self.first(x))
            return y

    net = Scored()
    x = torch.randn(4, 3)
    from sightline.diagnose import Watch

    with Watch() as seen:
        F.cross_entropy(net(x), torch.zeros(4, dtype=torch.long)).backward()
    last = [call for call in seen.record.looks[0].tape.calls if call.name == "softmax"][-1]
    with ChangedWatch({"leave_out": "softmax", "module": last.module, "site": last.site}) as watch:
        answer = net(x)
    assert (last.module, watch.made) == ("net.outside", 1)
    torch.testing.assert_close(answer, net.first(x).softmax(1))


def test_every_relu_gets_a_slope() -> None:
    net = nn.Sequential(nn.Linear(3, 4), nn.ReLU())
    x = torch.randn(5, 3)
    with ChangedWatch({"leaky_relu": 0.1}) as watch:
        answers = net(x), torch.relu(net[0](x)), net[0](x).relu_()
    for answer in answers:
        torch.testing.assert_close(answer, F.leaky_relu(net[0](x), 0.1))
    assert watch.made == 3


def test_frozen_parameters_are_trained_and_those_left_out_too() -> None:
    net = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2))
    net[0].weight.requires_grad_(False)
    before = [p.detach().clone() for p in net.parameters()]
    optimizer = SGD(net[2].parameters(), lr=0.5)
    with ChangedWatch({"train": "0.weight, 0.bias"}) as watch:
        for _ in range(2):
            optimizer.zero_grad()
            F.cross_entropy(net(torch.randn(16, 3)), torch.randint(2, (16,))).backward()
            optimizer.step()
    assert all(not torch.equal(p, old) for p, old in zip(net.parameters(), before, strict=True))
    assert [len(group["params"]) for group in optimizer.param_groups] == [4]
    assert watch.made == 1


@pytest.mark.parametrize("mode", ["training", "evaluation"])
def test_modes_are_right_for_a_pass_and_afterwards_as_they_were(mode: str) -> None:
    net = nn.Sequential(nn.Linear(3, 4), nn.Dropout(0.5))
    net[0].eval()
    net.training = net[1].training = mode == "evaluation"
    modes: list[bool] = []
    handle = net[1].register_forward_hook(lambda module, *_: modes.append(module.training))
    before = [module.training for module in net.modules()]
    with ChangedWatch({"mode": mode}) as watch:
        net(torch.ones(1, 3))
        with torch.no_grad():
            net(torch.ones(1, 3))
    handle.remove()
    assert modes == [True, False]
    assert [module.training for module in net.modules()] == before
    assert watch.made == 1


@pytest.mark.parametrize(
    "change",
    [
        {"rate": 0.1},
        {"lr": "much"},
        {"lr": True},
        {"zero_grad": 1},
        {"mode": "off"},
        {"betas": "0.9"},
        {"betas": "a, b"},
        {"module": "x"},
        {"lr": -1.0},
        {"lr": 0.0},
        {"lr": nan},
        {"lr": inf},
        {"momentum": 1.0},
        {"momentum": -0.1},
        {"betas": "(0.9, 1.0)"},
        {"betas": "(-0.1, 0.9)"},
        {"betas": "(0.9, nan)"},
        {"eps": -1e-8},
        {"weight_decay": inf},
        {"zero_grad": False},
        {"standardise": False},
        {"clip_norm": 0},
        {"dropout": 3.0},
        {"dropout": 1.0},
        {"leaky_relu": -0.5},
        {"redraw": ""},
        {"leave_out": " ", "module": "m", "site": "s"},
        {"epochs": 0},
        {"epochs": 2.5},
    ],
)
def test_what_is_no_change_is_told_in_three_parts(change: Mapping[str, Any], as_a_user_calls: None) -> None:
    with pytest.raises(ConfigurationError) as caught:
        ChangedWatch(change)
    assert all((caught.value.expected, caught.value.found, caught.value.do))


@pytest.mark.parametrize("stop_after", [0, -3])
def test_an_end_after_no_update_is_told_in_three_parts(stop_after: int) -> None:
    with pytest.raises(ConfigurationError, match="1 update or more") as caught:
        ChangedWatch({}, stop_after=stop_after)
    assert all((caught.value.expected, caught.value.found, caught.value.do))


@pytest.mark.parametrize(
    "change",
    [{"eps": 0.0}, {"momentum": 0}, {"weight_decay": 0.0}, {"betas": "(0, 0.5)"}, {"dropout": 0.0}, {"epochs": 4.0}],
)
def test_what_lies_on_the_edge_of_sense_is_taken(change: Mapping[str, Any]) -> None:
    assert ChangedWatch(change).change == change


def test_the_vocabulary() -> None:
    assert len(CHANGES) == 15
    assert measure_of({"leave_out": "softmax", "module": "m", "site": "s"}) == "accuracy"
    assert measure_of({"mode": "training"}) == "validation"
    assert changes_forward({"lr": 0.1, "redraw": "a"})
    assert not changes_forward({"lr": 0.1, "zero_grad": True, "train": "a"})
    assert in_a_program({"lr": 0.1})
    assert not in_a_program({})
    assert not in_a_program({"epochs": 4})
    assert not in_a_program({"unknown": 4})
    assert not in_a_program({"lr": nan})
