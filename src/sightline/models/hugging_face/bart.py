"""BART in the layout of ``transformers``: ``BartForConditionalGeneration`` and ``BartModel``."""

import re
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from sightline.models.bart import BART
from sightline.models.hugging_face.config import number, require, whole
from sightline.models.hugging_face.encoder_decoder import depths, join_attentions, one_embedding, start_token
from sightline.models.predictor import Predictor

MODEL_TYPE = "bart"
MODEL: type[Predictor] = BART

_EMBEDDINGS = ("shared.weight", "encoder.embed_tokens.weight", "decoder.embed_tokens.weight", "lm_head.weight")
_POSITIONS = re.compile(r"(encoder|decoder)\.embed_positions\.weight")
_OFFSET = 2
"""Rows at the beginning of the layout's table of positions that no token is at."""
_NORM = re.compile(r"(encoder|decoder)\.layernorm_embedding\.(weight|bias)")
_BLOCK = re.compile(r"(encoder|decoder)\.layers\.(\d+)\.(.+)\.(weight|bias)")
_LAYERS = {
    "self_attn.q_proj": "attention.query",
    "self_attn.k_proj": "attention.key",
    "self_attn.v_proj": "attention.value",
    "self_attn.out_proj": "attention.output",
    "self_attn_layer_norm": "attention_norm",
    "encoder_attn.q_proj": "cross_attention.query",
    "encoder_attn.k_proj": "cross_attention.key",
    "encoder_attn.v_proj": "cross_attention.value",
    "encoder_attn.out_proj": "cross_attention.output",
    "encoder_attn_layer_norm": "cross_norm",
    "fc1": "expand",
    "fc2": "contract",
    "final_layer_norm": "mlp_norm",
}
_BOTH_SIDES = (("attention_heads", 16), ("ffn_dim", 4096))
_ABSENT = {
    "scale_embedding": False,
    "encoder_layerdrop": 0.0,
    "decoder_layerdrop": 0.0,
    "add_final_layer_norm": False,
    "normalize_before": False,
    "normalize_embedding": True,
    "static_position_embeddings": False,
}
"""What the layout knows and our network does not, with the value that means it is not there."""


def convert(config: Mapping[str, Any], weights: Mapping[str, Tensor]) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Constructor arguments and weights under our names.

    A name that is not known stays as it is. Query, key and value become one layer. The first two rows of the positions,
    which no token is at, are left out; a checkpoint without the bias of its logits gets one of 0.

    Args:
        config: of ``config.json``; what it leaves out has the layout's own default, that of BART large.
        weights: all of them; names begin with "model." but for the head's, or leave that out.

    Raises:
        CheckpointError: for a field that our network has no counterpart of, or embeddings that differ.

    Lecture: T6

    Example:
        >>> arguments, _ = convert({"d_model": 16, "encoder_layers": 6, "decoder_layers": 6}, {})
        >>> arguments["depth"], arguments["width"], arguments["start_token"]
        (6, 16, 2)
    """
    require(config, "activation_function", "gelu")
    require(config, "tie_word_embeddings", True)
    for name, only in _ABSENT.items():
        require(config, name, only)
    for name, default in _BOTH_SIDES:
        decoder = f"decoder_{name}"
        require({decoder: whole(config, decoder, default)}, decoder, whole(config, f"encoder_{name}", default))
    arguments: dict[str, Any] = {
        "vocabulary_size": whole(config, "vocab_size", 50265),
        "context_length": whole(config, "max_position_embeddings", 1024),
        "start_token": start_token(config, "eos_token_id", 2),
        "depth": depths(whole(config, "encoder_layers", 12), whole(config, "decoder_layers", 12)),
        "width": whole(config, "d_model", 1024),
        "num_heads": whole(config, "encoder_attention_heads", 16),
        "mlp_width": whole(config, "encoder_ffn_dim", 4096),
        "dropout": number(config, "dropout", 0.1),
        "hidden_dropout": number(config, "activation_dropout", 0.0),
        "attention_dropout": number(config, "attention_dropout", 0.0),
    }
    theirs = {name.removeprefix("model."): weight for name, weight in weights.items()}
    ours: dict[str, Tensor] = {}
    for name, weight in theirs.items():
        if _POSITIONS.fullmatch(name):
            ours[name.replace(".embed_positions", "_positions")] = weight[_OFFSET:]
        elif name == "final_logits_bias":
            ours["head.bias"] = weight.flatten()
        elif name not in _EMBEDDINGS and not name.endswith("coder.version"):
            ours[_renamed(name)] = weight
    embedding = one_embedding(theirs, _EMBEDDINGS)
    if embedding is not None:
        ours["embedding.weight"] = ours["head.weight"] = embedding
        ours.setdefault("head.bias", torch.zeros(len(embedding)))
    return arguments, join_attentions(ours)


def _renamed(name: str) -> str:
    norm, block = _NORM.fullmatch(name), _BLOCK.fullmatch(name)
    if norm:
        return f"{norm[1]}_embedding_norm.{norm[2]}"
    if block and block[3] in _LAYERS:
        return f"{block[1]}.blocks.{block[2]}.{_LAYERS[block[3]]}.{block[4]}"
    return name
