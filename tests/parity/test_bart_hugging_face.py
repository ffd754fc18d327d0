"""BART against ``transformers``, whose random checkpoints are written to a folder and loaded here."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from sightline.core.errors import CheckpointError
from sightline.models.bart import BART
from sightline.models.hugging_face.bart import convert
from sightline.models.pretrained import from_pretrained
from sightline.nn.attention import Attention

Make = Callable[..., Any]
SIZES = {
    "vocab_size": 19,
    "max_position_embeddings": 12,
    "d_model": 8,
    "encoder_layers": 2,
    "decoder_layers": 2,
    "encoder_attention_heads": 2,
    "decoder_attention_heads": 2,
    "encoder_ffn_dim": 20,
    "decoder_ffn_dim": 20,
}


@pytest.fixture(scope="module")
def make() -> Make:
    """A reference network with random weights, the bias of its logits included, in evaluation mode."""
    from transformers import BartConfig, BartForConditionalGeneration

    def build(**options: Any) -> Any:
        torch.manual_seed(0)
        config: Any = BartConfig(**{**SIZES, "forced_eos_token_id": None, **options})
        reference: Any = BartForConditionalGeneration(config)
        with torch.no_grad():
            for name, parameter in reference.named_parameters():
                parameter.copy_(torch.randn_like(parameter) * 0.4 + float("norm" in name and "weight" in name))
            reference.final_logits_bias.copy_(torch.randn(1, 19))
        reference.generation_config.eos_token_id = None
        return reference.eval()

    return build


def texts(batch: int = 3, num_tokens: int = 7, seed: int = 0) -> Tensor:
    return torch.randint(3, 19, (batch, num_tokens), generator=torch.Generator().manual_seed(seed))


def loaded(folder: Path) -> BART:
    model = from_pretrained(folder)
    assert isinstance(model, BART)
    assert not model.training
    return model


@pytest.mark.parametrize("changes", [{}, {"decoder_layers": 3, "max_position_embeddings": 7}])
def test_equal_logits_and_gradients(changes: dict[str, Any], make: Make, tmp_path: Path) -> None:
    reference = make(**changes)
    reference.save_pretrained(tmp_path)
    model = loaded(tmp_path)
    assert (model.context_length, model.start_token) == (changes.get("max_position_embeddings", 12), 2)
    tokens, written = texts(), texts(num_tokens=5, seed=1)
    expected = reference(input_ids=tokens, decoder_input_ids=written).logits
    logits = model(tokens, decoder_tokens=written)
    assert expected.std() > 0.1
    torch.testing.assert_close(logits, expected, rtol=1e-5, atol=1e-5)
    weights = torch.randn_like(logits)
    (expected * weights).sum().backward()
    (logits * weights).sum().backward()
    theirs = reference.model
    pairs = [
        (model.embedding.weight, theirs.shared.weight.grad),
        (model.encoder_positions.weight, theirs.encoder.embed_positions.weight.grad[2:]),
        (model.decoder_positions.weight, theirs.decoder.embed_positions.weight.grad[2:]),
        (model.encoder_embedding_norm.weight, theirs.encoder.layernorm_embedding.weight.grad),
        (model.decoder_embedding_norm.bias, theirs.decoder.layernorm_embedding.bias.grad),
        (
            model.get_parameter("decoder.blocks.1.cross_attention.output.weight"),
            theirs.decoder.layers[1].encoder_attn.out_proj.weight.grad,
        ),
    ]
    for ours, grad in pairs:
        assert isinstance(ours, nn.Parameter)
        assert ours.grad is not None
        assert ours.grad.any()
        torch.testing.assert_close(ours.grad, grad, rtol=1e-4, atol=1e-4 * grad.abs().max().item())


def test_equal_logits_where_texts_are_filled_up(make: Make, tmp_path: Path) -> None:
    reference = make()
    reference.save_pretrained(tmp_path)
    model = loaded(tmp_path)
    tokens, written = texts(num_tokens=6), texts(num_tokens=5, seed=1)
    present = torch.arange(6) < torch.tensor([[6], [3], [1]])
    expected = reference(input_ids=tokens, attention_mask=present.long(), decoder_input_ids=written).logits
    logits = model(tokens, decoder_tokens=written, present=present)
    torch.testing.assert_close(logits, expected, rtol=1e-5, atol=1e-5)
    unfilled = reference(input_ids=tokens, decoder_input_ids=written).logits
    assert (logits[1:] - unfilled[1:]).abs().max() > 0.01


def test_hidden_states(make: Make, tmp_path: Path) -> None:
    reference = make()
    reference.save_pretrained(tmp_path)
    model = loaded(tmp_path)
    tokens, written = texts(), texts(num_tokens=5, seed=1)
    expected = reference(input_ids=tokens, decoder_input_ids=written, output_hidden_states=True)
    for ours, theirs in (
        (model.hidden_states(tokens), expected.encoder_hidden_states),
        (model.hidden_states(tokens, decoder_tokens=written), expected.decoder_hidden_states),
    ):
        assert len(ours) == len(theirs) == 3
        for layer, state in zip(ours, theirs, strict=True):
            torch.testing.assert_close(layer, state, rtol=1e-5, atol=1e-5)


def test_greedy_decoding_with_a_cache_without_and_theirs(make: Make, tmp_path: Path) -> None:
    reference = make()
    reference.save_pretrained(tmp_path)
    model = loaded(tmp_path)
    tokens, present = texts(num_tokens=6), torch.arange(6) < torch.tensor([[6], [3], [1]])
    expected = reference.generate(
        input_ids=tokens, attention_mask=present.long(), max_new_tokens=9, do_sample=False, num_beams=1
    )
    assert len(expected.unique()) > 4
    written = torch.full((3, 1), model.start_token)
    with torch.inference_mode():
        cache, encoded = model.new_cache(10), model.encode(tokens, present)
        for _ in range(9):
            new = written[:, cache.length :]
            scores = model(tokens, decoder_tokens=new, present=present, cache=cache, encoded=encoded)[:, -1]
            full = model(tokens, decoder_tokens=written, present=present)[:, -1]
            torch.testing.assert_close(scores, full, rtol=1e-5, atol=1e-5)
            assert torch.equal(scores.argmax(1), full.argmax(1))
            written = torch.cat([written, scores.argmax(1, keepdim=True)], 1)
    assert torch.equal(written, expected)


def test_the_network_without_a_head(make: Make, tmp_path: Path) -> None:
    whole = make()
    whole.final_logits_bias.zero_()
    whole.save_pretrained(tmp_path / "whole")
    whole.model.save_pretrained(tmp_path / "bare")
    assert not any(n.startswith(("model.", "final")) for n in load_file(tmp_path / "bare" / "model.safetensors"))
    tokens, written = texts(), texts(num_tokens=5, seed=1)
    expected = loaded(tmp_path / "whole")(tokens, decoder_tokens=written)
    assert torch.equal(loaded(tmp_path / "bare")(tokens, decoder_tokens=written), expected)


def test_embeddings_may_be_there_under_every_name_but_must_be_one(make: Make, tmp_path: Path) -> None:
    make().save_pretrained(tmp_path)
    tokens, written = texts(), texts(num_tokens=5, seed=1)
    expected = loaded(tmp_path)(tokens, decoder_tokens=written)
    weights = load_file(tmp_path / "model.safetensors")
    embedding = weights["model.shared.weight"]
    more = {f"model.{side}.embed_tokens.weight": embedding.clone() for side in ("encoder", "decoder")}
    more["model.encoder.version"] = torch.ones(1)
    save_file({**weights, **more}, tmp_path / "model.safetensors")
    assert torch.equal(loaded(tmp_path)(tokens, decoder_tokens=written), expected)
    more["model.decoder.embed_tokens.weight"] += 1
    save_file({**weights, **more}, tmp_path / "model.safetensors")
    with pytest.raises(CheckpointError, match=r"decoder\.embed_tokens"):
        from_pretrained(tmp_path)


def test_dropouts_are_the_checkpoints(make: Make, tmp_path: Path) -> None:
    make(dropout=0.25, activation_dropout=0.125, attention_dropout=0.5).save_pretrained(tmp_path)
    model = loaded(tmp_path)
    blocks = [*model.encoder.blocks, *model.decoder.blocks]
    assert {b.hidden_dropout.p for b in blocks} == {0.125}
    assert {b.dropout.p for b in blocks} | {model.dropout.p} == {0.25}
    assert {layer.dropout for layer in model.modules() if isinstance(layer, Attention)} == {0.5}


@pytest.mark.parametrize(
    "changes",
    [
        {"activation_function": "relu"},
        {"scale_embedding": True},
        {"tie_word_embeddings": False},
        {"encoder_layerdrop": 0.1},
        {"normalize_before": True},
        {"decoder_ffn_dim": 8},
        {"decoder_attention_heads": 8},
    ],
)
def test_what_our_network_does_not_have_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(CheckpointError, match=next(iter(changes))):
        convert(changes, {})
