"""Documents of a text, and how a text is cut into splits."""

import re
from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor

from sightline.core.errors import DataError
from sightline.data.spec import DataSpec
from sightline.data.splits import SPLIT_NAMES, SplitName, SplitRows, hold_out
from sightline.data.text_spec import Documents, Order

EMPTY_LINE = re.compile(r"\n[^\S\n]*\n\s*")


def lines_of(text: str) -> list[str]:
    """A text's lines, empty ones left out.

    Example:
        >>> lines_of("ada\\r\\n\\ngrace\\n")
        ['ada', 'grace']
    """
    return [line for line in aligned_lines(text) if line.strip()]


def aligned_lines(text: str) -> list[str]:
    """All lines, empty ones too: a line ends with a line feed and with nothing else.

    Example:
        >>> aligned_lines("one\\n\\nthree\\u2028three\\n")
        ['one', '', 'three\\u2028three']
    """
    lines = text.split("\n")
    return [line.removesuffix("\r") for line in (lines[:-1] if lines[-1] == "" else lines)]


def paragraphs_of(text: str) -> list[str]:
    """What stands between empty lines.

    Example:
        >>> paragraphs_of("One day\\nit rained.\\n \\n\\nThe end.\\n")
        ['One day\\nit rained.', 'The end.']
    """
    parts = (part.strip() for part in EMPTY_LINE.split(text.replace("\r\n", "\n")))
    return [part for part in parts if part]


def documents_of(text: str, documents: Documents) -> list[str]:
    """The documents of one text file; a file that is one document stays as it is."""
    if documents == "file":
        return [text] if text.strip() else []
    return lines_of(text) if documents == "line" else paragraphs_of(text)


def cut_characters(text: str, spec: DataSpec, missing: Sequence[SplitName]) -> dict[SplitName, str]:
    """Cut one text in order: training first, then validation, then test.

    The first ⌊n·(1 − f)⌋ of n characters stay, the others are held out: first for the test, then of what is left for
    validation. With a test fraction of 0 and a validation fraction of 0.1 this is the published split of Tiny
    Shakespeare: 1,003,854 and 111,540 characters.

    Args:
        text: all of it.
        spec: the fractions, and the seed of the draw.
        missing: splits to be cut off; the text has nothing for the others.

    Lecture: F2

    Example:
        >>> spec = DataSpec(source="x", validation_fraction=0.25, test_fraction=0.2)
        >>> cut_characters("abcdefghij", spec, ("validation", "test"))
        {'train': 'abcdef', 'validation': 'gh', 'test': 'ij'}
    """
    parts: dict[SplitName, str] = {"train": text, "validation": "", "test": ""}
    fractions: dict[SplitName, float] = {"test": spec.test_fraction, "validation": spec.validation_fraction}
    for name in fractions:
        if name in missing:
            rest = parts["train"]
            kept = int(len(rest) * (1 - fractions[name]) + 1e-6)  # 100 · (1 − 0.9) is 9.999…
            parts["train"], parts[name] = rest[:kept], rest[kept:]
    return parts


def split_documents(
    count: int,
    spec: DataSpec,
    *,
    given: Sequence[str] | None = None,
    labels: Int[Tensor, " count"] | None = None,
    order: Order = "order",
    missing: Sequence[SplitName] | None = None,
) -> SplitRows:
    """Which documents form each split: as given, the missing splits held out of the training documents.

    ``round(f · n)`` documents are held out, one at least where there are two: the last ones, or some drawn by chance;
    of each class for itself where there are classes. A test fraction of 0 holds out none.

    Args:
        count: number of documents.
        spec: the fractions, and the seed of the draw.
        given: the split of each document; none: all are to be split.
        labels: the class of each document.
        order: "order" holds out the last ones, "random" draws them.
        missing: splits to hold out; none: those no document is given for.

    Lecture: F2

    Example:
        >>> rows = split_documents(10, DataSpec(source="x", validation_fraction=0.25, test_fraction=0.2))
        >>> rows.train.tolist(), rows.validation.tolist(), rows.test.tolist()
        ([0, 1, 2, 3, 4, 5], [6, 7], [8, 9])
    """
    names = np.array(given if given is not None else ["train"] * count, dtype=str)
    rows = {name: torch.from_numpy(np.flatnonzero(names == name)) for name in SPLIT_NAMES}
    fractions: dict[SplitName, float] = {"test": spec.test_fraction, "validation": spec.validation_fraction}
    for name, fraction in fractions.items():
        wanted = len(rows[name]) == 0 if missing is None else name in missing
        if wanted and fraction > 0 and len(rows["train"]):
            train = rows["train"]
            strata = None if labels is None else labels[train]
            if order == "random":
                kept, held = hold_out(strata, len(train), fraction, spec.split_seed)
            else:
                kept, held = hold_out_last(strata, len(train), fraction)
            rows["train"], rows[name] = train[kept], train[held]
    return SplitRows(rows["train"], rows["validation"], rows["test"])


def hold_out_last(
    labels: Int[Tensor, " count"] | None, count: int, fraction: float
) -> tuple[Int[Tensor, " kept"], Int[Tensor, " held"]]:
    """Hold out the last ``round(fraction · n)`` of n examples, or of each class's n; one stays at least.

    Example:
        >>> kept, held = hold_out_last(torch.tensor([0, 0, 1, 1]), 4, 0.5)
        >>> kept.tolist(), held.tolist()
        ([0, 2], [1, 3])
    """
    groups = [torch.arange(count)] if labels is None else [torch.nonzero(labels == c)[:, 0] for c in labels.unique()]
    held = torch.zeros(count, dtype=torch.bool)
    for group in groups:
        number = min(max(round(fraction * len(group)), 1), len(group) - 1)
        held[group[len(group) - number :]] = True
    return torch.nonzero(~held)[:, 0], torch.nonzero(held)[:, 0]


def require_splits(rows: SplitRows, spec: DataSpec, what: str, unit: str) -> None:
    """Refuse splits without an example where there must be some.

    Raises:
        DataError: where training or validation is empty, or a test that was asked for.
    """
    sizes = {name: len(rows.of(name)) for name in SPLIT_NAMES}
    needed = [name for name in SPLIT_NAMES if name != "test" or spec.test_fraction > 0]
    if any(sizes[name] == 0 for name in needed):
        raise DataError(
            expected=f"{unit} enough in {what} for {', '.join(needed)}",
            found=f"{sum(sizes.values()):,} {unit}, which split into "
            + ", ".join(f"{name} {n}" for name, n in sizes.items()),
            do=f"add {unit}, or cut the text otherwise (--data.text.documents)",
        )
