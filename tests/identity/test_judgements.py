"""Right answers that a loop counts itself, in the ways that people do, against counting by hand."""

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim import SGD

from sightline.diagnose import Watch
from sightline.diagnose.judgements import MOST_KNOWN, Judgements

Counting = Callable[[nn.Module, list[tuple[Tensor, Tensor]]], int]


def by_argmax(network: nn.Module, batches: list[tuple[Tensor, Tensor]]) -> int:
    """``(pred == y).sum()``."""
    return sum(int((network(x).argmax(1) == y).sum()) for x, y in batches)


def by_argmax_of_shares(network: nn.Module, batches: list[tuple[Tensor, Tensor]]) -> int:
    """The truth first."""
    return sum(int((y == torch.argmax(F.softmax(network(x), dim=1), dim=1)).float().sum()) for x, y in batches)


def by_largest(network: nn.Module, batches: list[tuple[Tensor, Tensor]]) -> int:
    """``_, predicted = torch.max(out.data, 1)``."""
    right = 0
    for x, y in batches:
        _, predicted = torch.max(network(x).data, 1)
        right += int((predicted == y).sum().item())
    return right


def by_view(network: nn.Module, batches: list[tuple[Tensor, Tensor]]) -> int:
    """As in the oldest examples."""
    right = 0
    for x, y in batches:
        pred = F.log_softmax(network(x), dim=1).max(1, keepdim=True)[1]
        right += int(pred.eq(y.view_as(pred)).cpu().sum())
    return right


def gathered(network: nn.Module, batches: list[tuple[Tensor, Tensor]]) -> int:
    """Answers are kept, and compared at the end."""
    answers = [network(x).argmax(dim=-1) for x, _ in batches]
    return int((torch.cat(answers) == torch.cat([y for _, y in batches])).sum())


def scores_gathered(network: nn.Module, batches: list[tuple[Tensor, Tensor]]) -> int:
    """Scores are kept, and classes chosen at the end."""
    scores = torch.cat([network(x).detach().cpu() for x, _ in batches])
    return int(torch.eq(scores.argmax(1), torch.cat([y for _, y in batches])).sum())


WAYS = [by_argmax, by_argmax_of_shares, by_largest, by_view, gathered, scores_gathered]


def watched(count: Counting, network: nn.Module, y_of: Callable[[Tensor], Tensor]) -> tuple[Watch, int]:
    """Three steps, each of them followed by an evaluation; and what was right by the loop's own count."""
    x = torch.randn(50, 4)
    y, sgd, right = y_of(x), SGD(network.parameters(), lr=0.1), 0
    with Watch() as w:
        for _ in range(3):
            network.train()
            sgd.zero_grad()
            scores = network(x)
            assert scores.argmax(1).eq(0).numel() == 50  # in training nothing is judged
            scores.square().mean().backward()
            sgd.step()
            network.eval()
            with torch.no_grad():
                right += count(network, list(zip(x.split(20), y.split(20), strict=True)))
    return w, right


@pytest.mark.parametrize("count", WAYS)
def test_what_the_loop_counts(count: Counting) -> None:
    torch.manual_seed(0)
    w, right = watched(count, nn.Linear(4, 3), lambda x: x[:, :3].argmax(1))
    judged = w.record.judged
    assert sorted(judged) == [1, 2, 3]
    assert [of for _, of in judged.values()] == [50] * 3
    assert sum(seen for seen, _ in judged.values()) == right
    assert sum(w.record.judged_targets.classes.values()) == 150
    assert sum(w.record.judged_targets.right.values()) == right


@pytest.mark.parametrize(
    "chosen",
    [
        lambda scores: torch.sigmoid(scores) > 0.5,
        lambda scores: scores.sigmoid().round(),
        lambda scores: (scores > 0).float(),
        lambda scores: torch.ge(scores, 0.0).long(),
    ],
)
def test_one_side_of_a_threshold(chosen: Callable[[Tensor], Tensor]) -> None:
    torch.manual_seed(1)

    def count(network: nn.Module, batches: list[tuple[Tensor, Tensor]]) -> int:
        return sum(int((chosen(network(x).squeeze(1)) == y).sum()) for x, y in batches)

    w, right = watched(count, nn.Linear(4, 1), lambda x: (x[:, 0] > 0).long())
    assert sum(seen for seen, _ in w.record.judged.values()) == right
    assert [of for _, of in w.record.judged.values()] == [50] * 3


def test_what_is_no_count_of_right_answers() -> None:
    torch.manual_seed(2)

    def count(network: nn.Module, batches: list[tuple[Tensor, Tensor]]) -> int:
        first, other = (network(x).argmax(1) for x, _ in batches[:2])
        several = network(batches[0][0]).topk(2, 1).indices
        agreeing = (first == other).sum() + (first == 0).sum()  # with each other, and with a number
        return int((several == batches[0][1][:, None]).sum() + agreeing + (batches[0][1] == batches[1][1]).sum())

    w, _ = watched(count, nn.Linear(4, 3), lambda x: x[:, :3].argmax(1))
    assert w.record.judged == {}


def test_padding_is_no_answer() -> None:
    network, x = nn.Sequential(nn.Embedding(6, 4), nn.Linear(4, 3)), torch.randint(6, (8, 5))
    y = x % 3
    y[:, 3:] = -100
    sgd = SGD(network.parameters(), lr=0.1)
    with Watch() as w:
        for _ in range(2):
            F.cross_entropy(network(x).transpose(1, 2), y).backward()
            sgd.step()
            sgd.zero_grad()
        with torch.no_grad():
            right = (network(x).argmax(2) == y)[:, :3].sum()
    assert w.record.judged == {2: (int(right), 24)}


def test_only_what_still_lives_is_followed() -> None:
    told: list[int] = []
    judgements, truth = Judgements(lambda right, _: told.append(int(right.sum()))), torch.tensor([0, 0])
    for _ in range(MOST_KNOWN + 10):
        judgements.answered(torch.eye(2))
    scores = torch.eye(2)
    judgements.answered(scores)
    choices = scores.argmax(1)
    judgements.called(Tensor.argmax, (scores, 1), choices)
    judgements.called(Tensor.eq, (truth, choices), truth == choices)
    assert told == [1]
