"""Look-ups in a table: what each finds, their limits, which of them can learn; and the two causal masks."""

import math

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from sightline.core.errors import ConfigurationError, InputError
from sightline.nn.causal_mask import causal_triangle, mask_after_softmax, mask_before_softmax
from sightline.nn.lookup import hard_lookup, nearest_lookup, soft_lookup


def table(*batch: int, entries: int = 7, asked: int = 4, d: int = 5, w: int = 3) -> tuple[Tensor, Tensor, Tensor]:
    torch.manual_seed(0)
    shapes = ((*batch, entries, d), (*batch, entries, w), (*batch, asked, d))
    keys, values, queries = (torch.randn(shape, dtype=torch.float64) for shape in shapes)
    return keys, values, queries


def test_soft_look_up_is_attention() -> None:
    keys, values, queries = table(2, 3)
    expected = F.scaled_dot_product_attention(queries, keys, values)
    torch.testing.assert_close(soft_lookup(keys, values, queries), expected, rtol=1e-13, atol=1e-13)
    expected = F.scaled_dot_product_attention(queries, keys, values, scale=1 / 0.3)
    torch.testing.assert_close(soft_lookup(keys, values, queries, temperature=0.3), expected, rtol=1e-13, atol=1e-13)


def test_scores_are_divided_by_the_root_of_the_width() -> None:
    """Some notes divide by d: then the scores of random queries and keys vanish as d grows."""
    keys, values, queries = table(d=16)
    assert torch.equal(soft_lookup(keys, values, queries), soft_lookup(keys, values, queries, temperature=4.0))
    by_width = soft_lookup(keys, values, queries, temperature=16.0)
    assert (soft_lookup(keys, values, queries) - by_width).abs().max() > 0.1
    torch.manual_seed(0)
    d, count = 256, 20_000
    scores = (torch.randn(count, d) * torch.randn(count, d)).sum(1) / math.sqrt(d)
    # the variance of N independent numbers of variance 1, nearly normal, has a standard error of √(2/N)
    assert abs(scores.var().item() - 1) < 5 * math.sqrt(2 / count)


def test_a_low_temperature_finds_the_nearest_and_a_high_one_the_mean() -> None:
    keys, values, queries = table(2)
    nearest = nearest_lookup(keys, values, queries)
    torch.testing.assert_close(soft_lookup(keys, values, queries, temperature=1e-6), nearest, rtol=1e-12, atol=1e-12)
    mean = values.mean(-2, keepdim=True).expand_as(nearest)
    torch.testing.assert_close(soft_lookup(keys, values, queries, temperature=1e13), mean, rtol=1e-12, atol=1e-12)
    distances = [
        (soft_lookup(keys, values, queries, temperature=t) - nearest).abs().max().item() for t in (3.0, 0.3, 0.03)
    ]
    assert distances == sorted(distances, reverse=True)


def test_the_nearest_key_has_the_largest_inner_product() -> None:
    keys, values, queries = table(2)
    found = nearest_lookup(keys, values, queries)
    for b in range(2):
        for i in range(4):
            products = [float(queries[b, i] @ keys[b, j]) for j in range(7)]
            assert torch.equal(found[b, i], values[b, products.index(max(products))])


def test_hard_look_up_finds_the_very_key_or_nothing() -> None:
    keys, values, queries = table(2)
    queries[0, 1], queries[1, 3], queries[1, 0] = keys[0, 6], keys[1, 2], keys[0, 0]
    keys[1, 5] = keys[1, 2]  # a key that is there twice: the first counts
    values[1, 0] = torch.nan  # of an entry that nobody asks for
    found, there = hard_lookup(keys, values, queries)
    assert there.tolist() == [[False, True, False, False], [False, False, False, True]]
    assert torch.equal(found[0, 1], values[0, 6])
    assert torch.equal(found[1, 3], values[1, 2])
    assert not found[~there].any()
    queries[0, 1, 0] += 1e-12
    assert not hard_lookup(keys, values, queries)[1][0].any()


