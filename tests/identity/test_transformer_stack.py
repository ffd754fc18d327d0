"""Blocks are their formulas, whatever their form; stacks are their blocks in a row."""

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sightline.core.errors import ConfigurationError
from sightline.nn.attention import Attention
from sightline.nn.attention_mask import attention_mask
from sightline.nn.rotary import RotaryPositions
from sightline.nn.stack_cache import StackCache
from sightline.nn.transformer_block import BlockForm, TransformerBlock
from sightline.nn.transformer_stack import TransformerStack

EXACT: dict[str, Any] = {"rtol": 1e-12, "atol": 1e-12}
D, N, M, C = 8, 5, 4, 6


def random(*shape: int, seed: int = 1) -> Tensor:
    torch.manual_seed(seed)
    return torch.randn(shape, dtype=torch.float64)


def moved(module: nn.Module) -> Any:
    """In float64, with weights away from their special first values."""
    torch.manual_seed(0)
    with torch.no_grad():
        for parameter in module.double().parameters():
            parameter.add_(torch.randn_like(parameter), alpha=0.3)
    return module


def block(**options: Any) -> Any:
    return moved(TransformerBlock(**{"width": D, "num_heads": 2, "mlp_width": 12, **options}))


def norm(layer: nn.Module, x: Tensor, eps: float) -> Tensor:
    """Written out: (x − mean)/√(variance + ε)·scale + shift, or x/√(mean of squares + ε)·scale."""
    if isinstance(layer, nn.RMSNorm):
        return x / (x.square().mean(-1, keepdim=True) + eps).sqrt() * layer.weight
    assert isinstance(layer, nn.LayerNorm)
    centred = x - x.mean(-1, keepdim=True)
    y: Tensor = centred / (centred.square().mean(-1, keepdim=True) + eps).sqrt() * layer.weight
    shifted: Tensor = y if layer.bias is None else y + layer.bias
    return shifted


def erf_gelu(x: Tensor) -> Tensor:
    return x * (1 + torch.erf(x / math.sqrt(2))) / 2


def tanh_gelu(x: Tensor) -> Tensor:
    return x * (1 + torch.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))) / 2


PHI: dict[str, Callable[[Tensor], Tensor]] = {
    "gelu": erf_gelu,
    "gelu-tanh": tanh_gelu,
    "relu": lambda x: x.clamp(min=0),
    "silu": lambda x: x / (1 + torch.exp(-x)),
}


def by_formula(layer: TransformerBlock, x: Tensor, context: Tensor | None, mask: Tensor, eps: float) -> Tensor:
    form = layer.form

    def mlp(z: Tensor) -> Tensor:
        hidden = PHI[form.activation.removeprefix("gated-")](F.linear(z, layer.expand.weight, layer.expand.bias))
        if form.activation.startswith("gated-"):
            assert layer.gate is not None
            hidden = hidden * F.linear(z, layer.gate.weight, layer.gate.bias)
        return F.linear(hidden, layer.contract.weight, layer.contract.bias)

    def ask(z: Tensor) -> Tensor:
        asked: Tensor = layer.cross_attention(z, context=context)
        return asked

    branches: list[tuple[nn.Module, Callable[[Tensor], Tensor]]] = [
        (layer.attention_norm, lambda z: layer.attention(z, mask=mask)),
        (layer.mlp_norm, mlp),
    ]
    if context is not None:
        branches.insert(1, (layer.cross_norm, ask))
    for this_norm, branch in branches:
        x = x + branch(norm(this_norm, x, eps)) if form.norm_first else norm(this_norm, x + branch(x), eps)
    return x


@pytest.mark.parametrize("norm_first", [True, False])
@pytest.mark.parametrize("kind", ["layer", "rms"])
@pytest.mark.parametrize(
    "activation", ["gelu", "gelu-tanh", "relu", "silu", "gated-gelu", "gated-gelu-tanh", "gated-silu"]
)
@pytest.mark.parametrize("crosses", [True, False])
def test_a_block_is_its_formula(activation: Any, kind: Any, norm_first: bool, crosses: bool) -> None:
    eps = 0.01
    form = BlockForm(norm_first=norm_first, norm=kind, activation=activation, bias=activation != "silu", eps=eps)
    layer = block(form=form, context_width=C if crosses else None)
    assert layer.crosses == crosses
    tokens, context = random(2, N, D), random(2, M, C) if crosses else None
    mask = random(2, 1, N, N) > -1
    mask |= torch.eye(N, dtype=torch.bool)
    found = layer(tokens, mask=mask, context=context)
    torch.testing.assert_close(found, by_formula(layer, tokens, context, mask, eps), **EXACT)


