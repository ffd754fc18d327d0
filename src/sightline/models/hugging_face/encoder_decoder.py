"""What T5's and BART's checkpoints have in common: one embedding under several names, attentions in parts."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from sightline.core.errors import CheckpointError
from sightline.models.hugging_face.config import number

_PARTS = re.compile(r"(.+)\.(query|key|value)\.(weight|bias)")


def join_attentions(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Attentions as ours: in self-attention query, key and value are one layer, in cross-attention key and value.

    Args:
        weights: under our names, but each part for itself: "….attention.query.weight", "….attention.key.weight", ….

    Raises:
        CheckpointError: for an attention that lacks a part, or whose parts don't fit together.

    Lecture: T1

    Example:
        >>> parts = {f"attention.{part}.weight": torch.ones(2, 4) for part in ("query", "key", "value")}
        >>> {name: tuple(weight.shape) for name, weight in join_attentions(parts).items()}
        {'attention.query_key_value.weight': (6, 4)}
    """
    joined: dict[str, Tensor] = {}
    found: dict[tuple[str, str], dict[str, Tensor]] = {}
    for name, weight in weights.items():
        match = _PARTS.fullmatch(name)
        if match is None:
            joined[name] = weight
        else:
            attention, part, kind = match.groups()
            found.setdefault((attention, kind), {})[part] = weight
    for (attention, kind), parts in found.items():
        if attention.endswith("cross_attention"):
            joined[f"{attention}.query.{kind}"] = _stacked(attention, parts, ("query",))
            joined[f"{attention}.key_value.{kind}"] = _stacked(attention, parts, ("key", "value"))
        else:
            joined[f"{attention}.query_key_value.{kind}"] = _stacked(attention, parts, ("query", "key", "value"))
    return joined


def _stacked(attention: str, parts: Mapping[str, Tensor], wanted: Sequence[str]) -> Tensor:
    """Rows of some parts, one below the other."""
    if set(parts) != {"query", "key", "value"} or len({part.shape[1:] for part in parts.values()}) > 1:
        raise CheckpointError(
            expected=f"query, key and value of one attention, for {attention}",
            found=", ".join(f"{part} {tuple(weight.shape)}" for part, weight in parts.items()),
            do="fetch the checkpoint anew",
        )
    return torch.cat([parts[part] for part in wanted])


def one_embedding(weights: Mapping[str, Tensor], names: Sequence[str]) -> Tensor | None:
    """The one weight that a checkpoint has under one or several of these names; none where it has it under none.

    Raises:
        CheckpointError: for weights that differ.

    Example:
        >>> one_embedding({"shared": torch.ones(2, 1), "lm_head": torch.ones(2, 1)}, ("shared", "lm_head")).tolist()
        [[1.0], [1.0]]
    """
    there = [name for name in names if name in weights]
    for name in there[1:]:
        if not torch.equal(weights[name], weights[there[0]]):
            raise CheckpointError(
                expected=f"one embedding, the same as {there[0]} and as {name}",
                found="two that differ",
                do="choose a checkpoint whose encoder and decoder share their embedding",
            )
    return weights[there[0]] if there else None


def start_token(config: Mapping[str, Any], otherwise: str, default: int) -> int:
    """The first decoder token, as ``decoder_start_token_id`` says, or another field where that is silent.

    Raises:
        CheckpointError: for anything but a number of at least 0.

    Example:
        >>> start_token({"pad_token_id": 3}, "pad_token_id", 0), start_token({}, "pad_token_id", 0)
        (3, 0)
    """
    name = "decoder_start_token_id" if config.get("decoder_start_token_id") is not None else otherwise
    return default if config.get(name) is None else int(number(config, name, default))


def depths(encoder: int, decoder: int) -> int | list[int]:
    """Blocks as our networks take them: one number where both sides have as many.

    Example:
        >>> depths(6, 6), depths(4, 2)
        (6, [4, 2])
    """
    return encoder if encoder == decoder else [encoder, decoder]
