"""A page of figures: one offline file with a title, a lead, tables, and charts that follow light and dark."""

from collections.abc import Sequence
from typing import Any

from sightline.core.errors import ConfigurationError
from sightline.report import page_parts
from sightline.report.vega import Figure, Spec

Table = tuple[str, Sequence[str], Sequence[Sequence[Any]]]
"""Heading, names of the columns, rows of cells: numbers or text."""


def page_of_figures(title: str, lead: str = "", tables: Sequence[Table] = (), figures: Sequence[Figure] = ()) -> str:
    """The page as text; the same input gives the same text.

    Args:
        title: the page's heading.
        lead: what it is about, in a sentence or two.
        tables: stand below the figures; numbers are rounded to four digits and set to the right.
        figures: in their order.

    Raises:
        ConfigurationError: when there is neither a table nor a figure, or a row has another number of cells
            than there are columns.

    Example:
        >>> "<td class=\\"n\\">0.3333</td>" in page_of_figures("Ridge", "", [("Fit", ["λ", "error"], [["1", 1 / 3]])])
        True
    """
    if not tables and not figures:
        raise ConfigurationError(expected="a table or a figure", found="neither", do="give the page something to show")
    charts: dict[str, Spec] = {f"figure-{number}": figure.spec for number, figure in enumerate(figures, 1)}
    shown = [
        {"id": name, "title": figure.title, "caption": figure.caption, "square": _square(figure)}
        for name, figure in zip(charts, figures, strict=True)
    ]
    return (
        page_parts.environment()
        .get_template("figure_page.html")
        .render(
            title=title,
            lead=lead,
            tables=[_table(*table) for table in tables],
            figures=shown,
            charts=charts,
            style=page_parts.style(),
            script=page_parts.script(),
            library=page_parts.library() if charts else "",
        )
    )


def _square(figure: Figure) -> bool:
    return bool(figure.spec.get("usermeta", {}).get("square"))


def _table(heading: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> dict[str, Any]:
    for row in rows:
        if len(row) != len(columns):
            raise ConfigurationError(
                expected=f"{len(columns)} cells in each row of '{heading}', one a column",
                found=f"{len(row)}",
                do="give an empty text where there is nothing to say",
            )
    numeric = [
        bool(rows) and all(_number(row[place]) or row[place] == "" for row in rows) for place in range(len(columns))
    ]
    return {"heading": heading, "columns": list(columns), "rows": [list(row) for row in rows], "numeric": numeric}


def _number(cell: Any) -> bool:
    return isinstance(cell, int | float) and not isinstance(cell, bool)
