"""Label smoothing: the targets, the loss beside torch's, and the lecture notes' first entry, which is wrong."""

from math import log

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from sightline.core.schema import Schema
from sightline.objectives.classification import CrossEntropy


def targets(label: int, classes: int, smoothing: float) -> Tensor:
    """1 − α(k − 1)/k for the true class, α/k for each other."""
    values = torch.full((classes,), smoothing / classes, dtype=torch.float64)
    values[label] = 1 - smoothing * (classes - 1) / classes
    return values


def objective(classes: int, smoothing: float) -> CrossEntropy:
    schema = Schema("table", "classification", (2,), classes=tuple(map(str, range(classes))))
    return CrossEntropy(schema, label_smoothing=smoothing)


@pytest.mark.parametrize("classes", [2, 3, 10])
@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.5, 0.9])
def test_targets_sum_to_one_and_give_the_loss(classes: int, smoothing: float) -> None:
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(7, classes, generator=generator, dtype=torch.float64)
    labels = torch.randint(classes, (7,), generator=generator)
    expected = []
    for z, label in zip(logits, labels.tolist(), strict=True):
        q = targets(label, classes, smoothing)
        assert abs(float(q.sum()) - 1) < 1e-15
        expected.append(-sum(float(q[k]) * (float(z[k]) - float(z.logsumexp(0))) for k in range(classes)))
    found = objective(classes, smoothing).losses(logits, labels)
    assert float((found - torch.tensor(expected, dtype=torch.float64)).abs().max()) < 1e-14
    theirs = F.cross_entropy(logits, labels, label_smoothing=smoothing, reduction="none")
    assert float((found - theirs).abs().max()) < 1e-15


@pytest.mark.parametrize("classes", [3, 4, 10])
def test_the_notes_first_entry_is_no_probability(classes: int) -> None:
    """Erratum 10: (1 − α·k − 1)/k = −α is negative, and the notes' targets do not sum to 1."""
    smoothing = 0.1
    notes = (1 - smoothing * classes - 1) / classes
    assert notes < 0
    assert abs(notes + (classes - 1) * smoothing / classes - 1) > 0.9
    right = targets(0, classes, smoothing)
    logits = right.log()[None]
    loss = float(objective(classes, smoothing).losses(logits, torch.tensor([0])))
    entropy = -float((right * right.log()).sum())
    assert abs(loss - entropy) < 1e-14
    wrong = right.clone()
    wrong[0] = notes
    assert abs(-float((wrong * logits[0].log_softmax(0)).sum()) - loss) > 0.05


def test_the_loss_is_least_where_softmax_is_the_targets() -> None:
    """The gradient there, softmax(z) − q, is 0 to 1e-16, and the logits are finite."""
    q = targets(1, 5, 0.2)
    logits = q.log()[None].clone().requires_grad_()
    objective(5, 0.2).losses(logits, torch.tensor([1])).sum().backward()
    assert logits.grad is not None
    assert float(logits.grad.abs().max()) < 1e-16 * 4
    margin = float(logits.detach()[0, 1] - logits.detach()[0, 0])
    assert abs(margin - log((1 - 0.2 * 4 / 5) / (0.2 / 5))) < 1e-14
