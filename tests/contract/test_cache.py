"""Decoded images are kept, found again, made anew when damaged or outdated, and never needed."""

import os
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from sightline.data import decode_set, image, load
from sightline.data.cache import Entry, cache_folder, fetch, keep


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for c in range(2):
        (tmp_path / "data" / str(c)).mkdir(parents=True)
        for i in range(8):
            Image.new("L", (5, 5), 100 * c + i).save(tmp_path / "data" / str(c) / f"{i}.png")
    (tmp_path / "data" / "0" / "bad.png").write_text("no image")
    return tmp_path / "data"


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the images that were decoded."""
    names: list[str] = []
    decode = image.decode

    def watch(content: bytes, name: str, height: int, width: int, channels: int) -> image.Pixels:
        names.append(name)
        return decode(content, name, height, width, channels)

    monkeypatch.setattr(decode_set, "decode", watch)
    return names


def entries() -> list[Path]:
    return sorted(cache_folder().iterdir()) if cache_folder().exists() else []


def test_the_second_load_decodes_nothing(folder: Path, decoded: list[str]) -> None:
    first = load(folder)
    assert len(decoded) == 16
    second = load(folder)
    assert len(decoded) == 16
    assert second.found == first.found
    assert second.schema == first.schema
    assert second.fingerprint == first.fingerprint
    for a, b in zip(first.train.batches(batch_size=3), second.train.batches(batch_size=3), strict=True):
        assert torch.equal(a.inputs, b.inputs)
    assert len(entries()) == 1


@pytest.mark.parametrize("change", ["image", "file", "size"])
def test_another_question_is_another_entry(folder: Path, decoded: list[str], change: str) -> None:
    load(folder)
    if change == "image":
        Image.new("L", (5, 5), 77).save(folder / "0" / "0.png")
        os.utime(folder / "0" / "0.png", (1, 1))
    if change == "file":
        Image.new("L", (5, 5), 77).save(folder / "0" / "new.png")
    load(folder, image_size=4 if change == "size" else None)
    assert len(decoded) >= 32
    assert len(entries()) == 2


@pytest.mark.parametrize("damage", ["cut", "flip", "empty", "text"])
def test_a_damaged_entry_is_made_anew(folder: Path, decoded: list[str], damage: str) -> None:
    first = load(folder)
    (entry,) = entries()
    content = bytearray(entry.read_bytes())
    if damage == "flip":
        content[-3] ^= 1
    entry.write_bytes(
        {"cut": bytes(content[:-9]), "empty": b"", "text": b"hello, this is text", "flip": bytes(content)}[damage]
    )
    again = load(folder)
    assert len(decoded) == 32
    assert again.fingerprint == first.fingerprint
    load(folder)
    assert len(decoded) == 32


def test_without_a_cache_nothing_is_written(folder: Path) -> None:
    load(folder, cache=False)
    assert entries() == []


def test_a_cache_that_can_t_be_written_is_said(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a file").write_text("x")
    monkeypatch.setenv("SIGHTLINE_CACHE", str(tmp_path / "a file"))
    data = load(folder)
    assert len(data.train) > 0
    assert any("not kept" in note for note in data.found.notes)


def test_keep_and_fetch() -> None:
    entry = Entry({"a": np.arange(5), "b": np.zeros((0, 3), np.uint8)}, {"name": "é", "n": [1, 2]})
    assert fetch("k") is None
    assert keep("k", entry) is None
    back = fetch("k")
    assert back is not None
    assert back.facts == entry.facts
    assert np.array_equal(back.arrays["a"], entry.arrays["a"])
    assert back.arrays["b"].shape == (0, 3)
    assert [p.name for p in entries()] == ["k.safetensors"]
