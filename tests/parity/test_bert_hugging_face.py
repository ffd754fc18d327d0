"""BERT against ``transformers``, whose random checkpoints are written to a folder and loaded here, head by head."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from sightline.core.errors import CheckpointError
from sightline.models.bert import BERT
from sightline.models.pretrained import from_pretrained, load_pretrained

Make = Callable[..., Any]

OPTIONS: dict[str, Any] = {
    "vocab_size": 23,
    "hidden_size": 8,
    "num_hidden_layers": 3,
    "num_attention_heads": 2,
    "intermediate_size": 20,
    "max_position_embeddings": 12,
    "pad_token_id": None,  # theirs keeps the gradient of that token's row at 0
}
PRESENT = torch.arange(9) < torch.tensor([[9], [4], [6], [1]])
SEGMENTS = (torch.arange(9) >= torch.tensor([[3], [2], [9], [1]])).long()


@pytest.fixture(scope="module")
def make() -> Make:
    """A reference network with random biases and norms, in evaluation mode."""
    import transformers

    def build(name: str, **changes: Any) -> Any:
        torch.manual_seed(0)
        config = transformers.BertConfig(**{**OPTIONS, **changes})
        reference: Any = getattr(transformers, name)(config).eval()
        with torch.no_grad():
            for key, parameter in reference.named_parameters():
                parameter.copy_(torch.randn_like(parameter) * 0.3 + float("LayerNorm.weight" in key))
        return reference

    return build


def texts() -> Tensor:
    return torch.randint(23, (4, 9), generator=torch.Generator().manual_seed(1))


def close(found: Tensor, expected: Tensor) -> None:
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)


def test_equal_logits_pairs_hidden_states_and_gradients(make: Make, tmp_path: Path) -> None:
    reference: Any = make("BertForPreTraining")
    reference.save_pretrained(tmp_path)
    model: Any = from_pretrained(tmp_path)
    assert isinstance(model, BERT)
    assert model.pooler is not None
    assert not model.training
    embeddings: list[Tensor] = []

    def keep(_: Any, given: Any, made: Tensor) -> None:
        made.retain_grad()
        embeddings.append(made)

    reference.bert.embeddings.word_embeddings.register_forward_hook(keep)
    model.embedding.register_forward_hook(keep)
    mask = PRESENT.long()
    expected = reference(texts(), attention_mask=mask, token_type_ids=SEGMENTS, output_hidden_states=True)
    logits, pair = model(texts(), present=PRESENT, segments=SEGMENTS, pairs=True)
    assert expected.prediction_logits.std() > 0.1
    close(logits[PRESENT], expected.prediction_logits[PRESENT])
    close(pair, expected.seq_relationship_logits)
    weights, weights_of_pair = torch.randn_like(logits) * PRESENT[..., None], torch.randn_like(pair)
    for given, given_pair in ((expected.prediction_logits, expected.seq_relationship_logits), (logits, pair)):
        ((given * weights).sum() + (given_pair * weights_of_pair).sum()).backward()
    for wanted, found in (
        (embeddings[0].grad, embeddings[1].grad),
        (reference.bert.embeddings.word_embeddings.weight.grad, model.embedding.weight.grad),
        (reference.bert.embeddings.token_type_embeddings.weight.grad, model.segment_embedding.weight.grad),
        (reference.bert.pooler.dense.weight.grad, model.pooler.weight.grad),
    ):
        assert wanted is not None
        torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-4 * wanted.abs().max().item())
    hidden = model.hidden_states(texts(), present=PRESENT, segments=SEGMENTS)
    assert len(hidden) == len(expected.hidden_states) == 4
    for found, wanted in zip(hidden, expected.hidden_states, strict=True):
        close(found[PRESENT], wanted[PRESENT])


def test_equal_without_filling_and_segments(make: Make, tmp_path: Path) -> None:
    reference = make("BertForMaskedLM", num_attention_heads=4, num_hidden_layers=1, type_vocab_size=3)
    reference.save_pretrained(tmp_path)
    model: Any = from_pretrained(tmp_path)
    close(model(texts()), reference(texts()).logits)
    assert model.head.decoder.weight is model.embedding.weight
    assert model.pooler is None
    model.save_pretrained(tmp_path / "ours")
    again: Any = from_pretrained(tmp_path / "ours")
    assert torch.equal(again(texts()), model(texts()))
    assert again.head.decoder.weight is again.embedding.weight


HEADS: dict[str, tuple[str, dict[str, Any], str]] = {
    "BertForSequenceClassification": ("classification", {"num_labels": 3}, "logits"),
    "BertForTokenClassification": ("token-classification", {"num_labels": 5}, "logits"),
    "BertForQuestionAnswering": ("span", {}, ""),
    "BertModel": ("none", {}, "last_hidden_state"),
    "BertForMaskedLM": ("language", {}, "logits"),
}


@pytest.mark.parametrize("name", HEADS)
def test_every_head(name: str, make: Make, tmp_path: Path) -> None:
    task, options, field = HEADS[name]
    reference = make(name, **options)
    reference.save_pretrained(tmp_path)
    loaded = load_pretrained(tmp_path)
    model: Any = loaded.predictor
    assert (loaded.model_type, model.task, model.pairs) == ("bert", task, False)
    given = reference(texts(), attention_mask=PRESENT.long(), token_type_ids=SEGMENTS)
    expected = given[field] if field else torch.stack([given.start_logits, given.end_logits], 2)
    found = model(texts(), present=PRESENT, segments=SEGMENTS)
    assert found.shape == expected.shape
    if found.ndim == 3:
        found, expected = found[PRESENT], expected[PRESENT]
    close(found, expected)


def rewrite(folder: Path, **changes: Any) -> None:
    """Other values in config.json."""
    file = folder / "config.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **changes}))


@pytest.mark.parametrize("name", ["BertForTokenClassification", "BertForQuestionAnswering"])
def test_older_heads_on_tokens_carry_a_pooler(name: str, make: Make, tmp_path: Path) -> None:
    reference = make(name, **HEADS[name][1])
    reference.save_pretrained(tmp_path)
    file = tmp_path / "model.safetensors"
    pooler = {"bert.pooler.dense.weight": torch.ones(8, 8), "bert.pooler.dense.bias": torch.ones(8)}
    save_file({**load_file(file), **pooler}, file)
    model: Any = from_pretrained(tmp_path)
    given = reference(texts())
    if name == "BertForTokenClassification":
        assert (model.task, model(texts()).shape) == ("token-classification", (4, 9, 5))
        close(model(texts()), given.logits)
    else:
        close(model(texts()), torch.stack([given.start_logits, given.end_logits], 2))
    assert model.pooler is None
    fresh: Any = from_pretrained(tmp_path, num_outputs=3)
    assert fresh(texts()).shape == (4, 3)
    assert torch.equal(fresh.pooler.weight, torch.ones(8, 8))


def test_one_output_is_a_number(make: Make, tmp_path: Path) -> None:
    reference = make("BertForSequenceClassification", num_labels=1)
    reference.save_pretrained(tmp_path)
    loaded: Any = load_pretrained(tmp_path)
    assert (loaded.predictor.task, loaded.labels) == ("regression", None)
    close(loaded.predictor(texts()), reference(texts()).logits)
    assert torch.equal(from_pretrained(tmp_path, task="regression")(texts()), loaded.predictor(texts()))
    rewrite(tmp_path, problem_type="single_label_classification")
    again: Any = from_pretrained(tmp_path)
    assert again.task == "classification"


@pytest.mark.parametrize(
    ("name", "changes", "words"),
    [
        ("BertForMultipleChoice", {}, "BertForMultipleChoice"),
        ("BertForSequenceClassification", {"problem_type": "multi_label_classification"}, "multi_label_classification"),
        ("BertForSequenceClassification", {"problem_type": "regression"}, "'regression' with 2 outputs"),
        ("BertForTokenClassification", {"architectures": ["BertForSequenceClassification"]}, r"no pooler.dense.weight"),
        ("BertModel", {"architectures": ["BertForQuestionAnswering"]}, r"no qa_outputs.weight"),
        ("BertModel", {"architectures": "BertModel"}, "architectures"),
    ],
)
def test_heads_that_we_do_not_have_are_refused(
    name: str, changes: dict[str, Any], words: str, make: Make, tmp_path: Path
) -> None:
    make(name).save_pretrained(tmp_path)
    rewrite(tmp_path, **changes)
    with pytest.raises(CheckpointError, match=words):
        from_pretrained(tmp_path)
    assert from_pretrained(tmp_path, num_outputs=4)(texts()).shape == (4, 4)  # a fresh head needs none of it


@pytest.mark.parametrize("name", [name for name in HEADS if name != "BertForTokenClassification"])
def test_without_architectures_the_weights_tell(name: str, make: Make, tmp_path: Path) -> None:
    make(name, **HEADS[name][1]).save_pretrained(tmp_path)
    expected: Any = from_pretrained(tmp_path)
    rewrite(tmp_path, architectures=None)
    found: Any = from_pretrained(tmp_path)
    assert found.task == expected.task
    assert torch.equal(found(texts()), expected(texts()))


def test_the_dropout_of_the_classifier(make: Make, tmp_path: Path) -> None:
    make("BertForSequenceClassification", classifier_dropout=0.1).save_pretrained(tmp_path)
    model: Any = from_pretrained(tmp_path)
    assert model.dropout.p == 0.1
    rewrite(tmp_path, classifier_dropout=0.5)
    with pytest.raises(CheckpointError, match=r"classifier_dropout 0\.5"):
        from_pretrained(tmp_path)


def test_the_next_sentence_alone(make: Make, tmp_path: Path) -> None:
    reference = make("BertForNextSentencePrediction")
    reference.save_pretrained(tmp_path)
    outputs, pair = from_pretrained(tmp_path)(texts(), pairs=True)
    close(pair, reference(texts()).logits)
    assert outputs.shape == (4, 9, 8)


def test_a_fresh_head_keeps_the_pooler(make: Make, tmp_path: Path) -> None:
    reference = make("BertModel")
    reference.save_pretrained(tmp_path)
    assert all(not name.startswith("bert.") for name in load_file(tmp_path / "model.safetensors"))
    model: Any = from_pretrained(tmp_path, num_outputs=4)
    assert model(texts()).shape == (4, 4)
    close(model.features(texts()), reference(texts()).pooler_output)
    spans = from_pretrained(tmp_path, task="span")
    assert spans(texts()).shape == (4, 9, 2)
    close(spans.features(texts()), reference(texts()).last_hidden_state)
    assert from_pretrained(tmp_path, task="language")(texts()).shape == (4, 9, 23)


def test_class_names_belong_to_the_checkpoints_head(make: Make, tmp_path: Path) -> None:
    names = {0: "bad", 1: "good"}
    make("BertForSequenceClassification", id2label=names).save_pretrained(tmp_path)
    assert load_pretrained(tmp_path).labels == ("bad", "good")
    same = load_pretrained(tmp_path, task="classification")
    assert same.labels == ("bad", "good")
    assert torch.equal(same.predictor(texts()), from_pretrained(tmp_path)(texts()))
    torch.manual_seed(0)
    fresh = load_pretrained(tmp_path, num_outputs=2)
    assert fresh.labels is None
    assert not torch.equal(fresh.predictor(texts()), same.predictor(texts()))
    assert load_pretrained(tmp_path, task="language").labels is None


def test_the_oldest_names_and_both_names_of_a_tied_weight(make: Make, tmp_path: Path) -> None:
    make("BertForPreTraining").save_pretrained(tmp_path)
    expected = from_pretrained(tmp_path)(texts())
    file = tmp_path / "model.safetensors"
    weights = load_file(file)
    old = {
        name.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta"): weight
        for name, weight in weights.items()
    }
    assert sum(name.endswith("gamma") for name in old) == 8
    old["bert.embeddings.position_ids"] = torch.arange(12)[None]
    old["cls.predictions.decoder.weight"] = weights["bert.embeddings.word_embeddings.weight"].clone()
    save_file(old, file)
    assert torch.equal(from_pretrained(tmp_path)(texts()), expected)
    old["cls.predictions.decoder.weight"] += 1
    save_file(old, file)
    with pytest.raises(CheckpointError, match="two that differ"):
        from_pretrained(tmp_path)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"hidden_act": "relu"}, "hidden_act"),
        ({"layer_norm_eps": 1e-5}, "layer_norm_eps"),
        ({"position_embedding_type": "relative_key"}, "position_embedding_type"),
        ({"is_decoder": True}, "is_decoder"),
        ({"attention_probs_dropout_prob": 0.3}, "one probability"),
        ({"num_attention_heads": 3}, "3 heads instead of a width"),
        ({"num_hidden_layers": 2}, "which the network does not have"),
        ({"num_hidden_layers": 4}, "no stack.blocks.3"),
        ({"type_vocab_size": 1}, "segment_embedding.weight of shape"),
        ({"vocab_size": 24}, "of shape"),
    ],
)
def test_configurations_that_are_refused(changes: dict[str, Any], words: str, make: Make, tmp_path: Path) -> None:
    make("BertForPreTraining").save_pretrained(tmp_path)
    file = tmp_path / "config.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **changes}))
    with pytest.raises(CheckpointError, match=words):
        from_pretrained(tmp_path)
