"""A language model that has learned how frequent tokens are, and nothing from those before."""

from sightline.diagnose.finding import Finding
from sightline.diagnose.reading import Reading
from sightline.diagnose.rules.registry import RULES

KINDS = ("cross_entropy", "nll_loss", "cross-entropy")


@RULES.register("unigram-level")
def unigram_level(r: Reading) -> Finding | None:
    """A language model that has learned how frequent tokens are, and nothing from those before."""
    t, entry, classes = r.training, r.entry, r.record.targets.classes
    if t is None or not t.finite or entry is None or not entry.inputs or r.loss is None or r.left is None:
        return None
    x = entry.inputs[0]
    tokens = not x.floating and len(x.shape) >= 2 and min(x.shape[:2]) >= 2
    by_token = r.record.targets.ahead > 0.5 or (
        len(classes) >= 8 and r.record.targets.counted > 2 * max(1, r.record.trained_examples)
    )
    if not tokens or not by_token or r.loss.kind not in KINDS or r.record.steps < 30:
        return None
    flat = abs(t.before - t.end) < 0.02 * t.end
    if not 0.96 < r.left < 1.03 or not flat:
        return None
    return Finding(
        cause="unigram-level",
        severity="warning",
        certainty=0.7,
        title="The loss stays at that of the tokens' frequencies",
        where=r.network,
        evidence=(
            f"the loss came from {t.start:.3g} to {t.end:.3g}; to know only how frequent each of the {len(classes)} "
            f"tokens is gives {r.guess:.3g}",
            f"{r.record.targets.ahead:.0%} of the targets are the input's next token",
        ),
        why="the output's bias is all that was learned: what comes before makes no difference to what is told.",
        fix="look whether targets are the inputs one place on (tokens[:, 1:]) and in the same order; then at the rate, "
        "and whether positions and earlier tokens reach the output (a mask turned round hides them)",
        lecture=("U7", "S1"),
        codes=("TCL", "HLR", "MWA"),
        explains=("no-progress", "collapsed-outputs"),
        form="no-progress",
    )
