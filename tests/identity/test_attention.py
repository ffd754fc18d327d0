"""Attention is its formula, one weight at a time; masks; dropout; number formats; what is refused."""

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import sightline.nn.attention as attention_module
from sightline.core.errors import ConfigurationError, InputError
from sightline.nn.attention import Attention
from sightline.nn.attention_mask import attention_mask
from sightline.nn.key_value_cache import KeyValueCache
from sightline.nn.rotary import RotaryPositions

EXACT: dict[str, Any] = {"rtol": 1e-12, "atol": 1e-12}
B, N, M, D, H = 2, 4, 6, 8, 4


def make(**options: Any) -> Attention:
    """With weights away from their special first values."""
    torch.manual_seed(0)
    layer = Attention(width=D, num_heads=H, **options).double()
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.add_(torch.randn_like(parameter), alpha=0.5)
    return layer


def random(*shape: int) -> Tensor:
    torch.manual_seed(1)
    return torch.randn(shape, dtype=torch.float64)


def linear(layer: nn.Linear, x: Tensor, start: int, count: int) -> Tensor:
    """Some rows of a linear map."""
    y = layer.weight.detach()[start : start + count] @ x
    return y if layer.bias is None else y + layer.bias.detach()[start : start + count]


def by_formula(
    layer: Attention,
    tokens: Tensor,
    *,
    context: Tensor | None = None,
    mask: Tensor | None = None,
    bias: Tensor | None = None,
    causal: bool = False,
) -> tuple[Tensor, Tensor]:
    """Outputs and weights, token by token and head by head."""
    d, groups = layer.head_width, layer.num_kv_heads
    asked = tokens if context is None else context
    keys_from = layer.query_key_value if context is None else layer.key_value
    queries_from = layer.query_key_value if context is None else layer.query
    first_key = H * d if context is None else 0
    weights = torch.zeros(len(tokens), H, tokens.shape[1], asked.shape[1], dtype=torch.float64)
    gathered = torch.zeros(len(tokens), tokens.shape[1], H * d, dtype=torch.float64)
    shape = weights.shape
    for b in range(shape[0]):
        for h in range(H):
            group = h // (H // groups)
            for i in range(shape[2]):
                query = linear(queries_from, tokens[b, i], h * d, d)
                if layer.query_norm is not None:
                    size = (query.square().mean() + torch.finfo(torch.float64).eps).sqrt()
                    query = query / size * layer.query_norm.weight.detach()
                exponentials = {}
                for j in range(shape[3]):
                    if (causal and j > i) or (mask is not None and not mask.expand(shape)[b, h, i, j]):
                        continue
                    key = linear(keys_from, asked[b, j], first_key + group * d, d)
                    score = float(query @ key) * layer.scale
                    score += float(bias.expand(shape)[b, h, i, j]) if bias is not None else 0
                    exponentials[j] = math.exp(score)
                for j, exponential in exponentials.items():
                    weights[b, h, i, j] = exponential / sum(exponentials.values())
                    value = linear(keys_from, asked[b, j], first_key + (groups + group) * d, d)
                    gathered[b, i, h * d : (h + 1) * d] += weights[b, h, i, j] * value
    return layer.output(gathered), weights


def random_mask(num_tokens: int, num_keys: int, *, heads: int = H) -> Tensor:
    mask = random(B, heads, num_tokens, num_keys) > 0
    mask[..., 0] = True
    return mask


