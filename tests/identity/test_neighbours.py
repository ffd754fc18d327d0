"""Correlation of neighbours, against loops; columns that vary in evaluation only, against plain lists."""

import pytest
import torch
from torch import Tensor

from sightline.diagnose.columns_seen import ColumnsSeen
from sightline.diagnose.neighbours import Neighbours, neighbours


def slowly(rows: list[list[Tensor]], lag: int) -> float:
    """Mean over examples of Σ x x' / Σ x², each example's lines less their mean."""
    found = []
    for lines in rows:
        pairs = sum(float(line[i] * line[i + lag]) for line in lines for i in range(len(line) - lag))
        found.append(pairs / sum(float(v * v) for line in lines for v in line))
    return sum(found) / len(found)


def test_pictures_against_loops() -> None:
    torch.manual_seed(0)
    x = torch.randn(9, 2, 13, 14).cumsum(3) + 3
    found = neighbours(x)
    assert found is not None
    centred = [image - image.mean((1, 2), keepdim=True) for image in x]
    for lag in (1, 2, 3):
        rows = [[line for plane in image for line in plane] for image in centred]
        columns = [[line for plane in image for line in plane.T] for image in centred]
        assert found.along[lag - 1] == pytest.approx(slowly(rows, lag), abs=2e-4)
        assert found.down[lag - 1] == pytest.approx(slowly(columns, lag), abs=2e-4)
    flat = torch.stack([image.flatten() for image in centred]).double()
    values = torch.linalg.eigvalsh(flat @ flat.T)
    noise = 9 * flat.shape[1] / (9 + flat.shape[1])
    assert found.directions == pytest.approx(float(values.sum() ** 2 / values.square().sum()) / noise, abs=2e-4)


def test_series_against_loops() -> None:
    torch.manual_seed(1)
    x = torch.randn(10, 20, 3).cumsum(1)
    found = neighbours(x)
    assert found is not None
    assert found.along == ()
    assert found.directions is None
    lines = [[column - column.mean() for column in example.T] for example in x]
    assert found.down == pytest.approx([slowly(lines, lag) for lag in (1, 2, 3)], abs=2e-4)
    flat = neighbours(x[:, :, 0])
    assert flat is not None
    assert flat.down == ()
    assert flat.along == pytest.approx([slowly([e[:1] for e in lines], lag) for lag in (1, 2, 3)], abs=2e-4)
    assert flat.nearest == flat.along[0]


def test_many_examples_and_those_that_do_not_vary() -> None:
    torch.manual_seed(2)
    x = torch.randn(128, 1, 12, 12)
    assert neighbours(x) == neighbours(x[::4])
    noise = neighbours(torch.randn(512, 1, 16, 16))
    assert noise is not None
    assert noise.nearest is not None
    assert abs(noise.nearest) < 0.05
    assert noise.directions == pytest.approx(1, abs=0.1)
    x[::8] = 1.0
    found = neighbours(x[:32])
    kept = neighbours(x[:32][torch.arange(32) % 8 > 0])
    assert found is not None
    assert kept is not None
    assert found.along == kept.along


def test_what_has_no_neighbours() -> None:
    broken = torch.randn(8, 20)
    broken[1, 3] = torch.nan
    for x in (
        torch.randn(7, 20),
        torch.randn(8, 11),
        torch.randn(20),
        torch.randn(8, 1, 2, 20, 20),
        torch.ones(8, 20),
        torch.ones(8, 20).long(),
        torch.eye(16).to_sparse(),
        broken,
    ):
        assert neighbours(x) is None
    assert Neighbours().nearest is None


def test_columns_against_plain_lists() -> None:
    torch.manual_seed(3)
    x, other = torch.randint(3, (80, 12)).float(), torch.randint(3, (64, 12)).float()
    x[:, :5], other[:, 3:7] = 2.0, 0.0
    seen = ColumnsSeen()
    for batch in x.split(16):
        seen.note(batch, training=True)
    for batch in other.split(16):
        seen.note(batch, training=False)
    wanted = sum(len(set(x[:, i].tolist())) == 1 < len(set(other[:, i].tolist())) for i in range(12))
    assert wanted == 3
    assert seen.only_in_training() == (3, 12)


def test_no_more_of_evaluation_than_of_training() -> None:
    seen = ColumnsSeen()
    seen.note(torch.zeros(64, 4), training=True)
    seen.note(torch.cat([torch.zeros(64, 4), torch.ones(64, 4)]), training=False)
    seen.note(torch.ones(64, 4), training=False)
    assert seen.evaluated == 64
    assert seen.only_in_training() == (0, 4)
    for x in (torch.zeros(8), torch.zeros(8, 4).long(), torch.zeros(8, 5), torch.zeros(0, 4)):
        seen.note(x, training=True)
    assert seen.trained == 64
    assert ColumnsSeen().only_in_training() == (0, 0)
