"""ResNet in the layout of ``transformers``: ``ResNetForImageClassification`` and ``ResNetModel``."""

import re
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from sightline.core.errors import CheckpointError
from sightline.models.hugging_face.config import require, whole, wholes
from sightline.models.predictor import Predictor
from sightline.models.resnet import Block, ResNet

MODEL_TYPE = "resnet"
MODEL: type[Predictor] = ResNet

_BLOCK = r"encoder\.stages\.(?P<stage>\d+)\.layers\.(?P<block>\d+)\."
_LAYER = r"(?P<layer>convolution|normalization)\.(?P<end>\w+)"
_NAMES = (
    (r"embedder\.embedder\." + _LAYER, "stages.stem.{layer}.{end}"),
    (_BLOCK + r"layer\.(?P<index>\d+)\." + _LAYER, "stages.stage{stage}.{block}.{layer}{index}.{end}"),
    (_BLOCK + r"shortcut\." + _LAYER, "stages.stage{stage}.{block}.shortcut.{layer}.{end}"),
    (r"classifier\.1\.(?P<end>\w+)", "head.{end}"),
)


def convert(config: Mapping[str, Any], weights: Mapping[str, Tensor]) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Constructor arguments, all but ``num_outputs``, and weights under our names.

    A name that is not known stays as it is. Counts of batches that the checkpoint leaves out start at 0.

    Args:
        config: of ``config.json``; what it leaves out has the layout's own default, that of ResNet-50.
        weights: all of them, names beginning with "resnet." (which may be left out) or "classifier.".

    Raises:
        CheckpointError: for a field that our network has no counterpart of.

    Lecture: V2

    Example:
        >>> arguments, _ = convert({"layer_type": "basic", "depths": [2, 2], "hidden_sizes": [64, 128]}, {})
        >>> arguments["block"], arguments["widths"], arguments["strides"], arguments["stem_width"]
        ('basic', [64, 128], [1, 2], 64)
    """
    require(config, "hidden_act", "relu")
    depths = wholes(config, "depths", (3, 4, 6, 3))
    first = 2 if config.get("downsample_in_first_stage", False) else 1
    arguments: dict[str, Any] = {
        "in_channels": whole(config, "num_channels", 3),
        "depths": depths,
        "widths": wholes(config, "hidden_sizes", (256, 512, 1024, 2048)),
        "block": _block(config),
        "stem": "large",
        "stem_width": whole(config, "embedding_size", 64),
        "strides": [first, *[2] * (len(depths) - 1)],
        "shortcut": "projection",
    }
    ours = {_renamed(name): weight for name, weight in weights.items()}
    for name in [name for name in ours if name.endswith(".running_mean")]:
        ours.setdefault(name.replace("running_mean", "num_batches_tracked"), torch.tensor(0))
    return arguments, ours


def _block(config: Mapping[str, Any]) -> Block:
    kind = config.get("layer_type", "bottleneck")
    if kind == "basic":
        return "basic"
    if kind == "bottleneck":
        return "bottleneck-1x1-stride" if config.get("downsample_in_bottleneck", False) else "bottleneck"
    raise CheckpointError(
        expected="layer_type in config.json: 'basic' or 'bottleneck'",
        found=f"{kind!r}",
        do="choose a checkpoint without this, or train one here",
    )


def _renamed(name: str) -> str:
    for theirs, ours in _NAMES:
        match = re.fullmatch(theirs, name.removeprefix("resnet."))
        if match:
            parts = match.groupdict()
            for count in ("stage", "index"):  # ours count from 1
                if count in parts:
                    parts[count] = str(int(parts[count]) + 1)
            if "layer" in parts:
                parts["layer"] = {"convolution": "conv", "normalization": "norm"}[parts["layer"]]
            return ours.format(**parts)
    return name
