"""Standard errors of figures over tokens that come in texts, against the spread over many test sets.

400 test sets: the measured spread is known to 1/√800 = 3.5 %; four times that is allowed.
"""

import pytest
import torch
from torch import Tensor

from sightline.objectives import standard_error as se
from sightline.objectives.measure import measure_language

SETS, TEXTS = 400, 60


def drawn() -> tuple[Tensor, Tensor]:
    """Sums and counts of texts of unequal length, whose tokens are alike within a text, (sets, texts)."""
    torch.manual_seed(0)
    counts = torch.randint(1, 30, (SETS, TEXTS))
    own = 2 + 0.5 * torch.randn(SETS, TEXTS, dtype=torch.float64)
    return counts * own + counts.sqrt() * torch.randn(SETS, TEXTS, dtype=torch.float64), counts


def test_the_mean_over_tokens_varies_as_said() -> None:
    sums, counts = drawn()
    estimates = torch.tensor([se.ratio(s, c) for s, c in zip(sums, counts, strict=True)], dtype=torch.float64)
    assert estimates[:, 1].mean().item() == pytest.approx(estimates[:, 0].std().item(), rel=0.14)
    # as if each token were drawn by itself it would be far too small
    assert estimates[:, 0].std() > 1.5 * (1.25 / counts.sum(1).double()).sqrt().mean()


def test_perplexity_and_bits_vary_as_said() -> None:
    sums, counts = drawn()
    found = [measure_language(s, c, c, 4.0) for s, c in zip(sums, counts, strict=True)]
    for name in ("perplexity", "bits_per_byte"):
        values = torch.tensor([figures[name].value for figures in found])
        errors = torch.tensor([figures[name].standard_error for figures in found])
        assert errors.mean().item() == pytest.approx(values.std().item(), rel=0.14)


def test_macro_f1_of_texts_varies_as_said() -> None:
    """Each text has its own share of mistakes; three classes. 100 sets: 4/√200 = 28 %."""
    torch.manual_seed(1)
    values, errors = [], []
    for _ in range(100):
        true = torch.randint(0, 3, (TEXTS, 10))
        wrong = torch.rand(TEXTS, 10) < torch.rand(TEXTS, 1) ** 2
        given = torch.where(wrong, torch.randint(0, 3, (TEXTS, 10)), true)
        confusion = torch.zeros(TEXTS, 3, 3, dtype=torch.int64)
        rows = torch.arange(TEXTS)[:, None].expand(-1, 10)
        confusion.index_put_((rows, true, given), torch.ones_like(true), accumulate=True)
        estimate = se.grouped_macro_f1(confusion)
        values.append(estimate.value)
        errors.append(estimate.standard_error)
    assert torch.tensor(errors).mean().item() == pytest.approx(torch.tensor(values).std().item(), rel=0.28)


def test_without_terms_there_is_no_figure() -> None:
    empty = se.ratio(torch.zeros(3), torch.zeros(3, dtype=torch.int64))
    assert all(value != value for value in empty)
    one = se.ratio(torch.tensor([3.0]), torch.tensor([2]))
    assert one.value == 1.5
    assert one.standard_error != one.standard_error
