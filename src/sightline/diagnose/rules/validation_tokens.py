"""Texts whose tokens are others in evaluation than in training, anywhere or at the start."""

from sightline.diagnose.figures import loss_curve
from sightline.diagnose.finding import Finding
from sightline.diagnose.reading import Reading
from sightline.diagnose.rules.registry import RULES, tells


@RULES.register("validation-tokens")
@tells("validation-preprocessed-differently", "Texts of evaluation with other tokens, or other ones at the start.")
@tells("not-shuffled", "Texts of evaluation that begin as those of training never do: sorted data were split.")
def validation_tokens(r: Reading) -> Finding | None:
    """Texts whose tokens are others in evaluation than in training, anywhere or at the start."""
    shift = r.record.token_shift
    if r.two_players or shift is None or not (shift.anywhere > 0.45 or shift.leading > 0.18):
        return None
    place = shift.place + 1
    if shift.anywhere > 0.45:
        cause, title = "validation-preprocessed-differently", "The text of evaluation has other tokens than training's"
        evidence = f"{shift.anywhere:.0%} of its tokens would have to be others to come as often as in training"
        fix = "one vocabulary, made from the training text, for both"
    elif shift.unknown > 0.5:
        cause, title = "not-shuffled", "Texts of evaluation begin as those of training never do"
        evidence = f"{shift.unknown:.0%} of the tokens at place {place} hardly come there in training"
        fix = "shuffle before splitting into training and validation"
    else:
        cause, title = "validation-preprocessed-differently", "Texts of training begin otherwise than evaluation's"
        evidence = f"{shift.leading:.0%} of the tokens at place {place} would have to be others to come as often"
        fix = "prepare both in the same way: direction, padding, marks at the start"
    return Finding(
        cause=cause,
        severity="warning",
        certainty=0.75,
        title=title,
        where="the data",
        evidence=(evidence, f"anywhere in the texts {shift.anywhere:.0%} would"),
        why="the network is asked about texts of a kind that it never saw.",
        fix=fix,
        codes=("IDS", "CPP", "TCL") if cause == "not-shuffled" else ("CPP", "TCL"),
        explains=("overfitting", "wrong-labels", "stopped-too-early", "unigram-level"),
        figure=loss_curve(r),
    )
