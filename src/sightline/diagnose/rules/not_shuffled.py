"""Batches that hold fewer classes than chance would give: the data are sorted."""

from sightline.diagnose.figures import loss_curve
from sightline.diagnose.finding import Finding
from sightline.diagnose.reading import Reading
from sightline.diagnose.rules.registry import RULES


def _come_back(r: Reading) -> bool:
    """Whether classes come again and again within a pass: a few of them are drawn for each batch, on purpose."""
    t = r.record.targets
    passes = r.record.trained_examples / max(1, r.record.distinct_examples)
    stretches, held = sum(t.stretches.values()), sum(t.batch_classes)
    often = stretches > 3 * (passes + 1) * max(1, len(t.stretches))
    # drawn anew, a class is in the batch before no more often than in any other; in files read in turn it is
    anew = stretches > 0.8 * held * (1 - held / max(1, len(t.batch_classes) * len(t.classes)))
    return len(t.batch_sizes) >= 20 and often and anew


@RULES.register("not-shuffled")
def not_shuffled(r: Reading) -> Finding | None:
    """Batches that hold fewer classes than chance would give: the data are sorted."""
    t = r.record.targets
    total = sum(t.classes.values())
    if len(t.classes) < 2 or len(t.batch_classes) < 4 or not total:
        return None
    shares = [n / total for n in t.classes.values()]
    want = got = 0.0
    for size, classes in zip(t.batch_sizes, t.batch_classes, strict=True):
        if size > 4_096:
            return None
        if size < 4:  # the rest at the end of a pass
            continue
        want += sum(1 - (1 - p) ** size for p in shares) - 1
        got += classes - 1
    if want < 2 or got > 0.5 * want or _come_back(r):
        return None
    n = len(t.batch_classes)
    return Finding(
        cause="not-shuffled",
        severity="warning",
        certainty=0.9,
        title="The examples come sorted by class",
        where="the order of the data",
        evidence=(
            f"a batch holds {1 + got / n:.1f} different classes on average; in shuffled order it would "
            f"be {1 + want / n:.1f}",
        ),
        why="each stretch of one class pulls the network to answer that class, and undoes the last.",
        fix="shuffle: DataLoader(..., shuffle=True), or a random permutation each epoch",
        codes=("IDS",),
        explains=("rate-too-high", "dead-units"),
        figure=loss_curve(r),
    )
