"""Linear attention: four forms are one function, and it is the kernel matrix's."""

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from sightline.core.errors import ConfigurationError, InputError
from sightline.nn.attention import Attention
from sightline.nn.linear_attention import LinearAttention
from sightline.nn.linear_attention_forms import (
    FeatureMap,
    chunked_linear_attention,
    elu_features,
    kernel_weights,
    linear_attention,
    quadratic_attention,
    recurrent_linear_attention,
    relu_features,
)

EXACT: dict[str, Any] = {"rtol": 1e-10, "atol": 1e-10}


def squares(x: Tensor) -> Tensor:
    """Features of another number than the width: 1, x_i², all products of two in a row."""
    return torch.cat([torch.ones_like(x[..., :1]), x.square(), (x[..., 1:] * x[..., :-1]).square()], -1)


every_map = pytest.mark.parametrize("features", [elu_features, relu_features, squares])


def heads(num_tokens: int = 7, num_keys: int | None = None) -> tuple[Tensor, Tensor, Tensor]:
    torch.manual_seed(0)
    m = num_tokens if num_keys is None else num_keys
    shapes = (2, 3, num_tokens, 4), (2, 3, m, 4), (2, 3, m, 5)
    query, key, value = (torch.randn(shape, dtype=torch.float64) for shape in shapes)
    return query, key, value


def slow(
    query: Tensor, key: Tensor, value: Tensor, features: FeatureMap, causal: bool, present: Tensor | None
) -> Tensor:
    """One weight at a time."""
    gathered = torch.zeros(*query.shape[:3], value.shape[3], dtype=torch.float64)
    later = key.shape[2] - query.shape[2]
    for b in range(query.shape[0]):
        for h in range(query.shape[1]):
            for i in range(query.shape[2]):
                seen = [
                    j
                    for j in range(key.shape[2])
                    if (not causal or j <= i + later) and (present is None or present[b, j])
                ]
                weights = [float(features(query[b, h, i]) @ features(key[b, h, j])) for j in seen]
                for weight, j in zip(weights, seen, strict=True):
                    gathered[b, h, i] += weight / sum(weights) * value[b, h, j]
    return gathered


def test_feature_maps() -> None:
    x = torch.tensor([-3.0, -0.5, 0.0, 0.5, 3.0])
    expected = [math.exp(-3), math.exp(-0.5), 1, 1.5, 4]
    assert elu_features(x).tolist() == pytest.approx(expected, rel=1e-6)
    assert relu_features(x).tolist() == pytest.approx([0.001, 0.001, 0.001, 0.501, 3.001], rel=1e-6)


PRESENT = torch.tensor([[False, False, True, True, True, True, True], [True, True, True, False, True, True, False]])
every_padding = pytest.mark.parametrize("present", [None, PRESENT], ids=["all present", "filling"])


@every_map
@every_padding
@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("num_tokens", [7, 3])
def test_the_quadratic_form_is_the_kernels(
    features: FeatureMap, present: Tensor | None, causal: bool, num_tokens: int
) -> None:
    query, key, value = heads(num_tokens, 7)
    options: Any = {"features": features, "causal": causal, "present": present}
    found = quadratic_attention(query, key, value, **options)
    torch.testing.assert_close(found, slow(query, key, value, features, causal, present), **EXACT)
    weights = kernel_weights(query, key, **options)
    torch.testing.assert_close(weights @ value, found, **EXACT)
    sums = torch.ones(2, 3, num_tokens, dtype=torch.float64)
    if present is not None and causal and num_tokens == 7:
        sums[0, :, :2] = 0  # filling before a text has nothing to look at
    torch.testing.assert_close(weights.sum(-1), sums, **EXACT)


@every_map
@every_padding
@pytest.mark.parametrize("num_tokens", [7, 3])
def test_the_linear_form_is_the_quadratic_one(features: FeatureMap, present: Tensor | None, num_tokens: int) -> None:
    given = heads(num_tokens, 7)
    expected = quadratic_attention(*given, features=features, present=present)
    torch.testing.assert_close(linear_attention(*given, features=features, present=present), expected, **EXACT)


