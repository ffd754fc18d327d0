"""Attention maps: the weights that were used, and heads whose figures are known beforehand."""

import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from sightline.core.errors import ConfigurationError, InputError
from sightline.nn.attention import Attention
from sightline.nn.stack_cache import StackCache
from sightline.nn.transformer_block import TransformerBlock
from sightline.nn.transformer_stack import TransformerStack
from sightline.understand.attention_maps import AttentionMap, attention_maps, head_figures, recording_attention


def stack(*, shared: bool = False, crosses: bool = False) -> TransformerStack:
    torch.manual_seed(0)
    context = 6 if crosses else None
    return TransformerStack(
        depth=2,
        block=lambda drop: TransformerBlock(
            width=8, num_heads=4, num_kv_heads=2, mlp_width=8, context_width=context, attention_dropout=0.5
        ),
        shared=shared,
    )


def test_weights_are_those_that_give_the_outputs() -> None:
    """With values that are the identity, the heads' outputs are the weights themselves."""
    torch.manual_seed(0)
    n = 5
    attention = Attention(width=n, num_heads=1, bias=False)
    with torch.no_grad():
        attention.query_key_value.weight[2 * n :] = torch.eye(n)
        attention.output.weight.copy_(torch.eye(n))
    x = torch.eye(n)[None]
    mask = (torch.rand(1, 1, n, n) > 0.4) | torch.eye(n).bool()
    bias = torch.randn(1, 1, n, n)
    for options in ({}, {"causal": True}, {"mask": mask}, {"bias": bias, "causal": True}, {"mask": mask, "bias": bias}):
        (one,) = attention_maps(attention, x, **options).maps
        torch.testing.assert_close(one.weights, attention(x, **options))
        assert (one.layer, one.crosses, one.causal) == ("", False, "causal" in options)


def test_every_attention_in_order_of_use_and_the_network_as_before() -> None:
    network, x = stack(crosses=True).train(), torch.randn(1, 4, 8)
    context = torch.randn(1, 3, 6)
    found = attention_maps(network, x, causal=True, context=context)
    assert [(m.layer, m.crosses, m.causal, tuple(m.weights.shape)) for m in found.maps] == [
        ("blocks.0.attention", False, True, (4, 4, 4)),
        ("blocks.0.cross_attention", True, False, (4, 4, 3)),
        ("blocks.1.attention", False, True, (4, 4, 4)),
        ("blocks.1.cross_attention", True, False, (4, 4, 3)),
    ]
    for one in found.maps:
        torch.testing.assert_close(one.weights.sum(2), torch.ones(4, 4))
    assert float(found.maps[0].weights.triu(1).abs().max()) == 0
    assert len(found.heads) == 16
    assert all(module.training for module in network.modules())
    assert not any(module._forward_pre_hooks for module in network.modules())
    lines = str(found).splitlines()
    assert len(lines) == 17
    assert lines[0].split() == ["layer", "head", "entropy", "distance", "first", "itself", "previous"]
    assert len(lines[5].split()) == 4  # cross-attention has no distance


def test_a_shared_block_has_a_map_for_each_use() -> None:
    network, x = stack(shared=True), torch.randn(1, 4, 8)
    first, second = attention_maps(network, x).maps
    assert first.layer == second.layer == "blocks.0.attention"
    assert not torch.equal(first.weights, second.weights)
    with recording_attention(network.eval()) as found:
        network(x.expand(3, -1, -1))
    torch.testing.assert_close(found[1].weights[2], second.weights)


def test_dropout_is_not_in_the_weights() -> None:
    network, x = stack().train(), torch.randn(1, 4, 8)
    with recording_attention(network) as found:
        network(x)
    torch.testing.assert_close(found[0].weights.sum(3), torch.ones(1, 4, 4))
    assert not found[0].weights.requires_grad


