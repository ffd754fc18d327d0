"""Planted duplicates across splits are found, all of them and no others."""

from pathlib import Path

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from sightline.data import load
from sightline.data.duplicates import LISTED, find_duplicates, row_hashes


@settings(max_examples=60, deadline=None, derandomize=True)
@given(planted=st.lists(st.tuples(st.integers(0, 49), st.integers(0, 29)), max_size=30))
def test_planted_duplicates_are_found(planted: list[tuple[int, int]]) -> None:
    generator = np.random.default_rng(0)
    train = generator.integers(0, 256, (50, 1, 4, 4), dtype=np.uint8)
    test = generator.integers(0, 256, (30, 1, 4, 4), dtype=np.uint8)
    where = {j: i for i, j in planted}
    for j, i in where.items():
        test[j] = train[i]
    found = find_duplicates({"train": row_hashes(train), "test": row_hashes(test)})
    assert sum(d.count for d in found) == len(where)
    if where:
        assert (found[0].first, found[0].second) == ("train", "test")
        assert len(found[0].pairs) == min(len(where), LISTED)
        assert all(where[j] == i for i, j in found[0].pairs)


def test_in_an_image_folder(tmp_path: Path) -> None:
    generator = np.random.default_rng(1)
    for split, count in (("train", 12), ("test", 5)):
        for kind in "ab":
            folder = tmp_path / split / kind
            folder.mkdir(parents=True)
            for i in range(count):
                Image.fromarray(generator.integers(0, 256, (6, 6, 3), dtype=np.uint8)).save(folder / f"{i}.png")
    for i in range(3):  # the same pixels in another file format
        Image.open(tmp_path / "train" / "a" / f"{i}.png").save(tmp_path / "test" / "a" / f"copy-{i}.bmp")
    found = load(tmp_path, validation_fraction=0.2).found
    assert sum(d.count for d in found.duplicates if d.second == "test") == 3
    assert "also stand in" in str(found)


def test_in_a_table_the_target_is_no_part_of_the_content(tmp_path: Path) -> None:
    rows = [f"{i},{i * i % 7},{i % 2}" for i in range(40)]
    rows += [f"{i},{i * i % 7},{1 - i % 2}" for i in range(40)]  # each row again, under the other class
    path = tmp_path / "t.csv"
    path.write_text("\n".join(["x,y,label", *rows]))
    data = load(path, target="label")
    rows_of = {
        s.name: [(r["x"], r["y"]) for i in range(len(s)) if (r := s.row(i))]
        for s in (data.train, data.validation, data.test)
    }
    for d in data.found.duplicates:
        assert d.count == sum(row in rows_of[d.first] for row in rows_of[d.second])
        assert all(rows_of[d.first][i] == rows_of[d.second][j] for i, j in d.pairs)
    assert {(d.first, d.second) for d in data.found.duplicates} >= {("train", "test")}
