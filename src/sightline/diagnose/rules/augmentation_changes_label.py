"""Inputs that are altered in training so that they mean something else, or are what evaluation never shows."""

from statistics import median

from sightline.diagnose.figures import loss_curve
from sightline.diagnose.finding import Finding
from sightline.diagnose.reading import Reading, short
from sightline.diagnose.rules.augmented import augmenting
from sightline.diagnose.rules.registry import RULES, tells
from sightline.diagnose.tape import Call
from sightline.diagnose.tape_paths import ancestors


@RULES.register("augmentation-changes-label")
@tells("augmentation-changes-label", "Augmentation that turns series round in time, or shows parts of pictures alone.")
@tells("validation-preprocessed-differently", "Pictures or tables whose mean is another one in evaluation.")
def augmentation_changes_label(r: Reading) -> Finding | None:
    """Inputs that are altered in training so that they mean something else, or are what evaluation never shows."""
    if r.two_players:
        return None
    return _blanked(r) or _flipped(r) or _turned(r) or _smoother(r) or _by_column(r)


def _flipped(r: Reading) -> Finding | None:
    """Series that the loop turns round in time, now and then."""
    shown = 0
    flips: list[Call] = []
    for look in r.looks:
        for e in look.entries:
            if e.grad and e.training and e.inputs and len(e.inputs[0].shape) == 3 and e.neighbours is not None:
                made = (look.tape.calls[i] for i in ancestors(look.tape, e.producers[0]))
                shown += 1
                flips += [c for c in made if c.name in ("flip", "fliplr") and not c.module][:1]
    series = [
        axis[0] for look in r.looks for e in look.entries if e.neighbours for axis in (e.neighbours.down,) if axis
    ]
    if shown < 6 or not 0.15 * shown < len(flips) < 0.85 * shown or not series or median(series) < 0.3:
        return None
    turned = flips[0]
    if not any(turned.option("dims", 1) in (axis, str(axis)) for axis in (1, (1,), [1], "1")):
        return None
    return Finding(
        cause="augmentation-changes-label",
        severity="warning",
        certainty=0.7,
        title="Series are turned round in time",
        where=short(turned.site),
        evidence=(
            f"{turned.name} turns {len(flips)} of {shown} batches looked at; neighbours in time correlate by "
            f"{median(series):.2f}",
        ),
        why="the network is judged on inputs of a kind that it never saw.",
        fix="leave the direction of time as it is; jitter, scaling and shifts keep what follows from what",
        codes=("CPP", "TCL"),
        explains=("overfitting", "wrong-labels", "stopped-too-early"),
        figure=loss_curve(r),
    )


def _blanked(r: Reading) -> Finding | None:
    """Pictures of which large parts are 0 in training and none in evaluation, and that are not learned."""
    trained = [x for x in r.trained_inputs if len(x.shape) == 4]
    seen = [x for x in r.record.evaluated_inputs if trained and x.shape[1:] == trained[0].shape[1:]]
    if len(trained) < 4 or not seen or (r.left or 0.0) < 0.7:
        return None
    share, other = median(x.zeros for x in trained), max(x.zeros for x in seen)
    if share < 0.2 or other > 0.1 * share:
        return None
    return Finding(
        cause="augmentation-changes-label",
        severity="warning",
        certainty=0.7,
        title="Large parts of the pictures are blank in training",
        where="the data",
        evidence=(
            f"{share:.0%} of the pixels are 0 in training and {other:.0%} in evaluation; the loss ends at "
            f"{r.left:.0%} of a constant guess's",
        ),
        why="what is to be recognised is often not there any more; holes cut into stored pictures pile up.",
        fix="cut smaller holes, into a copy (image = image.clone())",
        codes=("CPP", "TCL"),
        explains=("overfitting", "wrong-labels", "stopped-too-early", "constant-input"),
        figure=loss_curve(r),
    )