@every_map
@every_padding
def test_the_recurrent_form_is_the_quadratic_one(features: FeatureMap, present: Tensor | None) -> None:
    query, key, value = heads()
    expected = quadratic_attention(query, key, value, features=features, causal=True, present=present)
    found, state = recurrent_linear_attention(query, key, value, features=features, present=present)
    torch.testing.assert_close(found, expected, **EXACT)
    answering = features(key) * (1 if present is None else present[:, None, :, None])
    torch.testing.assert_close(state.sums, answering.sum(2), **EXACT)
    torch.testing.assert_close(state.products, torch.einsum("bhmf,bhmw->bhfw", answering, value), **EXACT)


@every_map
@every_padding
@pytest.mark.parametrize("chunk", [1, 2, 3, 7, 64])
def test_the_chunked_form_is_the_recurrent_one(features: FeatureMap, present: Tensor | None, chunk: int) -> None:
    given = heads()
    expected, last = recurrent_linear_attention(*given, features=features, present=present)
    found, state = chunked_linear_attention(*given, features=features, chunk=chunk, present=present)
    torch.testing.assert_close(found, expected, **EXACT)
    torch.testing.assert_close(state.products, last.products, **EXACT)
    torch.testing.assert_close(state.sums, last.sums, **EXACT)


@pytest.mark.parametrize("first", [1, 4, 6])
@pytest.mark.parametrize("form", [recurrent_linear_attention, chunked_linear_attention])
def test_a_state_goes_on_where_it_ended(form: Any, first: int) -> None:
    query, key, value = heads()
    whole, last = form(query, key, value, present=PRESENT)
    start, state = form(*(x[:, :, :first] for x in (query, key, value)), present=PRESENT[:, :first])
    rest, state = form(*(x[:, :, first:] for x in (query, key, value)), state=state, present=PRESENT[:, first:])
    torch.testing.assert_close(torch.cat([start, rest], 2), whole, **EXACT)
    torch.testing.assert_close(state.products, last.products, **EXACT)
    torch.testing.assert_close(state.sums, last.sums, **EXACT)


@pytest.mark.parametrize("form", ["linear", "recurrent", "chunked"])
def test_gradients_are_those_of_the_quadratic_form(form: str) -> None:
    weights = torch.randn(2, 3, 7, 5, dtype=torch.float64)
    gradients = []
    for fast in (True, False):
        given = [x.requires_grad_() for x in heads()]
        if not fast:
            found = quadratic_attention(*given, causal=form != "linear", present=PRESENT)
        elif form == "linear":
            found = linear_attention(*given, present=PRESENT)
        elif form == "recurrent":
            found, _ = recurrent_linear_attention(*given, present=PRESENT)
        else:
            found, _ = chunked_linear_attention(*given, chunk=3, present=PRESENT)
        gradients.append(torch.autograd.grad((found * weights).sum(), given))
    for ours, theirs in zip(*gradients, strict=True):
        assert torch.isfinite(ours).all()
        torch.testing.assert_close(ours, theirs, **EXACT)


@pytest.mark.usefixtures("as_a_user_calls")
def test_no_keys_no_chunks_and_later_queries_are_refused() -> None:
    query, key, value = heads(2)
    with pytest.raises(InputError, match="chunks of at least 1"):
        chunked_linear_attention(query, key, value, chunk=0)
    with pytest.raises(InputError, match="at least as many keys"):
        quadratic_attention(query, key[:, :, :1], value[:, :, :1], causal=True)
    none = key[:, :, :0], value[:, :, :0]
    both: Any = quadratic_attention, linear_attention
    for form in both:
        with pytest.raises(InputError, match="keys of at least 1"):
            form(query, *none)
    both = recurrent_linear_attention, chunked_linear_attention
    for form in both:
        with pytest.raises(InputError, match="keys of at least 1"):
            form(query[:, :, :0], *none)


# The layer


def layer(**options: Any) -> LinearAttention:
    torch.manual_seed(0)
    return LinearAttention(width=8, num_heads=4, **options).double()


