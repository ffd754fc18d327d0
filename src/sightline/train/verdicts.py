"""What is wrong with made images, in sentences: one for every figure that is beyond chance."""

import math
from collections.abc import Sequence

from sightline.generate.judgement import Judgement
from sightline.generate.nearest_neighbour import Memorisation
from sightline.objectives.measure import Measure

SIGNIFICANT = 3.0
"""Standard errors beyond which a difference is told as one."""

ENOUGH = 10
"""Images that a class's fair share must come to before its absence says something."""

MOST_NAMED = 10
"""Classes that a sentence names."""


def verdicts(
    made: Judgement, real: Judgement, memorised: Memorisation, reference: Sequence[float], classes: Sequence[str]
) -> list[str]:
    """The sentences; none where nothing is worse than with real images by more than 3 standard errors.

    Args:
        made: figures of the made images.
        real: figures of as many real ones.
        memorised: the check of copies.
        reference: share of every class among the reference.
        classes: their names.

    Lecture: X3, X4, X6, X7
    """
    found = [
        _missing(made, reference, classes),
        _unbalanced(made, real),
        _unsure(made, real),
        _apart(made, real),
        _of_other_classes(made, real),
        _copied(memorised),
    ]
    return [sentence for sentence in found if sentence]


def _missing(made: Judgement, reference: Sequence[float], classes: Sequence[str]) -> str:
    lacking = [place for place in made.missing if made.count * reference[place] >= ENOUGH]
    if not lacking:
        return ""
    named = ", ".join(classes[place] for place in lacking[:MOST_NAMED]) + (" …" if len(lacking) > MOST_NAMED else "")
    there = sum(share > 0 for share in reference)
    verb = "is" if len(lacking) == 1 else "are"
    least = "At least " if len(lacking) < len(made.missing) else ""
    return f"{least}{len(lacking)} of {there} classes {verb} missing ({named}): mode collapse."


def _unbalanced(made: Judgement, real: Judgement) -> str:
    if not _beyond(made.class_distance, real.class_distance):
        return ""
    return (
        f"{100 * made.class_distance.value:.0f} % of the images would have to be of other classes to be as balanced as"
        f" real ones (of as many real ones {100 * real.class_distance.value:.0f} %)."
    )


def _unsure(made: Judgement, real: Judgement) -> str:
    if not _beyond(real.confident, made.confident):
        return ""
    return (
        f"The judge is sure of {_percent(made.confident)} of the images, and of {_percent(real.confident)} of"
        " real ones: the others look like no class, or like two."
    )


def _apart(made: Judgement, real: Judgement) -> str:
    if not _beyond(made.frechet, real.frechet):
        return ""
    times = f"{made.frechet.value / real.frechet.value:.2g} times as far" if real.frechet.value > 0 else "further"
    return f"In the judge's features they are {times} from real images as other real images are, by Fréchet distance."


def _of_other_classes(made: Judgement, real: Judgement) -> str:
    if made.agreement is None or real.agreement is None or not _beyond(real.agreement, made.agreement):
        return ""
    return (
        f"{_percent(made.agreement)} are of the class that was asked for; of real images the judge tells"
        f" {_percent(real.agreement)}."
    )


def _copied(memorised: Memorisation) -> str:
    near = f"{_percent(memorised.nearer.share)} of the images are nearer to a training image than all but"
    near += f" {100 * memorised.nearer.expected:.1f} % of real ones"
    if memorised.memorised:
        return f"{near}, and to none that was never seen: memorised."
    if memorised.smooth:
        return f"{near}, but as near to images that were never seen: smooth or alike, not copied."
    return ""


def _beyond(larger: Measure, smaller: Measure) -> bool:
    """Whether a difference is more than chance makes."""
    return larger.value - smaller.value > SIGNIFICANT * math.hypot(larger.standard_error, smaller.standard_error)


def _percent(share: Measure) -> str:
    """A share with its standard error.

    Example:
        >>> _percent(Measure(0.123, 0.011))
        '12.3 ± 1.1 %'
    """
    return f"{100 * share.value:.1f} ± {100 * share.standard_error:.1f} %"
