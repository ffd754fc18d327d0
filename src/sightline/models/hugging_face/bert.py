"""BERT in the layout of ``transformers``, with any of its heads.

``BertModel`` has none, ``BertForPreTraining``, ``BertForMaskedLM`` and ``BertForNextSentencePrediction`` have those of
the first training, ``BertForSequenceClassification``, ``BertForTokenClassification`` and ``BertForQuestionAnswering``
those of a task.
"""

import re
from collections.abc import Mapping
from typing import Any

from torch import Tensor

from sightline.core.errors import CheckpointError
from sightline.core.schema import Task
from sightline.models.bert import BERT
from sightline.models.hugging_face.config import number, require, whole
from sightline.models.hugging_face.encoder_decoder import join_attentions
from sightline.models.masked_language_head import EPS
from sightline.models.predictor import Predictor

MODEL_TYPE = "bert"
MODEL: type[Predictor] = BERT

_NAMES = {
    "embeddings.word_embeddings": "embedding",
    "embeddings.position_embeddings": "positions",
    "embeddings.token_type_embeddings": "segment_embedding",
    "embeddings.LayerNorm": "embedding_norm",
    "pooler.dense": "pooler",
    "cls.predictions.transform.dense": "head.transform",
    "cls.predictions.transform.LayerNorm": "head.norm",
    "cls.predictions.decoder": "head.decoder",
    "cls.predictions": "head.decoder",  # the decoder's bias has two names there
    "cls.seq_relationship": "pair_head",
    "classifier": "head",
    "qa_outputs": "head",
}
_LAYERS = {
    "attention.self.query": "attention.query",
    "attention.self.key": "attention.key",
    "attention.self.value": "attention.value",
    "attention.output.dense": "attention.output",
    "attention.output.LayerNorm": "attention_norm",
    "intermediate.dense": "expand",
    "output.dense": "contract",
    "output.LayerNorm": "mlp_norm",
}
_BLOCK = re.compile(r"encoder\.layer\.(\d+)\.(.+)")
_HEADS: dict[str, tuple[Task, tuple[str, ...]]] = {
    "BertModel": ("none", ()),
    "BertForPreTraining": ("language", ("cls.predictions.transform.dense.weight",)),
    "BertForMaskedLM": ("language", ("cls.predictions.transform.dense.weight",)),
    "BertLMHeadModel": ("language", ("cls.predictions.transform.dense.weight",)),
    "BertForNextSentencePrediction": ("none", ("cls.seq_relationship.weight",)),
    "BertForSequenceClassification": ("classification", ("classifier.weight", "pooler.dense.weight")),
    "BertForTokenClassification": ("token-classification", ("classifier.weight",)),
    "BertForQuestionAnswering": ("span", ("qa_outputs.weight",)),
}
"""What each of ``architectures`` predicts, and the weights that its head has at least."""

_LEFT_OUT = ("embeddings.position_ids", "embeddings.token_type_ids")


