"""GPT against ``transformers``' GPT-2, and what GPT-2 does not have against the formulas written out."""

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file
from torch import Tensor

from sightline.core.errors import CheckpointError, ConfigurationError
from sightline.models.gpt import GPT
from sightline.models.pretrained import from_pretrained, load_pretrained
from sightline.nn.positions import LearnedPositions

Make = Callable[..., Any]

OPTIONS: dict[str, Any] = {
    "vocab_size": 23,
    "n_positions": 12,
    "n_embd": 8,
    "n_layer": 3,
    "n_head": 2,
    "bos_token_id": 0,
    "eos_token_id": 22,
    "pad_token_id": 21,
}


@pytest.fixture(scope="module")
def make() -> Make:
    """A reference network with random biases and norms, in evaluation mode."""
    import transformers

    def build(name: str = "GPT2LMHeadModel", **changes: Any) -> Any:
        torch.manual_seed(0)
        config = transformers.GPT2Config(**{**OPTIONS, **changes})
        reference: Any = getattr(transformers, name)(config).eval()
        with torch.no_grad():
            for key, parameter in reference.named_parameters():
                parameter.copy_(torch.randn_like(parameter) * 0.3 + float("ln_" in key and "weight" in key))
        return reference

    return build


@pytest.fixture
def pair(make: Make, tmp_path: Path) -> tuple[Any, Any]:
    """A reference and ours, loaded from what it saved."""
    reference = make()
    reference.save_pretrained(tmp_path)
    return reference, from_pretrained(tmp_path)


def texts(batch: int = 4, length: int = 9) -> Tensor:
    return torch.randint(20, (batch, length), generator=torch.Generator().manual_seed(1))


def watch(embedding: torch.nn.Module) -> list[Tensor]:
    """What an embedding gives in its next call, its gradient kept."""
    seen: list[Tensor] = []

    def keep(_: Any, given: Any, made: Tensor) -> None:
        made.retain_grad()
        seen.append(made)

    embedding.register_forward_hook(keep)
    return seen


def test_equal_logits_hidden_states_and_gradients(pair: tuple[Any, Any]) -> None:
    reference, model = pair
    assert isinstance(model, GPT)
    assert isinstance(model.positions, LearnedPositions)
    assert not model.training
    tokens = texts()
    theirs, ours = watch(reference.transformer.wte), watch(model.embedding)
    expected = reference(tokens, output_hidden_states=True)
    logits = model(tokens)
    assert expected.logits.std() > 0.1
    torch.testing.assert_close(logits, expected.logits, rtol=1e-5, atol=1e-5)
    weights = torch.randn_like(logits)
    (expected.logits * weights).sum().backward()
    (logits * weights).sum().backward()
    for found, wanted in (
        (ours[0].grad, theirs[0].grad),
        (model.embedding.weight.grad, reference.transformer.wte.weight.grad),
        (model.positions.weight.grad, reference.transformer.wpe.weight.grad),
    ):
        assert found is not None
        assert wanted is not None
        torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-4 * wanted.abs().max().item())
    hidden = model.hidden_states(tokens)
    assert len(hidden) == len(expected.hidden_states) == 4
    for found, wanted in zip(hidden, expected.hidden_states, strict=True):
        torch.testing.assert_close(found, wanted, rtol=1e-5, atol=1e-5)


def test_gelu_under_its_other_name(make: Make, tmp_path: Path) -> None:
    reference = make(activation_function="gelu_pytorch_tanh")
    reference.save_pretrained(tmp_path)
    assert json.loads((tmp_path / "config.json").read_text())["activation_function"] == "gelu_pytorch_tanh"
    torch.testing.assert_close(from_pretrained(tmp_path)(texts()), reference(texts()).logits, rtol=1e-5, atol=1e-5)


def test_equal_with_filling_before_the_text(pair: tuple[Any, Any]) -> None:
    reference, model = pair
    tokens, present = texts(), torch.arange(9) >= torch.tensor([[0], [2], [5], [8]])
    positions = (present.cumsum(1) - 1).clamp(min=0)
    expected = reference(tokens, attention_mask=present.long(), position_ids=positions).logits
    torch.testing.assert_close(model(tokens, present=present)[present], expected[present], rtol=1e-5, atol=1e-5)


