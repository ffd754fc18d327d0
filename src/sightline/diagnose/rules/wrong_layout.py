"""Inputs whose axes are not what the layers take them for: pictures, and series for recurrent layers."""

from statistics import median

from sightline.diagnose.figures import loss_curve
from sightline.diagnose.finding import Finding
from sightline.diagnose.neighbours import Neighbours
from sightline.diagnose.reading import Reading, short
from sightline.diagnose.rules.registry import RULES, tells
from sightline.diagnose.rules.reshaped_not_transposed import reshaped_not_transposed
from sightline.diagnose.rules.validation_preprocessed_differently import validation_preprocessed_differently
from sightline.diagnose.tape import Call
from sightline.diagnose.tape_paths import ancestors

RECURRENT = frozenset({"lstm", "gru", "rnn_tanh", "rnn_relu"})

NOISE = frozenset({"randn", "randn_like", "rand", "rand_like", "normal", "uniform"})
"""Calls that draw numbers."""

UNRELATED, RELATED = 0.15, 0.5
"""Correlations of neighbours: below the one there is no order, above the other there is."""


@RULES.register("wrong-layout")
@tells("wrong-layout")
@tells("augmentation-changes-label", "Noise that drowns the pictures it is added to.")
def wrong_layout(r: Reading) -> Finding | None:
    """Inputs whose axes are not what the layers take them for: channels last, pixels out of place, batch as time."""
    batch = _batch_as_time(r)
    if batch is not None:
        return batch
    first = next((call for call in r.tape.calls if call.name == "conv2d" and call.operands), None)
    if first is None or len(first.operands[0].shape) != 4:
        return None
    if reshaped_not_transposed(r) is not None:
        return None  # told with the call that does it
    return _channels_last(first) or _scrambled(r, first)


def _batch_as_time(r: Reading) -> Finding | None:
    """A recurrent layer that goes through the examples, as if one followed from the other."""
    call = next((c for c in r.tape.calls if c.grad and c.name in RECURRENT and c.operands), None)
    entry = r.entry
    if call is None or entry is None or not entry.inputs or call.arguments[-1:] != (False,):
        return None  # the last argument: batch first
    x, given = entry.inputs[0].shape, call.operands[0].shape
    if len(given) != 3 or len(x) not in (2, 3) or 1 in given[:2] or given[0] == given[1]:
        return None
    if given[:2] != x[:2] and not (given[0] == x[0] and len(x) == 2 and given[1] * given[2] == x[1]):
        return None
    if not _time_is_second(r, x):
        return None
    return Finding(
        cause="wrong-layout",
        severity="error",
        certainty=0.9,
        title="The recurrent layer takes the batch for time",
        where=short(call.site),
        evidence=(
            f"the {call.name.split('_')[0].upper()} {call.module} goes through the first axis of {given}; "
            f"there are {x[0]} examples on it, and the {given[1]} steps of time are on the second",
        ),
        why="each example is read as what follows on the one before, and no step of time knows of another.",
        fix=f"batch_first=True in {call.module}",
        codes=("IWS", "IWF"),
        explains=("no-progress", "stopped-too-early", "unigram-level", "overfitting"),
        figure=loss_curve(r),
    )


def _time_is_second(r: Reading, x: tuple[int, ...]) -> bool:
    """Whether the inputs' first axis is examples: each has a target, or what comes next stands on the second."""
    targets = r.record.targets
    if targets.ahead > 0.9:
        return targets.ahead_axis == 1
    target = r.loss.target.shape if r.loss is not None and r.loss.target is not None else ()
    each = len(target) == 1 or (len(target) == 2 and target[1] != x[1])
    return each and target[0] == x[0]


def _channels_last(call: Call) -> Finding | None:
    _, c, h, w = call.operands[0].shape
    if w not in (1, 3, 4) or c <= 8 or h <= 8:
        return None
    return Finding(
        cause="wrong-layout",
        severity="warning",
        certainty=0.85,
        title="Pictures come with their channels last",
        where=short(call.site),
        evidence=(f"the first convolution is given {call.operands[0].shape} and takes {c} channels of {h} × {w}",),
        why="the kernel slides over rows and colours instead of rows and columns.",
        fix="x.permute(0, 3, 1, 2) before the network, and as many input channels as colours",
        codes=("IWF", "IWS", "CPP"),
        explains=("no-progress", "stopped-too-early"),
    )