def slow_figures(w: Tensor) -> dict[str, float]:
    """One head's figures in loops."""
    rows, columns = w.shape
    late = columns - rows
    n = range(rows)
    entropy = -sum(float(v) * math.log(float(v)) for row in w for v in row if float(v) > 0) / rows
    distance = sum(float(w[i, j]) * abs(i + late - j) for i in n for j in range(columns)) / rows
    before = [float(w[i, i + late - 1]) for i in n if i + late > 0]
    return {
        "entropy": entropy,
        "distance": distance,
        "first": sum(float(w[i, 0]) for i in n) / rows,
        "itself": sum(float(w[i, i + late]) for i in n) / rows,
        "previous": sum(before) / len(before) if before else math.nan,
    }


@pytest.mark.parametrize("size", [(5, 5), (3, 5), (1, 4), (1, 1)])
def test_figures_are_what_a_loop_gives(size: tuple[int, int]) -> None:
    generator = torch.Generator().manual_seed(1)
    weights = torch.randn(3, *size, generator=generator, dtype=torch.float64).softmax(2)
    for head, told in enumerate(head_figures(AttentionMap("a", weights))):
        want = slow_figures(weights[head])
        assert {name: getattr(told, name) for name in want} == pytest.approx(want, nan_ok=True, abs=1e-12)
        assert (told.layer, told.head) == ("a", head)


def known(bias: Tensor, **options: Any) -> dict[str, float]:
    """Figures of an attention whose scores are a given bias alone."""
    n = len(bias)
    attention = Attention(width=4, num_heads=1)
    with torch.no_grad():
        attention.query_key_value.weight.zero_()
    (told,) = attention_maps(attention, torch.randn(1, n, 4), bias=bias[None, None], **options).heads
    return vars(told)


def test_heads_whose_figures_are_known() -> None:
    n, strong = 6, 60.0
    eye = strong * torch.eye(n)
    uniform = known(torch.zeros(n, n))
    assert uniform["entropy"] == pytest.approx(math.log(n), rel=1e-6)
    assert uniform["distance"] == pytest.approx((n * n - 1) / (3 * n), rel=1e-6)  # E|i − j| over all pairs
    assert uniform["first"] == uniform["itself"] == uniform["previous"] == pytest.approx(1 / n, rel=1e-6)
    causal = known(torch.zeros(n, n), causal=True)
    assert causal["entropy"] == pytest.approx(sum(math.log(i + 1) for i in range(n)) / n, rel=1e-6)
    assert causal["distance"] == pytest.approx(sum(i / 2 for i in range(n)) / n, rel=1e-6)
    assert causal["first"] == pytest.approx(sum(1 / (i + 1) for i in range(n)) / n, rel=1e-6)
    itself = known(eye)
    assert (itself["itself"], itself["entropy"], itself["distance"]) == pytest.approx((1, 0, 0), abs=1e-9)
    previous = known(eye.roll(-1, 1), causal=True)  # the first token has none before it, and looks at itself
    assert previous["previous"] == pytest.approx(1)
    assert previous["distance"] == pytest.approx((n - 1) / n)
    assert previous["itself"] == pytest.approx(1 / n)
    first = known(strong * torch.eye(n)[0].expand(n, n))
    assert first["first"] == pytest.approx(1)
    assert first["distance"] == pytest.approx((n - 1) / 2)


def test_cross_attention_has_no_distance() -> None:
    (told,) = head_figures(AttentionMap("a", torch.full((1, 2, 3), 1 / 3), crosses=True))
    assert math.isnan(told.distance)
    assert math.isnan(told.itself)
    assert math.isnan(told.previous)
    assert told.first == pytest.approx(1 / 3)


def test_bad_input_is_told(as_a_user_calls: None) -> None:
    network, x = stack(), torch.randn(1, 4, 8)
    with pytest.raises(ConfigurationError, match=r"a cache in blocks\.0\.attention"):
        attention_maps(network, x, cache=StackCache(depth=2, capacity=8))
    assert not any(module._forward_pre_hooks for module in network.modules())
    with pytest.raises(InputError, match="a batch of 2"):
        attention_maps(network, x.expand(2, -1, -1))
    with pytest.raises(ConfigurationError, match="Linear without any"):
        attention_maps(nn.Linear(8, 8), x)
