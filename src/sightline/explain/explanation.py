"""What an explanation is: the numbers of one topic for one problem, in tables and figures."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from textwrap import wrap
from typing import Any
from unicodedata import combining

from sightline.core.files import write_whole
from sightline.report.figure_page import page_of_figures
from sightline.report.save_figure import checked_target, save_figure
from sightline.report.text import number
from sightline.report.vega import Figure

Cell = float | int | str

WIDTH = 100
"""Columns of the terminal that running text is wrapped to."""


@dataclass(frozen=True)
class Table:
    """Numbers under a heading.

    Attributes:
        heading: what the table tells.
        columns: the columns' titles, with symbols and units.
        rows: one cell a column; numbers stay numbers until they are shown.
    """

    heading: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]

    def __post_init__(self) -> None:
        assert all(len(row) == len(self.columns) for row in self.rows), (self.heading, self.columns)

    def shown(self) -> list[list[str]]:
        """The cells as text."""
        return [[cell if isinstance(cell, str) else number(cell) for cell in row] for row in self.rows]

    def __str__(self) -> str:
        cells = self.shown()
        widths = [max(_width(title), *(_width(row[i]) for row in cells)) for i, title in enumerate(self.columns)]
        words = [any(isinstance(row[i], str) and row[i] for row in self.rows) for i in range(len(self.columns))]

        def line(row: Sequence[str]) -> str:
            pads = [" " * (width - _width(cell)) for cell, width in zip(row, widths, strict=True)]
            aligned = (c + pad if text else pad + c for c, pad, text in zip(row, pads, words, strict=True))
            return ("  " + "   ".join(aligned)).rstrip()

        rule = "  " + "─" * (sum(widths) + 3 * (len(widths) - 1))
        return "\n".join([self.heading, line(self.columns), rule, *map(line, cells)])


def _width(text: str) -> int:
    """Columns of a terminal that a text takes: a combining mark takes none."""
    return sum(not combining(character) for character in text)


@dataclass(frozen=True)
class Explanation:
    """One topic of the theory, worked out for one problem.

    ``print`` it for the tables; :meth:`save` writes a page or pictures; :meth:`to_dict` has the bare numbers.

    Attributes:
        title: the topic.
        problem: what it is worked out for, in a line.
        lead: what the numbers say, in a few sentences.
        tables: the numbers.
        figures: the drawings.
    """

    title: str
    problem: str
    lead: str
    tables: tuple[Table, ...]
    figures: tuple[Figure, ...] = ()

    def __str__(self) -> str:
        parts = [self.title + "\n" + "═" * len(self.title), *wrap(self.problem, WIDTH), "", *wrap(self.lead, WIDTH)]
        return "\n".join(parts) + "".join(f"\n\n{table}" for table in self.tables)

    def to_dict(self) -> dict[str, Any]:
        """The numbers, for JSON."""
        tables: list[Mapping[str, Any]] = [
            {"heading": t.heading, "rows": [dict(zip(t.columns, row, strict=True)) for row in t.rows]}
            for t in self.tables
        ]
        return {"title": self.title, "problem": self.problem, "lead": self.lead, "tables": tables}

    def html(self) -> str:
        """The whole explanation as one offline page."""
        tables = [(table.heading, table.columns, table.rows) for table in self.tables]
        return page_of_figures(self.title, f"{self.problem} {self.lead}", tables, self.figures)

    def save(self, path: Path | str) -> list[Path]:
        """Write the explanation: ``.html`` a page with figures and tables; ``.png``, ``.svg``, ``.json`` figures alone.

        Returns:
            The files written; several figures give several pictures, numbered.

        Raises:
            ConfigurationError: for another ending.
            RunFolderError: when the folder can't be written.
        """
        target = checked_target(path)
        if target.suffix.lower() != ".html":
            return save_figure(self.figures, target)
        write_whole(target, self.html())
        return [target]
