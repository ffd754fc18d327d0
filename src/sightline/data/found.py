"""What was found in a data set: the account every load gives."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from sightline.core.schema import Kind, Task
from sightline.data.duplicates import Duplicates

LINES = 10
"""Lines of a long list that are shown."""


@dataclass(frozen=True)
class FoundColumn:
    """One column of a table, as found.

    Args:
        name: as in the file.
        kind: number, category, date, text…
        missing: rows without a value.
        distinct: number of different values; none where they are not compared.
        same: why no row differs from another to a model; empty where some do.
    """

    name: str
    kind: str
    missing: int
    distinct: int | None
    same: str = ""


@dataclass(frozen=True)
class Found:
    """What a data set holds, how it was split and what is wrong with it.

    Args:
        kind: image, table or text.
        task: what is to be predicted.
        what: one line.
        counts: examples in each split; for text its characters, lines, words.
        balance: examples of each class in each split.
        input_shape: shape of one example as the model sees it.
        sizes: original image sizes, in words.
        columns: a table's columns.
        left_out: what was not used, and why.
        duplicates: examples that stand in two splits.
        notes: everything else worth knowing.
    """

    kind: Kind
    task: Task
    what: str
    counts: Mapping[str, int] = field(default_factory=dict)
    balance: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    input_shape: tuple[int, ...] = ()
    sizes: str = ""
    columns: tuple[FoundColumn, ...] = ()
    left_out: tuple[tuple[str, str], ...] = ()
    duplicates: tuple[Duplicates, ...] = ()
    notes: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)

    def __str__(self) -> str:
        lines = [self.what]
        if self.counts:
            lines.append("counts:      " + ", ".join(f"{k} {n:,}" for k, n in self.counts.items()))
        if self.input_shape:
            lines.append("input shape: " + " × ".join(map(str, self.input_shape)))
        if self.sizes:
            lines.append("sizes:       " + self.sizes)
        if self.balance:
            lines += ["classes:", *_balance_table(self.balance)]
        if self.columns:
            lines += ["columns:", *_column_table(self.columns)]
        for d in self.duplicates:
            rows = ", ".join(f"{d.first} {i} = {d.second} {j}" for i, j in d.pairs[:3])
            lines.append(f"duplicates:  {d.count:,} examples of {d.second} also stand in {d.first} ({rows}…)")
        if self.left_out:
            lines.append(f"left out:    {len(self.left_out):,}")
            lines += _shortened([f"  {path}: {why}" for path, why in self.left_out])
        lines += [f"note:        {note}" for note in self.notes]
        return "\n".join(lines)


def _balance_table(balance: Mapping[str, Mapping[str, int]]) -> list[str]:
    names = list(dict.fromkeys(name for counts in balance.values() for name in counts))
    width = max(len(n) for n in names)
    head = "  " + " " * width + "".join(f"{split:>12}" for split in balance)
    rows = [
        f"  {name:<{width}}" + "".join(f"{counts.get(name, 0):>12,}" for counts in balance.values()) for name in names
    ]
    return [head, *_shortened(rows, 2 * LINES)]


def _column_table(columns: tuple[FoundColumn, ...]) -> list[str]:
    width = max(max(len(c.name) for c in columns), len("name"))
    head = f"  {'name':<{width}}  {'kind':<10}{'missing':>9}{'distinct':>10}"
    rows = [f"  {c.name:<{width}}  {c.kind:<10}{c.missing:>9,}{_count(c.distinct):>10}" for c in columns]
    return [head, *_shortened(rows, 4 * LINES)]


def _count(number: int | None) -> str:
    return "–" if number is None else f"{number:,}"


def _shortened(lines: list[str], most: int = LINES) -> list[str]:
    return lines if len(lines) <= most else [*lines[:most], f"  … and {len(lines) - most:,} more"]
