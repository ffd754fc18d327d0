"""The fingerprint of a data set changes with each thing a model learns from, and with nothing else."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sightline.data import load

ROWS = [(["red", "blue", "green"][i % 3], i * 7 % 11, ["no", "yes"][i % 2]) for i in range(40)]
TEXT = "colour,size,sold\n" + "\n".join(f"{c},{s},{y}" for c, s, y in ROWS) + "\n"


def swapped(text: str) -> str:
    return "\n".join(",".join([b, a, c]) for a, b, c in (line.split(",") for line in text.splitlines()))


CHANGES: dict[str, Callable[[str], str]] = {
    "a category renamed": lambda t: t.replace("blue", "cyan"),
    "two categories exchanged": lambda t: t.replace("blue", "?").replace("red", "blue").replace("?", "red"),
    "a class renamed": lambda t: t.replace("yes", "yet"),
    "columns in another order": swapped,
    "a column renamed": lambda t: t.replace("size", "width"),
    "the target renamed": lambda t: t.replace("sold", "gone"),
    "a number changed": lambda t: t.replace("red,0,", "red,0.5,", 1),
    "a category changed": lambda t: t.replace("green", "red", 1),
}


def of(path: Path, text: str) -> str:
    path.write_text(text)
    return load(path, target=text.splitlines()[0].split(",")[2]).fingerprint


@pytest.mark.parametrize("change", CHANGES)
def test_a_table_s(tmp_path: Path, change: str) -> None:
    changed = CHANGES[change](TEXT)
    assert changed != TEXT
    assert of(tmp_path / "a.csv", TEXT) == of(tmp_path / "b.csv", TEXT)
    assert of(tmp_path / "a.csv", TEXT) != of(tmp_path / "b.csv", changed)


def test_a_folder_s_class_renamed(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    for c in "ab":
        (tmp_path / c).mkdir()
        for i in range(5):
            pixels = generator.integers(0, 256, (6, 6, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / c / f"{i}.png")
    before = load(tmp_path).fingerprint
    (tmp_path / "b").rename(tmp_path / "c")
    assert load(tmp_path).fingerprint != before
