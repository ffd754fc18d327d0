"""Outputs that hardly differ between examples."""

from statistics import median

from sightline.diagnose.figures import loss_curve
from sightline.diagnose.finding import Finding
from sightline.diagnose.reading import Reading
from sightline.diagnose.rules.registry import RULES
from sightline.diagnose.two_players import games


@RULES.register("collapsed-outputs")
def collapsed_outputs(r: Reading) -> Finding | None:
    """Outputs that hardly differ between examples."""
    entries = [
        e
        for look in r.looks[-max(1, len(r.looks) // 4) :]
        for e in look.entries
        if e.grad and e.diversity is not None and e.output is not None
    ]
    by_network: dict[str, list[float]] = {}
    for e in entries:
        if e.output is not None and len(e.output.shape) > 1 and e.output.shape[1] > 1 and e.diversity is not None:
            by_network.setdefault(e.network, []).append(e.diversity)
    alike = {name: median(v) for name, v in by_network.items() if median(v) < 0.02}
    if not alike or r.learned or any(True for look in r.looks for _ in games(look)):
        return None
    name = min(alike, key=lambda n: alike[n])
    return Finding(
        cause="collapsed-outputs",
        severity="warning",
        certainty=0.65,
        title="All examples get the same output",
        where=name,
        evidence=(f"over examples the outputs of {name} differ by {alike[name]:.1%} of their spread",),
        why="the signal was lost on its way, or one answer for all is cheaper.",
        fix="look where the signal gets lost (understand.signal)",
        codes=("MWA", "WCI", "ACH"),
        explains=("no-progress", "stopped-too-early"),
        figure=loss_curve(r),
    )