def tokens(num: int = 7, width: int = 8) -> Tensor:
    torch.manual_seed(1)
    return torch.randn(2, num, width, dtype=torch.float64)


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize(
    "options",
    [{}, {"num_kv_heads": 2, "bias": False}, {"head_width": 3, "features": relu_features}, {"query_norm": True}],
)
def test_the_layer_is_its_weights_times_its_values(options: dict[str, Any], causal: bool) -> None:
    linear = layer(chunk=3, **options)
    x = tokens()
    weights = linear.weights(x, causal=causal, present=PRESENT)
    groups, d = linear.num_kv_heads, linear.head_width
    value = linear.query_key_value(x)[..., (4 + groups) * d :].unflatten(-1, (groups, d))
    heads = [weights[:, h] @ value[:, :, h * groups // 4] for h in range(4)]
    expected = linear.output(torch.cat(heads, -1))
    torch.testing.assert_close(linear(x, causal=causal, present=PRESENT), expected, **EXACT)


def test_the_layers_weights_are_the_kernels_of_its_queries_and_keys() -> None:
    linear = layer(query_norm=True, num_kv_heads=2)
    assert linear.query_norm is not None
    torch.nn.init.normal_(linear.query_norm.weight)
    x = tokens()
    packed = linear.query_key_value(x).unflatten(-1, (8, 2))
    for h in range(4):
        query = packed[:, :, h]
        eps = torch.finfo(torch.float64).eps
        query = query / (query.square().mean(-1, keepdim=True) + eps).sqrt() * linear.query_norm.weight
        kernel = elu_features(query) @ elu_features(packed[:, :, 4 + h // 2]).transpose(1, 2)
        torch.testing.assert_close(linear.weights(x)[:, h], kernel / kernel.sum(-1, keepdim=True), **EXACT)


def test_cross_attention_asks_the_context() -> None:
    linear = layer(context_width=5)
    x, context = tokens(3), tokens(7, 5)
    weights = linear.weights(x, context=context, present=PRESENT)
    assert weights.shape == (2, 4, 3, 7)
    value = linear.key_value(context)[..., 8:].unflatten(-1, (4, 2))
    expected = linear.output(torch.cat([weights[:, h] @ value[:, :, h] for h in range(4)], -1))
    torch.testing.assert_close(linear(x, context=context, present=PRESENT), expected, **EXACT)
    for wrong in ({}, {"context": context, "causal": True}):
        with pytest.raises(ConfigurationError, match=r"context"):
            linear(x, **wrong)
    with pytest.raises(ConfigurationError, match="a context for cross-attention"):
        linear.continued(x)
    with pytest.raises(ConfigurationError, match="no context"):
        layer()(x, context=x)


@pytest.mark.parametrize("first", [1, 5])
def test_token_by_token_is_all_at_once(first: int) -> None:
    linear = layer(chunk=2)
    x = tokens()
    whole = linear(x, causal=True, present=PRESENT)
    parts, state = [], None
    for start, end in [(0, first), *((i, i + 1) for i in range(first, 7))]:
        part, state = linear.continued(x[:, start:end], state=state, present=PRESENT[:, start:end])
        parts.append(part)
    torch.testing.assert_close(torch.cat(parts, 1), whole, **EXACT)


def test_filling_is_not_seen() -> None:
    linear = layer()
    x = tokens()
    other = x.masked_fill(~PRESENT[..., None], 100.0)
    for causal in (False, True):
        found, same = (linear(y, causal=causal, present=PRESENT) for y in (x, other))
        torch.testing.assert_close(found[PRESENT], same[PRESENT], **EXACT)


def test_normalised_queries_under_autocast_are_near() -> None:
    """The queries are in bfloat16 and small, so that a coarser ε would tell."""
    linear, x = layer(query_norm=True).float(), 0.02 * tokens().float()
    with torch.no_grad():
        assert linear.query_norm is not None
        linear.query_norm.weight.copy_(torch.tensor([0.5, 2.0]))
        linear.query_key_value.bias.zero_()
    expected = linear(x, causal=True)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = linear(x, causal=True)
        query = linear._heads(x, None)[0]
    assert query.dtype == torch.bfloat16
    assert (query.float() - linear._heads(x, None)[0]).abs().max() < 0.03
    assert (found.float() - expected).abs().max() < 0.03 * expected.abs().max()


def test_weights_fit_those_of_softmax_attention() -> None:
    several: Any = {}, {"context_width": 5, "num_kv_heads": 2}, {"query_norm": True, "head_width": 3}
    for options in several:
        linear = layer(**options)
        linear.load_state_dict(Attention(width=8, num_heads=4, **options).double().state_dict())


@pytest.mark.parametrize(
    ("options", "words"), [({"chunk": 0}, "at least 1"), ({"num_kv_heads": 3}, "among 1, 2, 4"), ({"width": 6}, "head")]
)
def test_options_that_make_no_layer(options: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigurationError, match=words):
        LinearAttention(**{"width": 8, "num_heads": 4, **options})
