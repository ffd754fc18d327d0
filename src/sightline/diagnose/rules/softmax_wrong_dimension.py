"""A softmax over one single score, or over the examples of the batch."""

from sightline.diagnose.finding import Finding
from sightline.diagnose.reading import Reading, short
from sightline.diagnose.rules.registry import RULES
from sightline.diagnose.rules.words import left_out
from sightline.diagnose.tape import Plain


@RULES.register("softmax-wrong-dimension")
def softmax_wrong_dimension(r: Reading) -> Finding | None:
    """A softmax over one single score, or over the examples of the batch."""
    for call in r.tape.calls:
        if call.name not in ("softmax", "log_softmax") or not call.grad or not call.operands:
            continue
        shape = call.operands[0].shape
        axis = call.option("dim", 1)
        if not isinstance(axis, int) or not shape:
            continue
        size = shape[axis]
        change: dict[str, Plain] = {}
        examples = (
            r.entry.inputs[0].shape[0] if r.entry is not None and r.entry.inputs and r.entry.inputs[0].shape else -1
        )
        over_batch = len(shape) == 2 and axis % len(shape) == 0 and shape[0] == examples and shape[0] != shape[1]
        if size == 1 and call in r.end:
            what, fix = "one single score", "use sigmoid for one output, or two outputs with softmax"
            evidence = f"softmax over axis {axis} of {shape}: one number, so the result is always 1"
            codes: tuple[str, ...] = ("ACH", "LCN", "LCH")
        elif over_batch:
            what, fix = "the examples of the batch", "give dim=1 (or −1), the axis of the classes"
            evidence = (
                f"softmax over axis {axis} of {shape}: the {shape[0]} examples of a batch compete with each other"
            )
            codes = ("ACH", "IWS")
            if call in r.end and r.loss is not None and r.loss.kind == "cross_entropy":
                change = left_out(r, call)
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
            change=change,
            explains=(
                "no-progress",
                "rate-too-low",
                "stopped-too-early",
                "probabilities-into-logits-loss",
                "loss-at-start",
                "vanishing-gradients",
            ),
        )
    return None
