"""Rules on what the data tell: the fault, and healthy loops that look like it."""


import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim import Adam

from sightline.diagnose import Findings, Watch


def causes(found: Findings) -> set[str]:
    """Those with evidence of harm."""
    return {finding.cause for finding in found.alarms}


# -- text --------------------------------------------------------------------------------------------------------------


def walk(count: int, vocabulary: int = 30) -> Tensor:
    """A text of which the next token is mostly known."""
    jumps = torch.where(torch.rand(count) < 0.8, 1, torch.randint(vocabulary, (count,)))
    return jumps.cumsum(0) % vocabulary


def cut(source: Tensor) -> tuple[Tensor, Tensor]:
    """Windows at random places, and what comes next."""
    starts = torch.randint(len(source) - 33, (16,)).tolist()
    return torch.stack([source[i : i + 32] for i in starts]), torch.stack([source[i + 1 : i + 33] for i in starts])


def language_loop(train: Tensor, *evaluated: Tensor) -> Findings:
    """Next tokens of windows; each text of evaluation is evaluated four times."""
    network = nn.Sequential(nn.Embedding(30, 16), nn.Linear(16, 30))
    adam = Adam(network.parameters(), lr=0.02)
    with Watch(network, adam) as w:
        for step in range(120):
            x, y = cut(train)
            adam.zero_grad()
            F.cross_entropy(network(x).transpose(1, 2), y).backward()
            adam.step()
            if step % 30 == 29:
                network.eval()
                with torch.no_grad():
                    for source in evaluated:
                        for _ in range(15):
                            x, y = cut(source)
                            F.cross_entropy(network(x).transpose(1, 2), y)
                network.train()
    return w.findings()


def test_validation_text_inside_the_training_text() -> None:
    torch.manual_seed(0)
    whole = walk(20_000)
    found = language_loop(whole, whole[18_000:])
    assert causes(found) == {"validation-overlaps-training"}, str(found)
    assert "stretches of 24 tokens" in found[0].evidence[0]


@pytest.mark.parametrize("both", [False, True], ids=["of its own", "beside some of the training text"])
def test_validation_text_of_its_own(both: bool) -> None:
    torch.manual_seed(1)
    train, other = walk(20_000), walk(2_000)
    found = language_loop(train, train, other) if both else language_loop(train, other)
    assert not causes(found), str(found)
