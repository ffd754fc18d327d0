"""The page's section on how good made images are, and the same table for a terminal."""

from collections.abc import Mapping
from dataclasses import dataclass
from textwrap import wrap
from typing import Any

from sightline.core.errors import RunFolderError
from sightline.core.run_folder import RunFolder
from sightline.report import text
from sightline.report.embedded_picture import DAMAGED, EmbeddedPicture, embedded
from sightline.report.figures import class_shares
from sightline.report.read import reading
from sightline.report.vega import Spec

READING = "readings/judgement.json"
PICTURE = "samples/nearest.png"

BYTES = 120_000
"""The picture becomes a JPEG above this size."""

MOST_CLASSES = 150
"""With more classes their shares are not drawn."""

WIDTH = 100
"""Letters in a line of a terminal."""

NOTHING = "Nothing is worse than with real images by more than chance."

Line = tuple[str, str, str]
"""What a figure says, of the made images, and of real ones in their place."""


@dataclass(frozen=True)
class JudgementPart:
    """What the page tells of a judgement.

    Args:
        about: who judged what, in a sentence.
        lines: figures, made beside real.
        off: whether anything is off.
        verdicts: what is, a sentence each; or one that nothing is.
        chart: shares of the classes; none where there are too many.
        pairs: the images closest to training images, above these.
    """

    about: str
    lines: list[Line]
    off: bool
    verdicts: list[str]
    chart: Spec | None
    pairs: EmbeddedPicture | None


def read_judgement(folder: RunFolder) -> JudgementPart | None:
    """What a run's judgement says; none where it was not judged.

    Raises:
        RunFolderError: when the reading or the picture is damaged; it names the file.
    """
    if not folder.has(READING):
        return None
    with reading(folder, READING):
        found = folder.read(READING)
        classes = [text.visible(str(name)) for name in found["classes"]]
        shares = [float(value) for value in found["made"]["shares"]]
        drawn = len(classes) <= MOST_CLASSES
        return JudgementPart(
            about=_about(found),
            lines=judgement_table(found),
            off=bool(found["verdicts"]),
            verdicts=_verdicts(found),
            chart=class_shares(classes, shares, [float(value) for value in found["reference"]]) if drawn else None,
            pairs=_pairs(folder),
        )


def judgement_lines(found: Mapping[str, Any]) -> list[str]:
    """A judgement for a terminal: the table, aligned, then the verdicts.

    Args:
        found: a judgement in plain values, as it stands in the run folder.
    """
    table = [("", "made", "real"), *judgement_table(found)]
    widths = [max(len(line[column]) for line in table) for column in range(3)]
    lines = [*wrap(_about(found), WIDTH), ""]
    lines += [f"{name:<{widths[0]}}  {made:>{widths[1]}}  {real:>{widths[2]}}".rstrip() for name, made, real in table]
    return [*lines, "", *(line for sentence in _verdicts(found) for line in wrap(sentence, WIDTH))]


def judgement_table(found: Mapping[str, Any]) -> list[Line]:
    """Figures with their standard errors, made beside real."""
    made, real, check = found["made"], found["real"], found["memorisation"]
    classes = sum(share > 0 for share in found["reference"])
    lines = [
        _line("confident", "the judge is more than 90 % sure", made, real),
        _line("class_distance", "distance to the classes of real images", made, real),
        _line("class_entropy", "entropy of the classes, nats", made, real),
        ("classes covered", f"{made['covered']} of {classes}", f"{real['covered']} of {classes}"),
        _line("frechet", "Fréchet distance to real images", made, real),
    ]
    if made["agreement"] and real["agreement"]:
        lines.append(_line("agreement", "of the class asked for", made, real))
    near, far = (text.number(float(value)) for value in found["distance"])
    lines.append(("squared distance to the nearest training image, median", near, far))
    lines.append(_check_line("nearer", "as near to a training image as few real images are", check))
    lines.append(_check_line("copies", "the same, compared with images never seen", check))
    return lines


def _line(name: str, words: str, made: Mapping[str, Any], real: Mapping[str, Any]) -> Line:
    first, second = (text.figure(name, one[name]["value"], one[name]["standard_error"]) for one in (made, real))
    return words, first, second


def _check_line(name: str, words: str, check: Mapping[str, Any]) -> Line:
    share, expected = check[name]["share"], check[name]["expected"]
    return words, text.figure(name, share["value"], share["standard_error"]), text.figure(name, expected)


def _about(found: Mapping[str, Any]) -> str:
    made, asked = found["made"], found["asked"]
    options = ", ".join(f"{name} {text.plain(value)}" for name, value in asked.items() if name != "count")
    maker, judge = (text.visible(str(found[name])) for name in ("checkpoint", "by"))
    words = (
        f"{made['count']:,} images of {maker} ({options}), seen by {judge},"
        f" against {found['num_reference']:,} real ones that the run never saw."
        f" The judge's features: {found['sees']}."
    )
    if made["compared"] < made["count"]:
        words += f" The distances look at the first {made['compared']:,}, as many as there are real ones beside them."
    return words


def _verdicts(found: Mapping[str, Any]) -> list[str]:
    return [text.visible(str(sentence)) for sentence in found["verdicts"]] or [NOTHING]


def _pairs(folder: RunFolder) -> EmbeddedPicture | None:
    path = folder.path / PICTURE
    if not path.is_file():
        return None
    try:
        return embedded(path, largest=BYTES)
    except DAMAGED as error:
        raise RunFolderError(
            expected=f"a PNG picture in {path}",
            found=f"one that can't be read: {error}",
            do="judge the run again, or move the picture away: the report then leaves it out",
        ) from error
