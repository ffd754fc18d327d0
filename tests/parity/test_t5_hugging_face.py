"""T5 against ``transformers``, whose random checkpoints are written to a folder and loaded here."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from sightline.core.errors import CheckpointError
from sightline.models.hugging_face.t5 import convert
from sightline.models.pretrained import from_pretrained
from sightline.models.t5 import T5
from sightline.nn.attention import Attention

Make = Callable[..., Any]
SIZES = {"vocab_size": 19, "d_model": 8, "d_kv": 3, "d_ff": 20, "num_layers": 2, "num_heads": 2}
CASES: dict[str, dict[str, Any]] = {
    "version 1.0": {},
    "deeper decoder, one head": {"num_decoder_layers": 3, "num_heads": 1, "d_kv": 8},
    "version 1.1": {"feed_forward_proj": "gated-gelu", "tie_word_embeddings": False},
    "version 1.1, scaled outputs": {"feed_forward_proj": "gated-gelu"},
}


@pytest.fixture(scope="module")
def make() -> Make:
    """A reference network with random weights, in evaluation mode; version 1.1 has a head of its own."""
    from transformers import T5Config, T5ForConditionalGeneration

    def build(seed: int = 0, size: float = 0.3, **options: Any) -> Any:
        torch.manual_seed(seed)
        reference: Any = T5ForConditionalGeneration(T5Config(**{**SIZES, "decoder_start_token_id": 0, **options}))
        if "feed_forward_proj" in options:
            reference.lm_head.weight = nn.Parameter(torch.zeros(19, 8))
        with torch.no_grad():
            for name, parameter in reference.named_parameters():
                parameter.copy_(torch.randn_like(parameter) * size + float("layer_norm" in name))
        reference.generation_config.eos_token_id = None
        return reference.eval()

    return build


def texts(batch: int = 3, num_tokens: int = 7, seed: int = 0) -> Tensor:
    return torch.randint(2, 19, (batch, num_tokens), generator=torch.Generator().manual_seed(seed))


def loaded(folder: Path) -> T5:
    model = from_pretrained(folder)
    assert isinstance(model, T5)
    assert not model.training
    return model


def without_some(num_tokens: int, *, left: bool) -> Tensor:
    """All of the first text, 3 tokens of the second, 1 of the third."""
    present = torch.arange(num_tokens) < torch.tensor([[num_tokens], [3], [1]])
    return present.flip(1) if left else present


@pytest.mark.parametrize("case", CASES)
def test_equal_logits_and_gradients(case: str, make: Make, tmp_path: Path) -> None:
    reference = make(**CASES[case])
    reference.save_pretrained(tmp_path)
    model = loaded(tmp_path)
    tokens, written = texts(), texts(num_tokens=5, seed=1)
    expected = reference(input_ids=tokens, decoder_input_ids=written).logits
    logits = model(tokens, decoder_tokens=written)
    assert expected.std() > 0.1
    torch.testing.assert_close(logits, expected, rtol=1e-5, atol=1e-5)
    weights = torch.randn_like(logits)
    (expected * weights).sum().backward()
    (logits * weights).sum().backward()
    pairs = [
        (model.embedding.weight, reference.shared.weight),
        (model.head.weight, reference.lm_head.weight),
        (model.encoder_bias.weight, reference.encoder.block[0].layer[0].SelfAttention.relative_attention_bias.weight),
        (model.decoder_bias.weight, reference.decoder.block[0].layer[0].SelfAttention.relative_attention_bias.weight),
        (model.get_parameter("encoder.blocks.1.expand.weight"), _expanding(reference).weight),
    ]
    for number, (ours, theirs) in enumerate(pairs):
        assert isinstance(ours, nn.Parameter)
        assert ours.grad is not None
        assert ours.grad.any()
        folded = 8**0.5 if number == 1 and case.endswith("scaled outputs") else 1  # their scale is in our head
        grad = theirs.grad * folded
        torch.testing.assert_close(ours.grad, grad, rtol=1e-4, atol=1e-4 * grad.abs().max().item())


def _expanding(reference: Any) -> Any:
    last = reference.encoder.block[1].layer[1].DenseReluDense
    return last.wi_0 if hasattr(last, "wi_0") else last.wi


@pytest.mark.parametrize("left", [False, True])
def test_equal_logits_where_texts_are_filled_up(left: bool, make: Make, tmp_path: Path) -> None:
    reference = make()
    reference.save_pretrained(tmp_path)
    model = loaded(tmp_path)
    tokens, written = texts(num_tokens=6), texts(num_tokens=5, seed=1)
    present, decoder_present = without_some(6, left=left), without_some(5, left=left)
    expected = reference(
        input_ids=tokens,
        attention_mask=present.long(),
        decoder_input_ids=written,
        decoder_attention_mask=decoder_present.long(),
    ).logits
    logits = model(tokens, decoder_tokens=written, present=present, decoder_present=decoder_present)
    torch.testing.assert_close(logits[decoder_present], expected[decoder_present], rtol=1e-5, atol=1e-5)
    unfilled = reference(input_ids=tokens, decoder_input_ids=written).logits
    assert (logits[1:] - unfilled[1:]).abs().max() > 0.01


def test_distances_share_buckets_as_theirs_do(make: Make, tmp_path: Path) -> None:
    """Texts so long that all buckets are used, on both sides."""
    reference = make()
    reference.save_pretrained(tmp_path)
    model = loaded(tmp_path)
    tokens, written = texts(1, 150), texts(1, 140, seed=1)
    expected = reference(input_ids=tokens, decoder_input_ids=written).logits
    torch.testing.assert_close(model(tokens, decoder_tokens=written), expected, rtol=1e-5, atol=1e-5)


def test_hidden_states(make: Make, tmp_path: Path) -> None:
    reference = make()
    reference.save_pretrained(tmp_path)
    model = loaded(tmp_path)
    tokens, written = texts(), texts(num_tokens=5, seed=1)
    expected = reference(input_ids=tokens, decoder_input_ids=written, output_hidden_states=True)
    sides = (
        (model.hidden_states(tokens), expected.encoder_hidden_states),
        (model.hidden_states(tokens, decoder_tokens=written), expected.decoder_hidden_states),
    )
    for number, (ours, theirs) in enumerate(sides):
        assert len(ours) == len(theirs) == 3
        scale = 8**-0.5 if number == 1 else 1  # ours is what the head sees
        theirs = (*theirs[:-1], theirs[-1] * scale)
        for layer, state in zip(ours, theirs, strict=True):
            torch.testing.assert_close(layer, state, rtol=1e-5, atol=1e-5)
    assert torch.equal(model.encode(tokens), model.hidden_states(tokens)[-1])


@pytest.mark.parametrize(("case", "seed"), [("version 1.0", 1), ("version 1.1", 4)])  # texts with some variety
def test_greedy_decoding_with_a_cache_without_and_theirs(case: str, seed: int, make: Make, tmp_path: Path) -> None:
    reference = make(seed, 0.6, **CASES[case])
    reference.save_pretrained(tmp_path)
    model = loaded(tmp_path)
    tokens, present = texts(num_tokens=6), without_some(6, left=False)
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


def test_a_head_equal_to_the_embedding_may_be_absent_or_there_under_any_name(make: Make, tmp_path: Path) -> None:
    reference = make()
    reference.save_pretrained(tmp_path)
    tokens, written = texts(), texts(num_tokens=5, seed=1)
    expected = loaded(tmp_path)(tokens, decoder_tokens=written)
    weights = load_file(tmp_path / "model.safetensors")
    embedding = weights.pop("shared.weight")
    unread = "decoder.block.0.layer.1.EncDecAttention.relative_attention_bias.weight"
    for names in (["shared.weight"], ["encoder.embed_tokens.weight"], ["lm_head.weight", "shared.weight"]):
        renamed = {name: embedding.clone() for name in names}
        save_file({**weights, **renamed, unread: torch.zeros(32, 2)}, tmp_path / "model.safetensors")
        assert torch.equal(loaded(tmp_path)(tokens, decoder_tokens=written), expected)
    save_file({**weights, "shared.weight": embedding, "lm_head.weight": 2 * embedding}, tmp_path / "model.safetensors")
    with pytest.raises(CheckpointError, match="lm_head"):
        from_pretrained(tmp_path)


def test_the_network_without_a_head(make: Make, tmp_path: Path) -> None:
    from transformers import T5Model

    whole = make()
    whole.save_pretrained(tmp_path / "whole")
    bare: Any = T5Model(whole.config)
    bare.load_state_dict({n: w for n, w in whole.state_dict().items() if not n.startswith("lm_head")})
    bare.save_pretrained(tmp_path / "bare")
    tokens, written = texts(), texts(num_tokens=5, seed=1)
    expected = loaded(tmp_path / "whole")(tokens, decoder_tokens=written)
    assert torch.equal(loaded(tmp_path / "bare")(tokens, decoder_tokens=written), expected)


def test_dropout_is_the_checkpoints(make: Make, tmp_path: Path) -> None:
    make(dropout_rate=0.25).save_pretrained(tmp_path)
    model = loaded(tmp_path)
    assert {layer.p for layer in model.modules() if isinstance(layer, nn.Dropout)} == {0.25}
    assert {layer.dropout for layer in model.modules() if isinstance(layer, Attention)} == {0.25}


def test_the_published_configurations() -> None:
    small = {"d_model": 512, "d_kv": 64, "d_ff": 2048, "num_layers": 6, "num_heads": 8, "vocab_size": 32128}
    arguments, _ = convert({**small, "decoder_start_token_id": 0, "n_positions": 512}, {})
    assert arguments == {
        "vocabulary_size": 32128,
        "start_token": 0,
        "depth": 6,
        "width": 512,
        "num_heads": 8,
        "head_width": 64,
        "mlp_width": 2048,
        "dropout": 0.1,
        "version": "1.0",
    }
    newer = {**small, "d_ff": 1024, "num_layers": 8, "num_decoder_layers": 8, "num_heads": 6}
    arguments, _ = convert({**newer, "feed_forward_proj": "gated-gelu", "tie_word_embeddings": False}, {})
    assert (arguments["version"], arguments["depth"], arguments["mlp_width"]) == ("1.1", 8, 1024)


@pytest.mark.parametrize(
    "changes",
    [
        {"relative_attention_num_buckets": 16},
        {"relative_attention_max_distance": 64},
        {"layer_norm_epsilon": 1e-5},
        {"feed_forward_proj": "gated-silu"},
        {"tie_word_embeddings": False},
        {"decoder_start_token_id": -1},
    ],
)
def test_what_our_network_does_not_have_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(CheckpointError, match=next(iter(changes))):
        convert(changes, {})


def test_half_an_attention_is_refused(make: Make, tmp_path: Path) -> None:
    make().save_pretrained(tmp_path)
    weights = load_file(tmp_path / "model.safetensors")
    del weights["decoder.block.1.layer.1.EncDecAttention.k.weight"]
    save_file(weights, tmp_path / "model.safetensors")
    with pytest.raises(CheckpointError, match=r"decoder\.blocks\.1\.cross_attention"):
        from_pretrained(tmp_path)
