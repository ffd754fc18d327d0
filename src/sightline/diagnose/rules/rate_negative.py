"""A learning rate that is not above 0."""

from sightline.diagnose.figures import loss_curve
from sightline.diagnose.finding import Finding
from sightline.diagnose.reading import Reading, short
from sightline.diagnose.rules.registry import RULES, tells
from sightline.diagnose.tape_paths import multiplied

WORSE = ("overfitting", "rate-too-high", "no-progress", "stopped-too-early", "unstable-loss", "exploding-gradients")


def _turned_round(r: Reading) -> Finding | None:
    """A loss that is multiplied by a number below 0 before its backward pass: it is maximised."""
    if r.loss is None or r.loss.others or r.two_players:
        return None
    factor = multiplied(r.tape, r.loss.call, r.root)
    if r.loss.by_hand:  # a logarithm of probabilities is to be raised
        logarithm = r.loss.call.name in ("log_softmax", "logsigmoid") and r.loss.call.result.maximum <= 0
        factor = -factor if factor is not None and logarithm and r.training and r.training.start < 0 else None
    if factor is None or factor >= 0:
        return None
    return Finding(
        cause="rate-negative",
        severity="error",
        certainty=0.85,
        title="The loss is maximised",
        where=short(r.loss.call.site),
        evidence=(
            f"the mean of {r.loss.call.name} is what backward() is called on, without a minus before it"
            if r.loss.by_hand
            else f"{r.loss.kind} is multiplied by {factor:.3g} before its backward pass",
        ),
        why="every update makes the outputs worse.",
        fix="leave the sign as it is: an optimiser lowers what backward() was called on",
        codes=("HLR", "LCH"),
        explains=(*WORSE, "wrong-labels"),
        figure=loss_curve(r),
    )


@RULES.register("rate-negative")
@tells("rate-negative")
def rate_negative(r: Reading) -> Finding | None:
    """A learning rate that is not above 0, or a loss that is maximised."""
    rates = [lr for group in r.record.groups if isinstance(lr := group.settings.get("lr"), (int, float))]
    if not rates or min(rates) > 0:
        return _turned_round(r)
    worst = min(rates)
    zero = worst == 0 and r.record.rates and max(max(rate) for _, rate in r.record.rates) > 0
    if zero:
        return None
    return Finding(
        cause="rate-negative",
        severity="error",
        certainty=0.99,
        title="The learning rate is not above 0",
        where="the optimiser",
        evidence=(f"lr = {worst:g}",),
        why="the weights move up the loss, or not at all.",
        fix="set lr to about 1e-3 for Adam, 0.1 to 0.01 for SGD",
        codes=("HLR",),
        change={"lr": 1e-3},
        explains=(*WORSE, "wrong-labels"),
        figure=loss_curve(r),
    )
