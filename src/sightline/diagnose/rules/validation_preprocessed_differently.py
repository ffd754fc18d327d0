"""Inputs that are prepared otherwise in evaluation than in training."""

from math import log
from statistics import median

from sightline.diagnose.figures import loss_curve
from sightline.diagnose.finding import Finding
from sightline.diagnose.reading import Reading, short
from sightline.diagnose.rules.augmented import augmenting
from sightline.diagnose.rules.registry import RULES, tells


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


def _whole_numbers(r: Reading) -> Finding | None:
    """Inputs rounded to two values in training and not in evaluation."""
    trained = r.trained_inputs
    seen = [x for x in r.record.evaluated_inputs if trained and x.shape[1:] == trained[0].shape[1:] and x.finite]
    if len(trained) < 4 or len(seen) < 2 or not all(x.whole and x.minimum != x.maximum for x in trained):
        return None
    if any(x.whole for x in seen) or max(x.maximum - x.minimum for x in trained) > 1.5:
        return None
    if r.possible is not None and r.possible <= r.record.distinct_examples:
        return None  # there are no others: what lies between is looked at for a picture of it
    return Finding(
        cause="validation-preprocessed-differently",
        severity="warning",
        certainty=0.75,
        title="Inputs are 0 or 1 in training, and lie between in evaluation",
        where="the data",
        evidence=(
            f"every number of {len(trained)} batches of training is {trained[0].minimum:g} or {trained[0].maximum:g}; "
            f"in evaluation the mean is {seen[0].mean:.3g} with deviation {seen[0].deviation:.3g}",
        ),
        why="the network is judged on inputs of a kind that it never saw.",
        fix="round both, or neither",
        codes=("CPP", "TCL"),
        explains=("overfitting", "wrong-labels", "stopped-too-early"),
        figure=loss_curve(r),
    )


def _other_size(r: Reading) -> Finding | None:
    """Pictures evaluated at another size than they are trained on, and not as parts of each other."""
    entries = [e for look in r.looks for e in look.entries if e.grad and e.neighbours is not None and e.inputs]
    seen = [x for x in r.record.evaluated_inputs if len(x.shape) == 4]
    if len(entries) < 4 or not seen or not r.record.evaluated_neighbours or len(entries[0].inputs[0].shape) != 4:
        return None
    sides = {e.inputs[0].shape[-1] for e in entries}
    factor = seen[0].shape[-1] / max(sides)
    same = any(x.shape[-1] in sides for x in seen)
    trained = [n for e in entries if e.neighbours is not None and (n := e.neighbours.nearest) is not None]
    evaluated = [n for each in r.record.evaluated_neighbours if (n := each.nearest) is not None]
    if same or 2 / 3 < factor < 1.5 or not trained or not evaluated:
        return None
    rougher = (1 - median(trained)) / max(1e-6, 1 - median(evaluated))
    # less their mean, neighbours are less alike in a part than in the whole
    if not (rougher > max(1.3, 0.85 * factor) if factor > 1 else rougher < min(0.77, factor / 0.85)):
        return None  # as smooth as those trained on: parts were cut out, and the whole is evaluated
    return Finding(
        cause="validation-preprocessed-differently",
        severity="warning",
        certainty=0.75,
        title="Pictures are evaluated at another size than they are trained on",
        where="the data",
        evidence=(
            f"pictures are {max(sides)} pixels wide in training and {seen[0].shape[-1]} in evaluation; neighbouring "
            f"pixels correlate by {median(trained):.2f} and {median(evaluated):.2f}",
        ),
        why="what fills a filter in one is a part, or many, of what fills it in the other.",
        fix="resize both in the same way",
        codes=("CPP", "IWS"),
        explains=("overfitting", "wrong-labels", "stopped-too-early"),
        figure=loss_curve(r),
    )


def _drawn_at_random(r: Reading) -> bool:
    """Whether the inputs are pictures or tables, which do not change with time as series do."""
    if r.entry is None or not r.entry.inputs:
        return False
    shape, found = r.entry.inputs[0].shape, r.entry.neighbours
    near = [n for n in (found.nearest, found.again) if n is not None] if found is not None else []
    return len(shape) == 4 or (len(shape) == 2 and shape[1] > 1 and max(near, default=0.0) < 0.7)


@RULES.register("validation-preprocessed-differently")
@tells("validation-preprocessed-differently")
@tells("augmentation-changes-label", "Augmentation that makes of examples what evaluation never shows.")
def validation_preprocessed_differently(r: Reading) -> Finding | None:
    """Inputs that are prepared otherwise in evaluation than in training."""
    if r.two_players:
        return None
    by_moments = _by_moments(r)
    if by_moments is not None and by_moments.severity == "warning":
        return by_moments
    return _order_lost(r) or _whole_numbers(r) or _other_size(r) or by_moments


def _by_moments(r: Reading) -> Finding | None:
    """Inputs whose mean or deviation is another one in evaluation."""
    trained = r.trained_inputs
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
    call = augmenting(r) if apart < 1.5 else None
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
