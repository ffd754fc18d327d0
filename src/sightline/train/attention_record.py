"""Who looks at whom, for one validation example, left in the run folder for its report."""

from collections.abc import Sequence
from dataclasses import asdict
from math import isqrt
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from sightline.core.run_folder import RunFolder
from sightline.core.schema import IGNORED
from sightline.core.seeds import Seeds
from sightline.data import Batch, Split
from sightline.nn.attention import Attention
from sightline.objectives import Objective
from sightline.understand.attention_maps import AttentionMap, AttentionMaps, attention_maps

if TYPE_CHECKING:
    from sightline.data.tokenizer import Tokenizer

ATTENTION = "readings/attention.json"

MOST_TOKENS = 64
MOST_WEIGHTS = 300_000
"""Most weights that are kept, over all layers and heads: with many heads fewer tokens are shown."""


def write_attention(
    folder: RunFolder,
    model: nn.Module,
    split: Split,
    tokenizer: "Tokenizer",
    *,
    objective: Objective | None = None,
    seed: int = 0,
) -> bool:
    """Write ``readings/attention.json``: all layers' and heads' weights for the first tokens of the first example.

    The weights are whole thousandths. It costs one forward pass on at most 64 tokens.

    Args:
        folder: the run.
        model: a text predictor of ours; another network, without our attention, leaves nothing.
        split: the validation split.
        tokenizer: tells the tokens' own text.
        objective: hides from the model what it hides in training; none: nothing is hidden.
        seed: the run's; what is hidden depends on it alone.

    Returns:
        Whether there was something to write.

    Raises:
        RunFolderError: when it can't be written.

    Lecture: T1
    """
    num_heads = [module.num_heads for module in model.modules() if isinstance(module, Attention)]
    some = torch.arange(min(2, len(split)))  # two: an objective may make a pair of one example and another
    batch = next(iter(split.batches(batch_size=len(some), order=some)), None) if len(some) else None
    if not num_heads or batch is None:
        return False
    if objective is not None:
        with Seeds(seed).scope("evaluate", 0):
            batch = objective.prepare(batch)
    most = min(MOST_TOKENS, isqrt(MOST_WEIGHTS // sum(num_heads)))
    source, target, maps = example_attention(model, batch, most)
    folder.write(ATTENTION, _plain(maps, tokenizer.pieces(source), tokenizer.pieces(target)))
    return True


def example_attention(model: nn.Module, batch: Batch, most: int) -> tuple[list[int], list[int], AttentionMaps]:
    """The maps of a batch's first example, cut to ``most`` tokens; its tokens, and those of the text to be written.

    Args:
        model: a text predictor.
        batch: of at least one example.
        most: tokens.
    """
    present = slice(None) if batch.present is None else batch.present[0]
    tokens = batch.inputs[:1][:, present][:, :most]
    device = next(model.parameters()).device
    options: dict[str, Any] = {}
    if batch.segments is not None:
        options["segments"] = batch.segments[:1][:, present][:, :most].to(device)
    target: list[int] = []
    if getattr(model, "text_task", "") == "encoder-decoder":
        kept = batch.target[0][batch.target[0] != IGNORED] if batch.target.dim() == 2 else tokens[0]
        target = [int(model.start_token), *kept[: most - 1].tolist()]  # type: ignore[arg-type]
        if len(target) > 1:
            target = target[: len(kept)]
        options["decoder_tokens"] = torch.tensor([target], device=device)
    return tokens[0].tolist(), target, attention_maps(model, tokens.to(device), **options)


def _plain(maps: AttentionMaps, source: Sequence[str], target: Sequence[str]) -> dict[str, Any]:
    """Plain values for JSON: the axes of each map are "source" or "target"."""
    written = "target" if target else "source"
    return {
        "source": list(source),
        "target": list(target),
        "maps": [
            {
                "layer": one.layer,
                "rows": written if _writes(one) else "source",
                "columns": written if _writes(one) and not one.crosses else "source",
                "thousandths": (one.weights * 1000).round().to(torch.int64).tolist(),
            }
            for one in maps.maps
        ],
        "heads": [asdict(figures) for figures in maps.heads],
    }


def _writes(one: AttentionMap) -> bool:
    """Whether those that ask are the text to be written; a score bias may hold the causal mask, told by no argument."""
    return one.crosses or one.causal or "decoder" in one.layer.split(".")
