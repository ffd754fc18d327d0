"""A learning rate that is not above 0."""

from sightline.diagnose.figures import loss_curve
from sightline.diagnose.finding import Finding
from sightline.diagnose.reading import Reading
from sightline.diagnose.rules.registry import RULES


@RULES.register("rate-negative")
def rate_negative(r: Reading) -> Finding | None:
    """A learning rate that is not above 0."""
    rates = [lr for group in r.record.groups if isinstance(lr := group.settings.get("lr"), (int, float))]
    if not rates or min(rates) > 0:
        return None
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
        explains=("rate-too-high", "no-progress", "stopped-too-early", "unstable-loss", "exploding-gradients"),
        figure=loss_curve(r),
    )