def _turned(r: Reading) -> Finding | None:
    """Pictures that the loop turns by a right angle, or puts upside down, and that are not learned."""
    shown = 0
    turns: list[Call] = []
    for look in r.looks:
        for e in look.entries:
            if e.grad and e.training and e.inputs and len(e.inputs[0].shape) == 4:
                made = (look.tape.calls[i] for i in ancestors(look.tape, e.producers[0]))
                shown += 1
                turns += [c for c in made if not c.module and _upright_no_more(c)][:1]
    if shown < 6 or len(turns) < 0.3 * shown or r.left is None or r.left < 0.35 or r.record.evaluated_examples < 50:
        return None
    return Finding(
        cause="augmentation-changes-label",
        severity="warning",
        certainty=0.6,
        title="Pictures are turned round in training",
        where=short(turns[0].site),
        evidence=(
            f"{turns[0].name} turns {len(turns)} of {shown} batches looked at; the loss ends at {r.left:.0%} of a "
            "constant guess's",
        ),
        why="turned by a right angle a digit, a letter or a face is another one, or none.",
        fix="turn by a few degrees at most, mirror only what has no writing; right angles suit pictures from above",
        codes=("CPP", "TCL"),
        explains=("overfitting", "wrong-labels", "stopped-too-early"),
        figure=loss_curve(r),
    )


def _upright_no_more(call: Call) -> bool:
    if call.name == "flip":
        axes = str(call.option("dims", 1))
        return any(axis in axes for axis in ("-2", "2"))
    return call.name in ("rot90", "flipud")


def _smoother(r: Reading) -> Finding | None:
    """Pictures that are smooth in training, as enlarged ones are, and not in evaluation."""
    entries = [e for look in r.looks for e in look.entries if e.grad and e.neighbours is not None and e.inputs]
    if len(entries) < 4 or len(entries[0].inputs[0].shape) != 4 or not r.record.evaluated_neighbours:
        return None
    trained = [n for e in entries if e.neighbours is not None and (n := e.neighbours.nearest) is not None]
    seen = [n for each in r.record.evaluated_neighbours if (n := each.nearest) is not None]
    if not trained or not seen:
        return None
    rougher = (1 - median(trained)) / max(1e-6, 1 - max(seen))
    if rougher > (0.7 if not r.learned and (r.left or 0.0) > 0.8 else 0.35):
        return None
    call = augmenting(r)
    return Finding(
        cause="augmentation-changes-label" if call is not None else "validation-preprocessed-differently",
        severity="warning",
        certainty=0.65,
        title="The pictures of training are smoother than those of evaluation",
        where="the data",
        evidence=(
            f"neighbouring pixels correlate by {median(trained):.2f} in training, {median(seen):.2f} in evaluation",
        ),
        why="the network is judged on inputs of a kind that it never saw.",
        fix="crop and enlarge less (RandomResizedCrop from a third of the picture on), and resize both in the same way",
        codes=("CPP", "TCL"),
        explains=("overfitting", "wrong-labels", "stopped-too-early"),
        figure=loss_curve(r),
    )


def _by_column(r: Reading) -> Finding | None:
    """Pictures or tables whose mean is another one in evaluation, column by column."""
    shift = r.record.shift
    axes = len(r.entry.inputs[0].shape) if r.entry is not None and r.entry.inputs else 0
    if shift is None or axes not in (2, 4) or r.two_players:
        return None
    if (
        shift.exchanged > 0.8
        or shift.columns < (64 if axes == 4 else 8)
        or shift.pattern < (0.32 if axes == 4 else 1.0)
    ):
        return None
    what = "pictures" if axes == 4 else "features"
    classes = r.record.evaluated_targets
    if classes.batch_classes and median(classes.batch_classes) < 0.5 * len(r.record.targets.classes):
        return None  # evaluated in order of class: the first batches are not like the whole
    call = augmenting(r)
    return Finding(
        cause="augmentation-changes-label" if call is not None else "validation-preprocessed-differently",
        severity="warning",
        certainty=0.6,
        title=f"Augmented {what} are unlike those of evaluation"
        if call is not None
        else f"Validation shows other {what}",
        where=short(call.site) if call is not None else "the data",
        evidence=(
            f"the mean {what} of training and evaluation are {shift.pattern:.2f} deviations apart and "
            f"correlate by {shift.exchanged:.2f}",
            *((f"{call.name} changes them in training",) if call is not None else ()),
        ),
        why="so changed, an example can mean something else, and what is evaluated is seldom trained on."
        if call is not None
        else "the network is judged on inputs of a kind that it never saw.",
        fix="augment only by what leaves the label true, and less often"
        if call is not None
        else "prepare both in the same way: order of the axes, of the channels, direction",
        codes=("CPP", "TCL") if call is not None else ("CPP", "VRM"),
        explains=("overfitting", "wrong-labels", "stopped-too-early"),
        figure=loss_curve(r),
    )
