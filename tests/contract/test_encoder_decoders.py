"""T5, BART and the transformer of 2017: first weights, filling, caches, shared layers, bad input."""

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sightline.core.errors import ConfigurationError, DataError, InputError
from sightline.core.schema import Schema, TextSchema
from sightline.models.bart import BART, bart, bart_base, bart_large
from sightline.models.encoder_decoder import EncoderDecoder
from sightline.models.pretrained import from_pretrained
from sightline.models.t5 import T5, t5, t5_base, t5_large, t5_small, t5_v1_1_base, t5_v1_1_large, t5_v1_1_small
from sightline.models.transformer import Transformer, transformer, transformer_base, transformer_big
from sightline.nn.attention import Attention
from sightline.nn.context_mask import context_mask
from sightline.nn.transformer_block import TransformerBlock

SMALL = {"vocabulary_size": 11, "start_token": 1, "depth": 2, "width": 8, "num_heads": 2, "dropout": 0.0}
KINDS: dict[str, Callable[..., EncoderDecoder]] = {
    "t5": lambda **changes: T5(**{**SMALL, "head_width": 3, **changes}),
    "t5 v1.1": lambda **changes: T5(**{**SMALL, "version": "1.1", **changes}),
    "bart": lambda **changes: BART(**{**SMALL, "context_length": 12, **changes}),
    "transformer": lambda **changes: Transformer(**{**SMALL, **changes}),
}
every_kind = pytest.mark.parametrize("kind", KINDS)
either_layer = pytest.mark.parametrize("cross", ["last", "same"])


def make(kind: str, seed: int = 0, **changes: Any) -> EncoderDecoder:
    """A network with random weights everywhere, in evaluation mode, in float64."""
    torch.manual_seed(seed)
    model = KINDS[kind](**changes).double().eval()
    with torch.no_grad():
        for name, value in {**dict(model.named_parameters()), **dict(model.named_buffers())}.items():
            value.copy_(torch.randn_like(value) * 0.4 + float("norm.weight" in name))
    return model


def texts(batch: int = 3, num_tokens: int = 6, seed: int = 0) -> Tensor:
    return torch.randint(2, 11, (batch, num_tokens), generator=torch.Generator().manual_seed(seed))


