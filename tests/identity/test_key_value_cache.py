"""Cached attention, token by token or by several, is attention to all at once."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from sightline.core.errors import ConfigurationError, InputError
from sightline.nn.attention import Attention, Rotate
from sightline.nn.attention_mask import attention_mask
from sightline.nn.key_value_cache import KeyValueCache
from sightline.nn.relative_bias import RelativeBias
from sightline.nn.rotary import RotaryPositions
from sightline.nn.stack_cache import StackCache

EXACT: dict[str, Any] = {"rtol": 1e-12, "atol": 1e-12}
LENGTH, D = 6, 8
FORMS: list[dict[str, Any]] = [{}, {"num_kv_heads": 2, "query_norm": True}, {"head_width": 4, "bias": False}]
STEPS = ([1] * LENGTH, [3, 1, 1, 1], [2, 3, 1], [LENGTH])
every_form = pytest.mark.parametrize("options", FORMS)
every_step = pytest.mark.parametrize("steps", STEPS, ids=str)


def make(**options: Any) -> Attention:
    torch.manual_seed(0)
    return Attention(width=D, num_heads=4, **options).double().eval()


def texts(batch: int = 2) -> Tensor:
    torch.manual_seed(1)
    return torch.randn(batch, LENGTH, D, dtype=torch.float64)


def stepwise(steps: list[int], step: Callable[[int, int], Tensor]) -> Tensor:
    """The outputs of steps of so many tokens, one after the other."""
    parts, start = [], 0
    for count in steps:
        parts.append(step(start, start + count))
        start += count
    return torch.cat(parts, 1)


@every_form
@every_step
def test_causal_attention(options: dict[str, Any], steps: list[int]) -> None:
    layer, tokens, cache = make(**options), texts(), KeyValueCache(capacity=LENGTH + 2)
    found = stepwise(steps, lambda a, b: layer(tokens[:, a:b], causal=True, cache=cache))
    torch.testing.assert_close(found, layer(tokens, causal=True), **EXACT)
    assert cache.length == LENGTH
    keys, values = cache.contents()
    head = layer.head_width
    packed = layer.query_key_value(tokens).unflatten(-1, (-1, head)).transpose(1, 2)[:, 4:]
    torch.testing.assert_close(torch.cat([keys, values], 1), packed, **EXACT)


@every_form
@every_step
def test_prompts_padded_on_the_left_with_rotary_positions_and_a_bias(options: dict[str, Any], steps: list[int]) -> None:
    layer, tokens, cache = make(**options), texts(), KeyValueCache(capacity=LENGTH)
    present = torch.tensor([[False, False, True, True, True, True], [True] * LENGTH])
    positions = present.cumsum(1) - present.long()
    rotary, relative = RotaryPositions(head_width=layer.head_width), RelativeBias(num_heads=4, bidirectional=False)
    torch.nn.init.normal_(relative.weight)

    def step(a: int, b: int) -> Tensor:
        mixed: Tensor = layer(
            tokens[:, a:b],
            mask=attention_mask(present[:, :b], num_tokens=b - a, causal=True),
            bias=relative(b - a, b, a),
            causal=True,
            rotate=rotary.at(positions[:, a:b]),
            cache=cache,
        )
        return mixed

    found = stepwise(steps, step)
    cache = KeyValueCache(capacity=LENGTH)
    torch.testing.assert_close(found, step(0, LENGTH), **EXACT)
    for row in range(2):  # and each text is what it would be alone
        own = tokens[row : row + 1, present[row]]
        alone = layer(
            own,
            bias=relative(own.shape[1], own.shape[1]),
            causal=True,
            rotate=rotary.at(torch.arange(own.shape[1])[None]),
        )
        torch.testing.assert_close(found[row, present[row]], alone[0], **EXACT)


@every_step
def test_the_weights_of_new_tokens(steps: list[int]) -> None:
    layer, tokens, cache = make(num_kv_heads=2), texts(), KeyValueCache(capacity=LENGTH)
    whole = layer.weights(tokens, causal=True)
    start = 0
    for count in steps:
        end = start + count
        found = layer.weights(tokens[:, start:end], causal=True, cache=cache)
        torch.testing.assert_close(found, whole[:, :, start:end, :end], **EXACT)
        start = end


@every_form
@every_step
def test_cross_attention_needs_its_context_once(options: dict[str, Any], steps: list[int]) -> None:
    layer, tokens, cache = make(context_width=5, **options), texts(), KeyValueCache(capacity=7)
    context = torch.randn(2, 7, 5, dtype=torch.float64)
    found = stepwise(steps, lambda a, b: layer(tokens[:, a:b], context=context if a == 0 else None, cache=cache))
    torch.testing.assert_close(found, layer(tokens, context=context), **EXACT)
    assert cache.length == 7
    with pytest.raises(ConfigurationError, match="the cache has one"):
        layer(tokens, context=context, cache=cache)


@pytest.mark.parametrize("chosen", [[1, 0, 2], [2, 2, 0], [1], [0, 0, 1, 1, 2, 2]])
def test_chosen_rows_go_on_as_if_they_had_always_been_these(chosen: list[int]) -> None:
    layer, tokens, cache = make(), texts(3), KeyValueCache(capacity=LENGTH)
    rows = torch.tensor(chosen)
    layer(tokens[:, :3], causal=True, cache=cache)
    cache.select(rows)
    others = torch.randn(len(chosen), 3, D, dtype=torch.float64)
    found = [layer(others[:, :2], causal=True, cache=cache), layer(others[:, 2:], causal=True, cache=cache)]
    expected = layer(torch.cat([tokens[rows, :3], others], 1), causal=True)[:, 3:]
    torch.testing.assert_close(torch.cat(found, 1), expected, **EXACT)


def test_room_is_taken_once() -> None:
    cache = KeyValueCache(capacity=4)
    one = torch.ones(2, 3, 1, 5)
    first, _ = cache.append(one, 2 * one)
    keys, values = cache.append(3 * one, 4 * one)
    assert first.data_ptr() == keys.data_ptr()
    assert keys[0, 0, :, 0].tolist() == [1, 3]
    assert values[0, 0, :, 0].tolist() == [2, 4]
    cache.select(torch.tensor([1, 0]))
    assert cache.contents()[0].data_ptr() == keys.data_ptr()
    assert cache.length == 2


def test_a_stack_of_caches_selects_in_all_of_them() -> None:
    cache = StackCache(depth=2, capacity=4, context_capacity=3)
    assert len(cache.own) == len(cache.context) == 2
    assert StackCache(depth=2, capacity=4).context == []
    for number, one in enumerate((*cache.own, *cache.context)):
        rows = torch.arange(3.0)[:, None, None, None].expand(3, 1, 2, 1) + 10 * number
        one.append(rows, -rows)
    assert cache.length == 2
    cache.select(torch.tensor([2, 0]))
    for number, one in enumerate((*cache.own, *cache.context)):
        keys, values = one.contents()
        assert keys[:, 0, 1, 0].tolist() == [10 * number + 2, 10 * number]
        assert torch.equal(values, -keys)


@pytest.mark.usefixtures("as_a_user_calls")
def test_what_a_cache_refuses() -> None:
    layer, tokens, cache = make(), texts(), KeyValueCache(capacity=4)
    with pytest.raises(InputError, match="an empty one"):
        cache.contents()
    layer(tokens[:, :3], causal=True, cache=cache)
    with pytest.raises(InputError, match="at most 4 tokens") as caught:
        layer(tokens[:, 3:5], causal=True, cache=cache)
    assert "5 tokens: 3 in the cache and 2 new ones" in str(caught.value)
    assert cache.length == 3
    with pytest.raises(InputError, match="2 texts and 4 heads"):  # which torch would copy to both
        layer(tokens[:1, 3:4], causal=True, cache=cache)
    cache = KeyValueCache(capacity=2)
    with pytest.raises(InputError, match="at most 2 tokens"):
        cache.append(torch.zeros(1, 1, 3, 4), torch.zeros(1, 1, 3, 4))
    cache.append(torch.zeros(5, 1, 2, 4), torch.zeros(5, 1, 2, 4))  # a refusal leaves nothing behind
    with pytest.raises(ConfigurationError, match="at least 1 token"):
        KeyValueCache(capacity=0)


def test_the_cache_holds_turned_keys() -> None:
    """They are turned once, when they come, not at every step."""
    layer, tokens, cache = make(), texts(), KeyValueCache(capacity=LENGTH)
    rotary: Rotate = RotaryPositions(head_width=2).at(torch.arange(LENGTH)[None])
    layer(tokens, causal=True, rotate=rotary, cache=cache)
    keys = layer.query_key_value(tokens).unflatten(-1, (-1, 2)).transpose(1, 2)[:, 4:8]
    torch.testing.assert_close(cache.contents()[0], rotary(keys), **EXACT)


@pytest.mark.usefixtures("as_a_user_calls")
def test_values_of_one_text_are_not_copied_to_all() -> None:
    keys, values = torch.randn(3, 2, 2, 4), torch.randn(3, 2, 2, 4)
    for wrong in (values[:1], values[:, :1], values[:, :, :1]):
        cache = KeyValueCache(capacity=4)
        with pytest.raises(InputError, match="values of the same texts"):
            cache.append(keys, wrong)
        assert cache.length == 0
        cache.append(keys, values)
        with pytest.raises(InputError, match="values of the same texts"):
            cache.append(keys, wrong)
        assert cache.length == 2
