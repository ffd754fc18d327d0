"""GPT and BERT: outputs for every task, tied weights, caches, padding, and what is refused."""

import copy
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sightline.core.checkpoint import pack, unpack
from sightline.core.errors import CheckpointError, ConfigurationError, DataError, InputError
from sightline.core.schema import Schema, Task, TextSchema
from sightline.models.bert import BERT, bert, bert_base
from sightline.models.bert import SIZES as BERT_SIZES
from sightline.models.gpt import GPT, gpt, gpt2
from sightline.models.gpt import SIZES as GPT_SIZES
from sightline.models.mlp import MLP
from sightline.models.pretrained import from_pretrained, load_pretrained
from sightline.models.registry import MODELS
from sightline.models.task_weights import completed, for_task
from sightline.models.text_predictor import TextPredictor
from sightline.nn.attention import Attention
from sightline.optim import AdamW

VOCABULARY, LENGTH = 11, 8
CLASSES = {"classification": 3, "token-classification": 4}


def schema(task: Task) -> Schema:
    return Schema(
        kind="text",
        task=task,
        input_shape=(LENGTH,),
        classes=tuple("abcdef"[: CLASSES.get(task, 0)]),
        text=TextSchema(vocabulary_size=VOCABULARY, length=LENGTH),
    )


SMALL: dict[str, Any] = {"depth": 2, "width": 8, "num_heads": 2}
CASES: dict[str, tuple[str, Task, dict[str, Any]]] = {
    "gpt": ("gpt", "language", {}),
    "gpt, rotary, grouped": ("gpt", "language", {"positions": "rotary", "num_kv_heads": 1, "query_norm": True}),
    "gpt, shared": ("gpt", "language", {"positions": "sinusoidal", "shared": True, "bias": False}),
    "gpt, classes of texts": ("gpt", "classification", {}),
    "gpt, a number": ("gpt", "regression", {}),
    "bert": ("bert", "language", {}),
    "bert, pairs": ("bert", "language", {"pairs": True}),
    "bert, shared": ("bert", "language", {"shared": True}),
    "bert, classes of texts": ("bert", "classification", {}),
    "bert, a number": ("bert", "regression", {}),
    "bert, classes of tokens": ("bert", "token-classification", {}),
    "bert, spans": ("bert", "span", {}),
}
PER_TOKEN = [name for name, (_, task, _) in CASES.items() if task not in ("classification", "regression")]
every_case = pytest.mark.parametrize("case", CASES)
every_gpt = pytest.mark.parametrize("case", [name for name in PER_TOKEN if name.startswith("gpt")])


def make(case: str, seed: int = 0, **changes: Any) -> Any:
    name, task, options = CASES[case]
    torch.manual_seed(seed)
    return MODELS[name](schema(task), **{**SMALL, **options, **changes})


def lively(network: nn.Module) -> Any:
    """Weights large enough that every part of the network shows in the outputs; evaluation mode, float64."""
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.copy_(parameter + 0.4 * torch.randn_like(parameter))
    return network.double().eval()


def texts(batch: int = 3, length: int = 5) -> Tensor:
    return torch.randint(VOCABULARY, (batch, length), generator=torch.Generator().manual_seed(1))


@every_case
def test_outputs_features_and_selected_tokens(case: str) -> None:
    model, tokens = make(case).eval(), texts()
    outputs = model(tokens)
    per_text = case not in PER_TOKEN
    assert outputs.shape == ((3,) if per_text else (3, 5)) + (schema(CASES[case][1]).num_outputs,)
    assert torch.isfinite(outputs).all()
    assert torch.equal(model.head(model.features(tokens)), outputs)
    assert model(tokens[:0]).shape == (0, *outputs.shape[1:])
    assert torch.equal(model(tokens, present=torch.ones_like(tokens, dtype=torch.bool)), outputs)
    assert torch.equal(model(tokens.int()), outputs)
    chosen = torch.tensor([[True, False, False, True, False], [False] * 5, [False, True, True, True, False]])
    if per_text:
        with pytest.raises(InputError, match="select"):
            model(tokens, select=chosen)
    else:
        torch.testing.assert_close(model(tokens, select=chosen), outputs[chosen])
        assert model(tokens, select=chosen & False).shape == (0, outputs.shape[-1])
    hidden = model.hidden_states(tokens)
    assert [layer.shape for layer in hidden] == [(3, 5, 8)] * 3
    if CASES[case][1] in ("language", "span"):
        assert torch.equal(hidden[-1], model.features(tokens))