CASES: dict[str, tuple[dict[str, Any], Callable[[], dict[str, Any]]]] = {
    "self": ({}, dict),
    "no bias": ({"bias": False}, dict),
    "grouped": ({"num_kv_heads": 2}, dict),
    "one key head": ({"num_kv_heads": 1}, dict),
    "wide heads": ({"head_width": 5}, dict),
    "query norm": ({"query_norm": True}, dict),
    "scale": ({"scale": 1.0}, dict),
    "causal": ({"num_kv_heads": 2}, lambda: {"causal": True}),
    "mask": ({}, lambda: {"mask": random_mask(N, N)}),
    "mask for all heads": ({}, lambda: {"mask": random_mask(N, N, heads=1)}),
    "mask, causal": ({}, lambda: {"mask": random_mask(N, N), "causal": True}),
    "score bias": ({}, lambda: {"bias": random(1, H, N, N)}),
    "score bias, causal": ({}, lambda: {"bias": random(1, H, N, N), "causal": True}),
    "score bias, mask, causal": (
        {"num_kv_heads": 2, "query_norm": True},
        lambda: {"bias": random(B, 1, 1, N), "mask": random_mask(N, N), "causal": True},
    ),
    "cross": ({"context_width": 5}, lambda: {"context": random(B, M, 5)}),
    "cross, grouped, mask, bias": (
        {"context_width": 5, "num_kv_heads": 2, "query_norm": True, "head_width": 3},
        lambda: {"context": random(B, M, 5), "mask": random_mask(N, M), "bias": random(1, H, N, M)},
    ),
}
every_case = pytest.mark.parametrize("case", CASES)


@every_case
def test_attention_is_its_formula(case: str) -> None:
    options, given = CASES[case]
    layer, tokens = make(**options), random(B, N, D)
    expected, weights = by_formula(layer, tokens, **given())
    torch.testing.assert_close(layer(tokens, **given()), expected, **EXACT)
    found = layer.weights(tokens, **given())
    torch.testing.assert_close(found, weights, **EXACT)
    torch.testing.assert_close(found.sum(3), torch.ones(B, H, N, dtype=torch.float64), **EXACT)


def test_scores_are_divided_by_the_root_of_the_heads_width() -> None:
    """Some notes divide by d."""
    assert make().scale == 1 / math.sqrt(2)
    assert make(head_width=9).scale == 1 / 3
    layer, tokens = make(head_width=9), random(B, N, D)
    notes = make(head_width=9, scale=1 / 9)
    assert (layer(tokens) - notes(tokens)).abs().max() > 0.1


@every_case
def test_gradients_are_those_of_finite_differences(case: str) -> None:
    options, given = CASES[case]
    layer, tokens = make(**options), random(B, N, D)
    told = given()
    free = {name: x.requires_grad_() for name, x in told.items() if name in ("context", "bias")}

    def outputs(tokens: Tensor, *others: Tensor) -> Tensor:
        mixed: Tensor = layer(tokens, **{**told, **dict(zip(free, others, strict=True))})
        return mixed

    assert torch.autograd.gradcheck(outputs, (tokens.requires_grad_(), *free.values()), fast_mode=True)


def test_rotated_attention_is_that_of_rotated_queries_and_keys() -> None:
    layer, tokens = make(num_kv_heads=2), random(B, N, D)
    rotate = RotaryPositions(head_width=2).at(torch.tensor([[3, 4, 5, 9]]))
    packed = layer.query_key_value(tokens).unflatten(-1, (8, 2)).transpose(1, 2)
    query, key = rotate(packed[:, :4]), rotate(packed[:, 4:6]).repeat_interleave(2, 1)
    weights = (query @ key.transpose(2, 3) / math.sqrt(2)).softmax(3)
    torch.testing.assert_close(layer.weights(tokens, rotate=rotate), weights, **EXACT)
    heads = weights @ packed[:, 6:].repeat_interleave(2, 1)
    torch.testing.assert_close(layer(tokens, rotate=rotate), layer.output(heads.transpose(1, 2).flatten(2)), **EXACT)


# Dropout


def test_weights_are_dropped_in_training_only_and_the_rest_is_enlarged() -> None:
    """With values and maps of ones, and equal weights, an output is 2/M times the number of keys that are left."""
    torch.manual_seed(0)
    layer = Attention(width=4, num_heads=1, bias=False, dropout=0.5)
    with torch.no_grad():
        layer.query_key_value.weight.zero_()[8:].copy_(torch.eye(4))
        layer.output.weight.copy_(torch.eye(4))
    tokens = torch.ones(50, 10, 4)
    kept = layer(tokens)[..., 0] * 10 / 2
    torch.testing.assert_close(kept, kept.round(), rtol=0, atol=1e-5)
    # 5,000 weights, each kept with probability ½
    assert abs(kept.sum().item() - 2500) < 5 * math.sqrt(5000 / 4)
    assert kept.std() > 1
    torch.testing.assert_close(layer.eval()(tokens), tokens)
    torch.testing.assert_close(layer.train().weights(tokens), torch.full((50, 1, 10, 10), 0.1))


