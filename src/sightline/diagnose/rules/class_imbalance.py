"""One class that makes up nearly all targets."""

from sightline.diagnose.figures import class_counts
from sightline.diagnose.finding import Finding
from sightline.diagnose.reading import Reading
from sightline.diagnose.rules.registry import RULES
from sightline.diagnose.rules.words import several_targets


def _nearly_missing(r: Reading) -> Finding | None:
    """Classes fall apart into frequent ones, about as many each, and some of which there is hardly an example."""
    classes = r.record.targets.classes
    if several_targets(r):
        return None
    if not 4 <= len(classes) <= 50 or r.loss is None or r.loss.target is None or len(r.loss.target.shape) != 1:
        return None
    counts = sorted(classes.values(), reverse=True)
    cut = max(range(1, len(counts)), key=lambda i: counts[i - 1] / counts[i])
    often, rare = counts[:cut], counts[cut:]
    # frequencies of words fall ever more slowly: there is no gap between two kinds
    if often[-1] < 8 * rare[0] or often[0] > 3 * often[-1] or len(rare) < max(2, 0.3 * len(counts)):
        return None
    total = sum(counts)
    return Finding(
        cause="class-imbalance",
        severity="warning",
        certainty=0.65,
        title="Of some classes there is hardly an example",
        where="the data",
        evidence=(
            f"{len(rare)} of {len(counts)} classes have {rare[-1] / total:.1%} to {rare[0] / total:.1%} of the targets "
            f"each, the others {often[-1] / total:.0%} to {often[0] / total:.0%}",
        ),
        why="the loss hardly asks for them, and a few examples do not tell what their class is like.",
        fix="more examples of them; draw classes evenly (WeightedRandomSampler) or weight the loss; judge by class",
        codes=("TRD", "PMC", "TCL"),
        explains=("wrong-labels", "overfitting"),
        figure=class_counts(r),
    )


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
        return _nearly_missing(r)
    recent = [loss.accuracy for loss in r.record.losses[-10:] if loss.accuracy is not None]
    flat = bool(recent) and abs(sum(recent) / len(recent) - share) < 0.01
    if values and r.left is not None and r.left < 0.97:
        flat = False  # what is rare may be more likely here than there, and nowhere more likely than not
    other = r.record.evaluated_targets.classes
    apart = sum(other.values()) >= 50 and other.get(most, 0) < 0.7 * share * sum(other.values())
    return Finding(
        cause="class-imbalance",
        severity="warning" if flat or many or apart else "advice",
        certainty=0.75 if flat or apart else 0.6,
        title="One class makes up nearly all targets",
        where="the data",
        evidence=(
            f"{share:.1%} of the targets are class {most}"
            + (", and the network is right about as often" if flat else "")
            + (f"; in evaluation {other.get(most, 0) / sum(other.values()):.1%} are" if apart else ""),
        ),
        why="answering the frequent class always is nearly right, and the loss hardly asks for more.",
        fix="weight the loss by class, or draw classes evenly (WeightedRandomSampler); judge by F1 or recall",
        codes=("TRD", "PMC", "TCL"),
        explains=("wrong-labels", "overfitting"),
        figure=class_counts(r),
    )
