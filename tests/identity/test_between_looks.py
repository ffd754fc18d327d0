"""What a watch does between looks is little, and loses nothing that it counts."""

from contextlib import suppress
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim import SGD, SparseAdam
from torch.overrides import _get_current_function_mode_stack

from sightline.diagnose import LookSchedule, Watch
from sightline.diagnose.examples_seen import PLACES, marks
from sightline.diagnose.function_watch import FunctionWatch
from sightline.diagnose.probe import Probe, flows, probe
from sightline.diagnose.tape import Tape
from sightline.diagnose.tensor_facts import LIMIT, spread, tensor_facts

FIRST_ALONE = LookSchedule(first=1, per_doubling=1)  # then steps 1, 2, 4, 8, ...


def watches() -> int:
    """Watches in the way of torch's functions now."""
    return sum(isinstance(mode, FunctionWatch) for mode in _get_current_function_mode_stack())


class Told(SGD):
    """Tells how many watches see what it does."""

    seen: list[int]

    def step(self, closure: Any = None) -> Any:
        """One step."""
        self.seen.append(watches())
        return super().step(closure)


@pytest.mark.parametrize("with_closure", [False, True])
def test_the_watch_is_out_of_the_way_of_an_optimiser_and_back_after_it(with_closure: bool) -> None:
    network = nn.Linear(3, 1)
    optimizer = Told(network.parameters(), lr=0.1)
    inside: list[int] = []
    after: list[int] = []
    optimizer.seen = []

    def closure() -> Tensor:
        inside.append(watches())
        optimizer.zero_grad()
        loss: Tensor = network(torch.ones(2, 3)).square().mean()
        loss.backward()
        return loss

    with Watch(network, optimizer) as w:
        for _ in range(7):
            if with_closure:
                optimizer.step(closure)
            else:
                closure()
                optimizer.step()
            after.append(watches())
    assert optimizer.seen == [0] * 7
    assert inside == after == [1] * 7
    assert (w.record.steps, w.record.backwards) == (7, 7)
    assert watches() == 0


def test_a_step_that_raises_leaves_the_watch_in_its_place() -> None:
    network = nn.Linear(3, 1)
    optimizer = SGD(network.parameters(), lr=0.1)

    def fails() -> float:
        raise ValueError("of the closure")

    with Watch(network, optimizer) as w:
        for _ in range(2):
            with pytest.raises(ValueError, match="of the closure"):
                optimizer.step(fails)
            F.mse_loss(network(torch.ones(2, 3)), torch.zeros(2, 1)).backward()
            assert watches() == 1
            optimizer.step()
    assert (w.record.steps, w.record.backwards) == (2, 2)
    assert watches() == 0


class Again(nn.Module):
    """A network that calls itself, and goes on where a part of it fails."""

    def __init__(self) -> None:
        super().__init__()
        self.inner, self.broken = nn.Linear(2, 2), nn.Linear(3, 3)

    def forward(self, x: Tensor, depth: int = 2) -> Tensor:
        """Layers on layers."""
        with suppress(RuntimeError):
            self.broken(x)
        y: Tensor = self.inner(x)
        return self(y, depth - 1) if depth else y


def test_networks_that_call_themselves_are_one_call_at_every_step() -> None:
    network = Again()
    optimizer = SGD(network.parameters(), lr=0.1)
    with Watch(network, optimizer, schedule=FIRST_ALONE) as w:
        for _ in range(11):
            optimizer.zero_grad()
            network(torch.ones(4, 2)).square().mean().backward()
            optimizer.step()
        with torch.no_grad():
            network.inner(torch.ones(4, 2))  # a part, from the loop
    assert w.record.entries == {("Again", True, True): 11, ("inner", True, False): 1}
    assert (w.record.trained_examples, w.record.distinct_examples) == (44, 1)  # not those of the inner calls
    for look in w.record.looks:
        assert [c.module for c in look.tape.calls if c.name == "linear"] == ["inner"] * 3
        assert [e.network for e in look.entries] == ["Again"]


