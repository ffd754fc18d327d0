"""A schedule stepped at the wrong rhythm: at its end long before the training is, or round again and again."""

from sightline.diagnose.figures import learning_rate
from sightline.diagnose.finding import Finding
from sightline.diagnose.reading import Reading
from sightline.diagnose.rules.registry import RULES


def _swings(r: Reading, rates: list[tuple[int, float]]) -> int:
    """How often the rate has fallen below a tenth of its highest and come back above a half."""
    peak, low, swings = max(rate for _, rate in rates), False, 0
    for _, rate in rates:
        if rate < 0.1 * peak:
            low = True
        elif low and rate > 0.5 * peak:
            low, swings = False, swings + 1
    return swings


def _other_unit(r: Reading, rates: list[tuple[int, float]]) -> Finding | None:
    """A schedule of epochs counted in updates, which comes round again and again; or one of updates in epochs."""
    drawn = r.record.trained_examples / max(1, r.record.distinct_examples)  # 1 where each example is altered
    passes = max([drawn, *(float(loader.iterators) for loader in r.record.loaders)])
    swings = _swings(r, rates)
    settings = (g.settings.get(key) for g in r.record.groups for key in ("max_lr", "initial_lr"))
    meant = max((float(x) for x in settings if isinstance(x, (int, float))), default=0.0)
    last, peak = rates[-1][1], max(rate for _, rate in rates)
    well = r.left is not None and r.left < 0.1  # restarts within a pass, as they were meant
    if swings >= 3 and swings > passes > 1.5 and not well:
        evidence = f"the rate fell to nearly 0 and came back {swings} times in {passes:.0f} passes over the data"
        why, fix = "it is a schedule for epochs that is stepped at every batch.", "call scheduler.step() once an epoch"
    elif peak < 0.3 * meant and last >= 0.99 * peak and last > rates[0][1] and r.record.steps >= 30:
        evidence = f"the rate is still rising at the end: {last:.3g}, of {meant:.3g} that it was to reach"
        why, fix = "a warm-up meant for updates is stepped once an epoch.", "call scheduler.step() after every update"
    else:
        return None
    return Finding(
        cause="scheduler-rhythm",
        severity="warning",
        certainty=0.8,
        title="The schedule is stepped at the wrong rhythm",
        where="the scheduler",
        evidence=(evidence,),
        why=why,
        fix=fix,
        codes=("HLR",),
        explains=("batch-too-large", "rate-too-low", "no-progress", "stopped-too-early"),
        figure=learning_rate(r),
    )


@RULES.register("scheduler-rhythm")
def scheduler_rhythm(r: Reading) -> Finding | None:
    """A schedule that is at its end long before the training is, or comes round again and again."""
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
    if peak > 0 and (other := _other_unit(r, rates)) is not None:
        return other
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
