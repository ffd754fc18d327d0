"""Validation by the watch: the loop's own loss on other examples, and not a trace left."""

import random
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

import sightline
from sightline.diagnose import Record
from sightline.diagnose.enough import EnoughSeen
from sightline.diagnose.watch import Watch


class Restless(nn.Module):
    """Running statistics, dropout, a counter of calls in every mode, a part that stays in evaluation mode."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.5), nn.Linear(8, 3))
        self.register_buffer("calls", torch.zeros(()))
        self.body[3].eval()

    calls: Tensor

    def forward(self, x: Tensor) -> Tensor:
        self.calls += 1
        y: Tensor = self.body(x)
        return y


class Drawing:
    """A loader that draws from every stream there is."""

    def __init__(self, inner: DataLoader[Any]) -> None:
        self.inner, self.drawn = inner, 0

    def __iter__(self) -> Iterator[Any]:
        for batch in self.inner:
            random.random(), np.random.rand(), torch.rand(())  # noqa: NPY002
            self.drawn += 1
            yield batch


def trained(validation: Any = None) -> tuple[Restless, Record, list[Any]]:
    torch.manual_seed(0), random.seed(0), np.random.seed(0)  # noqa: NPY002
    net = Restless()
    net.train()
    net.body[3].eval()
    sgd = torch.optim.SGD(net.parameters(), lr=0.1)
    x, y = torch.randn(32, 4), torch.arange(32) % 3
    with sightline.watch(net, sgd, validation=validation) as w:
        for part in torch.arange(32).split(8):
            sgd.zero_grad()
            nn.functional.cross_entropy(net(x[part]), y[part], label_smoothing=0.1).backward()
            sgd.step()
    return net, w.record, [random.random(), np.random.rand(), torch.rand(()).item()]  # noqa: NPY002


@pytest.mark.usefixtures("as_a_user_calls")  # the checks of shapes draw from Python's random stream themselves
def test_weights_statistics_modes_and_streams_are_as_without() -> None:
    generator = torch.Generator().manual_seed(5)
    x, y = torch.randn(40, 4, generator=generator), torch.arange(40) % 3
    state = generator.get_state()
    loader = Drawing(DataLoader(TensorDataset(x, y), batch_size=16, shuffle=True, generator=generator))
    loader.generator = generator  # type: ignore[attr-defined]
    net, _, after = trained()
    looked, record, after_looking = trained(loader)
    assert loader.drawn == 3
    assert torch.equal(generator.get_state(), state)
    assert all(torch.equal(a, b) for a, b in zip(net.state_dict().values(), looked.state_dict().values(), strict=True))
    assert [m.training for m in net.modules()] == [m.training for m in looked.modules()]
    assert after == after_looking
    assert not record.unseen
    looked.eval()
    with torch.no_grad():
        right = float(nn.functional.cross_entropy(looked(x), y, label_smoothing=0.1))
    seen = [loss for loss in record.losses if not loss.grad]
    assert [loss.examples for loss in seen] == [16, 16, 8]
    assert sum(loss.value * loss.examples for loss in seen) / 40 == pytest.approx(right, rel=1e-5)
    assert {loss.step for loss in seen} == {4}
    assert record.distinct_evaluated == 40


@pytest.mark.parametrize(("size", "examples"), [(1000, [1000, 1000, 48]), (4096, [2048]), (1024, [1024, 1024])])
def test_at_most_2048_examples_are_measured(size: int, examples: list[int]) -> None:
    loader = Drawing(DataLoader(TensorDataset(torch.randn(4096, 4), torch.arange(4096) % 3), batch_size=size))
    _, record, _ = trained(loader)
    assert [loss.examples for loss in record.losses if not loss.grad] == examples
    assert loader.drawn == len(examples)
    assert record.evaluated_examples == 2048
    assert not record.unseen


def test_of_a_batch_with_several_targets_an_example_the_first_examples_are_measured() -> None:
    class Places(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = nn.Linear(4, 3)

        def forward(self, x: Tensor) -> Tensor:
            y: Tensor = self.inner(x).flatten(0, 1)
            return y

    net = Places()
    validation = [(torch.randn(3000, 2, 4), torch.arange(6000) % 3)]
    with sightline.watch(net, validation=validation) as w:
        nn.functional.cross_entropy(net(torch.randn(8, 2, 4)), torch.arange(16) % 3).backward()
    assert [loss.examples for loss in w.record.losses if not loss.grad] == [4096]
    assert w.record.evaluated_examples == 2048
    with torch.no_grad():
        right = nn.functional.cross_entropy(net(validation[0][0][:2048]), validation[0][1][:4096])
    assert w.record.losses[-1].value == pytest.approx(float(right), rel=1e-5)


@pytest.mark.parametrize(
    ("batches", "words"),
    [
        ([], "gives no examples"),
        ([(torch.zeros(0, 4), torch.zeros(0).long())], "gives no examples"),
        ([{"x": 1}], "no pairs"),
        ([(torch.zeros(2, 5), torch.zeros(2).long())], "RuntimeError"),
        ([(torch.zeros(2, 4), torch.zeros(2))], "something else"),
        ([(torch.zeros(2, 4), torch.zeros(2, 1).long())], "something else"),
    ],
)
def test_what_can_not_be_measured_is_told(batches: list[Any], words: str) -> None:
    net, record, _ = trained(batches)
    assert [words in sentence for sentence in record.unseen] == [True]
    assert record.unseen[0].startswith("validation (")
    assert net.training
    assert not net.body[3].training
    assert all(loss.grad for loss in record.losses)


def test_a_loop_without_a_loss_of_torch_is_told() -> None:
    net = nn.Linear(2, 1)
    with sightline.watch(net, validation=[(torch.zeros(2, 2), torch.zeros(2, 1))]) as w:
        net(torch.ones(4, 2)).square().mean().backward()
    assert w.record.unseen == ["validation (the loop calls none of torch's loss functions)"]


@pytest.mark.parametrize("stop_after", [1, 3])
def test_a_watch_can_end_the_loop(stop_after: int) -> None:
    net = nn.Linear(2, 1)
    sgd = torch.optim.SGD(net.parameters(), lr=0.1)
    watch = Watch(net, sgd, stop_after=stop_after)
    with pytest.raises(EnoughSeen), watch:  # noqa: PT012
        for _ in range(10):
            sgd.zero_grad()
            net(torch.ones(4, 2)).square().mean().backward()
            sgd.step()
    assert watch.record.steps == stop_after
    assert watch.record.stopped == ""
