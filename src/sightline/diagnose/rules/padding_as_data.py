"""Padding that the loss counts as if it were text."""

from sightline.diagnose.figures import loss_curve
from sightline.diagnose.finding import Finding
from sightline.diagnose.reading import Reading
from sightline.diagnose.rules.registry import RULES, tells
from sightline.diagnose.tape import Call
from sightline.diagnose.tape_paths import ancestors

CHOOSING = frozenset(["getitem", "gather", "index_select", "take_along_dim", "mul", "where", "masked_fill", "bmm"])
"""Functions that choose places of a series, given where."""


def _by_place(r: Reading, layer: Call) -> bool:
    """Whether a recurrent layer is asked at every place, or at places that are told to the network."""
    wanted = r.loss.target.shape if r.loss is not None and r.loss.target is not None else ()
    places = r.entry.inputs[0].shape[1] if r.entry is not None and len(r.entry.inputs[0].shape) > 1 else 0
    if places in wanted[1:] or (wanted and wanted[0] >= places * layer.result.shape[0] > 0):
        return True
    end = r.loss.prediction.producer if r.loss is not None and r.loss.prediction is not None else None
    later = [r.tape.calls[i] for i in ancestors(r.tape, end) if i > layer.index and r.tape.calls[i].name in CHOOSING]
    return any(not o.grad and not o.origin for call in later for o in call.operands)


def _read_last(r: Reading) -> Finding | None:
    """Series that end in zeros, all of them, read by a network whose state after them is what counts."""
    recurrent = [c for c in r.tape.calls if c.name in ("lstm", "gru", "rnn_tanh", "rnn_relu") and c.grad]
    tails = [e.tail for look in r.looks for e in look.entries if e.grad]
    packed = any("pack" in c.name for c in r.tape.calls)
    if not recurrent or packed or len(tails) < 3 or min(tails) < 0.2 or r.two_players or _by_place(r, recurrent[-1]):
        return None
    return Finding(
        cause="padding-as-data",
        severity="warning",
        certainty=0.75,
        title="Every series ends in padding",
        where="the data",
        evidence=(f"the last {min(tails):.0%} of the places are 0 in every example of every batch",),
        why="a recurrent network forgets over them what it had read, and is asked after them.",
        fix="leave the padding out, put it before the series, or pack_padded_sequence with the true lengths",
        codes=("CPP", "IWF"),
        explains=("wrong-labels", "no-progress", "stopped-too-early", "rate-too-low"),
        figure=loss_curve(r),
    )


@RULES.register("padding-as-data")
@tells("padding-as-data", "Padding that the loss counts as if it were text, or that every series ends in.")
def padding_as_data(r: Reading) -> Finding | None:
    """Padding that the loss counts as if it were text."""
    if (tail := _read_last(r)) is not None:
        return tail
    targets, entry = r.record.targets, r.entry
    total = sum(targets.classes.values())
    if entry is None or not entry.inputs or entry.inputs[0].floating or len(entry.inputs[0].shape) < 2 or total < 50:
        return None
    share = targets.classes.get(0, 0) / total
    if share < 0.4 or entry.inputs[0].zeros < 0.3 or len(targets.classes) < 4:
        return None
    return Finding(
        cause="padding-as-data",
        severity="warning",
        certainty=0.8,
        title="The loss counts padding",
        where="the loss",
        evidence=(
            f"{share:.0%} of the targets and {entry.inputs[0].zeros:.0%} of the input tokens are 0, as padding is",
        ),
        why="the network earns most by telling where texts end, and the loss looks better than it is.",
        fix="cross_entropy(..., ignore_index=0), and a mask for attention",
        codes=("CPP", "LCH"),
        explains=("wrong-labels", "class-imbalance"),
        figure=loss_curve(r),
    )
