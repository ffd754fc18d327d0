"""One class that makes up nearly all targets."""

from sightline.diagnose.figures import class_counts
from sightline.diagnose.finding import Finding
from sightline.diagnose.reading import Reading
from sightline.diagnose.rules.registry import RULES


@RULES.register("class-imbalance")
def class_imbalance(r: Reading) -> Finding | None:
    """One class that makes up nearly all targets."""
    classes = r.record.targets.classes
    values = r.record.targets.values
    total = sum(classes.values())
    if len(classes) >= 2 and total >= 50:
        most = max(classes, key=lambda c: classes[c])
        share = classes[most] / total
        if len(classes) > 50:
            return None
    elif values and set(values) <= {0.0, 1.0} and len(values) >= 50:
        share = max(sum(values), len(values) - sum(values)) / len(values)
        most = int(sum(values) * 2 > len(values))
    else:
        return None
    many = len(classes) >= 5 and share >= 0.7
    if not (share >= 0.9 or many) or share == 1.0:
        return None
    recent = [loss.accuracy for loss in r.record.losses[-10:] if loss.accuracy is not None]
    flat = bool(recent) and abs(sum(recent) / len(recent) - share) < 0.01
    return Finding(
        cause="class-imbalance",
        severity="warning" if flat or many else "advice",
        certainty=0.75 if flat else 0.6,
        title="One class makes up nearly all targets",
        where="the data",
        evidence=(
            f"{share:.1%} of the targets are class {most}"
            + (", and the network is right about as often" if flat else ""),
        ),
        why="answering the frequent class always is nearly right, and the loss hardly asks for more.",
        fix="weight the loss by class, or draw classes evenly (WeightedRandomSampler); judge by F1 or recall",
        codes=("TRD", "PMC", "TCL"),
        figure=class_counts(r),
    )
