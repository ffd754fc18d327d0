"""GPT-2 in the layout of ``transformers``: ``GPT2LMHeadModel``, ``GPT2Model`` and ``GPT2ForSequenceClassification``."""

import re
from collections.abc import Mapping
from typing import Any

from torch import Tensor

from sightline.core.errors import CheckpointError
from sightline.models.gpt import GPT
from sightline.models.hugging_face.config import number, require, whole
from sightline.models.predictor import Predictor

MODEL_TYPE = "gpt2"
MODEL: type[Predictor] = GPT

_NAMES = {
    "wte.weight": "embedding.weight",
    "wpe.weight": "positions.weight",
    "ln_f.weight": "stack.norm.weight",
    "ln_f.bias": "stack.norm.bias",
    "lm_head.weight": "head.weight",
    "score.weight": "head.weight",
}
_LAYERS = {
    "ln_1": "attention_norm",
    "attn.c_attn": "attention.query_key_value",
    "attn.c_proj": "attention.output",
    "ln_2": "mlp_norm",
    "mlp.c_fc": "expand",
    "mlp.c_proj": "contract",
}
_BLOCK = re.compile(r"h\.(\d+)\.(.+)\.(weight|bias)")
_LEFT_OUT = re.compile(r"h\.\d+\.attn\.(bias|masked_bias)")
"""Masks, which older checkpoints carry."""


def convert(config: Mapping[str, Any], weights: Mapping[str, Tensor]) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Constructor arguments and weights under our names.

    A name that is not known stays as it is. Their linear layers hold (inputs, outputs), ours (outputs, inputs). A
    classifier, which has no bias, gets one of 0.

    Args:
        config: of ``config.json``.
        weights: all of them; names begin with "transformer.", or leave that out.

    Raises:
        CheckpointError: for a field that our network has no counterpart of.

    Lecture: T6

    Example:
        >>> arguments, _ = convert({"n_embd": 8, "n_head": 2, "n_layer": 3}, {})
        >>> arguments["width"], arguments["depth"], arguments["num_outputs"]
        (8, 3, None)
    """
    width = whole(config, "n_embd", 768)
    if config.get("activation_function") != "gelu_pytorch_tanh":  # the same function under its other name
        require(config, "activation_function", "gelu_new")
    require(config, "layer_norm_epsilon", 1e-5)
    require(config, "scale_attn_weights", only=True)
    require(config, "scale_attn_by_inverse_layer_idx", only=False)
    require(config, "add_cross_attention", only=False)
    if config.get("n_inner") is not None:
        require(config, "n_inner", 4 * width)
    arguments: dict[str, Any] = {
        "vocabulary_size": whole(config, "vocab_size", 50257),
        "context_length": whole(config, "n_positions", 1024),
        "depth": whole(config, "n_layer", 12),
        "width": width,
        "num_heads": whole(config, "n_head", 12),
        "dropout": _dropout(config),
    }
    theirs = {name.removeprefix("transformer."): weight for name, weight in weights.items()}
    ours: dict[str, Tensor] = {}
    for name, weight in theirs.items():
        block = _BLOCK.fullmatch(name)
        if _LEFT_OUT.fullmatch(name):
            continue
        if block is None:
            ours[_NAMES.get(name, name)] = weight
        else:
            layer, kind = _LAYERS.get(block[2], block[2]), block[3]
            turned = kind == "weight" and weight.ndim == 2
            ours[f"stack.blocks.{block[1]}.{layer}.{kind}"] = weight.T if turned else weight
    classifies = "score.weight" in theirs
    if classifies:
        ours["head.bias"] = ours["head.weight"].new_zeros(len(ours["head.weight"]))
    arguments["num_outputs"] = len(ours["head.weight"]) if classifies else None
    return arguments, ours


def _dropout(config: Mapping[str, Any]) -> float:
    """The one probability, of branches, embeddings and attention weights."""
    given = {name: number(config, name, 0.1) for name in ("resid_pdrop", "embd_pdrop", "attn_pdrop")}
    if len(set(given.values())) > 1:
        raise CheckpointError(
            expected="one probability for resid_pdrop, embd_pdrop and attn_pdrop in config.json",
            found=", ".join(f"{name} {value:g}" for name, value in given.items()),
            do="set the three to the one that you want to train with",
        )
    return given["resid_pdrop"]
