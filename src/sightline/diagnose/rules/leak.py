"""Targets that stand in the inputs."""

from statistics import median

from sightline.diagnose.figures import loss_curve
from sightline.diagnose.finding import Finding
from sightline.diagnose.reading import Reading
from sightline.diagnose.rules.registry import RULES
from sightline.diagnose.tape_paths import ancestors


def _column(r: Reading) -> Finding | None:
    """A column of a table that is the target, scaled at most."""
    looks = r.record.targets.columns
    if len(looks) < 4 or len({column for column, _, _ in looks}) != 1 or r.two_players:
        return None
    least, other = min(first for _, first, _ in looks), median(second for _, _, second in looks)
    if least < 1 - 1e-6 or other > 0.9:  # a series that moves slowly comes near, a copy comes to 1
        return None
    return Finding(
        cause="leak",
        severity="error",
        certainty=0.9,
        title="A feature of the inputs is the target",
        where=f"column {looks[0][0]} of the inputs",
        evidence=(
            f"column {looks[0][0]} correlates with the targets by {least:.6f} or more in each of {len(looks)} batches",
            f"the next one by {other:.2f}",
        ),
        why="the network only has to copy it; where it is not known, on new data, nothing was learned.",
        fix="leave that column out of the inputs",
        codes=("TCL", "VRM"),
        explains=("overfitting", "validation-preprocessed-differently", "wrong-labels", "not-standardised"),
        figure=loss_curve(r),
    )


def _later(r: Reading) -> bool:
    """Whether the outputs are those of the later places of a series, each of which knows what came before it."""
    given = r.entry.inputs[0].shape if r.entry is not None and r.entry.inputs else ()
    end = r.loss.prediction.producer if r.loss is not None and r.loss.prediction is not None else None
    cuts = (r.tape.calls[i] for i in ancestors(r.tape, end) if r.tape.calls[i].name in ("getitem", "narrow"))
    pairs = ((c.operands[0].shape, c.result.shape) for c in cuts if c.grad and c.operands)
    return len(given) > 2 and any(len(a) == len(b) == 3 and a[1] == given[1] > b[1] > 1 for a, b in pairs)


def _copied(r: Reading) -> Finding | None:
    """Numbers to be forecast that stand in the window they are forecast from."""
    shares = r.record.targets.copied
    if len(shares) < 4 or median(shares) < 0.5 or min(shares) <= 0 or r.two_players or r.loss is None or _later(r):
        return None
    return Finding(
        cause="leak",
        severity="error",
        certainty=0.85,
        title="The inputs hold what is to be told",
        where="the data",
        evidence=(
            f"{median(shares):.0%} of the numbers of an example's target stand in its input, each at the same place in "
            f"every example (batches looked at: {len(shares)})",
        ),
        why="the network only has to copy them; when it is used, they are not known yet.",
        fix="let the input end before what is to be forecast begins",
        codes=("TCL", "VRM"),
        explains=("overfitting", "validation-preprocessed-differently", "wrong-labels"),
        figure=loss_curve(r),
    )


def _through_a_code(r: Reading) -> bool:
    """Whether all that the outputs know of the tokens has passed one vector for each text, as in an autoencoder."""
    given = r.entry.inputs[0].shape if r.entry is not None and r.entry.inputs else ()
    waiting = [r.loss.prediction.producer] if r.loss is not None and r.loss.prediction is not None else []
    seen: set[int | None] = {None}
    narrow = False
    while waiting:
        at = waiting.pop()
        if at in seen or at is None:
            continue
        seen.add(at)
        call = r.tape.calls[at]
        if call.name == "embedding":
            return False
        if len(given) == 2 and len(call.result.shape) == 2 and given[0] in call.result.shape:
            narrow = narrow or given[1] not in call.result.shape
            if call.result.shape[0] == given[0] and given[1] != call.result.shape[1]:
                continue
        waiting += [o.producer for o in call.operands]
    return narrow


@RULES.register("leak")
def leak(r: Reading) -> Finding | None:
    """Targets that stand in the inputs."""
    if (known := _column(r) or _copied(r)) is not None:
        return known
    if (back := r.record.targets.behind) > 0.95 and r.record.targets.ahead < 0.6 and r.loss is not None:
        return Finding(
            cause="leak",
            severity="error",
            certainty=0.9,
            title="The targets are what came before",
            where="the data",
            evidence=(f"{back:.0%} of the targets are the input's token one place back",),
            why="the network has what it is asked for in its input; what comes next it never learns.",
            fix="shift the other way: inputs tokens[:, :-1], targets tokens[:, 1:]",
            codes=("TCL", "VRM"),
            explains=("wrong-labels", "overfitting", "unigram-level"),
            figure=loss_curve(r),
        )
    if r.record.targets.in_input < 0.95 or r.loss is None or not r.learned or _through_a_code(r):
        return None
    return Finding(
        cause="leak",
        severity="error",
        certainty=0.85,
        title="The targets stand in the inputs",
        where="the data",
        evidence=(f"{r.record.targets.in_input:.0%} of the targets are the input token at the same place",),
        why="the network only has to copy; what comes next it never learns.",
        fix="shift by one: inputs tokens[:, :-1], targets tokens[:, 1:]",
        codes=("TCL", "VRM"),
        explains=("wrong-labels", "overfitting"),
        figure=loss_curve(r),
    )
