"""Examples of validation that were trained on."""

from sightline.diagnose.figures import loss_curve
from sightline.diagnose.finding import Finding
from sightline.diagnose.reading import Reading
from sightline.diagnose.rules.registry import RULES


def _text(r: Reading) -> Finding | None:
    """Windows cut out of one text at random places, of which no two are the same."""
    text = r.record.text
    share = text.shared / max(1, text.evaluated)
    # loops that evaluate some of the training text for comparison evaluate another, too
    if text.vocabulary < 20 or text.shared < 30 or share < 0.1 or text.without > 0.1 or r.two_players:
        return None
    return Finding(
        cause="validation-overlaps-training",
        severity="warning",
        certainty=0.85,
        title="The text of validation was trained on",
        where="the split of the data",
        evidence=(
            f"of {text.evaluated:,} stretches of {text.length} tokens in a row that were evaluated {text.shared:,} "
            f"({share:.0%}) were trained on, and so in all parts of the evaluation",
        ),
        why="the figures tell what was learned by heart, not what will be right on new text.",
        fix="split the text once, by place, before windows are cut from it",
        codes=("VRM", "IDS"),
        figure=loss_curve(r),
    )


def _windows(r: Reading) -> Finding | None:
    """Windows of one series that overlap, split at random."""
    if r.record.shared_moments < 0.5 or r.two_players:
        return None
    return Finding(
        cause="validation-overlaps-training",
        severity="warning",
        certainty=0.85,
        title="The windows of validation overlap with those of training",
        where="the split of the data",
        evidence=(
            f"{r.record.shared_moments:.0%} of the windows evaluated hold moments that windows trained on begin or end "
            "with",
        ),
        why="what is asked for in validation was seen in training, an hour earlier in its window.",
        fix="split the series by time first, then cut windows from each part",
        codes=("VRM", "IDS", "TCL"),
        figure=loss_curve(r),
    )


@RULES.register("validation-overlaps-training")
def validation_overlaps_training(r: Reading) -> Finding | None:
    """Examples of validation that were trained on."""
    none, some, every = r.record.partly_shared
    text = _text(r) or _windows(r)
    if text is not None:
        return text
    if r.record.evaluated_with_gradients > 0.5 * r.record.evaluated_examples:
        return None
    if r.record.distinct_examples < 8 or r.record.distinct_evaluated < 4 or r.two_players:
        return None
    share = r.record.shared_examples / r.record.distinct_evaluated
    seen_all = r.record.shared_examples >= 0.95 * r.record.distinct_examples
    paired = (
        r.loss is None or r.loss.target is None
    )  # examples are compared with each other: of new ones with known ones
    if paired and not r.validation and seen_all and none == every == 0:
        return None
    if r.possible is not None and r.possible <= r.record.trained_examples:
        return None  # nearly all rows that there can be were trained on: new ones are not to be had
    only_training = none == 0 and share > 0.98
    if only_training and seen_all and not some:
        severity, title = "advice", "The network is only evaluated on what it was trained on"
    elif share > 0.02 and (only_training or some > 0.3 * (none + some + every)):
        # data that hold examples twice share some between any two parts
        by_chance = r.record.repeated > 0.25 * share and not only_training
        severity, title = "advice" if by_chance else "warning", "Examples of validation were trained on"
    else:
        return None
    return Finding(
        cause="validation-overlaps-training",
        severity="advice" if severity == "advice" else "warning",
        certainty=0.9,
        title=title,
        where="the split of the data",
        evidence=(
            f"{r.record.shared_examples:,} of {r.record.distinct_evaluated:,} examples evaluated "
            f"({share:.0%}) were trained on",
        ),
        why="the figures tell what was learned by heart, not what will be right on new data.",
        fix="split before training, by index, so that no example is in both parts",
        codes=("VRM", "IDS"),
        figure=loss_curve(r),
    )
