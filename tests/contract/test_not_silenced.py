"""What looks like a habit of healthy loops and is none is told all the same."""

import copy
from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sightline.diagnose import Watch


def _data() -> tuple[Tensor, Tensor]:
    torch.manual_seed(0)
    y = torch.arange(240) % 3
    return torch.stack([(2.1 * y).cos(), (2.1 * y).sin()], 1) + 0.4 * torch.randn(240, 2), y


def _fit(network: nn.Module, parameters: list[nn.Parameter], each: Callable[[], object], passes: int = 6) -> None:
    x, y = _data()
    adam = torch.optim.Adam(parameters, lr=0.01)
    for _ in range(passes):
        network.train()
        for i in torch.randperm(200).split(20):
            adam.zero_grad()
            F.cross_entropy(network(x[i]), y[i]).backward()
            adam.step()
        each()


def _network() -> nn.Sequential:
    return nn.Sequential(nn.Linear(2, 32), nn.ReLU(), nn.Dropout(0.3), nn.Linear(32, 3))


def average_in_training_mode() -> None:
    """An average that is evaluated as it was copied."""
    network = _network()
    average, (x, _) = copy.deepcopy(network), _data()

    def each() -> None:
        with torch.no_grad():
            for slow, fast in zip(average.parameters(), network.parameters(), strict=True):
                slow.lerp_(fast, 0.5)
            average(x[200:])

    _fit(network, list(network.parameters()), each)


def batches_in_training_mode() -> None:
    """Different batches one after the other are no further draws for one."""
    network, (x, _) = _network(), _data()

    def each() -> None:
        with torch.no_grad():
            for batch in x[200:].split(10):
                network(batch)

    _fit(network, list(network.parameters()), each)


def body_left_out() -> None:
    """A body that is called by itself first, and that no optimiser has."""
    body, head = nn.Sequential(nn.Linear(2, 32), nn.ReLU()), nn.Linear(32, 3)
    body(_data()[0])
    _fit(nn.Sequential(body, head), list(head.parameters()), lambda: None)


def trained_in_evaluation_mode() -> None:
    """The inputs' gradient is asked for in some steps; the network is trained all the same."""
    network, (x, y) = _network().eval(), _data()
    adam = torch.optim.Adam(network.parameters(), lr=0.01)
    for step in range(40):
        adam.zero_grad()
        given = x[:200].clone().requires_grad_(step % 4 == 0)
        F.cross_entropy(network(given), y[:200]).backward()
        adam.step()


def files_of_a_class_in_turn() -> None:
    """Each class comes back many times in a pass, for some batches in a row."""
    network, (x, y) = nn.Sequential(nn.Linear(2, 32), nn.ReLU(), nn.Linear(32, 3)), _data()
    adam = torch.optim.Adam(network.parameters(), lr=0.01)
    for part in range(8):
        for c in range(3):
            for i in torch.where(y == c)[0][10 * part : 10 * part + 10].split(4):
                for rows in (i, i.flip(0)):
                    adam.zero_grad()
                    F.cross_entropy(network(x[rows]), y[rows]).backward()
                    adam.step()


@pytest.mark.parametrize(
    ("loop", "cause"),
    [
        (average_in_training_mode, "training-mode-in-evaluation"),
        (batches_in_training_mode, "training-mode-in-evaluation"),
        (body_left_out, "parameters-not-in-optimizer"),
        (trained_in_evaluation_mode, "evaluation-mode-in-training"),
        (files_of_a_class_in_turn, "not-shuffled"),
    ],
)
def test_it_is_told(loop: Callable[[], None], cause: str) -> None:
    with Watch() as w:
        loop()
    assert cause in {finding.cause for finding in w.findings().alarms}
