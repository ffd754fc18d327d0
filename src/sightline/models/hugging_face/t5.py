"""T5 in the layout of ``transformers``: ``T5ForConditionalGeneration`` and, for version 1.0, ``T5Model``."""

import re
from collections.abc import Mapping
from typing import Any

from torch import Tensor

from sightline.core.errors import CheckpointError
from sightline.models.hugging_face.config import number, require, whole
from sightline.models.hugging_face.encoder_decoder import depths, join_attentions, one_embedding, start_token
from sightline.models.predictor import Predictor
from sightline.models.t5 import T5

MODEL_TYPE = "t5"
MODEL: type[Predictor] = T5

_VERSIONS = {"relu": "1.0", "gated-gelu": "1.1"}
_EMBEDDINGS = ("shared.weight", "encoder.embed_tokens.weight", "decoder.embed_tokens.weight")
_HEAD = "lm_head.weight"
_BIAS = re.compile(r"(encoder|decoder)\.block\.0\.layer\.0\.SelfAttention\.relative_attention_bias\.weight")
_NORM = re.compile(r"(encoder|decoder)\.final_layer_norm\.weight")
_BLOCK = re.compile(r"(encoder|decoder)\.block\.(\d+)\.layer\.(\d)\.(.+)\.weight")
_LAYERS = {
    "SelfAttention.q": "attention.query",
    "SelfAttention.k": "attention.key",
    "SelfAttention.v": "attention.value",
    "SelfAttention.o": "attention.output",
    "EncDecAttention.q": "cross_attention.query",
    "EncDecAttention.k": "cross_attention.key",
    "EncDecAttention.v": "cross_attention.value",
    "EncDecAttention.o": "cross_attention.output",
    "DenseReluDense.wi": "expand",
    "DenseReluDense.wi_0": "expand",
    "DenseReluDense.wi_1": "gate",
    "DenseReluDense.wo": "contract",
}
_NORMS = {
    ("encoder", "0"): "attention_norm",
    ("encoder", "1"): "mlp_norm",
    ("decoder", "0"): "attention_norm",
    ("decoder", "1"): "cross_norm",
    ("decoder", "2"): "mlp_norm",
}
_UNREAD = "decoder.block.0.layer.1.EncDecAttention.relative_attention_bias.weight"
"""A table that published checkpoints carry and nothing reads."""


def convert(config: Mapping[str, Any], weights: Mapping[str, Tensor]) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Constructor arguments and weights under our names.

    A name that is not known stays as it is. Query, key and value become one layer. Version 1.1 has a head of its own;
    where the file has none, it is a copy of the embedding.

    Args:
        config: of ``config.json``.
        weights: all of them.

    Raises:
        CheckpointError: for a field that our network has no counterpart of, or embeddings that differ.

    Lecture: T6

    Example:
        >>> arguments, _ = convert({"d_model": 16, "feed_forward_proj": "gated-gelu", "num_decoder_layers": 2}, {})
        >>> arguments["version"], arguments["depth"], arguments["head_width"]
        ('1.1', [6, 2], 64)
    """
    require(config, "relative_attention_num_buckets", 32)
    require(config, "relative_attention_max_distance", 128)
    require(config, "layer_norm_epsilon", 1e-6)
    width, encoder_depth = whole(config, "d_model", 512), whole(config, "num_layers", 6)
    version = _version(config)
    arguments: dict[str, Any] = {
        "vocabulary_size": whole(config, "vocab_size", 32128),
        "start_token": start_token(config, "pad_token_id", 0),
        "depth": depths(encoder_depth, whole(config, "num_decoder_layers", encoder_depth)),
        "width": width,
        "num_heads": whole(config, "num_heads", 8),
        "head_width": whole(config, "d_kv", 64),
        "mlp_width": whole(config, "d_ff", 2048),
        "dropout": number(config, "dropout_rate", 0.1),
        "version": version,
    }
    named = {*_EMBEDDINGS, _HEAD, _UNREAD}
    ours = {_renamed(name): weight for name, weight in weights.items() if name not in named}
    embedding = one_embedding(weights, (*_EMBEDDINGS, _HEAD) if version == "1.0" else _EMBEDDINGS)
    if embedding is not None:
        ours["embedding.weight"] = ours["head.weight"] = embedding
        if version == "1.1":
            ours["head.weight"] = weights.get(_HEAD, embedding) * (width**-0.5 if _scales(config) else 1)
    return arguments, join_attentions(ours)


def _version(config: Mapping[str, Any]) -> str:
    """By the hidden layer; the older version's outputs are scaled, whatever the file says of its head."""
    projection = config.get("feed_forward_proj", "relu")
    if projection not in _VERSIONS:
        raise CheckpointError(
            expected=f"feed_forward_proj in config.json: {' or '.join(_VERSIONS)}",
            found=f"{projection!r}",
            do="choose a checkpoint without this, or train one here",
        )
    if _VERSIONS[projection] == "1.0" and not _scales(config):
        raise CheckpointError(
            expected="a head tied to the embedding in a T5 of version 1.0, as config.json says by feed_forward_proj",
            found="tie_word_embeddings false",
            do="choose a checkpoint without this, or train one here",
        )
    return _VERSIONS[projection]


def _scales(config: Mapping[str, Any]) -> bool:
    """Whether the head's inputs are multiplied by 1/√width; by the layout's older word where it lacks the newer."""
    return bool(config.get("scale_decoder_outputs", config.get("tie_word_embeddings", True)))


def _renamed(name: str) -> str:
    bias, norm, block = _BIAS.fullmatch(name), _NORM.fullmatch(name), _BLOCK.fullmatch(name)
    if bias:
        return f"{bias[1]}_bias.weight"
    if norm:
        return f"{norm[1]}.norm.weight"
    if block:
        side, number, part, layer = block.groups()
        ours = _NORMS.get((side, part)) if layer == "layer_norm" else _LAYERS.get(layer)
        if ours is not None:
            return f"{side}.blocks.{number}.{ours}.weight"
    return name