@pytest.mark.parametrize("to_none", [False, True])
def test_cleared_gradients_are_told_from_those_that_stay(to_none: bool) -> None:
    for clears in (True, False):
        network = nn.Sequential(nn.Embedding(3_000, 2), nn.Linear(2, 1))
        optimizer = SGD(network.parameters(), lr=1e-3)
        with Watch(network, optimizer, schedule=FIRST_ALONE) as w:
            for _ in range(9):
                if clears:
                    optimizer.zero_grad(set_to_none=to_none)
                network(torch.tensor([7, 2_999])).mean().backward()  # nearly all of the first gradient is 0
                optimizer.step()
        assert w.record.cleared == ({0: 8} if clears else {})
        assert w.record.uncleared == ({} if clears else {0: 8})


def test_a_probe_finds_the_one_number_that_is_not_0() -> None:
    p = nn.Parameter(torch.zeros(300, 300))
    for place in (0, 1, 4_321, 89_999):
        p.grad = torch.zeros(300, 300)
        assert probe(p) is None
        p.grad.view(-1)[place] = 1e-30
        found = probe(p)
        assert found is not None
        assert found.alive
        p.grad.zero_()
        assert not found.alive
    p.grad = torch.ones(300, 300)
    found = probe(p)
    assert found is not None
    assert found.stride > 100  # a few are enough
    p.grad = torch.zeros(300, 300).T
    assert probe(p) is None
    p.grad[3, 5] = 1
    assert probe(p) == Probe(p, 1)


def test_sparse_gradients_flow() -> None:
    network = nn.Embedding(10, 3, sparse=True)
    optimizer = SparseAdam(network.parameters())
    with Watch(network, optimizer) as w:
        for _ in range(3):
            optimizer.zero_grad()
            network(torch.tensor([1, 2])).sum().backward()
            optimizer.step()
    assert (w.record.live_backwards, w.record.backwards) == (3, 3)
    assert flows(nn.Parameter(torch.ones(2))) is False


@pytest.mark.parametrize("shape", [(5, 3), (5, 40, 50), (5, 257)], ids=str)
def test_a_mark_is_of_the_example_not_of_its_place_or_layout(shape: tuple[int, ...]) -> None:
    x = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    found = marks(x)
    assert len(set(found)) == 5
    assert marks(x[[3, 1]]) == [found[3], found[1]]
    assert marks(x.transpose(0, -1).contiguous().transpose(0, -1)) == found
    flat = x.flatten(1)
    stride = max(1, flat.shape[1] // PLACES)
    for row, mark in zip(flat.tolist(), found, strict=True):
        values = row[::stride][:PLACES]
        assert mark == pytest.approx(sum(v * ((k**0.5 * 7.31) % 1 + 0.5) for k, v in enumerate(values, 1)))


def test_facts_of_a_large_tensor_turned_round_are_its_own() -> None:
    x = torch.randn(6, 400, 90, generator=torch.Generator().manual_seed(1)) * torch.arange(400)[:, None]
    turned = x.transpose(1, 2)
    assert x.numel() > 6 * LIMIT
    assert torch.equal(spread(turned), spread(x))
    found = tensor_facts(turned)
    assert found.shape == (6, 90, 400)
    assert found.deviation == pytest.approx(float(x.std()), rel=0.02)
    assert found.zeros == pytest.approx(1 / 400, abs=1e-3)


@pytest.mark.parametrize("value", [0.0, 0.1, 1e20])
def test_one_number_everywhere_has_no_deviation(value: float) -> None:
    found = tensor_facts(torch.full((3_000,), value))
    assert (found.deviation, found.constant, found.zeros) == (0.0, True, float(value == 0))


@pytest.mark.parametrize("shape", [(64, 6, 50, 50), (700, 80, 6)], ids=str)
def test_units_of_a_large_batch_are_dead_only_if_no_example_wakes_them(shape: tuple[int, ...]) -> None:
    axis = 1 if len(shape) == 4 else 2
    x = torch.rand(shape, generator=torch.Generator().manual_seed(2)) + 0.1
    units = x.movedim(axis, -1)
    units[..., [1, 4]] *= -1
    units[:-1, ..., 2] *= -1  # awake in the last example
    units[0, ..., 3] *= -1
    call = Tape().note(torch.relu, (x,), {}, x.relu(), "")
    assert call is not None
    assert x.numel() > 4 * LIMIT
    assert call.dead == pytest.approx(2 / 6)
    assert call.examples == x.numel() // 6
    x.view(-1)[0] = 0
    clamped = x.clamp_min(-0.5)  # a rectifier that is not 0 where it is off
    found = Tape().note(torch.clamp_min, (x, -0.5), {}, clamped, "")
    assert found is not None
    assert found.dead == 0
