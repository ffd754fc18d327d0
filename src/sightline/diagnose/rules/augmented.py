"""What rules on changed inputs share: the call that changes them, and the shape of what they tell."""

from sightline.diagnose.figures import loss_curve
from sightline.diagnose.finding import Finding
from sightline.diagnose.reading import Reading
from sightline.diagnose.tape import Call
from sightline.diagnose.tape_paths import ancestors

AUGMENTING = frozenset(
    ["flip", "fliplr", "flipud", "transpose", "rot90", "roll", "permute", "affine_grid", "grid_sample", "masked_fill"]
) | {"rand", "randn", "rand_like", "randn_like", "bernoulli", "normal", "dropout"}
"""Functions that move the numbers of a picture, or draw noise for it."""


def augmenting(r: Reading) -> Call | None:
    """The call in the loop itself that changes what the network is given in training, if there is one."""
    for look in r.looks:
        for e in look.entries:
            if e.grad and e.producers:
                made = (look.tape.calls[i] for i in sorted(ancestors(look.tape, e.producers[0]), reverse=True))
                found = next((call for call in made if call.name in AUGMENTING and not call.module), None)
                if found is not None:
                    return found
    return None


def other_kind(
    r: Reading, cause: str, certainty: float, title: str, evidence: str, fix: str, where: str = ""
) -> Finding:
    """Inputs in training of a kind that evaluation does not show."""
    return Finding(
        cause=cause,
        severity="warning",
        certainty=certainty,
        title=title,
        where=where or "the data",
        evidence=(evidence,),
        why="the network is judged on inputs of a kind that it never saw."
        if cause != "not-shuffled"
        else "what is never trained on is not learned, however low the training loss is.",
        fix=fix,
        codes=("IDS", "TRD") if cause == "not-shuffled" else ("CPP", "TCL"),
        explains=("overfitting", "wrong-labels", "stopped-too-early", "unigram-level"),
        figure=loss_curve(r),
    )