@every_case
def test_every_parameter_gets_a_gradient(case: str) -> None:
    model = make(case)
    given = model(texts(8), **({"segments": texts(8) % 2} if case.startswith("bert") else {}))
    loss = given.square().sum()
    if "pairs" in CASES[case][2]:
        loss = loss + model(texts(8), pairs=True)[1].square().sum()
    loss.backward()
    for key, parameter in model.named_parameters():
        assert parameter.grad is not None, key
        assert torch.isfinite(parameter.grad).all(), key
        assert parameter.grad.abs().sum() > 0, key


@every_case
@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_keeps_the_dtype(case: str, dtype: torch.dtype) -> None:
    outputs = make(case).to(dtype).eval()(texts())
    assert outputs.dtype == dtype
    assert torch.isfinite(outputs).all()


@every_case
def test_saves_and_loads(case: str, tmp_path: Path) -> None:
    model, tokens = make(case).eval(), texts()
    model.save_pretrained(tmp_path)
    for loaded in (type(model).from_pretrained(tmp_path), from_pretrained(tmp_path)):
        assert type(loaded) is type(model)
        assert not loaded.training
        assert torch.equal(loaded(tokens), model(tokens))
        tied = [name for name, _ in loaded.named_parameters()]
        assert tied == [name for name, _ in model.named_parameters()]
    assert make(case).choice.name == CASES[case][0]


@pytest.mark.parametrize(("case", "head"), [("gpt", "head.weight"), ("bert", "head.decoder.weight")])
def test_the_tied_weight_stays_one(case: str, head: str, tmp_path: Path) -> None:
    model = make(case)

    def tied(network: nn.Module) -> bool:
        both = dict(network.named_parameters(remove_duplicate=False))
        return both[head] is both["embedding.weight"]

    assert tied(model)
    assert tied(model.double())
    assert tied(copy.deepcopy(model))
    model.save_pretrained(tmp_path)
    assert tied(from_pretrained(tmp_path))
    state: Mapping[str, Tensor] = unpack(*pack(model.state_dict()))  # as a checkpoint of a training does
    assert {head, "embedding.weight"} <= set(state)
    other = make(case, seed=1).double()
    other.load_state_dict(state)
    assert tied(other)
    assert torch.equal(other(texts()), model(texts())) or model.training
    optimizer = AdamW(lr=0.1).build(model)
    assert sum(len(group["params"]) for group in optimizer.param_groups) == len(list(model.parameters()))
    model(texts()).square().sum().backward()
    optimizer.step()
    assert tied(model)


def test_two_values_of_a_tied_weight_are_refused() -> None:
    model = make("gpt")
    weights = {**model.state_dict(), "head.weight": model.state_dict()["head.weight"] + 1}
    with pytest.raises(CheckpointError, match="two that differ"):
        completed(model, weights)


@every_gpt
def test_cached_token_by_token_is_all_at_once(case: str) -> None:
    model, tokens = lively(make(case)), texts(length=LENGTH)
    expected = model(tokens)
    for steps in ([1] * LENGTH, [3, 4, 1], [5, 3]):
        cache, found = model.new_cache(LENGTH), []
        for new in tokens.split(steps, 1):
            found.append(model(new, cache=cache))
        torch.testing.assert_close(torch.cat(found, 1), expected, rtol=1e-12, atol=1e-12)
        assert cache.length == LENGTH


@every_gpt
def test_prompts_of_unequal_length_are_what_each_is_alone(case: str) -> None:
    model, tokens = lively(make(case)), texts(length=7)
    present = torch.arange(7) >= torch.tensor([[0], [3], [5]])
    cache = model.new_cache(7)
    first = model(tokens[:, :4], present=present[:, :4], cache=cache)
    then = [model(tokens[:, i : i + 1], present=present[:, : i + 1], cache=cache) for i in range(4, 7)]
    for row, start in enumerate((0, 3, 5)):
        alone = model(tokens[row : row + 1, start:])[0]
        torch.testing.assert_close(model(tokens, present=present)[row, start:], alone, rtol=1e-12, atol=1e-12)
        torch.testing.assert_close(torch.cat([first, *then], 1)[row, start:], alone, rtol=1e-12, atol=1e-12)


