"""Places at the end that are 0 in every example, against loops."""

import pytest
import torch
from torch import Tensor

from sightline.diagnose.blank_tail import blank_tail


def slowly(x: Tensor) -> float:
    """From the end on, as long as every number is 0."""
    places = x.shape[1]
    blank = 0
    for place in reversed(range(places)):
        if any(number != 0 for example in x.tolist() for number in example[place]):
            break
        blank += 1
    return blank / places if blank < places else 0.0


@pytest.mark.parametrize("blank", [0, 1, 3, 6, 7])
def test_against_loops(blank: int) -> None:
    torch.manual_seed(blank)
    x = torch.randn(9, 7, 2)
    x[:, 7 - blank :] = 0.0
    x[0, 0] = 0.0
    assert blank_tail(x) == pytest.approx(slowly(x), abs=1e-12)


def test_padding_of_different_lengths() -> None:
    x, lengths = torch.ones(8, 10, 3), torch.tensor([1, 2, 3, 4, 5, 6, 7, 8])
    x[torch.arange(10) >= lengths[:, None]] = 0.0
    assert blank_tail(x) == pytest.approx(0.2)
    x[3, 9, 1] = -0.5
    assert blank_tail(x) == 0
    x[3, 9, 1] = torch.nan
    assert blank_tail(x) == 0


def test_what_is_no_series() -> None:
    series = torch.cat([torch.ones(8, 3, 2), torch.zeros(8, 3, 2)], 1)
    assert blank_tail(series) == 0.5
    for x in (
        series[:7],
        series[:, :, 0],
        series[..., None],
        series.long(),
        torch.zeros_like(series),
        series[:, :0],
        series.to_sparse(),
        torch.zeros(0, 6, 2),
    ):
        assert blank_tail(x) == 0
