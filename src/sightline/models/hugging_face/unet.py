"""U-Net in the layout of ``diffusers``: ``UNet2DModel``."""

import re
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from sightline.core.errors import CheckpointError
from sightline.models.hugging_face.config import number, require, whole, wholes

CLASS_NAME = "UNet2DModel"
"""What ``_class_name`` in its config.json says."""

_ONLY: dict[str, Any] = {
    "center_input_sample": False,
    "time_embedding_type": "positional",
    "time_embedding_dim": None,
    "mid_block_type": "UNetMidBlock2D",
    "mid_block_scale_factor": 1,
    "downsample_padding": 1,
    "downsample_type": "conv",
    "upsample_type": "conv",
    "attn_norm_num_groups": None,
    "resnet_time_scale_shift": "default",
    "add_attention": True,
    "class_embed_type": None,
}
_NAMES = (
    (r"conv_in\.(\w+)", r"stem.\1"),
    (r"time_embedding\.linear_1\.(\w+)", r"time.first.\1"),
    (r"time_embedding\.linear_2\.(\w+)", r"time.second.\1"),
    (r"class_embedding\.weight", r"classes.weight"),
    (r"(down|up)_blocks\.(\d+)\.resnets\.(\d+)\.(.+)", r"\1.\2.blocks.\3.\4"),
    (r"(down|up)_blocks\.(\d+)\.attentions\.(\d+)\.(.+)", r"\1.\2.attention.\3.\4"),
    (r"down_blocks\.(\d+)\.downsamplers\.0\.conv\.(\w+)", r"down.\1.shrink.\2"),
    (r"up_blocks\.(\d+)\.upsamplers\.0\.conv\.(\w+)", r"up.\1.grow.\2"),
    (r"mid_block\.resnets\.0\.(.+)", r"middle.before.\1"),
    (r"mid_block\.resnets\.1\.(.+)", r"middle.after.\1"),
    (r"mid_block\.attentions\.0\.(.+)", r"middle.attention.\1"),
    (r"conv_norm_out\.(\w+)", r"head.norm.\1"),
    (r"conv_out\.(\w+)", r"head.conv.\1"),
)
_INSIDE = (
    ("time_emb_proj.", "condition."),
    ("conv_shortcut.", "shortcut."),
    ("group_norm.", "norm."),
    ("to_out.0.", "attention.output."),
)
_PART = re.compile(r"(.+)\.to_([qkv])\.(weight|bias)")