# Masks


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("num_tokens", [1, 3, 5])
def test_the_mask_says_who_may_look_at_whom(num_tokens: int, causal: bool) -> None:
    present = torch.tensor([[False, False, True, True, True], [True, True, True, True, False], [False] * 5, [True] * 5])
    mask = attention_mask(present, num_tokens=num_tokens, causal=causal)
    assert mask is not None
    assert mask.shape == (4, 1, num_tokens, 5)
    for b in range(4):
        for i in range(num_tokens):
            itself = 5 - num_tokens + i
            for j in range(5):
                expected = j == itself or (bool(present[b, j]) and (not causal or j < itself))
                assert mask[b, 0, i, j] == expected
    assert attention_mask(None, num_tokens=num_tokens, causal=causal) is None
    assert attention_mask(torch.ones(2, 5, dtype=torch.bool), num_tokens=num_tokens, causal=causal) is None


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("options", [{}, {"num_kv_heads": 2, "query_norm": True}])
def test_filling_never_changes_the_text(options: dict[str, Any], causal: bool) -> None:
    """Not its outputs, which are those of the text alone, and not its gradients; nor is anything NaN."""
    present = torch.tensor([[False, False, True, True], [True, True, True, False]])
    layer, tokens = make(**options), random(B, N, D)
    mask = attention_mask(present, num_tokens=N, causal=causal)
    gradients = []
    for filling in (0.0, 1e3):
        layer.zero_grad()
        x = tokens.masked_fill(~present[..., None], filling).requires_grad_()
        found = layer(x, mask=mask, causal=causal)
        assert torch.isfinite(found).all()
        found[present].square().sum().backward()
        assert x.grad is not None
        assert torch.isfinite(x.grad).all()
        assert not x.grad[~present].any()
        gradients.append([x.grad[present], *(p.grad for p in layer.parameters())])
    for first, second in zip(*gradients, strict=True):
        assert first is not None
        torch.testing.assert_close(first, second, rtol=1e-9, atol=1e-9)
    for b in range(B):
        alone = layer(tokens[b : b + 1, present[b]], causal=causal)
        torch.testing.assert_close(found[b, present[b]], alone[0], **EXACT)


def test_no_token_sees_a_later_one() -> None:
    layer, tokens = make(), random(1, N, D).requires_grad_()
    jacobian = torch.autograd.functional.jacobian(lambda x: layer(x, causal=True).sum((0, 2)), tokens)[:, 0]
    reach = jacobian.abs().sum(-1) > 0
    assert torch.equal(reach, torch.ones(N, N, dtype=torch.bool).tril())


# Number formats


@pytest.mark.parametrize("matrix_units", [True, False])
@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("case", ["causal", "mask", "score bias, mask, causal", "cross, grouped, mask, bias"])
def test_sixteen_bits_are_near_to_thirty_two(
    case: str, training: bool, matrix_units: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """bfloat16 has 8 bits: 0.4 per cent a rounding, and a few of them in a row."""
    monkeypatch.setattr(attention_module, "_MATRIX_UNITS", matrix_units)
    options, given = CASES[case]
    layer = make(**options).float().train(training)
    told = {name: x.float() if torch.is_tensor(x) and x.is_floating_point() else x for name, x in given().items()}
    tokens = random(B, N, D).float()
    expected = layer(tokens, **told)
    half = {name: x.bfloat16() if torch.is_tensor(x) and x.is_floating_point() else x for name, x in told.items()}
    found = layer.bfloat16()(tokens.bfloat16(), **half)
    assert found.dtype == torch.bfloat16
    assert (found.float() - expected).abs().max() < 0.03 * expected.abs().max()


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float64])
@pytest.mark.parametrize("training", [True, False])
def test_a_bias_of_another_format_changes_none(training: bool, dtype: torch.dtype) -> None:
    """A learned bias stays in float32 where autocast gives queries in 16 bits."""
    layer, tokens, bias = make().to(dtype).train(training), random(B, N, D).to(dtype), random(1, H, N, N).float()
    for mask in (None, torch.ones(1, 1, N, N, dtype=torch.bool)):
        found = layer(tokens, bias=bias, mask=mask), layer.weights(tokens, bias=bias, mask=mask)
        expected = layer(tokens, bias=bias.to(dtype), mask=mask), layer.weights(tokens, bias=bias.to(dtype), mask=mask)
        for ours, theirs in zip(found, expected, strict=True):
            assert ours.dtype == dtype
            assert torch.equal(ours, theirs)


