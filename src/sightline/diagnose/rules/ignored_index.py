"""A loss whose targets are mostly the index that it leaves out."""

from sightline.diagnose.figures import loss_curve
from sightline.diagnose.finding import Finding
from sightline.diagnose.reading import Reading, short
from sightline.diagnose.rules.registry import RULES


def _weighed_nothing(r: Reading) -> Finding | None:
    """Classes that a loss is told to give no weight."""
    loss = r.loss
    if loss is None or loss.kind not in ("cross_entropy", "nll_loss") or len(loss.call.operands) < 3:
        return None
    weights = r.facts(loss.call.operands[2])
    if weights is None or len(weights.shape) != 1 or not 0 < weights.zeros < 1 or weights.shape[0] != r.width:
        return None
    return Finding(
        cause="ignored-index",
        severity="advice",
        certainty=0.6,
        title="The loss gives some classes no weight",
        where=short(loss.call.site),
        evidence=(f"{round(weights.zeros * r.width)} of {r.width} class weights are 0",),
        why="examples of these classes teach nothing.",
        fix="weights above 0 for all classes: by 1 / frequency, say",
        codes=("LCH", "TCL"),
        figure=loss_curve(r),
    )


@RULES.register("ignored-index")
def ignored_index(r: Reading) -> Finding | None:
    """A loss whose targets are mostly the index that it leaves out, or that gives classes no weight."""
    loss = r.loss
    if loss is None or loss.kind not in ("cross_entropy", "nll_loss"):
        return None
    ignored = loss.call.option("ignore_index", 4, -100)
    targets = r.record.targets
    share = targets.ignored / max(1, targets.ignored + targets.counted)
    # for tokens 0 is often padding, for pixels what has no label; for whole inputs every label is a class
    whole = not r.tokens and not r.by_pixel
    real = isinstance(ignored, int) and 0 <= ignored < r.width and whole and share > 0.5 / max(2, r.width)
    if not real and share < 0.95:
        return _weighed_nothing(r)
    return Finding(
        cause="ignored-index",
        severity="warning",
        certainty=0.8,
        title=f"Class {ignored} is left out of the loss" if real else "Nearly all targets are left out of the loss",
        where=short(loss.call.site),
        evidence=(f"{share:.1%} of the targets are {ignored}, which the loss ignores",),
        why="the network is never told of them."
        if real
        else "the few that are left decide everything; with none in a batch the loss is NaN.",
        fix="check ignore_index and how targets are masked",
        codes=("LCH", "TCL"),
        figure=loss_curve(r),
    )
