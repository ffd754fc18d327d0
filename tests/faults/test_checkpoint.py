"""Checkpoints: exact, whole or absent, refused when they are not what was written."""

import shutil
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from sightline.core.checkpoint import (
    find_checkpoint,
    forget_after,
    list_checkpoints,
    load_state,
    load_weights,
    pack,
    save_checkpoint,
    unpack,
)
from sightline.core.errors import CheckpointError, RunFolderError
from sightline.core.run_folder import RunFolder


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    folder = RunFolder.create(tmp_path, "run")
    folder.write("spec.yaml", "name: run")
    return folder


def save(folder: RunFolder, step: int, **options: object) -> Path:
    weights = {"w": torch.full((3,), float(step))}
    return save_checkpoint(folder, step, weights, {"step": step, 1: (torch.arange(step),)}, **options)  # type: ignore[arg-type]


states = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.tuples(inner, inner)
        | st.dictionaries(st.integers() | st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(states)
def test_nested_state_round_trip(state: object) -> None:
    assert unpack(*pack(state)) == state


def test_what_can_not_be_kept_is_refused() -> None:
    with pytest.raises(TypeError, match="a set can't be kept"):
        pack({"a": {1, 2}})


def test_round_trip_on_disk(folder: RunFolder) -> None:
    path = save(folder, 4)
    assert torch.equal(load_weights(path)["w"], torch.full((3,), 4.0))
    state = load_state(path)
    assert state["step"] == 4
    assert torch.equal(state[1][0], torch.arange(4))


def test_the_newest_and_the_best_are_kept(folder: RunFolder) -> None:
    for step in range(1, 7):
        save(folder, step, best=step == 2, keep=2)
    assert [p.name for p in list_checkpoints(folder)] == [
        "step-000000002",
        "step-000000005",
        "step-000000006",
    ]
    assert find_checkpoint(folder, "best").name == "step-000000002"
    assert find_checkpoint(folder).name == "step-000000006"


@pytest.mark.parametrize("name", ["model.safetensors", "state.safetensors", "state.json", "manifest.json"])
@pytest.mark.parametrize("damage", ["truncate", "flip", "remove"])
def test_a_damaged_file_is_named_and_the_one_before_offered(folder: RunFolder, name: str, damage: str) -> None:
    save(folder, 1)
    path = save(folder, 2)
    victim = path / name
    content = victim.read_bytes()
    if damage == "truncate":
        victim.write_bytes(content[: len(content) // 2])
    elif damage == "flip":
        middle = content.index(b"sha256") if name == "manifest.json" else len(content) // 2
        victim.write_bytes(content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :])
    else:
        victim.unlink()
    if name == "manifest.json" and damage == "remove":
        assert find_checkpoint(folder).name == "step-000000001"
        return
    with pytest.raises(CheckpointError) as caught:
        load_weights(path), load_state(path)
    assert "step-000000002" in caught.value.found
    assert "--from step-000000001" in caught.value.do


def test_a_pickle_is_never_loaded(folder: RunFolder, tmp_path: Path) -> None:
    path = save(folder, 1)
    torch.save({"w": torch.zeros(3)}, path / "model.safetensors")
    with pytest.raises(CheckpointError):
        load_weights(path)


def test_going_on_from_an_earlier_one_forgets_the_damaged_later_one(folder: RunFolder) -> None:
    first, second = save(folder, 1), save(folder, 2, best=True)
    (second / "state.json").write_text("{}")
    forget_after(folder, first)
    assert [p.name for p in list_checkpoints(folder)] == ["step-000000001"]


def test_a_full_disk_leaves_the_previous_one_good(folder: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    save(folder, 1)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("sightline.core.checkpoint.save_file", full)
        with pytest.raises(RunFolderError, match="No space left on device; what was there before is untouched"):
            save(folder, 2)
    assert [p.name for p in list_checkpoints(folder)] == ["step-000000001"]
    assert not list(folder.checkpoints.glob(".*"))
    load_weights(find_checkpoint(folder))


def test_missing_checkpoint(folder: RunFolder) -> None:
    with pytest.raises(CheckpointError, match="none"):
        find_checkpoint(folder)
    save(folder, 1)
    with pytest.raises(CheckpointError, match="step-000000001"):
        find_checkpoint(folder, "step-000000009")


def test_a_half_written_one_is_swept(folder: RunFolder) -> None:
    save(folder, 1)
    shutil.copytree(folder.checkpoints / "step-000000001", folder.checkpoints / ".step-000000002.part")
    assert len(list_checkpoints(folder)) == 1
    folder.sweep()
    assert not list(folder.checkpoints.glob(".*"))