@pytest.mark.parametrize("query_norm", [True, False])
@pytest.mark.parametrize("training", [True, False])
def test_under_autocast_it_is_near_too(training: bool, query_norm: bool) -> None:
    layer, tokens = make(query_norm=query_norm).float().train(training), random(B, N, D).float()
    expected = layer(tokens, causal=True)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = layer(tokens, causal=True)
    assert found.dtype == torch.bfloat16
    assert (found.float() - expected).abs().max() < 0.03 * expected.abs().max()


# What is refused


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"num_heads": 3}, "among 1, 2, 4, 8"),
        ({"num_heads": 0}, "heads divides"),
        ({"num_kv_heads": 3}, "among 1, 2, 4"),
        ({"num_kv_heads": 0}, "key and value heads divides"),
        ({"num_kv_heads": 8}, "key and value heads divides"),
        ({"dropout": 1.0}, r"dropout in \[0, 1\)"),
    ],
)
def test_options_that_make_no_attention(options: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigurationError, match=words):
        Attention(**{"width": D, "num_heads": H, **options})


@pytest.mark.usefixtures("as_a_user_calls")
def test_calls_that_would_quietly_give_something_else() -> None:
    layer, crossing, tokens = make(), make(context_width=D), random(B, N, D)
    with pytest.raises(ConfigurationError, match="this is self-attention"):
        layer(tokens, context=tokens)
    with pytest.raises(ConfigurationError, match="a context for cross-attention"):
        crossing(tokens)
    with pytest.raises(ConfigurationError, match="a context for cross-attention"):
        crossing(tokens, cache=KeyValueCache(capacity=4))
    with pytest.raises(ConfigurationError, match="rotation in cross-attention"):
        crossing(tokens, context=tokens, rotate=lambda x: x)
    column = torch.ones(B, 1, 1, 1, dtype=torch.bool)
    several: Any = {"mask": column}, {"bias": column.double()}, {"mask": torch.ones(B, 1, N, N + 1).bool()}
    for wrong in several:
        with pytest.raises(InputError, match="for 4 keys"):
            layer(tokens, **wrong)
        with pytest.raises(InputError, match="for 4 keys"):
            layer.weights(tokens, **wrong)


@pytest.mark.usefixtures("as_a_user_calls")
def test_a_mask_of_numbers_is_no_mask_and_a_context_is_each_text_s_own() -> None:
    """The kernel would add ones and zeros to the scores, count true as 1, and let all texts ask the one."""
    layer, tokens = Attention(width=D, num_heads=H), torch.randn(B, N, D)
    triangle: Any = torch.ones(N, N).tril()[None, None]
    for call in (layer, layer.weights):
        for mask in (triangle, triangle.long(), triangle.tolist()):
            with pytest.raises(InputError, match=r"a mask in torch\.bool"):
                call(tokens, mask=mask)
        with pytest.raises(InputError, match="a bias in floating point"):
            call(tokens, bias=triangle.bool())
        torch.testing.assert_close(call(tokens, mask=triangle.bool()), call(tokens, causal=True))
    crossing = Attention(width=D, num_heads=H, context_width=D)
    with pytest.raises(InputError, match=rf"each of {B} texts(?s:.*)of 1"):
        crossing(tokens, context=torch.randn(1, M, D))
    cache = KeyValueCache(capacity=M)
    crossing(tokens[:1], context=torch.randn(1, M, D), cache=cache)
    with pytest.raises(InputError, match=rf"each of {B} texts(?s:.*)of 1"):
        crossing(tokens, cache=cache)
    cache.select(torch.zeros(B, dtype=torch.int64))
    assert crossing(tokens, cache=cache).shape == tokens.shape
    with pytest.raises(InputError, match="at least as many keys as tokens"):
        crossing(tokens, context=torch.randn(B, N - 1, D), causal=True)
