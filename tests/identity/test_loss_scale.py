"""The constant guess of a loss that is summed, then divided by hand."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sightline.diagnose import Watch
from sightline.diagnose.reading import Reading

X = torch.linspace(-1, 1, 32)[:, None] * torch.ones(3)


def read(kind: str) -> Reading:
    """A loop whose loss is the mean square over the batch, plus a little."""
    network = nn.Linear(3, 3)
    sgd = torch.optim.SGD(network.parameters(), lr=0.01)
    with Watch(network, sgd) as w:
        for _ in range(3):
            loss: Tensor = F.mse_loss(network(X), X, reduction="sum")
            more = 1e-3 * network.weight.square().sum()
            if kind == "divided at the end":
                loss = (loss + more) / X.size(0)
            elif kind == "multiplied at once":
                loss = loss * (1 / 32) + more
            elif kind == "by a tensor":
                loss = loss / torch.tensor(32.0)
            sgd.zero_grad()
            loss.backward()
            sgd.step()
    return Reading(w.record)


@pytest.mark.parametrize(
    ("kind", "by"), [("not divided", 1), ("divided at the end", 32), ("multiplied at once", 32), ("by a tensor", None)]
)
def test_the_guess_is_in_the_units_of_the_loss(kind: str, by: int | None) -> None:
    guess = read(kind).guess
    if by is None:
        assert guess is None
    else:
        assert guess == pytest.approx(float((X - X.mean()).square().sum()) / by, rel=1e-4)
