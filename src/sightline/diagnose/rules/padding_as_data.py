"""Padding that the loss counts as if it were text."""

from sightline.diagnose.figures import loss_curve
from sightline.diagnose.finding import Finding
from sightline.diagnose.reading import Reading
from sightline.diagnose.rules.registry import RULES


@RULES.register("padding-as-data")
def padding_as_data(r: Reading) -> Finding | None:
    """Padding that the loss counts as if it were text."""
    targets, entry = r.record.targets, r.entry
    total = sum(targets.classes.values())
    if entry is None or not entry.inputs or entry.inputs[0].floating or len(entry.inputs[0].shape) < 2 or total < 50:
        return None
    share = targets.classes.get(0, 0) / total
    if share < 0.4 or entry.inputs[0].zeros < 0.3 or len(targets.classes) < 4:
        return None
    return Finding(
        cause="padding-as-data",
        severity="warning",
        certainty=0.8,
        title="The loss counts padding",
        where="the loss",
        evidence=(
            f"{share:.0%} of the targets and {entry.inputs[0].zeros:.0%} of the input tokens are 0, as padding is",
        ),
        why="the network earns most by telling where texts end, and the loss looks better than it is.",
        fix="cross_entropy(..., ignore_index=0), and a mask for attention",
        codes=("CPP", "LCH"),
        explains=("wrong-labels", "class-imbalance"),
        figure=loss_curve(r),
    )