@every_case
def test_filling_changes_nothing(case: str) -> None:
    """Whatever stands there, at the end of the text; before it too, where outputs are of tokens."""
    model = lively(make(case))
    tokens, lengths = texts(length=6), (6, 4, 1)
    right = torch.arange(6) < torch.tensor(lengths)[:, None]
    other = torch.where(right, tokens, (tokens + 1) % VOCABULARY)
    found, again = model(tokens, present=right), model(other, present=right)
    for row, length in enumerate(lengths):
        alone = model(tokens[row : row + 1, :length])[0]
        for given in (found[row], again[row]):
            part = given[:length] if case in PER_TOKEN else given
            torch.testing.assert_close(part, alone, rtol=1e-12, atol=1e-12)
    assert torch.isfinite(found).all()
    assert torch.isfinite(model(tokens, present=right & False)).all()
    if case in PER_TOKEN:
        alone = model(tokens[:, 2:])
        left = (torch.arange(6) >= 2).expand(3, -1)
        torch.testing.assert_close(model(tokens, present=left)[:, 2:], alone, rtol=1e-12, atol=1e-12)


def test_a_gpt_reads_a_class_off_the_last_token_of_the_text() -> None:
    model, tokens = lively(make("gpt, classes of texts")), texts(length=6)
    left = torch.arange(6) >= torch.tensor([[0], [2], [5]])
    expected = torch.stack([model(tokens[row : row + 1, start:])[0] for row, start in enumerate((0, 2, 5))])
    torch.testing.assert_close(model(tokens, present=left), expected, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(model(tokens), model.head(model.hidden_states(tokens)[-1][:, -1]))


def test_a_decoder_looks_back_only_and_an_encoder_everywhere() -> None:
    tokens = texts(1, 6)
    changed = tokens.clone()
    changed[0, 3] = (changed[0, 3] + 1) % VOCABULARY
    for case, untouched in (("gpt", 3), ("bert", 0)):
        model = lively(make(case))
        differs = (model(tokens) - model(changed)).abs().amax(-1)[0] > 1e-9
        assert differs.tolist() == [False] * untouched + [True] * (6 - untouched)


def test_positions_count_present_tokens() -> None:
    model = make("gpt")
    present = torch.tensor([[True, False, True, True], [False, False, True, False]])
    tokens = torch.zeros(2, 4, dtype=torch.int64)
    assert model.token_positions(tokens, present=present).tolist() == [[0, 1, 1, 2], [0, 0, 0, 1]]
    assert model.token_positions(tokens[:, :1], present=present, earlier=3).tolist() == [[2], [1]]
    assert model.token_positions(tokens, earlier=3).tolist() == [[3, 4, 5, 6]]


@pytest.mark.parametrize("case", ["gpt, shared", "bert, shared"])
def test_shared_layers_are_one_block_used_again(case: str) -> None:
    model = lively(make(case, depth=3))
    assert len(model.stack.blocks) == 1
    numbers = sum(p.numel() for p in model.parameters())
    assert numbers == sum(p.numel() for p in make(case, depth=1, shared=False).parameters())
    hidden = model.hidden_states(texts())
    causal = case.startswith("gpt")
    assert len(hidden) == 4
    for level in range(2):
        expected = model.stack.blocks[0](hidden[level], causal=causal)
        torch.testing.assert_close(hidden[level + 1], expected, rtol=1e-12, atol=1e-12)


def test_segments_change_what_is_seen_and_default_to_the_first() -> None:
    model, tokens = lively(make("bert, pairs")), texts()
    zeros = torch.zeros_like(tokens)
    outputs, pair = model(tokens, pairs=True)
    assert pair.shape == (3, 2)
    torch.testing.assert_close(model(tokens, segments=zeros), outputs, rtol=1e-12, atol=1e-12)
    with_second, pair_with_second = model(tokens, segments=zeros + (torch.arange(5) > 2), pairs=True)
    assert (with_second - outputs).abs().min() > 1e-9
    assert (pair_with_second - pair).abs().min() > 1e-9
    expected = model.pair_head(torch.tanh(model.pooler(model.features(tokens)[:, 0])))
    torch.testing.assert_close(pair, expected, rtol=1e-12, atol=1e-12)


def test_the_head_of_masked_language_is_written_out() -> None:
    model = lively(make("bert"))
    x, head = torch.randn(4, 8, dtype=torch.float64), model.head
    hidden = F.gelu(x @ head.transform.weight.T + head.transform.bias)
    normed = (hidden - hidden.mean(-1, keepdim=True)) / (hidden.var(-1, unbiased=False, keepdim=True) + 1e-12).sqrt()
    expected = (normed * head.norm.weight + head.norm.bias) @ model.embedding.weight.T + head.decoder.bias
    torch.testing.assert_close(head(x), expected, rtol=1e-12, atol=1e-12)


def test_the_builders_hand_every_option_on() -> None:
    options = {"depth": 1, "width": 16, "num_heads": 4, "num_kv_heads": 2, "dropout": 0.25, "positions": "rotary",
               "query_norm": True, "shared": True, "bias": False}  # fmt: skip
    built: Any = gpt(schema("language"), **options)
    said: dict[str, Any] = {"vocabulary_size": VOCABULARY, "context_length": LENGTH, "num_outputs": None}
    assert built._hub_mixin_config == {**options, **said}
    options = {"depth": 1, "width": 16, "num_heads": 4, "dropout": 0.25, "shared": True, "pairs": True}
    built = bert(schema("classification"), **options)
    said = {**said, "num_segments": 2, "mlp_width": None, "task": "classification", "num_outputs": 3}
    assert built._hub_mixin_config == {**options, **said}


@every_case
def test_dropout_acts_in_training_only(case: str) -> None:
    model, tokens = make(case, dropout=0.5), texts()
    assert not torch.equal(model(tokens), model(tokens))
    model.eval()
    assert torch.equal(model(tokens), model(tokens))
    assert {layer.dropout for layer in model.modules() if isinstance(layer, Attention)} == {0.5}
    for block in model.stack.blocks:
        assert (block.dropout.p, block.hidden_dropout.p) == (0.5, 0.0)
    assert (model.train().hidden_states(tokens)[0] == 0).float().mean() > 0.2  # of the embedding


def test_what_a_head_sees_is_dropped_for_classes_only() -> None:
    for case, dropped in (
        ("bert", 1),
        ("bert, spans", 1),
        ("bert, classes of texts", 2),
        ("bert, classes of tokens", 2),
    ):
        seen: list[Tensor] = []
        model = make(case, dropout=0.5)
        model.dropout.register_forward_hook(lambda _, given, made, seen=seen: seen.append(made))
        model(texts())
        assert len(seen) == dropped, case


def test_first_weights() -> None:
    """Deviations within 4 standard errors, σ/√(2n) of n draws; σ/√(2L) where a branch ends."""
    torch.manual_seed(0)
    for model, ends in (
        (GPT(vocabulary_size=500, context_length=40, depth=8, width=64, num_heads=4), 0.02 / 16**0.5),
        (BERT(vocabulary_size=500, context_length=40, depth=8, width=64, num_heads=4, pairs=True), 0.02),
    ):
        checked = 0
        for name, parameter in model.named_parameters():
            if parameter.ndim == 1:
                expected = float(name.endswith(("norm.weight", "attention_norm.weight", "mlp_norm.weight")))
                assert (parameter == expected).all(), name
                continue
            wanted = ends if name.endswith(("attention.output.weight", "contract.weight")) else 0.02
            assert abs(parameter.std().item() - wanted) < 4 * wanted / (2 * parameter.numel()) ** 0.5, name
            assert abs(parameter.mean().item()) < 4 * wanted / parameter.numel() ** 0.5, name
            checked += 1
        assert checked > 30


def test_the_published_sizes() -> None:
    """Parameters of the published checkpoints; those too large to be built here by 12D² + 13D a block."""
    with torch.device("meta"):
        counts = [sum(p.numel() for p in build().parameters()) for build in (gpt2, bert_base)]
    assert counts == [124_439_808, 110_106_428]

    def counted(depth: int, width: int, rows: int) -> int:
        return rows * width + depth * (12 * width**2 + 13 * width)

    found = {name: counted(depth, width, 50257 + 1024) + 2 * width for name, (depth, width, _) in GPT_SIZES.items()}
    assert found == {
        "gpt2": 124_439_808,
        "gpt2-medium": 354_823_168,
        "gpt2-large": 774_030_080,
        "gpt2-xl": 1_557_611_200,
    }
    for name, (depth, width, _) in BERT_SIZES.items():
        heads = 2 * (width**2 + width) + 2 * width + 30522 + 2 * width + 2
        total = counted(depth, width, 30522 + 512 + 2) + 2 * width + heads
        assert total == {"bert-base": 110_106_428, "bert-large": 336_226_108}[name]
    assert {width // heads for _, width, heads in (*GPT_SIZES.values(), *BERT_SIZES.values())} == {64}


@pytest.mark.usefixtures("as_a_user_calls")
@pytest.mark.parametrize("case", ["gpt, rotary, grouped", "bert, classes of texts"])
def test_torch_exports_it_for_any_batch_and_length(case: str) -> None:
    model = make(case).eval()
    batch, length = torch.export.Dim("batch"), torch.export.Dim("length", max=LENGTH)
    program = torch.export.export(model, (texts(),), dynamic_shapes={"tokens": {0: batch, 1: length}})
    for tokens in (texts(), texts(4, 7)):
        torch.testing.assert_close(program.module()(tokens), model(tokens))


def test_another_task_keeps_the_body_and_the_pooler() -> None:
    model, tokens = lively(make("bert, pairs")), texts()
    state = torch.get_rng_state()
    new = for_task(model, "classification", num_outputs=5)
    assert new(tokens).shape == (3, 5)
    assert not new.training
    assert torch.equal(new.pooler.weight, model.pooler.weight)
    assert new.head.weight.std() < 0.1
    assert not torch.equal(torch.get_rng_state(), state)
    torch.testing.assert_close(new.hidden_states(tokens)[-1], model.features(tokens), rtol=0, atol=0)
    shared = {p.data_ptr() for p in model.parameters()} & {p.data_ptr() for p in new.parameters()}
    assert not shared
    assert "pair_head.weight" not in new.state_dict()
    back = for_task(new, "language")
    assert back.head.decoder.weight is back.embedding.weight
    assert torch.equal(back.embedding.weight, model.embedding.weight)
    spans = for_task(model, "span")
    assert spans(tokens).shape == (3, 5, 2)
    bare = for_task(model, "none")
    assert torch.equal(bare(tokens), model.features(tokens))
    classes = for_task(lively(make("gpt")), "classification", num_outputs=4)
    assert classes(tokens).shape == (3, 4)
    assert for_task(classes, "regression")(tokens).shape == (3, 1)
    assert for_task(classes, "language")(tokens).shape == (3, 5, VOCABULARY)


def test_a_saved_network_is_loaded_for_another_task(tmp_path: Path) -> None:
    model, tokens = make("bert, pairs"), texts()
    model.eval().save_pretrained(tmp_path)
    (tmp_path / "tokenizer.json").write_text('{"version": "ü"}', encoding="utf-8")
    loaded = load_pretrained(tmp_path, num_outputs=3)
    assert loaded.predictor(tokens).shape == (3, 3)
    assert (loaded.model_type, loaded.labels, loaded.tokenizer_json) == ("BERT", None, '{"version": "ü"}')
    assert from_pretrained(tmp_path, num_outputs=3, task="token-classification")(tokens).shape == (3, 5, 3)
    assert torch.equal(from_pretrained(tmp_path, task="language")(tokens), model(tokens))
    for options in ({"task": "classification"}, {"task": "sequence"}, {"task": "language", "num_outputs": 3}):
        with pytest.raises(ConfigurationError):
            from_pretrained(tmp_path, **options)
    (tmp_path / "tokenizer.json").write_bytes(b"\xff\xfe")
    with pytest.raises(CheckpointError, match=r"tokenizer\.json"):
        from_pretrained(tmp_path)
    MLP(num_inputs=4, num_outputs=2).save_pretrained(tmp_path / "mlp")
    assert load_pretrained(tmp_path / "mlp").tokenizer_json is None
    with pytest.raises(ConfigurationError, match="not for text"):
        from_pretrained(tmp_path / "mlp", task="language")


BAD_TOKENS: dict[str, tuple[Tensor, str]] = {
    "floats": (torch.zeros(2, 3), "float32"),
    "booleans": (torch.zeros(2, 3, dtype=torch.bool), "bool"),
    "one text": (torch.zeros(3, dtype=torch.int64), r"shape \(3,\)"),
    "three axes": (torch.zeros(1, 2, 3, dtype=torch.int64), r"shape \(1, 2, 3\)"),
    "no token": (torch.zeros(2, 0, dtype=torch.int64), "at least 1 in a text"),
    "an unknown token": (torch.tensor([[0, VOCABULARY]]), f"token {VOCABULARY}"),
    "a negative token": (torch.tensor([[-100, 3]]), "token -100"),
    "too many": (torch.zeros(1, LENGTH + 1, dtype=torch.int64), f"at most {LENGTH} tokens"),
}


@pytest.mark.usefixtures("as_a_user_calls")
@pytest.mark.parametrize("case", ["gpt", "gpt, rotary, grouped", "bert", "bert, classes of texts"])
@pytest.mark.parametrize("bad", BAD_TOKENS)
def test_tokens_that_are_refused(case: str, bad: str) -> None:
    tokens, words = BAD_TOKENS[bad]
    for model in (make(case), make(case).eval()):
        with pytest.raises(InputError, match=words):
            model(tokens)
        with pytest.raises(InputError, match=words):
            model.hidden_states(tokens)


@pytest.mark.usefixtures("as_a_user_calls")
@pytest.mark.parametrize("case", ["gpt", "bert"])
@pytest.mark.parametrize("name", ["present", "select"])
def test_masks_that_are_refused(case: str, name: str) -> None:
    for mask in (torch.ones(3, 5), torch.ones(3, 4, dtype=torch.bool), torch.ones(1, 5, dtype=torch.bool)):
        with pytest.raises(InputError, match=name):
            make(case)(texts(), **{name: mask})


@pytest.mark.usefixtures("as_a_user_calls")
def test_more_tokens_than_positions_with_a_cache() -> None:
    model = make("gpt").eval()
    cache = model.new_cache(2 * LENGTH)
    model(texts(length=6), cache=cache)
    with pytest.raises(InputError, match="9 tokens, 6 of them in the cache"):
        model(texts(length=3), cache=cache)
    with pytest.raises(InputError, match="earlier ones too"):
        model(texts(length=1), present=torch.ones(3, 1, dtype=torch.bool), cache=cache)
    anywhere = GPT(vocabulary_size=VOCABULARY, context_length=None, positions="rotary", depth=1, width=8, num_heads=2)
    assert anywhere(texts(length=50)).shape == (3, 50, VOCABULARY)


@pytest.mark.usefixtures("as_a_user_calls")
def test_segments_and_pairs_that_are_refused() -> None:
    model = make("bert")
    for segments in (texts(length=4) % 2, texts(1) % 2, torch.full((3, 5), 2), torch.full((3, 5), -1)):
        with pytest.raises(InputError, match="segments"):
            model(texts(), segments=segments)
    with pytest.raises(ConfigurationError, match="pairs=True"):
        model(texts(), pairs=True)


@pytest.mark.usefixtures("as_a_user_calls")
@pytest.mark.parametrize(
    ("build", "changes", "words"),
    [
        (GPT, {"vocabulary_size": 0}, "vocabulary_size"),
        (GPT, {"context_length": 0}, "context_length"),
        (GPT, {"context_length": None}, "learned positions"),
        (GPT, {"depth": 0}, "depth"),
        (GPT, {"num_heads": 3}, "num_heads"),
        (GPT, {"num_heads": 0}, "heads"),
        (GPT, {"num_kv_heads": 3}, "num_kv_heads"),
        (GPT, {"dropout": 1.0}, "dropout"),
        (GPT, {"positions": "rotery"}, "did you mean 'rotary'"),
        (GPT, {"num_outputs": 0}, "num_outputs"),
        (BERT, {"width": 0}, "width"),
        (BERT, {"num_segments": 0}, "num_segments"),
        (BERT, {"task": "sequence"}, "task"),
        (BERT, {"task": "classification"}, "num_outputs"),
        (BERT, {"task": "classification", "num_outputs": 0}, "num_outputs"),
        (BERT, {"task": "span", "num_outputs": 3}, "num_outputs = 2"),
        (BERT, {"num_outputs": 3}, "num_outputs"),
        (BERT, {"dropout": -0.1}, "dropout"),
    ],
)
def test_options_that_make_no_network(build: type[TextPredictor], changes: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigurationError, match=words):
        build(**{"vocabulary_size": 9, "context_length": 8, "depth": 1, "width": 8, "num_heads": 2, **changes})


@pytest.mark.parametrize("builder", [gpt, bert])
def test_data_that_are_refused(builder: Any) -> None:
    with pytest.raises(DataError, match="'mlp' for tables"):
        builder(Schema("table", "classification", (4,), classes=("a", "b")))
    with pytest.raises(DataError, match="nothing that is to be predicted"):
        builder(schema("none"))
    with pytest.raises(DataError, match="the task sequence"):
        builder(schema("sequence"))
    with pytest.raises(DataError, match="without a tokenizer"):
        builder(Schema("text", "language", (8,)))
