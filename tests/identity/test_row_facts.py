"""How rows differ, against loops and eigenvalues."""

import pytest
import torch
from torch import Tensor

from sightline.diagnose.row_facts import RowFacts, row_facts


def slowly(x: Tensor) -> RowFacts:
    """Pair by pair, and by the covariance's eigenvalues."""
    n = len(x)
    cosines = [float(torch.cosine_similarity(x[i], x[j], dim=0)) for i in range(n) for j in range(n) if i != j]
    covariance = torch.cov(x.double().T, correction=0)
    values = torch.linalg.eigvalsh(covariance).clamp(min=0)
    total = float(values.sum())
    return RowFacts(sum(cosines) / len(cosines), total**0.5, total**2 / float(values.square().sum()))


@pytest.mark.parametrize("shape", [(8, 2), (20, 5), (64, 30)])
def test_against_pairs_and_eigenvalues(shape: tuple[int, int]) -> None:
    torch.manual_seed(sum(shape))
    x = torch.randn(shape) * torch.linspace(0.2, 3, shape[1]) + 1.5
    found, slow = row_facts(x), slowly(x)
    assert found is not None
    assert found.alike == pytest.approx(slow.alike, abs=1e-4)
    assert found.spread == pytest.approx(slow.spread, rel=1e-4, abs=1e-4)
    assert found.directions == pytest.approx(slow.directions, rel=1e-4, abs=1e-4)


def test_rows_of_more_axes_and_many_rows() -> None:
    torch.manual_seed(1)
    x = torch.randn(256, 3, 4, 2)
    assert row_facts(x) == row_facts(x[::4].flatten(1))
    wide = torch.randn(10, 3000)
    assert row_facts(wide) == row_facts(wide[:, ::3])


def test_the_ends() -> None:
    torch.manual_seed(2)
    row = torch.randn(6)
    scaled = row_facts(torch.rand(16, 1) * row + row)
    assert scaled is not None
    assert scaled.alike == pytest.approx(1, abs=2e-4)
    assert scaled.directions == pytest.approx(1, abs=2e-4)
    assert row_facts(row.expand(16, 6)) == RowFacts(alike=1.0, spread=0.0, directions=0.0)
    alone = row_facts(torch.eye(40))
    assert alone is not None
    assert alone.alike == 0
    assert alone.directions == pytest.approx(39, abs=1e-2)
    assert row_facts(torch.zeros(8, 3)) == RowFacts(alike=0.0, spread=0.0, directions=0.0)


def test_what_is_no_batch_of_rows() -> None:
    for x in (torch.randn(7, 3), torch.randn(8), torch.randn(8, 1), torch.ones(8, 3).long(), torch.eye(9).to_sparse()):
        assert row_facts(x) is None


def test_numbers_that_are_none_stay() -> None:
    x = torch.randn(8, 3)
    x[2, 1] = torch.nan
    found = row_facts(x)
    assert found is not None
    assert found.alike != found.alike
    assert found.spread != found.spread