def close(found: Tensor, expected: Tensor) -> None:
    torch.testing.assert_close(found, expected, rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize(
    ("build", "parameters"),
    [
        (t5_small, 60_506_624),
        (t5_base, 222_903_552),
        pytest.param(t5_large, 737_668_096, marks=pytest.mark.slow),
        (t5_v1_1_small, 76_961_152),
        (t5_v1_1_base, 247_577_856),
        pytest.param(t5_v1_1_large, 783_150_080, marks=pytest.mark.slow),
        (bart_base, 139_420_416 - 2 * 2 * 768),  # two rows of each side's positions that no token is at
        pytest.param(bart_large, 406_291_456 - 2 * 2 * 1024, marks=pytest.mark.slow),
        (transformer_base, 63_082_496),
        (transformer_big, 214_245_376),
    ],
)
def test_published_numbers_of_parameters(build: Any, parameters: int) -> None:
    with torch.device("meta"):
        model = build()
    assert sum(p.numel() for p in model.parameters()) == parameters


def spread(weight: Tensor) -> float:
    """The deviation of numbers whose mean is 0 to 5 standard errors."""
    assert abs(weight.mean().item()) < 5 * weight.std().item() / weight.numel() ** 0.5
    return weight.std().item()


def last_cross(model: EncoderDecoder) -> Attention:
    """The attention that the decoder's last block asks the context with."""
    block = model.decoder.blocks[-1]
    assert isinstance(block, TransformerBlock)
    return block.cross_attention


@pytest.mark.parametrize("version", ["1.0", "1.1"])
def test_first_weights_of_t5(version: Any) -> None:
    torch.manual_seed(0)
    sizes = {"vocabulary_size": 400, "depth": 1, "width": 64, "num_heads": 4, "head_width": 8, "mlp_width": 96}
    model = T5(**{**sizes, "version": version})
    assert spread(model.embedding.weight) == pytest.approx(1, rel=0.03)
    for block in (model.encoder.blocks[0], model.decoder.blocks[0]):
        assert isinstance(block, TransformerBlock)
        query, key, value = block.attention.query_key_value.weight.chunk(3)
        assert spread(query) == pytest.approx((64 * 8) ** -0.5, rel=0.06)
        assert spread(key) == pytest.approx(64**-0.5, rel=0.06)
        assert spread(value) == pytest.approx(64**-0.5, rel=0.06)
        assert spread(block.attention.output.weight) == pytest.approx(32**-0.5, rel=0.06)
        assert spread(block.expand.weight) == pytest.approx(64**-0.5, rel=0.06)
        assert spread(block.contract.weight) == pytest.approx(96**-0.5, rel=0.06)
        assert (block.gate is None) == (version == "1.0")
        if block.gate is not None:
            assert spread(block.gate.weight) == pytest.approx(64**-0.5, rel=0.06)
    cross = last_cross(model)
    assert spread(cross.query.weight) == pytest.approx((64 * 8) ** -0.5, rel=0.06)
    assert spread(cross.key_value.weight) == pytest.approx(64**-0.5, rel=0.06)
    assert spread(cross.output.weight) == pytest.approx(32**-0.5, rel=0.06)
    for bias in (model.encoder_bias, model.decoder_bias):
        assert spread(bias.weight) == pytest.approx(64**-0.5, rel=0.25)
    assert (model.head.weight is model.embedding.weight) == (version == "1.0")
    if version == "1.1":
        assert isinstance(model.head.weight, Tensor)
        assert spread(model.head.weight) == pytest.approx(64**-0.5, rel=0.03)
    logits = model.eval()(texts(9), decoder_tokens=texts(9, seed=1))
    assert 0.5 < logits.std().item() < 2
    assert not any(name.endswith("bias") for name, _ in model.named_parameters())


def test_first_weights_of_bart() -> None:
    torch.manual_seed(0)
    model = BART(vocabulary_size=400, context_length=99, depth=1, width=64, num_heads=4)
    matrices = [p for p in model.parameters() if p.ndim == 2]
    assert len(matrices) == 3 + 4 + 7
    for weight in matrices:
        assert spread(weight) == pytest.approx(0.02, rel=0.06)
    layers = [m for m in model.modules() if isinstance(m, nn.Linear)]
    assert len(layers) == 12
    assert all(layer.bias is not None and not layer.bias.any() for layer in layers)
    assert "head.bias" not in dict(model.named_parameters())
    assert "head.bias" in model.state_dict()


def test_first_weights_of_the_transformer() -> None:
    torch.manual_seed(0)
    model = Transformer(vocabulary_size=400, start_token=0, depth=1, width=64, num_heads=4, mlp_width=96)
    assert spread(model.embedding.weight) == pytest.approx(1 / 8, rel=0.03)
    for block in (model.encoder.blocks[0], model.decoder.blocks[0]):
        assert isinstance(block, TransformerBlock)
        for weight in (*block.attention.query_key_value.weight.chunk(3), block.attention.output.weight):
            assert spread(weight) == pytest.approx((2 / 128) ** 0.5, rel=0.06)
            assert weight.abs().max().item() == pytest.approx((6 / 128) ** 0.5, rel=0.01)
        for layer in (block.expand, block.contract):
            assert spread(layer.weight) == pytest.approx((2 / 160) ** 0.5, rel=0.06)
            assert not layer.bias.any()
    cross = last_cross(model)
    for weight in (cross.query.weight, *cross.key_value.weight.chunk(2)):
        assert weight.abs().max().item() == pytest.approx((6 / 128) ** 0.5, rel=0.01)
    assert not cross.key_value.bias.any()
    assert model.head.weight is model.embedding.weight


@every_kind
@pytest.mark.parametrize(("cross", "shared"), [("last", False), ("same", True)])
def test_finite_and_a_gradient_for_every_parameter(kind: str, cross: Any, shared: bool) -> None:
    torch.manual_seed(0)
    model = KINDS[kind](cross=cross, shared=shared, dropout=0.1)
    tokens, written = texts(4), texts(4, 5, seed=1)
    present = torch.arange(6) < torch.tensor([[6], [4], [1], [6]])
    logits = model(tokens, decoder_tokens=written, present=present)
    assert logits.shape == (4, 5, 11)
    F.cross_entropy(logits.flatten(0, 1), texts(4, 5, seed=2).flatten()).backward()
    parameters = dict(model.named_parameters())
    assert len(parameters) > 15
    for name, parameter in parameters.items():
        assert parameter.grad is not None, name
        assert torch.isfinite(parameter.grad).all(), name
        assert parameter.grad.any(), name


@every_kind
def test_formats(kind: str) -> None:
    torch.manual_seed(0)
    model = KINDS[kind]().eval()
    tokens, written = texts(), texts(3, 5, seed=1)
    present = torch.arange(6) < torch.tensor([[6], [4], [1]])
    expected = model(tokens, decoder_tokens=written, present=present)
    assert model(tokens[:0], decoder_tokens=written[:0]).shape == (0, 5, 11)
    assert model(tokens[:0], decoder_tokens=written[:0], present=present[:0]).shape == (0, 5, 11)
    assert torch.equal(model(tokens.int(), decoder_tokens=written.int(), present=present), expected)
    wide = model.double()(tokens, decoder_tokens=written, present=present)
    assert wide.dtype == torch.float64
    torch.testing.assert_close(wide.float(), expected, rtol=1e-4, atol=1e-4)
    half = model.to(torch.bfloat16)(tokens, decoder_tokens=written, present=present)
    assert half.dtype == torch.bfloat16
    torch.testing.assert_close(half.float(), expected, rtol=0.1, atol=0.1)
    with torch.autocast("cpu", torch.bfloat16):
        mixed = model.float()(tokens, decoder_tokens=written, present=present)
    torch.testing.assert_close(mixed.float(), expected, rtol=0.1, atol=0.1)


@every_kind
def test_saved_loaded_and_copied(kind: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = KINDS[kind](depth=[1, 2], shared=True).eval()
    tokens, written = texts(), texts(3, 5, seed=1)
    expected = model(tokens, decoder_tokens=written)
    model.save_pretrained(tmp_path)
    again: Any = type(model)
    copies: list[Any] = [again.from_pretrained(tmp_path), from_pretrained(tmp_path), copy.deepcopy(model)]
    for copied in copies:
        assert torch.equal(copied(tokens, decoder_tokens=written), expected)
        assert (copied.head.weight is copied.embedding.weight) == (kind != "t5 v1.1")
        assert copied.start_token == 1
    other = KINDS[kind](depth=[1, 2], shared=True).eval()
    other.load_state_dict(model.state_dict())
    assert torch.equal(other(tokens, decoder_tokens=written), expected)


@every_kind
def test_the_seed_decides_and_dropout_acts_in_training_only(kind: str) -> None:
    tokens, written = texts(), texts(3, 5, seed=1)
    models = []
    for seed in (0, 0, 1):
        torch.manual_seed(seed)
        models.append(KINDS[kind](dropout=0.3))
    first, again, other = (dict(model.named_parameters()) for model in models)
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not torch.equal(first["embedding.weight"], other["embedding.weight"])
    model = models[0]
    assert not torch.equal(model(tokens, decoder_tokens=written), model(tokens, decoder_tokens=written))
    model.eval()
    assert torch.equal(model(tokens, decoder_tokens=written), model(tokens, decoder_tokens=written))


def test_where_dropout_is() -> None:
    """On embeddings, branches and T5's last norms; on hidden layers and weights, but not in the transformer."""
    for kind, ends in (("t5", 2), ("bart", 0), ("transformer", 0)):
        model = KINDS[kind](dropout=0.3)
        assert isinstance(model.dropout, nn.Dropout)
        seen: list[Tensor] = []
        model.dropout.register_forward_hook(lambda _, given, out, seen=seen: seen.append(out))
        model(texts(), decoder_tokens=texts(3, 5, seed=1))
        assert len(seen) == 2 + ends
        blocks = [block for block in model.modules() if isinstance(block, TransformerBlock)]
        inside = 0.0 if kind == "transformer" else 0.3
        assert {block.dropout.p for block in blocks} == {0.3}
        assert {block.hidden_dropout.p for block in blocks} == {inside}
        assert {layer.dropout for layer in model.modules() if isinstance(layer, Attention)} == {inside}


@every_kind
@either_layer
def test_equals_blocks_written_one_after_the_other(kind: str, cross: Any) -> None:
    """Each block of the decoder asks the last layer, or that of its number, normalised as the last one is."""
    model = make(kind, cross=cross, depth=3)
    tokens, written = texts(), texts(3, 5, seed=1)
    places = [torch.arange(n)[None] for n in (6, 5)]
    read, wrote = model.embed(tokens, places[0], decoding=False), model.embed(written, places[1], decoding=True)
    norms = [stack.norm if stack.norm is not None else nn.Identity() for stack in (model.encoder, model.decoder)]
    asked = []
    for block in model.encoder.blocks:
        read = block(read, bias=model.score_bias(6, 6, decoding=False))
        asked.append(norms[0](read))
    states = [wrote]
    for number, block in enumerate(model.decoder.blocks):
        context = asked[number if cross == "same" else -1]
        wrote = block(wrote, bias=model.score_bias(5, 5, decoding=True), causal=True, context=context)
        states.append(wrote)
    seen = norms[1](wrote) * (8**-0.5 if kind == "t5" else 1)
    close(model.features(tokens, decoder_tokens=written), seen)
    close(model(tokens, decoder_tokens=written), model.head(seen))
    found = model.hidden_states(tokens, decoder_tokens=written)
    for layer, state in zip(found, [*states[:-1], seen], strict=True):
        close(layer, state)
    encoded = model.encode(tokens)
    close(encoded, torch.stack(asked, 1) if cross == "same" else asked[-1])
    close(model.hidden_states(tokens)[-1], asked[-1])
    close(model(tokens, decoder_tokens=written, encoded=encoded), model.head(seen))


@pytest.mark.parametrize("filled", [False, True])
def test_the_causal_mask_is_put_into_the_bias_once(filled: bool) -> None:
    """All blocks of T5's decoder are given the same numbers, and none makes a triangle of its own."""
    model, seen = make("t5", depth=3), []
    for block in model.decoder.blocks:
        block.register_forward_pre_hook(lambda _, args, given: seen.append(given), with_kwargs=True)
    present = torch.arange(5) < torch.tensor([[5], [3], [4]]) if filled else None
    model(texts(), decoder_tokens=texts(3, 5, seed=1), decoder_present=present)
    assert len(seen) == 3
    for given in seen:
        assert given["bias"] is seen[0]["bias"]
        assert (given["mask"], given["causal"]) == (None, False)
    later = torch.ones(5, 5).triu(1).bool()
    assert torch.isneginf(seen[0]["bias"][..., later]).all()
    assert seen[0]["bias"][0, :, ~later].isfinite().all()


def test_the_embeddings() -> None:
    tokens, where = texts(), torch.arange(6)[None]
    model = make("transformer")
    frequencies = 10_000 ** (-torch.arange(0, 8, 2) / 8).double()
    angles = torch.arange(6)[:, None] * frequencies
    sinusoids = torch.stack([angles.sin(), angles.cos()], 2).flatten(1)
    close(model.embed(tokens, where, decoding=True), model.embedding(tokens) * 8**0.5 + sinusoids)
    assert torch.equal(model.embed(tokens, where, decoding=True), model.embed(tokens, where, decoding=False))
    model = make("t5")
    assert torch.equal(model.embed(tokens, where + 3, decoding=True), model.embedding(tokens))


def test_the_transformer_equals_torchs() -> None:
    model = make("transformer", depth=[2, 3])
    sizes: Any = {"d_model": 8, "nhead": 2, "dim_feedforward": 32, "dropout": 0, "batch_first": True}
    read: Any = nn.TransformerEncoder(nn.TransformerEncoderLayer(**sizes), 2, enable_nested_tensor=False)
    write: Any = nn.TransformerDecoder(nn.TransformerDecoderLayer(**sizes), 3)
    read, write = read.double().eval(), write.double().eval()
    with torch.no_grad():
        for stack, theirs in ((model.encoder, read), (model.decoder, write)):
            for block, layer in zip(stack.blocks, theirs.layers, strict=True):
                _copy_block(block, layer)
    for layer in (*read.layers, *write.layers):
        for norm in (m for m in layer.modules() if isinstance(m, nn.LayerNorm)):
            norm.eps = 1e-6
    tokens, written = texts(), texts(3, 5, seed=1)
    present = torch.arange(6) < torch.tensor([[6], [4], [1]])
    context = read(model.embed(tokens, torch.arange(6)[None], decoding=False), src_key_padding_mask=~present)
    triangle = torch.ones(5, 5, dtype=torch.bool).triu(1)
    target = model.embed(written, torch.arange(5)[None], decoding=True)
    expected = write(target, context, tgt_mask=triangle, memory_key_padding_mask=~present)
    close(model.features(tokens, decoder_tokens=written, present=present), expected)
    close(model(tokens, decoder_tokens=written, present=present), expected @ model.embedding.weight.T)


def _copy_block(block: Any, layer: Any) -> None:
    layer.self_attn.in_proj_weight.copy_(block.attention.query_key_value.weight)
    layer.self_attn.in_proj_bias.copy_(block.attention.query_key_value.bias)
    norms = ["attention_norm", "mlp_norm"]
    pairs = [(layer.self_attn.out_proj, block.attention.output), (layer.linear1, block.expand)]
    pairs += [(layer.linear2, block.contract)]
    if block.crosses:
        norms.insert(1, "cross_norm")
        cross = block.cross_attention
        layer.multihead_attn.in_proj_weight.copy_(torch.cat([cross.query.weight, cross.key_value.weight]))
        layer.multihead_attn.in_proj_bias.copy_(torch.cat([cross.query.bias, cross.key_value.bias]))
        pairs += [(layer.multihead_attn.out_proj, cross.output)]
    pairs += [(getattr(layer, f"norm{number}"), getattr(block, name)) for number, name in enumerate(norms, 1)]
    for theirs, ours in pairs:
        theirs.load_state_dict(ours.state_dict())


@every_kind
@pytest.mark.parametrize(("cross", "left"), [("last", True), ("same", False)])
def test_filling_changes_nothing(kind: str, cross: Any, left: bool) -> None:
    """On both sides, before the text or after it: every text as if it stood alone."""
    model = make(kind, cross=cross)
    tokens, written = texts(), texts(3, 5, seed=1)
    lengths, written_lengths = [6, 4, 1], [5, 1, 3]
    present, decoder_present = (
        torch.arange(n) < torch.tensor(each)[:, None] for n, each in ((6, lengths), (5, written_lengths))
    )
    if left:
        present, decoder_present = present.flip(1), decoder_present.flip(1)
    found = model(tokens, decoder_tokens=written, present=present, decoder_present=decoder_present)
    assert torch.isfinite(found).all()
    changed = torch.where(present, tokens, 3), torch.where(decoder_present, written, 4)
    close(
        model(changed[0], decoder_tokens=changed[1], present=present, decoder_present=decoder_present)[decoder_present],
        found[decoder_present],
    )
    for row in range(3):
        alone = model(tokens[row][present[row]][None], decoder_tokens=written[row][decoder_present[row]][None])
        close(found[row][decoder_present[row]], alone[0])


@every_kind
def test_a_text_of_filling_alone_stays_finite(kind: str) -> None:
    model = make(kind)
    present = torch.tensor([[True, True, False], [False, False, False]])
    written = texts(2, 4, seed=1)
    logits = model(texts(2, 3), decoder_tokens=written, present=present)
    close(logits[:1], model(texts(2, 3)[:1, :2], decoder_tokens=written[:1]))
    logits.sum().backward()
    assert torch.isfinite(logits).all()
    assert all(p.grad is None or torch.isfinite(p.grad).all() for p in model.parameters())


def test_the_mask_of_a_context() -> None:
    """Filling is not asked, but a text of nothing else is: a softmax over nothing would be no number."""
    present = torch.tensor([[True, False], [False, False]])
    mask = context_mask(present, batch=2, num_context=2)
    assert mask is not None
    assert mask.tolist() == [[[[True, False]]], [[[True, True]]]]
    assert context_mask(torch.ones(2, 2, dtype=torch.bool), batch=2, num_context=2) is None
    assert context_mask(None, batch=2, num_context=2) is None
    attention = Attention(width=4, num_heads=2, context_width=4)
    tokens = torch.randn(2, 2, 4)
    assert torch.isfinite(attention.weights(tokens, context=tokens, mask=mask)).all()


@every_kind
def test_no_token_sees_a_later_one_and_every_one_sees_the_whole_source(kind: str) -> None:
    model = make(kind)
    tokens, written = texts(), texts(3, 5, seed=1)
    expected = model(tokens, decoder_tokens=written)
    later = written.clone()
    later[:, 3] = (later[:, 3] - 1) % 9 + 2
    found = model(tokens, decoder_tokens=later)
    assert torch.equal(found[:, :3], expected[:, :3])
    assert ((found - expected)[:, 3:].abs().amax(2) > 1e-4).all()
    other = tokens.clone()
    other[:, -1] = (other[:, -1] - 1) % 9 + 2
    assert ((model(other, decoder_tokens=written) - expected).abs().amax(2) > 1e-4).all()


@every_kind
@either_layer
def test_a_cache_gives_the_same_scores(kind: str, cross: Any) -> None:
    """Token by token and in pieces, with filling on both sides; rows may change places, as beams do."""
    model = make(kind, cross=cross, shared=cross == "same")
    tokens, written = texts(), texts(3, 7, seed=1)
    present = torch.arange(6) < torch.tensor([[6], [4], [1]])
    decoder_present = torch.arange(7) >= torch.tensor([[0], [1], [2]])
    full = model(tokens, decoder_tokens=written, present=present, decoder_present=decoder_present)
    encoded, cache = model.encode(tokens, present), model.new_cache(7)
    found = []
    for start, end in ((0, 3), (3, 4), (4, 5), (5, 7)):
        found.append(
            model(
                tokens,
                decoder_tokens=written[:, start:end],
                present=present,
                decoder_present=decoder_present[:, :end],
                cache=cache,
                encoded=encoded,
            )
        )
        assert cache.length == end
    found_all = torch.cat(found, 1)
    close(found_all[decoder_present], full[decoder_present])
    rows = torch.tensor([2, 0, 0, 1])
    cache, plain = model.new_cache(4), written[:, :4]
    model(tokens, decoder_tokens=plain[:, :3], present=present, cache=cache)
    cache.select(rows)
    moved = model(tokens[rows], decoder_tokens=plain[rows, 3:], present=present[rows], cache=cache)
    close(moved, model(tokens[rows], decoder_tokens=plain[rows], present=present[rows])[:, 3:])


@every_kind
def test_the_source_is_read_once(kind: str) -> None:
    model = make(kind)
    calls: list[str] = []
    model.encoder.register_forward_hook(lambda *_: calls.append("encoder"))
    for block in model.decoder.blocks:
        assert isinstance(block, TransformerBlock)
        block.cross_attention.key_value.register_forward_hook(lambda *_: calls.append("keys"))
    cache = model.new_cache(5)
    for number in range(4):
        model(texts(), decoder_tokens=texts(3, 1, seed=number), cache=cache)
    assert calls == ["encoder", "keys", "keys"]
    encoded = model.encode(texts())
    calls.clear()
    cache = model.new_cache(5)
    for number in range(4):
        model(texts(), decoder_tokens=texts(3, 1, seed=number), cache=cache, encoded=encoded)
    assert calls == ["keys", "keys"]


@every_kind
def test_a_cache_that_was_too_small_is_as_empty_as_before(kind: str) -> None:
    model = make(kind)
    cache, written = model.new_cache(4), texts(3, 5, seed=1)
    with pytest.raises(InputError, match="at most 4 tokens"):
        model(texts(), decoder_tokens=written, cache=cache)
    close(model(texts(), decoder_tokens=written[:, :4], cache=cache), model(texts(), decoder_tokens=written[:, :4]))


@every_kind
def test_selected_tokens_alone_go_through_the_head(kind: str) -> None:
    model = make(kind)
    written = texts(3, 5, seed=1)
    select = torch.rand(3, 5, generator=torch.Generator().manual_seed(0)) < 0.5
    full = model(texts(), decoder_tokens=written)
    seen: list[int] = []
    model.head.register_forward_pre_hook(lambda _, given: seen.append(given[0].numel() // 8))
    found = model(texts(), decoder_tokens=written, select=select)
    assert seen == [int(select.sum())]
    close(found, full[select])


@every_kind
def test_shared_layers_are_one_block_used_again(kind: str) -> None:
    shared = make(kind, shared=True, depth=3, cross="same")
    assert len(shared.encoder.blocks) == len(shared.decoder.blocks) == 1
    assert sum(isinstance(m, TransformerBlock) for m in shared.modules()) == 2
    apart = make(kind, seed=1, depth=3, cross="same")
    weights = dict(shared.state_dict())
    for name, weight in shared.state_dict().items():
        if ".blocks.0." in name:
            weights |= {name.replace(".blocks.0.", f".blocks.{number}."): weight for number in (1, 2)}
    apart.load_state_dict(weights)
    tokens, written = texts(), texts(3, 5, seed=1)
    close(shared(tokens, decoder_tokens=written), apart(tokens, decoder_tokens=written))


@pytest.mark.slow
@every_kind
@pytest.mark.usefixtures("as_a_user_calls")
def test_can_be_exported_for_any_number_of_texts_and_tokens(kind: str) -> None:
    model = make(kind)
    batch, read, written = (torch.export.Dim(name, min=2, max=12) for name in ("batch", "read", "written"))
    shapes = {"tokens": {0: batch, 1: read}, "decoder_tokens": {0: batch, 1: written}}
    options = {"decoder_tokens": texts(3, 5)}
    program = torch.export.export(model, (texts(),), options, dynamic_shapes=shapes).module()
    for size in ((2, 9, 4), (4, 3, 7)):
        tokens, decoder_tokens = texts(size[0], size[1]), texts(size[0], size[2], seed=1)
        close(program(tokens, decoder_tokens=decoder_tokens), model(tokens, decoder_tokens=decoder_tokens))


@pytest.mark.usefixtures("as_a_user_calls")  # the checks of shapes would take most of the time
@every_kind
def test_a_few_pairs_are_learned_by_heart(kind: str) -> None:
    torch.manual_seed(0)
    model = KINDS[kind](width=16, depth=1)
    tokens, target = texts(6, 4), texts(6, 4, seed=1)
    written = torch.cat([torch.ones(6, 1).long(), target[:, :-1]], 1)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.02)
    losses: list[float] = []
    for _ in range(25):
        loss = F.cross_entropy(model(tokens, decoder_tokens=written).flatten(0, 1), target.flatten())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[0] > 1.5
    assert losses[-1] < losses[0] / 3


TEXT = TextSchema(vocabulary_size=30, length=16, target_length=20, pad=0, begin=2, end=3)
PAIRS = Schema("text", "sequence", (16,), text=TEXT)
BOOK = Schema("text", "language", (16,), text=TEXT)


@pytest.mark.parametrize(("build", "kind", "start"), [(t5, T5, 0), (bart, BART, 3), (transformer, Transformer, 2)])
def test_builders(build: Any, kind: Any, start: int) -> None:
    for schema in (PAIRS, BOOK):
        model = build(schema, depth=1, num_heads=2, width=8, dropout=0.2, cross="same", shared=True, seed=0)
        assert isinstance(model, kind)
        assert (model.start_token, model.vocabulary_size, model.text_task) == (start, 30, "encoder-decoder")
        assert (model.cross, model.encoder.depth, model.decoder.depth, model.width) == ("same", 1, 1, 8)
        assert model.encoder.shared
        assert model.decoder.shared
        assert model.dropout.p == 0.2
        assert model.choice is not None
        assert model.choice.name == build.__name__
        assert model.arguments_for("sequence", None) == {}
        written = torch.zeros(2, 20, dtype=torch.int64)
        assert model(torch.zeros(2, 16, dtype=torch.int64), decoder_tokens=written).shape == (2, 20, 30)


@pytest.mark.parametrize("build", [t5, bart, transformer])
def test_data_that_no_text_is_written_for_are_refused(build: Any) -> None:
    told = Schema("text", "classification", (16,), classes=("a", "b"), text=TEXT)
    image = Schema("image", "classification", (3, 8, 8), classes=("a", "b"))
    for schema in (told, image):
        with pytest.raises(DataError, match=build.__name__):
            build(schema)
    without = Schema("text", "language", (16,), text=TextSchema(vocabulary_size=30, length=16))
    with pytest.raises(DataError, match="to start a text with"):
        build(without)
    with pytest.raises(ConfigurationError, match="cross"):
        build(PAIRS, cross="first")
    with pytest.raises(ConfigurationError, match="classification"):
        build(PAIRS, depth=1, width=8, num_heads=2).arguments_for("classification", 3)


@every_kind
@pytest.mark.usefixtures("as_a_user_calls")
def test_what_is_no_text_is_refused(kind: str) -> None:
    model = make(kind)
    tokens, written = texts(), texts(3, 5, seed=1)
    present = torch.ones(3, 6, dtype=torch.bool)
    present[0, 5] = False
    with pytest.raises(InputError, match="decoder_tokens"):
        model(tokens)
    with pytest.raises(InputError, match="token 11"):
        model(tokens.masked_fill(tokens == tokens.max(), 11), decoder_tokens=written)
    with pytest.raises(InputError, match="token -2"):
        model(tokens, decoder_tokens=written - 4)
    with pytest.raises(InputError, match="at least 1 in a text"):
        model(tokens, decoder_tokens=written[:, :0])
    with pytest.raises(InputError, match=r"torch\.int64"):
        model(tokens.float(), decoder_tokens=written)
    with pytest.raises(InputError, match="present of shape"):
        model(tokens, decoder_tokens=written, present=present[:, :5])
    with pytest.raises(InputError, match="present of shape"):
        model(tokens, decoder_tokens=written, decoder_present=present)
    with pytest.raises(InputError, match=r"encoded of shape \(3, tokens, 8\)"):
        model(tokens[:1], decoder_tokens=written)
    with pytest.raises(InputError, match=r"shape \(3, 2, 6, 8\)"):
        model(tokens, decoder_tokens=written, encoded=torch.zeros(3, 2, 6, 8).double())
    with pytest.raises(InputError, match="present of shape"):
        model(tokens, decoder_tokens=written, encoded=model.encode(tokens), present=present[:1])
    with pytest.raises(InputError, match="select of shape"):
        model(tokens, decoder_tokens=written, select=present)
    same = make(kind, cross="same")
    with pytest.raises(InputError, match=r"encoded of shape \(3, 2, tokens, 8\)"):
        same(tokens, decoder_tokens=written, encoded=torch.zeros(3, 3, 6, 8).double())


@pytest.mark.usefixtures("as_a_user_calls")
def test_barts_positions_end() -> None:
    model = make("bart")
    assert model.context_length == 12
    assert model(texts(3, 12), decoder_tokens=texts(3, 12)).shape == (3, 12, 11)
    with pytest.raises(InputError, match="at most 12 tokens, the context length of this BART"):
        model(texts(3, 13), decoder_tokens=texts(3, 12))
    with pytest.raises(InputError, match="at most 12 tokens"):
        model(texts(3, 12), decoder_tokens=texts(3, 13))
    cache = model.new_cache(20)
    model(texts(3, 12), decoder_tokens=texts(3, 12), cache=cache)
    with pytest.raises(InputError, match="13 tokens, 12 of them in the cache"):
        model(texts(3, 12), decoder_tokens=texts(3, 1), cache=cache)
    for kind in ("t5", "transformer"):
        assert make(kind).context_length is None
        assert make(kind)(texts(1, 200), decoder_tokens=texts(1, 200)).shape == (1, 200, 11)


@every_kind
@pytest.mark.usefixtures("as_a_user_calls")
def test_sizes_that_make_no_network_are_refused(kind: str) -> None:
    for changes, match in (
        ({"start_token": 11}, "start_token = 11"),
        ({"start_token": -1}, "start_token = -1"),
        ({"cross": "first"}, "cross"),
        ({"cross": "same", "depth": [2, 3]}, "2 and 3"),
        ({"depth": [1, 2, 3]}, "encoder's and the decoder's"),
        ({"depth": 0}, "depth of at least 1"),
        ({"num_heads": 3, "head_width": None} if kind == "t5" else {"num_heads": 3}, "heads"),
        ({"dropout": 1.0}, "dropout"),
        ({"vocabulary_size": 0}, "vocabulary_size"),
    ):
        with pytest.raises(ConfigurationError, match=match):
            KINDS[kind](**changes)
    with pytest.raises(ConfigurationError, match="version"):
        KINDS["t5"](version="2.0")
