"""Texts whose tokens are others in evaluation than in training, anywhere or at the start."""

from sightline.diagnose.finding import Finding
from sightline.diagnose.reading import Reading
from sightline.diagnose.rules.augmented import other_kind
from sightline.diagnose.rules.registry import RULES, tells


@RULES.register("validation-tokens")
@tells("validation-preprocessed-differently", "Texts of evaluation with other tokens, or other ones at the start.")
@tells("not-shuffled", "Texts of evaluation that begin as those of training never do: sorted data were split.")
def validation_tokens(r: Reading) -> Finding | None:
    """Texts whose tokens are others in evaluation than in training, anywhere or at the start."""
    shift = r.record.token_shift
    if r.two_players or shift is None or not (shift.anywhere > 0.45 or shift.leading > 0.18):
        return None
    if shift.anywhere > 0.45:
        return other_kind(
            r,
            "validation-preprocessed-differently",
            0.75,
            "The text of evaluation has other tokens than that of training",
            f"{shift.anywhere:.0%} of its tokens would have to be others to come as often as in training",
            "one vocabulary, made from the training text, for both",
        )
    if shift.unknown > 0.5:
        return other_kind(
            r,
            "not-shuffled",
            0.75,
            "Texts of evaluation begin as those of training never do",
            f"{shift.unknown:.0%} of the tokens at place {shift.place + 1} hardly come there in training, and "
            "anywhere they are as frequent",
            "shuffle before splitting into training and validation",
        )
    return other_kind(
        r,
        "validation-preprocessed-differently",
        0.7,
        "Texts of training begin otherwise than those of evaluation",
        f"at place {shift.place + 1} {shift.leading:.0%} of the tokens would have to be others; anywhere "
        f"{shift.anywhere:.0%}",
        "prepare both in the same way: direction, padding, marks at the start",
    )