def convert(config: Mapping[str, Any], weights: Mapping[str, Tensor]) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Constructor arguments and weights under our names.

    The task is that of the network named in ``architectures``; where none is named, that of the head in the file:
    masked language, classes of a text (whose pooler is there) or of tokens, spans; with none of these the task is
    "none". One output for a text is a regression, unless ``problem_type`` says otherwise. A head for the next sentence
    becomes the one for pairs: its first logit says that the second sentence follows. A name that is not known stays as
    it is. Query, key and value become one layer.

    Args:
        config: of ``config.json``.
        weights: all of them; names begin with "bert." but for the heads', or leave that out.

    Raises:
        CheckpointError: for a field or a head that our network has no counterpart of, or a part of a head or of an
            attention that is not there.

    Lecture: T6

    Example:
        >>> arguments, _ = convert({"hidden_size": 8, "num_attention_heads": 2}, {})
        >>> arguments["width"], arguments["depth"], arguments["task"]
        (8, 12, 'none')
    """
    require(config, "hidden_act", "gelu")
    require(config, "layer_norm_eps", EPS)
    require(config, "position_embedding_type", "absolute")
    require(config, "is_decoder", only=False)
    require(config, "add_cross_attention", only=False)
    theirs = {name.removeprefix("bert."): weight for name, weight in weights.items()}
    task, num_outputs = _task(config, theirs)
    arguments: dict[str, Any] = {
        "vocabulary_size": whole(config, "vocab_size", 30522),
        "context_length": whole(config, "max_position_embeddings", 512),
        "num_segments": whole(config, "type_vocab_size", 2),
        "depth": whole(config, "num_hidden_layers", 12),
        "width": whole(config, "hidden_size", 768),
        "num_heads": whole(config, "num_attention_heads", 12),
        "mlp_width": whole(config, "intermediate_size", 3072),
        "dropout": _dropout(config),
        "task": task,
        "num_outputs": num_outputs,
        "pairs": "cls.seq_relationship.weight" in theirs,
    }
    ours = {_renamed(name): weight for name, weight in theirs.items() if name not in _LEFT_OUT}
    return arguments, join_attentions(ours)


def _task(config: Mapping[str, Any], weights: Mapping[str, Tensor]) -> tuple[Task, int | None]:
    """What the checkpoint's head predicts, and how many classes there are."""
    task, needed = _HEADS.get(_architecture(config), (None, ()))
    missing = [name for name in needed if name not in weights]
    if missing and task not in ("language", "none"):
        raise CheckpointError(
            expected=f"the head of a {_architecture(config)}, which config.json names",
            found=f"no {missing[0]}",
            do="check that config.json and the weights belong together; num_outputs=… gives a fresh head",
        )
    if task is None or missing:
        task = _task_of_head(weights)
    if task == "classification":
        return _classes_of_text(config, len(weights["classifier.weight"]))
    return task, len(weights["classifier.weight"]) if task == "token-classification" else None


def _architecture(config: Mapping[str, Any]) -> str:
    """The name of the network that was saved; empty where the file does not tell."""
    named = config.get("architectures") or [""]
    if isinstance(named, list) and named[0] in ("", *_HEADS):
        return str(named[0])
    raise CheckpointError(
        expected=f"a network whose head we have, as architectures in config.json: {', '.join(_HEADS)}",
        found=f"{named!r}",
        do="choose another checkpoint; num_outputs=… gives this one a fresh head, to be trained",
    )


def _task_of_head(weights: Mapping[str, Tensor]) -> Task:
    """What the head in the file predicts, from its weights alone."""
    if any(name.startswith("cls.predictions.") for name in weights):
        return "language"
    if "classifier.weight" in weights:
        return "classification" if "pooler.dense.weight" in weights else "token-classification"
    return "span" if "qa_outputs.weight" in weights else "none"


def _classes_of_text(config: Mapping[str, Any], num_outputs: int) -> tuple[Task, int | None]:
    """A text's class, or with one output a number."""
    kind = config.get("problem_type") or ("regression" if num_outputs == 1 else "single_label_classification")
    if kind == "single_label_classification":
        return "classification", num_outputs
    if kind == "regression" and num_outputs == 1:
        return "regression", None
    raise CheckpointError(
        expected="problem_type in config.json: 'single_label_classification', or 'regression' with one output",
        found=f"{kind!r} with {num_outputs} outputs",
        do="choose another checkpoint; num_outputs=… gives this one a fresh head, to be trained",
    )


def _renamed(name: str) -> str:
    layer, _, kind = name.rpartition(".")
    kind = {"gamma": "weight", "beta": "bias"}.get(kind, kind)  # a norm's, in the oldest checkpoints
    block = _BLOCK.fullmatch(layer)
    if block:
        return f"stack.blocks.{block[1]}.{_LAYERS.get(block[2], block[2])}.{kind}"
    return f"{_NAMES.get(layer, layer)}.{kind}" if layer else name


def _dropout(config: Mapping[str, Any]) -> float:
    """The one probability, of branches, embeddings, attention weights and what a classifier sees."""
    given = {name: number(config, name, 0.1) for name in ("hidden_dropout_prob", "attention_probs_dropout_prob")}
    if config.get("classifier_dropout") is not None:  # none: as hidden_dropout_prob
        given["classifier_dropout"] = number(config, "classifier_dropout", 0.1)
    if len(set(given.values())) > 1:
        raise CheckpointError(
            expected=f"one probability for {', '.join(given)} in config.json",
            found=", ".join(f"{name} {value:g}" for name, value in given.items()),
            do="set all to the one that you want to train with",
        )
    return given["hidden_dropout_prob"]