def test_what_a_form_says_of_the_attention() -> None:
    form = BlockForm(query_norm=True, scale=1.0, bias=False, activation="gated-silu")
    layer = block(form=form, context_width=C, num_kv_heads=1, head_width=3, attention_dropout=0.25)
    for attention in (layer.attention, layer.cross_attention):
        assert isinstance(attention, Attention)
        assert attention.scale == 1
        assert attention.query_norm is not None
        assert (attention.num_heads, attention.num_kv_heads, attention.head_width) == (2, 1, 3)
        assert attention.dropout == 0.25
    assert not [name for name, _ in layer.named_parameters() if "bias" in name]
    with_bias = block(context_width=C)
    # an attention of self has two maps and one of a context three; three norms; two layers of the last branch
    assert len([name for name, _ in with_bias.named_parameters() if name.endswith("bias")]) == 2 + 3 + 3 + 2


def test_all_of_a_call_reaches_the_attention() -> None:
    layer, tokens, context = block(context_width=C), random(2, N, D), random(2, M, C)
    bias, context_mask = random(1, 2, N, N), random(2, 1, 1, M) > 0
    context_mask[..., 0] = True
    rotate = RotaryPositions(head_width=4).at(torch.arange(N)[None])
    z = tokens + layer.attention(layer.attention_norm(tokens), bias=bias, causal=True, rotate=rotate)
    u = z + layer.cross_attention(layer.cross_norm(z), context=context, mask=context_mask)
    expected = u + layer.contract(F.gelu(layer.expand(layer.mlp_norm(u))))
    found = layer(tokens, bias=bias, causal=True, rotate=rotate, context=context, context_mask=context_mask)
    torch.testing.assert_close(found, expected, **EXACT)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"norm": "batch"}, "norm"),
        ({"activation": "gated-relu6"}, "activation"),
        ({"activation": "tanh"}, "activation"),
    ],
)
@pytest.mark.usefixtures("as_a_user_calls")
def test_forms_that_there_are_not(options: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigurationError, match=words):
        BlockForm(**options)


@pytest.mark.usefixtures("as_a_user_calls")
def test_a_context_for_a_block_that_asks_none_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="no cross-attention"):
        block()(random(2, N, D), context=random(2, M, D))
    with pytest.raises(ConfigurationError, match="no cross-attention"):
        stack()(random(2, N, D), context=random(2, M, D))


# Stacks


def stack(depth: int = 3, **options: Any) -> Any:
    blocks = {key: options.pop(key) for key in ("context_width", "form", "num_kv_heads") if key in options}

    def build(drop: float) -> TransformerBlock:
        return TransformerBlock(width=D, num_heads=2, mlp_width=12, drop_probability=drop, **blocks)

    return moved(TransformerStack(depth=depth, block=build, **options))


@pytest.mark.parametrize("causal", [False, True])
def test_a_stack_is_its_blocks_in_a_row_and_a_norm(causal: bool) -> None:
    several: tuple[dict[str, Any], ...] = ({}, {"norm": nn.LayerNorm(D)})
    for options in several:
        layer, tokens = stack(**options), random(2, N, D)
        mask, bias = random(2, 1, N, N) > -1, random(1, 2, N, N)
        mask |= torch.eye(N, dtype=torch.bool)
        rotate = RotaryPositions(head_width=4).at(torch.arange(N)[None])
        given: Any = {"mask": mask, "bias": bias, "causal": causal, "rotate": rotate}
        x, expected = tokens, []
        for one in layer.blocks:
            x = one(x, **given)
            expected.append(x)
        layers: list[Tensor] = []
        found = layer(tokens, **given, layers=layers)
        assert len(layers) == 3
        for ours, theirs in zip(layers, expected, strict=True):
            assert torch.equal(ours, theirs)
        assert torch.equal(found, x if layer.norm is None else layer.norm(x))


