"""Attention, blocks and positions against torch's own modules and ``transformers``, with copied weights."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from sightline.nn.attention import Attention
from sightline.nn.relative_bias import RelativeBias, relative_buckets
from sightline.nn.rotary import RotaryPositions
from sightline.nn.transformer_block import BlockForm, TransformerBlock

EXACT: dict[str, Any] = {"rtol": 1e-12, "atol": 1e-12}
B, N, M, D, H, C = 2, 5, 7, 8, 4, 6


def random(*shape: int) -> Tensor:
    torch.manual_seed(1)
    return torch.randn(shape, dtype=torch.float64)


def moved(module: Any) -> Any:
    torch.manual_seed(0)
    with torch.no_grad():
        for parameter in module.double().parameters():
            parameter.add_(torch.randn_like(parameter), alpha=0.3)
    return module


def copy_attention(ours: Attention, theirs: nn.MultiheadAttention) -> None:
    """Into ours: torch packs queries, keys and values alike, and apart where the context has another width."""
    with torch.no_grad():
        weights = theirs.in_proj_weight
        if weights is None:
            parts = theirs.q_proj_weight, theirs.k_proj_weight, theirs.v_proj_weight
        else:
            parts = weights.chunk(3)
        bias = theirs.in_proj_bias
        if ours.crosses:
            ours.query.weight.copy_(parts[0])
            ours.key_value.weight.copy_(torch.cat(parts[1:]))
            if bias is not None:
                ours.query.bias.copy_(bias[:D])
                ours.key_value.bias.copy_(bias[D:])
        else:
            ours.query_key_value.weight.copy_(torch.cat(parts))
            if bias is not None:
                ours.query_key_value.bias.copy_(bias)
        ours.output.load_state_dict(theirs.out_proj.state_dict())


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("given", ["nothing", "causal", "filling", "mask"])
@pytest.mark.parametrize("width", [None, D, C], ids=["self", "cross", "cross, another width"])
def test_attention_is_that_of_torch(width: int | None, given: str, bias: bool) -> None:
    theirs = moved(nn.MultiheadAttention(D, H, kdim=width, vdim=width, bias=bias, batch_first=True))
    ours = Attention(width=D, num_heads=H, context_width=width, bias=bias).double()
    copy_attention(ours, theirs)
    tokens = random(B, N, D).requires_grad_()
    context = random(B, M, width).requires_grad_() if width else None
    num_keys = M if width else N
    present = torch.ones(B, num_keys, dtype=torch.bool)
    present[0, -2:] = False
    allowed = random(N, num_keys) > -0.5
    allowed[:, 0] = True
    triangle = torch.ones(N, num_keys, dtype=torch.bool).tril(num_keys - N)
    told: dict[str, dict[str, Any]] = {
        "nothing": {},
        "causal": {"attn_mask": ~triangle},
        "filling": {"key_padding_mask": ~present},
        "mask": {"attn_mask": ~allowed},
    }
    own: dict[str, dict[str, Any]] = {
        "nothing": {},
        "causal": {"causal": True},
        "filling": {"mask": present[:, None, None]},
        "mask": {"mask": allowed[None, None]},
    }
    asked = tokens if context is None else context
    expected, weights = theirs(tokens, asked, asked, need_weights=True, average_attn_weights=False, **told[given])
    found = ours(tokens, context=context, **own[given])
    torch.testing.assert_close(found, expected, **EXACT)
    torch.testing.assert_close(ours.weights(tokens, context=context, **own[given]), weights, **EXACT)
    free = [x for x in (tokens, context) if x is not None]
    direction = random(B, N, D)
    for mine, reference in zip(
        torch.autograd.grad((found * direction).sum(), free),
        torch.autograd.grad((expected * direction).sum(), free),
        strict=True,
    ):
        torch.testing.assert_close(mine, reference, **EXACT)


def copy_block(ours: TransformerBlock, theirs: Any) -> None:
    copy_attention(ours.attention, theirs.self_attn)
    norms = [ours.attention_norm, ours.mlp_norm]
    if ours.crosses:
        copy_attention(ours.cross_attention, theirs.multihead_attn)
        norms.insert(1, ours.cross_norm)
    for number, norm in enumerate(norms, 1):
        norm.load_state_dict(getattr(theirs, f"norm{number}").state_dict())
    ours.expand.load_state_dict(theirs.linear1.state_dict())
    ours.contract.load_state_dict(theirs.linear2.state_dict())


@pytest.mark.parametrize("norm_first", [True, False])
@pytest.mark.parametrize("activation", ["relu", "gelu"])
@pytest.mark.parametrize("crosses", [False, True])
def test_a_block_is_that_of_torch(crosses: bool, activation: Any, norm_first: bool) -> None:
    build = nn.TransformerDecoderLayer if crosses else nn.TransformerEncoderLayer
    options: Any = {"activation": activation, "norm_first": norm_first, "layer_norm_eps": 1e-3}
    theirs = moved(build(D, H, 12, dropout=0.0, batch_first=True, **options))
    ours = TransformerBlock(
        width=D,
        num_heads=H,
        mlp_width=12,
        context_width=D if crosses else None,
        form=BlockForm(norm_first=norm_first, activation=activation, eps=1e-3),
    ).double()
    copy_block(ours, theirs)
    tokens, context = random(B, N, D), random(B, M, D)
    mask = torch.ones(N, N, dtype=torch.bool).triu(1)
    if crosses:
        expected = theirs(tokens, context, tgt_mask=mask)
        found = ours(tokens, causal=True, context=context)
    else:
        expected, found = theirs(tokens, src_mask=mask), ours(tokens, causal=True)
    torch.testing.assert_close(found, expected, **EXACT)


def llama(**options: Any) -> Any:
    from transformers import LlamaConfig

    small = {"hidden_size": D, "num_attention_heads": H, "num_key_value_heads": 2, "attn_implementation": "eager"}
    return LlamaConfig(**{**small, **options})


@pytest.mark.parametrize("base", [10_000.0, 500.0])
def test_rotary_positions_are_llamas(base: float) -> None:
    from transformers.models.llama.modeling_llama import LlamaRotaryEmbedding, apply_rotary_pos_emb

    theirs = LlamaRotaryEmbedding(llama(rope_parameters={"rope_type": "default", "rope_theta": base}, head_dim=6))
    positions = torch.tensor([[0, 0, 1, 2, 3], [7, 8, 9, 100, 1000]])
    query, key = random(B, H, N, 6).float(), random(B, 2, N, 6).float() + 1
    expected = apply_rotary_pos_emb(query, key, *theirs(query, positions))
    rotate = RotaryPositions(head_width=6, base=base).at(positions)
    for ours, reference in zip((rotate(query), rotate(key)), expected, strict=True):
        # angles up to 1000 in float32 are known to 3e-5
        torch.testing.assert_close(ours, reference, rtol=2e-4, atol=2e-4)
        torch.testing.assert_close(ours[0], reference[0], rtol=1e-6, atol=1e-6)


def test_grouped_attention_with_rotary_positions_is_llamas() -> None:
    from transformers.models.llama.modeling_llama import LlamaAttention, LlamaRotaryEmbedding

    theirs = moved(LlamaAttention(llama(head_dim=6), layer_idx=0))
    ours = Attention(width=D, num_heads=H, num_kv_heads=2, head_width=6, bias=False).double()
    with torch.no_grad():
        packed = [theirs.q_proj.weight, theirs.k_proj.weight, theirs.v_proj.weight]
        ours.query_key_value.weight.copy_(torch.cat(packed))
        ours.output.weight.copy_(theirs.o_proj.weight)
    tokens, positions = random(B, N, D), torch.tensor([[0, 1, 2, 3, 4], [0, 0, 0, 1, 2]])
    hidden = torch.zeros(N, N, dtype=torch.float64).masked_fill(torch.ones(N, N).triu(1).bool(), -torch.inf)
    places = LlamaRotaryEmbedding(llama(head_dim=6))(tokens, positions)
    expected, weights = theirs(tokens, position_embeddings=places, attention_mask=hidden[None, None])
    rotate = RotaryPositions(head_width=6).at(positions)
    # their angles are in float32
    found = ours(tokens, causal=True, rotate=rotate)
    torch.testing.assert_close(found, expected, rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(ours.weights(tokens, causal=True, rotate=rotate), weights, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("bidirectional", [True, False])
@pytest.mark.parametrize(("num_buckets", "max_distance"), [(32, 128), (16, 20), (32, 64), (8, 100)])
def test_relative_buckets_are_those_of_t5(num_buckets: int, max_distance: int, bidirectional: bool) -> None:
    from transformers.models.t5.modeling_t5 import T5Attention

    options: Any = {"num_buckets": num_buckets, "max_distance": max_distance, "bidirectional": bidirectional}
    distance = torch.arange(-700, 701)
    theirs: Any = T5Attention
    expected = theirs._relative_position_bucket(distance, **options)
    assert torch.equal(relative_buckets(distance, **options), expected)


@pytest.mark.parametrize("decoder", [False, True])
def test_attention_with_a_relative_bias_is_t5s(decoder: bool) -> None:
    from transformers import T5Config
    from transformers.models.t5.modeling_t5 import T5Attention

    config = T5Config(d_model=D, d_kv=3, num_heads=H, dropout_rate=0.0, relative_attention_num_buckets=8)
    config.is_decoder = decoder
    theirs = moved(T5Attention(config, has_relative_attention_bias=True, layer_idx=0)).eval()
    ours = Attention(width=D, num_heads=H, head_width=3, bias=False, scale=1.0).double()
    relative = RelativeBias(num_heads=H, num_buckets=8, bidirectional=not decoder).double()
    with torch.no_grad():
        ours.query_key_value.weight.copy_(torch.cat([theirs.q.weight, theirs.k.weight, theirs.v.weight]))
        ours.output.weight.copy_(theirs.o.weight)
        relative.weight.copy_(theirs.relative_attention_bias.weight)
    for new, offset in ((3, 0), (1, 40), (4, 9)):
        expected = theirs.compute_bias(new, new + offset, past_seen_tokens=offset)
        assert torch.equal(relative(new, new + offset, offset), expected)
    tokens = random(B, N, D)
    later = torch.ones(N, N, dtype=torch.bool).triu(1)
    mask = torch.zeros(1, 1, N, N, dtype=torch.float64).masked_fill(later, -torch.inf) if decoder else None
    expected = theirs(tokens, mask=mask)[0]
    torch.testing.assert_close(ours(tokens, bias=relative(N, N), causal=decoder), expected, rtol=1e-6, atol=1e-6)