def _scrambled(r: Reading, first: Call) -> Finding | None:
    """Numbers of pictures whose neighbours are not the neighbours of the pixels they stand for."""
    entries = [e for look in r.looks for e in look.entries if e.grad and e.neighbours is not None and e.inputs]
    entries = [e for e in entries if len(e.inputs[0].shape) == 4 and e.inputs[0].shape[1] <= 4]
    near = [e.neighbours for e in entries if e.neighbours is not None and e.neighbours.along and e.neighbours.down]
    kernel = first.operands[1].shape[2:] if len(first.operands) > 1 else ()
    if len(near) < 3 or r.two_players or max(kernel, default=1) < 2:
        return None
    why = "a convolution looks for what lies side by side, and what lies side by side is torn apart."
    if entries[0].inputs[0].shape[1] == 3:
        down = [median(n.down[i] for n in near) for i in range(3)]
        if down[2] > 0.3 and down[2] > max(down[:2]) + 0.1:
            seen = (
                f"numbers three rows apart are more alike than neighbours: correlation {down[2]:.2f}, and "
                f"{down[0]:.2f} one row apart: three rows of a channel hold one row of the picture, colours in turn"
            )
            title = "Pictures are reshaped where their axes should be exchanged"
            return _finding(r, 0.9, title, (seen,), why, "x.permute(0, 3, 1, 2) of pictures (N, H, W, 3), no reshape")
    if max(n.nearest or 0.0 for n in near) > UNRELATED:
        return None
    sure, evidence = _torn(r, near)
    if not sure:
        return None
    if _noise_made(r):
        return _drowned(r, sure, evidence)
    fix = "look at a batch as pictures; read the file's axes in their order, and exchange them by permute"
    return _finding(r, sure, "Neighbouring pixels have nothing to do with each other", evidence, why, fix)


def _torn(r: Reading, near: list[Neighbours]) -> tuple[float, tuple[str, ...]]:
    """How sure it is that pictures without order had some: noise and boards have none by nature."""
    along, down = (median(axis) for axis in zip(*((n.along[0], n.down[0]) for n in near), strict=True))
    here = f"pixels side by side have a correlation of {along:.2f}, one above the other of {down:.2f}"
    other = [n.nearest for n in r.record.evaluated_neighbours if n.nearest is not None]
    if other and median(other) > RELATED:
        return 0.85, (f"{here}, in training; in evaluation {median(other):.2f}",)
    few = [n.directions for n in near if n.directions is not None]
    if few and max(few) < 0.5:
        return 0.8, (
            here,
            f"and yet pixels tell each other: pictures differ in {median(few):.0%} of noise's directions",
        )
    if r.left is not None and r.left > 0.9:
        return 0.55, (here, f"and nothing is learned: the loss is {r.left:.0%} of a constant guess's")
    return 0.0, ()


def _noise_made(r: Reading) -> bool:
    """Whether the loop itself puts numbers drawn at random into the network's input."""
    entry = r.entry
    given = ancestors(r.tape, entry.producers[0]) if entry is not None and entry.producers else set()
    return any(r.tape.calls[index].name in NOISE for index in given)


def _drowned(r: Reading, sure: float, evidence: tuple[str, ...]) -> Finding | None:
    other = validation_preprocessed_differently(r)
    if other is not None and other.cause == "augmentation-changes-label":
        return None  # told with what it does to the pictures' mean and deviation
    return Finding(
        cause="augmentation-changes-label",
        severity="warning",
        certainty=sure,
        title="Noise drowns the pictures",
        where="the loop, before the network",
        evidence=evidence,
        why="of what the picture shows nothing is left to tell the target by.",
        fix="noise of a tenth of the pictures' own deviation",
        codes=("CPP",),
        explains=("no-progress", "stopped-too-early", "validation-preprocessed-differently", "collapsed-outputs"),
        figure=loss_curve(r),
    )


def _finding(r: Reading, sure: float, title: str, evidence: tuple[str, ...], why: str, fix: str) -> Finding:
    return Finding(
        cause="wrong-layout",
        severity="warning",
        certainty=sure,
        title=title,
        where="the data",
        evidence=evidence,
        why=why,
        fix=fix,
        codes=("IWF", "IWS", "CPP"),
        explains=("no-progress", "stopped-too-early", "validation-preprocessed-differently", "overfitting"),
        figure=loss_curve(r),
    )
