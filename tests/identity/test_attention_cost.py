"""The cost of attention: exponents that are known, bytes that can be counted by hand, products that can be counted."""

import math
from typing import Any, get_args

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from sightline.core.errors import ConfigurationError, InputError
from sightline.understand.attention_cost import (
    FORMS,
    Varied,
    attention_cost,
    fit_exponent,
    peak_bytes,
    written_out_attention,
)


@pytest.mark.parametrize("exponent", [-1.0, 0.0, 0.5, 1.0, 2.0])
def test_an_exact_power_gives_its_exponent(exponent: float) -> None:
    sizes = [16, 32, 64, 256, 1000]
    found = fit_exponent(sizes, [3e-6 * size**exponent for size in sizes])
    assert found.value == pytest.approx(exponent, abs=1e-12)
    assert found.standard_error < 1e-12


def test_the_exponent_of_noisy_times_is_found_within_its_standard_error() -> None:
    """2,000 repetitions with factors e^z, z ~ N(0, 0.1²): the errors' mean, spread and stated spread agree."""
    torch.manual_seed(0)
    sizes = [32, 64, 128, 256, 512]
    x = torch.tensor(sizes, dtype=torch.float64).log()
    true = 0.1 / float((x - x.mean()).square().sum().sqrt())
    count = 2000
    noise = (0.1 * torch.randn(count, 5, dtype=torch.float64)).exp().tolist()
    fits = [fit_exponent(sizes, [s**1.5 * e for s, e in zip(sizes, row, strict=True)]) for row in noise]
    values = torch.tensor([fit.value for fit in fits], dtype=torch.float64)
    assert abs(float(values.mean()) - 1.5) < 5 * true / math.sqrt(count)
    assert float(values.std()) == pytest.approx(true, rel=5 / math.sqrt(2 * count))
    stated = sum(fit.standard_error**2 for fit in fits) / count
    # the mean of s² is σ²; s² of three degrees of freedom has the relative variance 2/3
    assert stated == pytest.approx(true**2, rel=5 * math.sqrt(2 / 3 / count))


def test_by_hand() -> None:
    """ln costs 0, 1, 5 at ln sizes 0, 1, 2: slope 2.5, residuals ½, −1, ½, so s² = 1.5/1/2."""
    e = math.e
    found = fit_exponent([1, e, e**2], [1, e, e**5])
    assert found.value == pytest.approx(2.5)
    assert found.standard_error == pytest.approx(math.sqrt(0.75))
    assert str(found) == "2.50 ± 0.87"


@pytest.mark.parametrize(
    ("sizes", "costs"),
    [([1, 2], [1, 2]), ([1, 2, 3], [1, 2]), ([2, 2, 2], [1, 2, 3]), ([1, 2, 3], [0, 1, 2]), ([0, 1, 2], [1, 1, 1])],
)
def test_what_has_no_exponent(sizes: Any, costs: Any) -> None:
    with pytest.raises(InputError, match="at least three sizes"):
        fit_exponent(sizes, costs)


def test_peak_bytes_counts_what_is_held_at_once() -> None:
    def one_after_the_other() -> Tensor:
        x = torch.ones(1000)  # 4,000
        x = torch.cat([x, x])  # 12,000, then 8,000
        return x + x  # 16,000

    assert peak_bytes(one_after_the_other) == 16_000
    before = torch.ones(5000)
    assert peak_bytes(lambda: before.add_(before)) == 0
    # released in it, though taken before: what is held never counts below what is new
    held = [torch.ones(5000)]

    def release() -> Tensor:
        held.clear()
        return torch.ones(1000)

    assert peak_bytes(release) <= 4000


def test_bytes_of_written_out_attention_are_its_weights() -> None:
    """At the softmax two arrays of H·N·M numbers are held at once; the fused kernel and the linear form hold fewer."""
    heads, n, d = 2, 128, 4
    query, key, value = given = torch.randn(3, 1, heads, n, d).unbind()
    weights = 4 * heads * n * n
    assert 2 * weights <= peak_bytes(lambda: written_out_attention(*given)) < 2.2 * weights
    torch.testing.assert_close(written_out_attention(*given), F.scaled_dot_product_attention(query, key, value))
    assert peak_bytes(lambda: FORMS["full, fused"](*given)) < weights
    assert peak_bytes(lambda: FORMS["linear"](*given)) < weights / 2


def test_full_attention_is_of_order_mnd_and_linear_attention_is_not() -> None:
    small: Any = {"length": [8, 16, 32], "queries": [8, 16, 32], "keys": [8, 16, 32], "width": [2, 4, 8]}
    cost = attention_cost(sizes=small, length=16, width=4, num_heads=2, repeats=1)
    assert len(cost.rows) == 3 * 4 * 3
    for row in cost.rows:
        n = row.size if row.varied in ("length", "queries") else 16
        m = row.size if row.varied in ("length", "keys") else 16
        d = row.size if row.varied == "width" else 4
        # the linear one: K'V and its product with Q, and a sum's product with Q
        by_hand = 2 * (m + n) * d * d + 2 * n * d if row.form == "linear" else 2 * 2 * m * n * d
        assert row.multiply_adds == by_hand
        assert row.seconds > 0
        assert row.bytes >= 4 * 2 * n * d
    for form in ("full, written out", "full, fused"):
        for varied, expected in zip(get_args(Varied), (2, 1, 1, 1), strict=True):
            found = cost.exponent(form, varied, "multiply_adds")
            assert found.value == pytest.approx(expected, abs=1e-12)
    assert cost.exponent("linear", "length", "multiply_adds").value == pytest.approx(1, abs=1e-12)
    assert cost.exponent("linear", "width", "multiply_adds").value > 1.5
    lines = str(cost).splitlines()
    assert len(lines) == 1 + 36 + 1 + 1 + 12
    assert "2.00 ± 0.00" in lines[39]


def test_the_fastest_run_counts() -> None:
    times = iter([0.0, 5.0, 10.0, 12.0, 20.0, 23.0])
    cost = attention_cost(
        sizes={"keys": [3]},
        length=2,
        width=4,
        forms={"linear": FORMS["linear"]},
        repeats=3,
        clock=lambda: next(times),
    )
    assert [row.seconds for row in cost.rows] == [2.0]


def test_sizes_that_cannot_be() -> None:
    for wrong in ({"length": 0}, {"repeats": 0}, {"sizes": {"keys": [4, 0, 2]}}):
        with pytest.raises(ConfigurationError, match="at least 1"):
            attention_cost(**wrong)
