"""ViT in the layout of ``transformers``: ``ViTForImageClassification`` and ``ViTModel``."""

import re
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from sightline.core.errors import CheckpointError
from sightline.models.hugging_face.config import height_and_width, number, require, square, whole
from sightline.models.predictor import Predictor
from sightline.models.vit import ViT

MODEL_TYPE = "vit"
MODEL: type[Predictor] = ViT

_NAMES = {
    "vit.embeddings.cls_token": "stages.embedding.class_token",
    "vit.embeddings.position_embeddings": "stages.embedding.positions",
    "vit.embeddings.patch_embeddings.projection": "stages.embedding.patches",
    "layernorm_before": "attention_norm",
    "attention.output.dense": "attention.output",
    "layernorm_after": "mlp_norm",
    "intermediate.dense": "expand",
    "output.dense": "contract",
    "vit.layernorm": "stages.norm",
    "classifier": "head",
}
_BLOCK = re.compile(r"vit\.encoder\.layer\.(\d+)\.(.+)\.(weight|bias)")
_LEFT_OUT = ("vit.pooler.", "vit.embeddings.mask_token")


def convert(config: Mapping[str, Any], weights: Mapping[str, Tensor]) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Constructor arguments, all but ``num_outputs``, and weights under our names.

    A name that is not known stays as it is. Query, key and value become one layer; where they have no biases it gets
    biases of 0, which do the same. The pooler, which no classifier uses, and the token of masked patches are left out.

    Args:
        config: of ``config.json``.
        weights: all of them, names beginning with "vit." or "classifier.".

    Raises:
        CheckpointError: for a field that our network has no counterpart of, or a part of an attention that is not
            there.
    """
    require(config, "hidden_act", "gelu")
    width = whole(config, "hidden_size", 768)
    num_heads = whole(config, "num_attention_heads", 12)
    if "head_dim" in config:
        require(config, "head_dim", width // num_heads)
    arguments: dict[str, Any] = {
        "in_channels": whole(config, "num_channels", 3),
        "image_size": list(height_and_width(config, "image_size", 224)),
        "patch_size": square(config, "patch_size", 16),
        "depth": whole(config, "num_hidden_layers", 12),
        "width": width,
        "num_heads": num_heads,
        "mlp_width": whole(config, "intermediate_size", 3072),
        "dropout": number(config, "hidden_dropout_prob", 0.0),
        "attention_dropout": number(config, "attention_probs_dropout_prob", 0.0),
        "norm_eps": number(config, "layer_norm_eps", 1e-12),
    }
    ours: dict[str, Tensor] = {}
    attention: dict[str, dict[str, Tensor]] = {}
    for name, weight in weights.items():
        if name.startswith(_LEFT_OUT):
            continue
        renamed = _renamed(name)
        prefix, found, part = renamed.partition(".attention.attention.")
        if found:
            layer, kind = part.rsplit(".", 1)
            attention.setdefault(f"{prefix}.attention.query_key_value.{kind}", {})[layer] = weight
        else:
            ours[renamed] = weight
    ours |= {name: _joined(name, parts) for name, parts in attention.items()}
    if not config.get("qkv_bias", True):
        layers = [name for name in ours if name.endswith("query_key_value.weight")]
        ours |= {n.removesuffix("weight") + "bias": ours[n].new_zeros(len(ours[n])) for n in layers}
    return arguments, ours


def _renamed(name: str) -> str:
    block = _BLOCK.fullmatch(name)
    if block:
        number, layer, kind = block.groups()
        return f"stages.block{int(number) + 1}.{_NAMES.get(layer, layer)}.{kind}"
    if name in _NAMES:
        return _NAMES[name]
    layer, _, kind = name.rpartition(".")
    return f"{_NAMES.get(layer, layer)}.{kind}" if layer else name


def _joined(name: str, parts: Mapping[str, Tensor]) -> Tensor:
    """Query's, key's and value's rows, in this order."""
    if set(parts) != {"query", "key", "value"} or len({part.shape[1:] for part in parts.values()}) > 1:
        raise CheckpointError(
            expected=f"query, key and value of one attention, for {name}",
            found=", ".join(f"{part} {tuple(weight.shape)}" for part, weight in parts.items()),
            do="fetch the checkpoint anew",
        )
    return torch.cat([parts["query"], parts["key"], parts["value"]])
