"""What a loss function is given: scores and the truth."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from sightline.diagnose.record import TargetsSeen
from sightline.diagnose.tensor_facts import spread, tensor_facts

MOST_VALUES = 8_192
MOST_BATCHES = 2_000
MOST_CLASSES = 100_000
MOST_PLACES = 24
MOST_RIGHT = 1_000
MOST_COLUMNS = 8_192
MOST_ROWS = 512


def arguments(args: Sequence[Any], kwargs: Mapping[str, Any]) -> tuple[Tensor | None, Tensor | None]:
    """Outputs and targets of a call of a loss function, or None where they are no tensors."""
    given = [*args[:2], *(kwargs[key] for key in ("input", "target") if key in kwargs)]
    tensors = [value if isinstance(value, Tensor) else None for value in given]
    return (tensors[0], tensors[1]) if len(tensors) >= 2 else (None, None)


def counted_targets(function: str, target: Tensor, kwargs: Mapping[str, Any]) -> Tensor:
    """Those that the loss does not leave out."""
    if function not in ("cross_entropy", "nll_loss") or target.is_floating_point() or target.is_cuda:
        return target
    ignored = kwargs.get("ignore_index", -100)
    kept = target != ignored
    return target if bool(kept.all()) else target[kept]


def note_targets(seen: TargetsSeen, target: Tensor, ignored: int) -> None:
    """Count classes, or keep some values."""
    seen.ignored += ignored
    seen.counted += target.numel()
    if target.requires_grad or target.is_cuda:
        return
    if seen.facts is None:
        seen.facts = tensor_facts(target)
    if not target.is_floating_point() and target.numel() and target.dtype != torch.bool:
        if len(seen.batch_classes) < MOST_BATCHES or len(seen.classes) < 2:
            classes, counts = torch.unique(spread(target), return_counts=True)
            for c, n in zip(classes.tolist(), counts.tolist(), strict=True):
                if c in seen.classes or len(seen.classes) < MOST_CLASSES:
                    seen.classes[c] = seen.classes.get(c, 0) + n
            present = frozenset(classes.tolist())
            for c in present - seen.last_classes:
                seen.stretches[c] = seen.stretches.get(c, 0) + 1
            seen.last_classes = present
            seen.batch_classes.append(len(classes))
            seen.batch_sizes.append(target.numel())
    elif len(seen.values) < MOST_VALUES:
        seen.values += spread(target.double(), 1_024).tolist()
    if target.is_floating_point() and target.dim() > 1 and len(seen.places) < MOST_ROWS:
        rows = target.detach().flatten(1)
        wide = rows.shape[1]
        if wide > 1 and (not seen.places or len(seen.places[0]) == min(wide, MOST_PLACES)):
            few = rows[
                :, [int(i * 0.618034 % 1 * wide) for i in range(MOST_PLACES)] if wide > MOST_PLACES else slice(None)
            ]
            seen.places += few[: MOST_ROWS // 4].double().tolist()


def note_right(seen: TargetsSeen, right: Tensor, target: Tensor) -> None:
    """Which answers were right, by class."""
    if target.is_floating_point() or target.is_cuda or right.numel() != target.numel() or len(seen.right) > MOST_RIGHT:
        return
    for c in target.reshape(-1)[right.reshape(-1)].tolist():
        seen.right[c] = seen.right.get(c, 0) + 1


def note_tokens(seen: TargetsSeen, tokens: Tensor, target: Tensor) -> None:
    """Whether the targets are the input's tokens: at the same place, or one place on along the first or second axis.

    Loops that give the network everything and leave out its last answer have one target less a row.
    """
    same, size = tokens.numel() == target.numel(), tokens.dim()
    if same:
        seen.in_input = _agreement(tokens, target.reshape(tokens.shape))
    if same and size == 2 and tokens.shape[1] > 8:
        y = target.reshape(tokens.shape)
        seen.behind, seen.two_ahead = _agreement(tokens[:, :-1], y[:, 1:]), _agreement(tokens[:, 2:], y[:, :-2])
    elif size == 2 and tokens.shape[1] > 8 and target.numel() == len(tokens) * (tokens.shape[1] - 1):
        seen.two_ahead = _agreement(tokens[:, 2:], target.reshape(len(tokens), -1)[:, :-1])
    for axis in range(min(2, size)):
        length = tokens.shape[axis]
        if length < 2:
            continue
        shorter = (*tokens.shape[:axis], length - 1, *tokens.shape[axis + 1 :])
        following = tokens.narrow(axis, 1, length - 1)
        if same:
            before = target.reshape(tokens.shape).narrow(axis, 0, length - 1)
        elif target.numel() == following.numel():
            before = target.reshape(shorter)
        else:
            continue
        share = _agreement(following, before)
        if share > seen.ahead:
            seen.ahead, seen.ahead_axis = share, axis


def note_columns(seen: TargetsSeen, x: Tensor, target: Tensor) -> None:
    """Which column of a table the targets could be read from."""
    y = target.reshape(-1)
    if x.dim() != 2 or not x.is_floating_point() or x.shape[1] < 4 or len(y) != len(x) or len(x) < 16:
        return
    x, y = x.detach().double(), y.detach().double()
    x, y = x - x.mean(0), y - y.mean()
    size = x.norm(dim=0) * y.norm()
    found = torch.where(size > 0, (x.T @ y).abs() / size.clamp_min(1e-300), 0.0)
    if bool(found.isfinite().all()):
        (first, second), places = found.topk(2)
        seen.columns.append((int(places[0]), float(first), float(second)))


def note_copies(seen: TargetsSeen, x: Tensor, target: Tensor) -> None:
    """How many of the numbers that are asked for stand in the input of the same example, at one place for all.

    Only where few numbers are asked for beside those given: a network that gives its input back is asked for all of it.
    """
    if not x.is_floating_point() or not target.is_floating_point() or x.dim() < 2 or len(x) != len(target):
        return
    rows, wanted = x.detach().flatten(1), target.detach().reshape(len(target), -1)
    if len(x) < 16 or not 1 < wanted.shape[1] <= rows.shape[1] // 2 or rows.shape[1] > MOST_COLUMNS:
        return
    rows, wanted = rows[:32], wanted[:32, :: -(-wanted.shape[1] // 8)].to(rows.dtype)
    varies = wanted.amax(0) > wanted.amin(0)
    if not bool(varies.all()):
        return
    same = (rows[:, :, None] == wanted[:, None, :]).all(0)
    places = same.int().argmax(0).tolist()
    seen.copied_from = seen.copied_from or places
    # other places in other batches are hidden ones, within the network
    seen.copied.append(float(same.any(0).float().mean()) if places == seen.copied_from else 0.0)


def _agreement(tokens: Tensor, target: Tensor) -> float:
    """Share of the targets that are the token, those that are left out (below 0) apart."""
    counted = target >= 0
    return float((tokens == target)[counted].float().mean()) if bool(counted.any()) else 0.0


def accuracy(function: str, outputs: Tensor, target: Tensor, kwargs: Mapping[str, Any]) -> float | None:
    """Share of counted targets with the highest score (classes on axis 1), or on the right side of the middle."""
    if function in ("cross_entropy", "nll_loss", "multi_margin_loss") and outputs.dim() > 1:
        if outputs.dim() == target.dim() + 1:
            kept = target != kwargs.get("ignore_index", -100)
            return float((outputs.detach().argmax(1) == target)[kept].float().mean()) if bool(kept.any()) else None
        if outputs.shape == target.shape:
            return float((outputs.detach().argmax(1) == target.argmax(1)).float().mean())
    if function.startswith("binary_cross_entropy") and outputs.shape == target.shape:
        middle = 0.5 if function == "binary_cross_entropy" else 0.0
        return float(((outputs.detach() > middle) == (target > 0.5)).float().mean())
    return None
