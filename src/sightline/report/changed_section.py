"""The page's section of the examples whose answer changed most often while the network was trained."""

from dataclasses import dataclass, field
from typing import Any

from sightline.core.run_folder import RunFolder
from sightline.report import text
from sightline.report.diagnosis_section import Drawing
from sightline.report.embedded_picture import data_uri
from sightline.report.figures import named_lines
from sightline.report.read import reading
from sightline.report.sections import small_picture
from sightline.report.vega import Spec

CHANGED = "readings/changed.json"

MOST_ANSWERS = 6
"""Answers told of an example, the latest."""


@dataclass(frozen=True)
class ChangedPart:
    """What the page tells; empty where the run left nothing.

    Args:
        count: validation examples followed.
        course: share of them with another answer than at the look before, and of those forgotten.
        examples: "index", "target", "changes", "answers" (update, class, whether it is right), "more" before these, and
            "uri", "tiny", "row" as far as there is a picture or a row.
        charts: the figure's specification by name.
    """

    count: int = 0
    course: Drawing | None = None
    examples: list[dict[str, Any]] = field(default_factory=list)
    charts: dict[str, Spec] = field(default_factory=dict)


def changed_part(folder: RunFolder) -> ChangedPart:
    """What a run left about changes of its answers.

    Raises:
        RunFolderError: when the reading or a picture is not what a run writes; it names the file.
    """
    if not folder.has(CHANGED):
        return ChangedPart()
    charts: dict[str, Spec] = {}
    course = None
    with reading(folder, CHANGED):
        plain = folder.read(CHANGED)
        lines = {
            words: [(float(look["step"]), 100 * float(look[key])) for look in plain["looks"]]
            for key, words in (("changed", "another answer"), ("forgotten", "right before, wrong now"))
        }
        if len(plain["looks"]) > 1:
            charts["changed"] = named_lines("update", "% of the examples", lines, height=180)
            course = Drawing("changed", "Answers that changed since the look before")
        told = [_example(row) for row in plain["examples"]]
        pictures = [row.get("picture") for row in plain["examples"]]
    for example, name in zip(told, pictures, strict=True):
        found = small_picture(folder, str(name)) if name else None
        if found is not None:
            example["uri"], example["tiny"] = data_uri(found[0]), found[1]
    return ChangedPart(int(plain["count"]), course, told, charts)


def _example(row: Any) -> dict[str, Any]:
    answers = [(int(step), text.visible(str(name))) for step, name in row["answers"]]
    target = text.visible(str(row["target"]))
    return {
        "index": int(row["index"]),
        "target": target,
        "changes": int(row["changes"]),
        "answers": [(f"{step:,}", name, name == target) for step, name in answers[-MOST_ANSWERS:]],
        "more": max(0, len(answers) - MOST_ANSWERS),
        "row": dict(row["row"]) if row.get("row") else None,
        "uri": "",
        "tiny": False,
    }