def test_shared_layers_are_one_block_used_several_times() -> None:
    layer, tokens = stack(depth=4, shared=True), random(2, N, D)
    assert sum(p.numel() for p in layer.parameters()) == sum(p.numel() for p in block().parameters())
    x = tokens
    for _ in range(4):
        x = layer.blocks[0](x, causal=True)
    torch.testing.assert_close(layer(tokens, causal=True), x, **EXACT)
    assert "shared" in repr(layer)
    # its gradient is the sum of those of four blocks of equal weights
    apart = stack(depth=4)
    for one in apart.blocks:
        one.load_state_dict(layer.blocks[0].state_dict())
    for one in (layer, apart):
        one(tokens).square().sum().backward()
    for name, parameter in layer.blocks[0].named_parameters():
        expected = sum(one.get_parameter(name).grad for one in apart.blocks)
        torch.testing.assert_close(parameter.grad, expected, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("shared", [False, True])
def test_cross_attention_to_the_last_or_to_the_same_layer(shared: bool) -> None:
    layer, tokens = stack(context_width=C, shared=shared), random(2, N, D)
    contexts = [random(2, M, C, seed=s) for s in range(3)]
    for given in (contexts[2], contexts, tuple(contexts)):
        x = tokens
        for number in range(3):
            own = given if isinstance(given, Tensor) else given[number]
            x = layer.blocks[0 if shared else number](x, causal=True, context=own)
        torch.testing.assert_close(layer(tokens, causal=True, context=given), x, **EXACT)
    assert (layer(tokens, context=contexts) - layer(tokens, context=contexts[2])).abs().max() > 0.01
    with pytest.raises(ConfigurationError, match="each of the 3 blocks"):
        layer(tokens, context=contexts[:2])


@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize("steps", [[1] * N, [2, 1, 2]], ids=str)
@pytest.mark.parametrize("contexts", ["none", "last", "same"])
def test_cached_token_by_token_is_all_at_once(contexts: str, steps: list[int], shared: bool) -> None:
    form = BlockForm(norm_first=False, norm="rms", activation="gated-silu", query_norm=True)
    crosses = contexts != "none"
    layer = stack(context_width=C if crosses else None, shared=shared, form=form, num_kv_heads=1, norm=nn.RMSNorm(D))
    tokens = random(2, N, D)
    several = [random(2, M, C, seed=s) for s in range(3)]
    context: Any = {"none": None, "last": several[2], "same": several}[contexts]
    present = torch.tensor([[False, True, True, True, True], [True] * N])
    read = torch.tensor([[True, True, False, False], [True] * M])[:, None, None] if crosses else None
    rotary, positions = RotaryPositions(head_width=4), present.cumsum(1) - present.long()

    def step(a: int, b: int, cache: StackCache | None) -> Tensor:
        found: Tensor = layer(
            tokens[:, a:b],
            mask=attention_mask(present[:, :b], num_tokens=b - a, causal=True),
            causal=True,
            rotate=rotary.at(positions[:, a:b]),
            cache=cache,
            context=context if a == 0 else None,
            context_mask=read,
        )
        return found

    cache, parts, start = layer.new_cache(capacity=N, context_capacity=M if crosses else 0), [], 0
    for count in steps:
        parts.append(step(start, start + count, cache))
        start += count
    assert cache.length == N
    torch.testing.assert_close(torch.cat(parts, 1), step(0, N, None), **EXACT)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
@pytest.mark.parametrize("norm_first", [True, False])
def test_the_number_format_is_kept(norm_first: bool, dtype: torch.dtype) -> None:
    layer = stack(context_width=C, form=BlockForm(norm_first=norm_first), norm=nn.LayerNorm(D)).to(dtype)
    tokens, context = random(2, N, D), random(2, M, C)
    layers: list[Tensor] = []
    found = layer(tokens.to(dtype), context=context.to(dtype), causal=True, layers=layers)
    assert {x.dtype for x in (found, *layers)} == {dtype}
    expected = layer.double()(tokens, context=context, causal=True)
    bound = {torch.float64: 1e-12, torch.float32: 1e-5, torch.bfloat16: 0.1}[dtype]
    assert (found.double() - expected).abs().max() < bound * expected.abs().max()


def test_branches_drop_the_more_the_later_and_the_first_never() -> None:
    assert [one.drop.drop_probability for one in stack(depth=5, drop_probability=0.4).blocks] == pytest.approx(
        [0, 0.1, 0.2, 0.3, 0.4]
    )
    assert [one.drop.drop_probability for one in stack(depth=1, drop_probability=0.4).blocks] == [0]
    assert [one.drop.drop_probability for one in stack(depth=5, drop_probability=0.4, shared=True).blocks] == [0.4]


def test_a_stack_of_no_block_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="at least 1 block"):
        stack(depth=0)
