"""ConvNeXt in the layout of ``transformers``: ``ConvNextForImageClassification`` and ``ConvNextModel``."""

import re
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from sightline.models.convnext import SIZES, ConvNeXt
from sightline.models.hugging_face.config import number, require, square, whole, wholes
from sightline.models.predictor import Predictor

MODEL_TYPE = "convnext"
MODEL: type[Predictor] = ConvNeXt

_NAMES = (
    (r"convnext\.embeddings\.patch_embeddings\.", "stages.stem.conv."),
    (r"convnext\.embeddings\.layernorm\.", "stages.stem.norm."),
    (r"convnext\.encoder\.(stages\.\d+)\.downsampling_layer\.0\.", r"\1.norm."),
    (r"convnext\.encoder\.(stages\.\d+)\.downsampling_layer\.1\.", r"\1.conv."),
    (r"convnext\.encoder\.(stages\.\d+\.layers\.\d+)\.dwconv\.", r"\1.depthwise."),
    (r"convnext\.encoder\.(stages\.\d+\.layers\.\d+)\.layernorm\.", r"\1.norm."),
    (r"convnext\.encoder\.(stages\.\d+\.layers\.\d+)\.pwconv1\.", r"\1.expand."),
    (r"convnext\.encoder\.(stages\.\d+\.layers\.\d+)\.pwconv2\.", r"\1.contract."),
    (r"convnext\.encoder\.(stages\.\d+\.layers\.\d+)\.layer_scale_parameter$", r"\1.contract.scale"),
    (r"convnext\.layernorm\.", "stages.pool.norm."),
    (r"classifier\.", "head."),
)


def convert(config: Mapping[str, Any], weights: Mapping[str, Tensor]) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Constructor arguments, all but ``num_outputs``, and weights under our names.

    A name that is not known stays as it is. A network without layer scale gets one of 1, which does the same.

    Args:
        config: of ``config.json``.
        weights: all of them, names beginning with "convnext." or "classifier.".

    Raises:
        CheckpointError: for a field that our network has no counterpart of.
    """
    require(config, "hidden_act", "gelu")
    depths = wholes(config, "depths", SIZES["tiny"][0])
    require(config, "num_stages", len(depths))
    scale = number(config, "layer_scale_init_value", 1e-6)
    arguments: dict[str, Any] = {
        "in_channels": whole(config, "num_channels", 3),
        "depths": depths,
        "widths": wholes(config, "hidden_sizes", SIZES["tiny"][1]),
        "patch_size": square(config, "patch_size", 4),
        "drop_path": number(config, "drop_path_rate", 0.0),
        "layer_scale": scale or 1.0,
        "norm_eps": number(config, "layer_norm_eps", 1e-12),
    }
    ours = {_renamed(name): weight for name, weight in weights.items()}
    if not scale:
        branches = [name for name in ours if name.endswith(".contract.bias")]
        ours |= {name.removesuffix("bias") + "scale": torch.ones_like(ours[name]) for name in branches}
    return arguments, ours


def _renamed(name: str) -> str:
    for theirs, ours in _NAMES:
        name, found = re.subn("^" + theirs, ours, name)
        if found:
            break
    name = re.sub(r"^stages\.(\d+)", lambda m: f"stages.stage{int(m[1]) + 1}", name)
    return re.sub(r"\.layers\.(\d+)", lambda m: f".block{int(m[1]) + 1}", name)
