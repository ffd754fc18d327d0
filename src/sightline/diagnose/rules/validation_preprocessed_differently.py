"""Inputs that are prepared otherwise in evaluation than in training."""

from math import log
from statistics import median

from sightline.diagnose.figures import loss_curve
from sightline.diagnose.finding import Finding
from sightline.diagnose.reading import Reading, short
from sightline.diagnose.rules.registry import RULES, tells
from sightline.diagnose.tape import Call
from sightline.diagnose.tape_paths import ancestors


def _order_lost(r: Reading) -> Finding | None:
    """Series whose neighbours in time are alike in evaluation, and in training are not."""
    entries = [e for look in r.looks for e in look.entries if e.grad and e.neighbours is not None and e.inputs]
    seen = r.record.evaluated_neighbours
    if len(entries) < 3 or not seen or len(entries[0].inputs[0].shape) == 4:
        return None
    for name in ("along", "down"):
        trained = [axis[0] for e in entries if (axis := getattr(e.neighbours, name))]
        evaluated = [axis[0] for n in seen if (axis := getattr(n, name))]
        if trained and evaluated and median(evaluated) > 0.5 and max(trained) < 0.15:
            break
    else:
        return None
    return Finding(
        cause="validation-preprocessed-differently",
        severity="warning",
        certainty=0.85,
        title="The series of training are out of order",
        where="the data",
        evidence=(
            f"numbers one place apart have a correlation of {median(trained):.2f} in training "
            f"and of {median(evaluated):.2f} in evaluation",
        ),
        why="what follows from what can't be learned where the order is chance.",
        fix="cut windows from the series first, then shuffle the windows",
        codes=("CPP", "TCL"),
        explains=("overfitting", "wrong-labels", "no-progress"),
        figure=loss_curve(r),
    )


AUGMENTING = frozenset(
    ["flip", "fliplr", "flipud", "transpose", "rot90", "roll", "permute", "affine_grid", "grid_sample", "masked_fill"]
) | {"rand", "randn", "rand_like", "randn_like", "bernoulli", "normal", "dropout"}
"""Functions that move the numbers of a picture, or draw noise for it."""


def _augmenting(r: Reading) -> Call | None:
    """The call in the loop itself that changes what the network is given in training, if there is one."""
    for look in r.looks:
        for e in look.entries:
            if e.grad and e.producers:
                made = (look.tape.calls[i] for i in sorted(ancestors(look.tape, e.producers[0]), reverse=True))
                found = next((call for call in made if call.name in AUGMENTING and not call.module), None)
                if found is not None:
                    return found
    return None


def _drawn_at_random(r: Reading) -> bool:
    """Whether the inputs are pictures or tables, which do not change with time as series do."""
    if r.entry is None or not r.entry.inputs:
        return False
    shape, found = r.entry.inputs[0].shape, r.entry.neighbours
    near = [n for n in (found.nearest, found.again) if n is not None] if found is not None else []
    return len(shape) == 4 or (len(shape) == 2 and shape[1] > 1 and max(near, default=0.0) < 0.7)


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
    call = _augmenting(r)
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


@RULES.register("validation-preprocessed-differently")
@tells("validation-preprocessed-differently")
@tells("augmentation-changes-label", "Augmentation that makes of examples what evaluation never shows.")
def validation_preprocessed_differently(r: Reading) -> Finding | None:
    """Inputs that are prepared otherwise in evaluation than in training."""
    by_moments = _by_moments(r)
    if by_moments is not None and by_moments.severity == "warning":
        return by_moments
    return (None if r.two_players else _order_lost(r)) or _by_column(r) or by_moments


def _by_moments(r: Reading) -> Finding | None:
    """Inputs whose mean or deviation is another one in evaluation."""
    trained = [e.inputs[0] for look in r.looks for e in look.entries if e.grad and e.inputs and e.inputs[0].floating]
    seen = [x for x in r.record.evaluated_inputs if x.floating and x.finite]
    if not trained or not seen or r.two_players:
        return None
    shape = trained[0].shape[1:]
    seen = [x for x in seen if x.shape[1:] == shape]
    if not seen:
        return None
    mean, deviation = (median(getattr(x, name) for x in trained) for name in ("mean", "deviation"))
    if deviation <= 0 or any(x.deviation <= 0 for x in seen):
        return None
    # the batch most like those of training: what is prepared otherwise is so in every batch
    nearest = min(seen, key=lambda x: abs(log(x.deviation / deviation)) + abs(x.mean - mean) / deviation)
    other, spread = nearest.mean, nearest.deviation
    wobble = max(abs(x.mean - mean) for x in trained) / deviation
    apart = abs(other - mean) / deviation
    if apart < 0.4 + 2 * wobble and 0.5 < spread / deviation < 2:
        return None
    # later data may differ so much by themselves
    drift = apart < 1.5 and 0.4 < spread / deviation < 2.5 and not _drawn_at_random(r)
    call = _augmenting(r) if apart < 1.5 else None
    return Finding(
        cause="augmentation-changes-label" if call is not None else "validation-preprocessed-differently",
        severity="advice" if drift else "warning",
        certainty=0.5 if drift else 0.8,
        title="Validation is other data than training" if drift else "Validation is prepared otherwise than training",
        where="the data",
        evidence=(
            f"inputs have mean {mean:.3g} and deviation {deviation:.3g} in training, {other:.3g} and "
            f"{spread:.3g} in evaluation",
            *((f"{call.name} at {short(call.site)} changes them in training",) if call is not None else ()),
        ),
        why="the network is judged on inputs of a kind that it never saw.",
        fix="apply the same scaling, with the training data's figures, to both"
        + ("; where it is the same, the data themselves have changed" if drift else ""),
        codes=("CPP", "VRM"),
        explains=("overfitting", "wrong-labels", "stopped-too-early"),
        figure=loss_curve(r),
    )