def test_generates_the_same_tokens_with_a_cache(pair: tuple[Any, Any]) -> None:
    reference, model = pair
    tokens, present = texts(length=5), torch.arange(5) >= torch.tensor([[0], [1], [3], [4]])
    expected = reference.generate(
        tokens, attention_mask=present.long(), max_new_tokens=7, do_sample=False, eos_token_id=None
    )
    assert expected.shape == (4, 12)
    cache, new = model.new_cache(12), tokens
    with torch.no_grad():
        for _ in range(7):
            last = model(new, present=present, cache=cache)[:, -1]
            full = model(tokens, present=present)[:, -1]
            torch.testing.assert_close(last, full, rtol=1e-5, atol=1e-5)
            new = last.argmax(1, keepdim=True)
            tokens = torch.cat([tokens, new], 1)
            present = F.pad(present, (0, 1), value=True)
    assert torch.equal(tokens, expected)
    assert len(expected[:, 5:].unique()) > 3


def test_a_network_without_its_head_is_the_same(make: Make, tmp_path: Path) -> None:
    make("GPT2Model").save_pretrained(tmp_path)
    bare = from_pretrained(tmp_path)
    assert all(not name.startswith(("transformer.", "lm_head.")) for name in load_file(tmp_path / "model.safetensors"))
    expected = make("GPT2Model")(texts()).last_hidden_state
    torch.testing.assert_close(bare.features(texts()), expected, rtol=1e-5, atol=1e-5)
    assert bare.head.weight is bare.embedding.weight  # type: ignore[union-attr]


def test_the_oldest_checkpoints_hold_their_masks_and_the_head_too(pair: tuple[Any, Any], tmp_path: Path) -> None:
    file = tmp_path / "model.safetensors"
    weights = load_file(file)
    assert "lm_head.weight" not in weights
    for block in range(3):
        weights[f"transformer.h.{block}.attn.bias"] = torch.ones(1, 1, 12, 12).tril().bool()
        weights[f"transformer.h.{block}.attn.masked_bias"] = torch.tensor(-1e4)
    weights["lm_head.weight"] = weights["transformer.wte.weight"].clone()
    save_file(weights, file)
    assert torch.equal(from_pretrained(tmp_path)(texts()), pair[1](texts()))
    weights["lm_head.weight"] += 1
    save_file(weights, file)
    with pytest.raises(CheckpointError, match="two that differ"):
        from_pretrained(tmp_path)


def test_classes_of_texts(make: Make, tmp_path: Path) -> None:
    reference = make("GPT2ForSequenceClassification", num_labels=3, id2label={0: "a", 1: "b", 2: "c"})
    reference.save_pretrained(tmp_path)
    (tmp_path / "tokenizer.json").write_text("{}")
    loaded = load_pretrained(tmp_path)
    tokens, present = texts(), torch.arange(9) < torch.tensor([[9], [4], [6], [1]])
    expected = reference(tokens.masked_fill(~present, 21), attention_mask=present.long()).logits
    torch.testing.assert_close(loaded.predictor(tokens, present=present), expected, rtol=1e-5, atol=1e-5)
    assert (loaded.model_type, loaded.labels, loaded.tokenizer_json) == ("gpt2", ("a", "b", "c"), "{}")
    fresh = load_pretrained(tmp_path, num_outputs=2)
    assert fresh.predictor(tokens).shape == (4, 2)
    assert fresh.labels is None
    torch.testing.assert_close(fresh.predictor.features(tokens), loaded.predictor.features(tokens))
    assert from_pretrained(tmp_path, task="language")(tokens).shape == (4, 9, 23)
    with pytest.raises(ConfigurationError, match="a GPT has a head for"):
        from_pretrained(tmp_path, task="span")


def test_what_was_loaded_is_saved_as_ours(pair: tuple[Any, Any], tmp_path: Path) -> None:
    pair[1].save_pretrained(tmp_path / "ours")
    again = from_pretrained(tmp_path / "ours")
    assert torch.equal(again(texts()), pair[1](texts()))
    assert again.head.weight is again.embedding.weight  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"activation_function": "relu"}, "activation_function"),
        ({"n_inner": 20}, "n_inner"),
        ({"scale_attn_by_inverse_layer_idx": True}, "scale_attn_by_inverse_layer_idx"),
        ({"scale_attn_weights": False}, "scale_attn_weights"),
        ({"add_cross_attention": True}, "add_cross_attention"),
        ({"layer_norm_epsilon": 1e-3}, "layer_norm_epsilon"),
        ({"attn_pdrop": 0.5}, "one probability"),
        ({"n_head": 3}, "3 heads instead of a width"),
        ({"n_head": "two"}, "n_head"),
        ({"n_layer": 2}, "which the network does not have"),
        ({"n_layer": 4}, "no stack.blocks.3"),
        ({"n_positions": 13}, "positions.weight of shape"),
    ],
)
@pytest.mark.usefixtures("pair")
def test_configurations_that_are_refused(changes: dict[str, Any], words: str, tmp_path: Path) -> None:
    file = tmp_path / "config.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **changes}))
    with pytest.raises(CheckpointError, match=words):
        from_pretrained(tmp_path)