def test_what_can_learn() -> None:
    """Hard: values alone, where a key was found. Nearest: values alone. Soft: all three."""
    for look, learns in ((nearest_lookup, (False, True, False)), (soft_lookup, (True, True, True))):
        given = [x.requires_grad_() for x in table()]
        look(*given).square().sum().backward()
        assert tuple(x.grad is not None and bool(x.grad.any()) for x in given) == learns
    keys, values, _ = (x.requires_grad_() for x in table())
    found, _ = hard_lookup(keys, values, keys[:2].detach().clone().requires_grad_())
    found.sum().backward()
    assert keys.grad is None
    assert values.grad is not None
    assert values.grad.sum(1).tolist() == [3, 3, 0, 0, 0, 0, 0]


def test_gradients_of_the_soft_look_up() -> None:
    given = tuple(x.requires_grad_() for x in table(entries=3, asked=2, d=2, w=2))
    assert torch.autograd.gradcheck(soft_lookup, given)


@pytest.mark.usefixtures("as_a_user_calls")
def test_tables_that_are_none() -> None:
    keys, values, queries = table()
    for look in (hard_lookup, nearest_lookup, soft_lookup):
        with pytest.raises(InputError, match="at least one entry"):
            look(keys[:0], values[:0], queries)
        with pytest.raises(InputError, match="a value for each key"):
            look(keys, values[:6], queries)
    for temperature in (0.0, -1.0, math.nan):
        with pytest.raises(ConfigurationError, match="above 0"):
            soft_lookup(keys, values, queries, temperature=temperature)


@pytest.mark.parametrize(("num_tokens", "num_keys"), [(5, 5), (1, 4), (3, 7), (1, 1)])
def test_both_causal_masks_give_the_same_weights(num_tokens: int, num_keys: int) -> None:
    torch.manual_seed(0)
    scores = 3 * torch.randn(2, 3, num_tokens, num_keys, dtype=torch.float64)
    before, after = mask_before_softmax(scores), mask_after_softmax(scores)
    torch.testing.assert_close(before, after, rtol=1e-12, atol=1e-12)
    for i in range(num_tokens):
        seen = num_keys - num_tokens + i + 1
        torch.testing.assert_close(before[..., i, :seen], scores[..., i, :seen].softmax(-1), rtol=1e-12, atol=1e-12)
        assert not before[..., i, seen:].any()
        assert not after[..., i, seen:].any()
    assert torch.equal(causal_triangle(num_tokens, num_keys), before[0, 0] > 0)


def test_gradients_of_both_causal_masks_are_equal() -> None:
    torch.manual_seed(0)
    scores = torch.randn(4, 4, dtype=torch.float64)
    weights = torch.randn(4, 4, dtype=torch.float64)
    gradients = []
    for mask in (mask_before_softmax, mask_after_softmax):
        given = scores.clone().requires_grad_()
        (mask(given) * weights).sum().backward()
        assert given.grad is not None
        assert not given.grad.triu(1)[given.grad.triu(1).abs() > 1e-15].any()
        gradients.append(given.grad)
    torch.testing.assert_close(*gradients, rtol=1e-12, atol=1e-12)


def test_only_the_mask_before_the_softmax_bears_large_later_scores() -> None:
    """After the softmax, what is left of the earlier tokens' weights is less than the smallest number there is."""
    scores = torch.tensor([[1.0, 1e4], [1.0, 2.0]], dtype=torch.float64)
    before, after = mask_before_softmax(scores), mask_after_softmax(scores)
    assert before[0].tolist() == [1, 0]
    assert mask_before_softmax(scores - 1e6)[0].tolist() == [1, 0]  # a large negative number would not do for −∞
    assert after[0].isnan().all()
    torch.testing.assert_close(before[1], after[1], rtol=1e-15, atol=0)
    # in float32 digits are lost even before: two equal weights near e^−103 are whole multiples of 2^−149
    middling = torch.tensor([[0.0, 0.5, 102.0], [0.0, 0.5, 102.0], [0.0, 0.0, 0.0]])
    exact = torch.tensor([0.0, 0.5]).softmax(0)
    torch.testing.assert_close(mask_before_softmax(middling)[1, :2], exact)
    assert (mask_after_softmax(middling)[1, :2] - exact).nan_to_num(1.0).abs().max() > 0.01


@pytest.mark.usefixtures("as_a_user_calls")
def test_more_tokens_than_keys_are_refused() -> None:
    for mask in (mask_before_softmax, mask_after_softmax):
        with pytest.raises(InputError, match="at least as many keys"):
            mask(torch.zeros(3, 2))
