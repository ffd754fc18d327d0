"""A variational autoencoder whose code says nothing about the input."""

from itertools import takewhile

from sightline.diagnose.figures import loss_curve
from sightline.diagnose.finding import Finding
from sightline.diagnose.reading import Reading, short
from sightline.diagnose.rules.registry import RULES
from sightline.diagnose.tape import Call, Tape
from sightline.diagnose.tape_paths import back, is_layer


def _rectified(tape: Tape, spread: Call) -> bool:
    """Whether a rectifier stands between the last layer and the exponential that gives the deviation."""
    way = takewhile(lambda call: not is_layer(tape, call), back(tape, spread.operands[0]))
    return any(call.name in ("relu", "relu6") for call in way)


@RULES.register("posterior-collapse")
def posterior_collapse(r: Reading) -> Finding | None:
    """A variational autoencoder whose code says nothing about the input."""
    tape = r.looks[-1].tape if len(r.looks) > 3 else None
    if tape is None:
        return None
    noise = [
        c
        for c in tape.calls
        if c.name in ("randn_like", "normal", "randn", "empty_like", "rsample") and len(c.result.shape) == 2
    ]
    for call in tape.calls:
        if call.name != "mul" or len(call.operands) != 2 or not call.grad or len(call.result.shape) != 2:
            continue
        makers = [tape.calls[o.producer] for o in call.operands if o.producer is not None]
        if len(makers) != 2 or not any(m in noise for m in makers):
            continue
        spread = next(m for m in makers if m not in noise)
        users = [c for c in tape.calls if c.name == "add" and any(o.producer == call.index for o in c.operands)]
        means = [tape.calls[o.producer] for c in users for o in c.operands if o.producer not in (None, call.index)]
        if spread.name not in ("exp", "softplus", "sqrt") or not means:
            continue
        if spread.name == "exp" and _rectified(tape, spread):
            return Finding(
                cause="posterior-collapse",
                severity="error",
                certainty=0.85,
                title="The code's deviation can't fall below 1",
                where=short(call.site),
                evidence=(
                    "the logarithm of the code's variance has been through a rectifier: it is 0 or more, and the "
                    f"deviation {spread.result.minimum:.3g} or more",
                ),
                why="the code is drowned in noise that the network can't turn down.",
                lecture=("U7", "X5"),
                fix="no activation on the mean and the logarithm of the variance: plain linear layers",
                codes=("ACH", "RCW"),
                explains=("wrong-labels", "no-progress", "stopped-too-early", "dead-units"),
                figure=loss_curve(r),
            )
        if means[0].result.deviation < 0.1 and abs(spread.result.mean - 1) < 0.1:
            return Finding(
                cause="posterior-collapse",
                severity="warning",
                certainty=0.85,
                title="The code says nothing about the input",
                where=short(call.site),
                evidence=(
                    f"the posterior's mean differs by {means[0].result.deviation:.2g} over examples, "
                    f"its deviation is {spread.result.mean:.2g}: that of the prior",
                ),
                why="the KL term was cheaper to remove than the code was worth: the decoder ignores it.",
                lecture=("U7", "X5"),
                fix=(
                    "start the KL term's factor at 0 and raise it slowly (β-annealing), sum (not "
                    "average) the reconstruction over pixels, a weaker decoder"
                ),
                codes=("LCH", "RCW"),
                figure=loss_curve(r),
            )
    return None
