"""The page of a watch: one offline file from plain values."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sightline.core.files import write_whole
from sightline.report import page_parts, text
from sightline.report.diagnosis_section import diagnosis


def diagnosis_page(found: Mapping[str, Any], watched: Mapping[str, Any], *, name: str = "") -> str:
    """The page as text: verdict, facts, curves, findings, layers over time. The same values give the same text.

    Args:
        found: ``Findings.to_dict()``.
        watched: ``digest(record)``; an empty one leaves curves and layers out.
        name: of the program.

    Lecture: U1, U7

    Example:
        >>> page = diagnosis_page({"verdict": "All is <well>.", "trained": True, "findings": []}, {})
        >>> "<h1>All is &lt;well&gt;.</h1>" in page
        True
    """
    told = diagnosis(found, watched)
    return (
        page_parts.environment()
        .get_template("diagnosis.html")
        .render(
            told=told,
            name=text.visible(name),
            style=page_parts.style(),
            script=page_parts.script(),
            library=page_parts.library() if told.charts else "",
        )
    )


def write_diagnosis(path: Path, found: Mapping[str, Any], watched: Mapping[str, Any], *, name: str = "") -> Path:
    """Write :func:`diagnosis_page`, whole or not at all.

    Raises:
        RunFolderError: when it can't be written.
    """
    write_whole(path, diagnosis_page(found, watched, name=name))
    return path
