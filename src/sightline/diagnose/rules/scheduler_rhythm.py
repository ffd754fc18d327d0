"""A schedule that is at its end long before the training is."""

from sightline.diagnose.figures import learning_rate
from sightline.diagnose.finding import Finding
from sightline.diagnose.reading import Reading
from sightline.diagnose.rules.registry import RULES


@RULES.register("scheduler-rhythm")
def scheduler_rhythm(r: Reading) -> Finding | None:
    """A schedule that is at its end long before the training is."""
    rates = [(step, max(map(abs, rate))) for step, rate in r.record.rates if rate]
    if len(rates) < 3 or r.record.steps < 20:
        return None
    peak = max(rate for _, rate in rates)
    low = next(
        (
            step
            for step, rate in rates
            if rate < 0.02 * peak and all(later < 0.02 * peak for s, later in rates if s >= step)
        ),
        None,
    )
    if peak <= 0 or low is None or low > 0.4 * r.record.steps or (r.learned and low > 0.25 * r.record.steps):
        return None
    return Finding(
        cause="scheduler-rhythm",
        severity="warning",
        certainty=0.85,
        title="The learning rate is spent long before the end",
        where="the scheduler",
        evidence=(f"the rate fell from {peak:.3g} to below a fiftieth by update {low:,} of {r.record.steps:,}",),
        why=(
            "a schedule meant for epochs that is stepped at every batch ends within the first epochs; "
            "nothing is learned after."
        ),
        fix="call scheduler.step() once an epoch, or give the schedule its length in updates",
        codes=("HLR",),
        explains=("batch-too-large", "rate-too-low", "no-progress", "stopped-too-early"),
        figure=learning_rate(r),
    )
