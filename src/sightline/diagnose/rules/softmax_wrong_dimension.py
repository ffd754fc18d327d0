"""A softmax over one single score, over the examples of the batch, or over attention's queries."""

from sightline.diagnose.figures import loss_curve
from sightline.diagnose.finding import Finding
from sightline.diagnose.reading import Reading, short
from sightline.diagnose.rules.registry import RULES, tells
from sightline.diagnose.rules.words import left_out
from sightline.diagnose.tape import Call, Plain
from sightline.diagnose.tape_paths import back


def _divided_by_own_sum(r: Reading, call: Call) -> bool:
    """Probabilities made by hand, one an example: x / sum(x)."""
    if call.name != "div" or len(call.operands) != 2 or len(call.result.shape) != 2 or call.result.shape[1] != 1:
        return False
    scores, total = call.operands
    if total.producer is None or scores.producer is None:
        return False
    summed = r.tape.calls[total.producer]
    return summed.name == "sum" and bool(summed.operands) and summed.operands[0].producer == scores.producer


def _without(r: Reading, call: Call) -> dict[str, Plain]:
    """Left out, where the loss wants the scores of several classes."""
    wanted = r.loss is not None and r.loss.kind == "cross_entropy" and r.width > 1 and call in r.end
    return left_out(r, call) if wanted else {}


def _summed_over(r: Reading, call: Call) -> int | None:
    """The axis that weights are summed over: the last, where a product takes them as its first factor."""
    for later in r.tape.calls[call.index + 1 :]:
        first = later.operands[0] if later.name in ("matmul", "bmm") and len(later.operands) == 2 else None
        if first is None or first.shape != call.result.shape or len(first.shape) < 3:
            continue
        way = list(back(r.tape, first, limit=3))
        found = next((i for i, c in enumerate(way) if c.index == call.index), None)
        if found is not None and all(c.name in ("dropout", "to", "float", "contiguous") for c in way[:found]):
            return len(first.shape) - 1
    return None


def _classes_at(r: Reading, call: Call) -> int | None:
    """The axis of the classes, where the loss takes scores (N, C) that were laid flat from (…, C)."""
    prediction = r.loss.prediction if r.loss is not None else None
    if r.loss is None or r.loss.kind not in ("cross_entropy", "nll_loss") or prediction is None:
        return None
    shape, given = call.result.shape, prediction.shape
    way = r.end[: r.end.index(call)]
    flat = len(shape) > len(given) == 2 and shape[-1] == given[1]
    return len(shape) - 1 if flat and all(c.name in ("view", "reshape", "flatten", "contiguous") for c in way) else None


@RULES.register("softmax-wrong-dimension")
@tells(
    "softmax-wrong-dimension",
    "A softmax over the examples of the batch, the places of a text, or the queries of attention.",
)
@tells("softmax-over-one-unit", "A softmax over one single score.")
def softmax_wrong_dimension(r: Reading) -> Finding | None:
    """A softmax over one single score, over the examples of the batch, or over attention's queries."""
    for call in r.tape.calls:
        by_hand = _divided_by_own_sum(r, call)
        if not (by_hand or call.name in ("softmax", "log_softmax")) or not call.grad or not call.operands:
            continue
        shape = call.operands[0].shape
        axis = -1 if by_hand else call.option("dim", 1)
        if not isinstance(axis, int) or not shape:
            continue
        size = shape[axis]
        examples = (
            r.entry.inputs[0].shape[0] if r.entry is not None and r.entry.inputs and r.entry.inputs[0].shape else -1
        )
        over_batch = (
            call in r.end
            and len(shape) == 2
            and axis % len(shape) == 0
            and shape[0] == examples
            and shape[0] != shape[1]
        )
        if size == 1 and call in r.end:
            what, fix = "one single score", "use sigmoid for one output, or two outputs with softmax"
            made = "the scores are divided by their sum" if by_hand else "softmax"
            evidence = f"{made} over axis {axis} of {shape}: one number, so the result is always 1"
            codes: tuple[str, ...] = ("ACH", "LCN", "LCH")
        elif over_batch:
            what, fix = "the examples of the batch", "give dim=1 (or −1), the axis of the classes"
            evidence = (
                f"softmax over axis {axis} of {shape}: the {shape[0]} examples of a batch compete with each other"
            )
            codes = ("ACH", "IWS")
        elif not by_hand and call in r.end and _classes_at(r, call) not in (None, axis % len(shape)):
            what, fix = "another axis than the classes", f"give dim={_classes_at(r, call)}, the axis of the classes"
            evidence = (
                f"softmax over axis {axis} of {shape}; what goes into the loss has its classes along axis "
                f"{_classes_at(r, call)}"
            )
            codes = ("ACH", "IWS")
        elif not by_hand and _summed_over(r, call) not in (None, axis % len(shape)):
            what, fix = "the queries", f"give dim={_summed_over(r, call)} (or −1): the axis that the product sums over"
            evidence = (
                f"softmax over axis {axis} of {shape}, and then a product that sums over the last: the weights of one "
                "query add up to no fixed number"
            )
            codes = ("ACH", "IWS")
        else:
            continue
        return Finding(
            cause="softmax-over-one-unit" if size == 1 else "softmax-wrong-dimension",
            severity="error",
            certainty=0.93,
            title=f"A softmax runs over {what}",
            where=short(call.site),
            evidence=(evidence,),
            why="the scores of one example no longer say what is likely for it.",
            fix=fix,
            codes=codes,
            change=_without(r, call),
            explains=(
                "no-progress",
                "rate-too-low",
                "stopped-too-early",
                "probabilities-into-logits-loss",
                "vanishing-gradients",
            ),
            figure=loss_curve(r),
        )
    return None
