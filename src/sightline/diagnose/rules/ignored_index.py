"""A loss whose targets are mostly the index that it leaves out."""

from sightline.diagnose.finding import Finding
from sightline.diagnose.reading import Reading, short
from sightline.diagnose.rules.registry import RULES


@RULES.register("ignored-index")
def ignored_index(r: Reading) -> Finding | None:
    """A loss whose targets are mostly the index that it leaves out."""
    loss = r.loss
    if loss is None or loss.kind not in ("cross_entropy", "nll_loss"):
        return None
    ignored = loss.call.option("ignore_index", 4, -100)
    classes, total = r.record.targets.classes, sum(r.record.targets.classes.values())
    share = classes.get(int(ignored), 0) / total if isinstance(ignored, int) and total else 0.0
    if share < 0.95:
        return None
    return Finding(
        cause="ignored-index",
        severity="warning",
        certainty=0.8,
        title="Nearly all targets are left out of the loss",
        where=short(loss.call.site),
        evidence=(f"{share:.1%} of the targets are {ignored}, which the loss ignores",),
        why="the few that are left decide everything; with none in a batch the loss is NaN.",
        fix="check ignore_index and how targets are masked",
        codes=("LCH", "TCL"),
    )
