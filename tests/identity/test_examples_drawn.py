"""Which examples were trained on and which evaluated, however many calls a step makes."""

from collections.abc import Callable, Sequence

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim import SGD

from sightline.diagnose import LookSchedule, Record, Watch
from sightline.diagnose.examples_drawn import ExamplesDrawn
from sightline.diagnose.examples_seen import Drawn, ExamplesSeen

Step = Callable[[nn.Module, Tensor], Tensor]


def gru(net: nn.Module, x: Tensor) -> Tensor:
    """A cell stepped by hand: the answer of the last place."""
    h = torch.zeros(len(x), 4)
    for t in range(x.shape[1]):
        h = net(x[:, t], h)
    return h


def lstm(net: nn.Module, x: Tensor) -> Tensor:
    """The same, of a state of two tensors, of which one is changed on the way."""
    h, c = torch.zeros(len(x), 4), torch.zeros(len(x), 4)
    for t in range(x.shape[1]):
        h, c = net(x[:, t], (h * 0.9, c))
    return h


class Decoder(nn.Module):
    """Answers with scores and its state, which comes last."""

    def __init__(self) -> None:
        super().__init__()
        self.cell = nn.GRUCell(3, 4)

    def forward(self, x: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
        h = self.cell(x, h)
        return h * 2, h


def decoder(net: nn.Module, x: Tensor) -> Tensor:
    """One more."""
    h = scores = torch.zeros(len(x), 4)
    for t in range(x.shape[1]):
        scores, h = net(x[:, t], h)
    return scores


def watched(
    net: nn.Module, step: Step, data: Tensor, validation: Sequence[Tensor] = (), *, updates: int = 4, size: int = 8
) -> Record:
    """A loop over batches of 8, each passed whole, and one look at each validation batch."""
    optimizer = SGD(net.parameters(), lr=0.01)
    with Watch(net, schedule=LookSchedule(first=1, per_doubling=1)) as w:
        for k in range(updates):
            part = data[[(k * size + i) % len(data) for i in range(size)]]
            optimizer.zero_grad()
            step(net, part).square().mean().backward()
            optimizer.step()
        net.eval()
        with torch.no_grad():
            for x in validation:
                step(net, x)
    return w.record


@pytest.mark.parametrize("places", [3, 70])
@pytest.mark.parametrize(
    ("made", "step"), [(lambda: nn.GRUCell(3, 4), gru), (lambda: nn.LSTMCell(3, 4), lstm), (Decoder, decoder)]
)
def test_a_sequence_that_is_stepped_through_by_hand_is_one_example(
    made: Callable[[], nn.Module], step: Step, places: int
) -> None:
    torch.manual_seed(0)
    data, other = torch.randn(16, places, 3), torch.randn(4, places, 3)
    other[:, : places - 1] = data[:4, : places - 1]  # other in the last place alone
    record = watched(made(), step, data, [data[:8], other])
    assert (record.trained_examples, record.distinct_examples) == (4 * 8, 16)
    assert (record.evaluated_examples, record.distinct_evaluated, record.shared_examples) == (12, 12, 8)
    assert record.partly_shared == (1, 0, 1)


def test_it_counts_as_the_same_network_called_once() -> None:
    torch.manual_seed(0)
    data = torch.randn(16, 66, 3)

    class Whole(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.cell = nn.GRUCell(3, 4)

        def forward(self, x: Tensor) -> Tensor:
            return gru(self.cell, x)

    def once(net: nn.Module, x: Tensor) -> Tensor:
        y: Tensor = net(x)
        return y

    records = [
        watched(nn.GRUCell(3, 4), gru, data, [data[4:12]]),
        watched(Whole(), once, data, [data[4:12]]),
    ]
    told = [
        (r.trained_examples, r.distinct_examples, r.evaluated_examples, r.shared_examples, r.partly_shared, r.repeated)
        for r in records
    ]
    assert told[0] == told[1]


def test_many_calls_before_one_backward_pass_are_all_trained_on() -> None:
    torch.manual_seed(0)

    def one_by_one(net: nn.Module, x: Tensor) -> Tensor:
        return torch.cat([net(each[None]) for each in x])

    record = watched(nn.Linear(3, 2), one_by_one, torch.randn(400, 3), updates=5, size=200)
    assert (record.trained_examples, record.distinct_examples, record.evaluated_examples) == (1_000, 400, 0)


def test_two_batches_of_one_network_before_a_backward_pass_are_two() -> None:
    torch.manual_seed(0)

    def pairs(net: nn.Module, x: Tensor) -> Tensor:
        return F.cosine_similarity(net(x), net(x + 100))

    record = watched(nn.Linear(3, 2), pairs, torch.randn(16, 3))
    assert (record.trained_examples, record.distinct_examples) == (4 * 16, 32)


def test_of_too_many_that_wait_the_oldest_were_evaluated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sightline.diagnose.examples_drawn.MOST_WAITING", 10)
    seen = ExamplesSeen()
    drawn = ExamplesDrawn(seen)
    for k in range(5):
        drawn.add("net", Drawn([k + 0.1, k + 0.2, k + 0.3, k + 0.4]), goes_on=False, grad=True, training=True)
    drawn.sort(trained=True)
    assert (seen.evaluated, seen.trained) == (12, 8)
    drawn.add("net", Drawn([float(k) for k in range(50)]), goes_on=False, grad=True, training=True)
    drawn.sort(trained=True)
    assert seen.trained == 58


def test_sequences_that_end_earlier_are_left_as_they_are() -> None:
    seen = ExamplesSeen()
    drawn = ExamplesDrawn(seen)
    for marks, goes_on in (([1.0, 2.0], False), ([1.0], True), ([1.0, 2.0], False), ([1.0], True), ([3.0, 4.0], True)):
        drawn.add("net", Drawn(marks), goes_on=goes_on, grad=True, training=True)
    drawn.sort(trained=True)
    assert (seen.trained, seen.distinct) == (4, 4)