def convert(config: Mapping[str, Any], weights: Mapping[str, Tensor]) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Constructor arguments and weights under our names.

    A name that is not known stays as it is. Query, key and value become one layer. The columns that read the clock
    change places: theirs has all cosines, then all sines (or the other way about), ours a pair for each frequency.
    The last of their rows for classes is our "none".

    Args:
        config: of ``config.json``.
        weights: all of them.

    Raises:
        CheckpointError: for a field that our network has no counterpart of, or a part of an attention that is not
            there.

    Lecture: X6

    Example:
        >>> blocks = {"down_block_types": ["DownBlock2D"], "up_block_types": ["UpBlock2D"]}
        >>> arguments, _ = convert({"block_out_channels": [64], **blocks}, {})
        >>> arguments["widths"], arguments["attention"], arguments["head_width"]
        ([64], [False], 8)
    """
    for name, only in _ONLY.items():
        require(config, name, only)
    if config.get("act_fn", "silu") != "swish":
        require(config, "act_fn", "silu")
    widths = wholes(config, "block_out_channels", (224, 448, 672, 896))
    arguments: dict[str, Any] = {
        "in_channels": whole(config, "in_channels", 3),
        "out_channels": whole(config, "out_channels", 3),
        "widths": widths,
        "attention": _attention(config),
        "head_width": None if config.get("attention_head_dim", 8) is None else whole(config, "attention_head_dim", 8),
        "num_blocks": whole(config, "layers_per_block", 2),
        "num_groups": whole(config, "norm_num_groups", 32),
        "num_classes": _num_classes(config),
        "dropout": number(config, "dropout", 0.0),
        "norm_eps": number(config, "norm_eps", 1e-5),
        "time_base": _time_base(config, widths[0]),
    }
    ours: dict[str, Tensor] = {}
    parts: dict[str, dict[str, Tensor]] = {}
    for name, weight in weights.items():
        renamed = _renamed(name)
        found = _PART.fullmatch(renamed)
        if found:
            prefix, part, kind = found.groups()
            parts.setdefault(f"{prefix}.attention.query_key_value.{kind}", {})[part] = weight
        else:
            ours[renamed] = weight
    ours |= {name: _joined(name, of) for name, of in parts.items()}
    if "time.first.weight" in ours:
        ours["time.first.weight"] = _paired(ours["time.first.weight"], bool(config.get("flip_sin_to_cos", True)))
    return arguments, ours


def _attention(config: Mapping[str, Any]) -> list[bool]:
    """Which levels have attention, on the way down and, the other way about, on the way up."""
    down = config.get("down_block_types", ["DownBlock2D", *["AttnDownBlock2D"] * 3])
    up = config.get("up_block_types", [*["AttnUpBlock2D"] * 3, "UpBlock2D"])
    wanted = [str(kind).startswith("Attn") for kind in down]
    mirrored = ["AttnUpBlock2D" if attention else "UpBlock2D" for attention in reversed(wanted)]
    plain = ["AttnDownBlock2D" if attention else "DownBlock2D" for attention in wanted]
    if list(down) != plain or list(up) != mirrored:
        raise CheckpointError(
            expected="in config.json levels DownBlock2D or AttnDownBlock2D, and on the way up their likes in reverse",
            found=f"{list(down)} and {list(up)}",
            do="choose a checkpoint without this, or train one here",
        )
    return wanted


def _num_classes(config: Mapping[str, Any]) -> int | None:
    if config.get("num_class_embeds") is None:
        return None
    rows = whole(config, "num_class_embeds", 1)
    if rows < 2:
        raise CheckpointError(
            expected="num_class_embeds in config.json: none, or 2 or more, the last for no class",
            found=f"{rows}",
            do="choose a checkpoint without this, or train one here",
        )
    return rows - 1


def _time_base(config: Mapping[str, Any], width: int) -> float:
    """Their frequencies are 10000^(−i/(D/2 − shift)), ours base^(−i/(D/2))."""
    half, shift = width // 2, number(config, "freq_shift", 0.0)
    if not half > shift:
        raise CheckpointError(
            expected=f"freq_shift in config.json below {half}, half of the first width",
            found=f"{shift:g}",
            do="choose a checkpoint without this, or train one here",
        )
    return float(10_000.0 ** (half / (half - shift)))


def _paired(weight: Tensor, cosines_first: bool) -> Tensor:
    """Columns for [sin ω_0 t, cos ω_0 t, sin ω_1 t, …] from those of two halves."""
    first, second = weight.chunk(2, 1)
    sines, cosines = (second, first) if cosines_first else (first, second)
    return torch.stack([sines, cosines], 2).flatten(1)


def _renamed(name: str) -> str:
    for theirs, ours in _NAMES:
        if re.fullmatch(theirs, name):
            renamed = re.sub(theirs, ours, name)
            for old, new in _INSIDE:
                renamed = renamed.replace(f".{old}", f".{new}")
            return renamed
    return name


def _joined(name: str, parts: Mapping[str, Tensor]) -> Tensor:
    """Query's, key's and value's rows, in this order."""
    if set(parts) != {"q", "k", "v"} or len({part.shape[1:] for part in parts.values()}) > 1:
        raise CheckpointError(
            expected=f"query, key and value of one attention, for {name}",
            found=", ".join(f"{part} {tuple(weight.shape)}" for part, weight in parts.items()),
            do="fetch the checkpoint anew",
        )
    return torch.cat([parts["q"], parts["k"], parts["v"]])
