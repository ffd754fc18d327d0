"""Figures as files: a page that follows light and dark, or a picture, or the specification."""

import json
from collections.abc import Sequence
from pathlib import Path

import vl_convert

from sightline.core.errors import ConfigurationError
from sightline.core.files import write_whole
from sightline.report.figure_page import page_of_figures
from sightline.report.vega import Figure, drawn

SUFFIXES = (".html", ".png", ".svg", ".json")

SCALE = 2
"""Pixels of a PNG for each pixel of the drawing."""

WIDTH = 640
"""Width of a drawing in pixels, before the margin."""


def save_figure(figures: Figure | Sequence[Figure], path: Path | str) -> list[Path]:
    """Write one or more figures, in the form that the path's suffix names.

    ``.html``: one page with all of them, light and dark, which needs no network. ``.png`` and ``.svg``: a
    picture of each in the light theme, with title and caption; ``.json``: the same as a Vega-Lite
    specification with data and colours. With several figures the second picture takes ``-2`` behind its name,
    the third ``-3``, and so on. Everything is drawn before anything is written; each file is written whole.

    Args:
        figures: what to draw, at least one.
        path: where to; its folder must exist.

    Returns:
        The files written.

    Raises:
        ConfigurationError: when there is no figure, the suffix is another, or the folder does not exist.
        RunFolderError: when a file can't be written.

    Lecture: E1

    Example:
        >>> from sightline.report.figures import loss_curves
        >>> figure = Figure("Descent", "The loss halves.", loss_curves([0, 1, 2], {"η = 0.1": [4.0, 2.0, 1.0]}))
        >>> [found.name for found in save_figure([figure, figure], "descent.svg")]
        ['descent.svg', 'descent-2.svg']
    """
    shown = [figures] if isinstance(figures, Figure) else list(figures)
    if not all(isinstance(figure, Figure) for figure in shown):
        raise ConfigurationError(
            expected="figures: Figure(title, caption, spec)",
            found="a bare specification" if isinstance(figures, dict) else f"{type(shown[0]).__name__}",
            do="wrap the specification: Figure('Loss', 'How to read it.', loss_curves(…))",
        )
    if not shown:
        raise ConfigurationError(expected="at least one figure", found="none", do="draw one first")
    target = checked_target(path)
    suffix = target.suffix.lower()
    if suffix == ".html":
        title = shown[0].title if len(shown) == 1 else "Figures"
        contents: list[bytes | str] = [page_of_figures(title, figures=shown)]
    else:
        contents = [_content(figure, suffix) for figure in shown]
    paths = [
        target if number == 1 else target.with_name(f"{target.stem}-{number}{target.suffix}")
        for number in range(1, len(contents) + 1)
    ]
    for file, content in zip(paths, contents, strict=True):
        write_whole(file, content)
    return paths


def checked_target(path: Path | str) -> Path:
    """A path that figures can be written to.

    Raises:
        ConfigurationError: when its suffix is another, or its folder does not exist.
    """
    target = Path(path)
    if target.suffix.lower() not in SUFFIXES:
        raise ConfigurationError(
            expected=f"a path that ends in {', '.join(SUFFIXES)}",
            found=f"'{target}'",
            do="name the file figure.html for a page, figure.png for a picture",
        )
    if not target.parent.is_dir() or target.is_dir():
        raise ConfigurationError(
            expected="a file in a folder that exists",
            found=f"'{target}' is a folder" if target.is_dir() else f"no folder '{target.parent}'",
            do="make the folder first, or choose another",
        )
    return target


def _content(figure: Figure, suffix: str) -> bytes | str:
    spec = drawn(figure, width=WIDTH)
    if suffix == ".json":
        return json.dumps(spec, ensure_ascii=False, allow_nan=False, indent=1) + "\n"
    if suffix == ".png":
        picture: bytes = vl_convert.vegalite_to_png(spec, scale=SCALE)
        return picture
    text: str = vl_convert.vegalite_to_svg(spec)
    return text