def turned(x: Tensor, position: int) -> Tensor:
    """Each pair (x_i, x_{i + d/2}) as a complex number times e^{iωt}."""
    half = len(x) // 2
    omega = torch.tensor([10_000 ** (-i / half) for i in range(half)], dtype=x.dtype)
    numbers = torch.complex(x[:half], x[half:]) * torch.polar(torch.ones_like(omega), omega * position)
    return torch.cat([numbers.real, numbers.imag])


def gathered(packed: Tensor, attention: Any, *, rotary: bool) -> Tensor:
    """What each token gathers: one token at a time, one head at a time, one pair of tokens at a time."""
    heads, groups, d = attention.num_heads, attention.num_kv_heads, attention.head_width
    rows = []
    for t in range(len(packed)):
        mixed = []
        for head in range(heads):
            group = head // (heads // groups)
            query = packed[t, head * d : (head + 1) * d]
            if attention.query_norm is not None:
                query = query / (query.square().mean() + torch.finfo(query.dtype).eps).sqrt()
                query = query * attention.query_norm.weight
            keys = [packed[s, (heads + group) * d :][:d] for s in range(t + 1)]
            values = torch.stack([packed[s, (heads + groups + group) * d :][:d] for s in range(t + 1)])
            if rotary:
                query, keys = turned(query, t), [turned(key, s) for s, key in enumerate(keys)]
            mixed.append(torch.stack([query @ key / d**0.5 for key in keys]).softmax(0) @ values)
        rows.append(torch.cat(mixed))
    return torch.stack(rows)


def written_out(model: GPT, text: Tensor, *, rotary: bool) -> Tensor:
    """The logits of one text, from the weights alone."""
    weights = dict(model.named_parameters())

    def norm(x: Tensor, name: str) -> Tensor:
        return F.layer_norm(x, x.shape[-1:], weights[f"{name}.weight"], weights.get(f"{name}.bias"), 1e-5)

    def linear(x: Tensor, name: str) -> Tensor:
        return x @ weights[f"{name}.weight"].T + weights.get(f"{name}.bias", 0)

    x = weights["embedding.weight"][text]
    width = x.shape[1]
    if not rotary:
        for t in range(len(text)):
            angles = [t * 10_000 ** (-i / width) for i in range(0, width, 2)]
            x[t] += torch.tensor([f(angle) for angle in angles for f in (math.sin, math.cos)], dtype=x.dtype)
    for number in range(model.stack.depth):
        used = 0 if model.stack.shared else number
        block, attention = f"stack.blocks.{used}", model.stack.blocks[used].attention
        packed = linear(norm(x, f"{block}.attention_norm"), f"{block}.attention.query_key_value")
        x = x + linear(gathered(packed, attention, rotary=rotary), f"{block}.attention.output")
        hidden = linear(norm(x, f"{block}.mlp_norm"), f"{block}.expand")
        hidden = 0.5 * hidden * (1 + torch.tanh(math.sqrt(2 / math.pi) * (hidden + 0.044715 * hidden**3)))
        x = x + linear(hidden, f"{block}.contract")
    return norm(x, "stack.norm") @ weights["embedding.weight"].T


@pytest.mark.parametrize(
    "options",
    [
        {"positions": "rotary", "num_kv_heads": 2},
        {"positions": "rotary", "num_kv_heads": 1, "query_norm": True, "bias": False},
        {"positions": "sinusoidal", "shared": True, "bias": False},
    ],
)
def test_what_gpt2_does_not_have_is_the_formula_written_out(options: dict[str, Any]) -> None:
    torch.manual_seed(0)
    model = GPT(vocabulary_size=9, context_length=8, depth=2, width=16, num_heads=4, **options).double().eval()
    attention: Any = model.stack.blocks[0].attention
    assert attention.num_kv_heads == options.get("num_kv_heads", 4)
    assert (attention.query_norm is not None) == options.get("query_norm", False)
    assert any(name.endswith("bias") for name, _ in model.named_parameters()) == options.get("bias", True)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    tokens = torch.tensor([[1, 2, 3, 8, 1], [0, 0, 5, 1, 7]])
    with torch.no_grad():
        expected = torch.stack([written_out(model, text, rotary=options["positions"] == "rotary") for text in tokens])
    torch.testing.assert_close(model(tokens), expected, rtol=1e-10, atol=1e-10)
