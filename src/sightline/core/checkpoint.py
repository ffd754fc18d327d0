"""Checkpoints: nested state as safetensors and JSON, sealed by hashes, present whole or not at all."""

import hashlib
import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from sightline.core.errors import CheckpointError
from sightline.core.files import from_json, not_writable, sync_folder, to_json, write_whole
from sightline.core.kinds import a_kind
from sightline.core.run_folder import RunFolder

MANIFEST = "manifest.json"
LONGEST_MARK = 100
"""Bytes; a larger file is no mark."""


def pack(state: Any) -> tuple[Any, dict[str, Tensor]]:
    """Split nested state into a JSON skeleton and its tensors.

    Mappings keep their key types, tuples stay tuples; tensors are named by their place.

    Raises:
        TypeError: for anything that is neither a tensor, a container nor a plain scalar.

    Example:
        >>> import torch
        >>> skeleton, tensors = pack({"a": torch.ones(2), 3: (1, None)})
        >>> unpack(skeleton, tensors)[3]
        (1, None)
    """
    tensors: dict[str, Tensor] = {}

    def walk(value: Any, place: str) -> Any:
        if isinstance(value, Tensor):
            tensors[place] = value.detach().cpu().contiguous().clone()
            return {"tensor": place}
        if isinstance(value, Mapping):
            return {"map": [[k, walk(v, f"{place}.{k}")] for k, v in value.items()]}
        if isinstance(value, tuple):
            return {"tuple": [walk(v, f"{place}.{i}") for i, v in enumerate(value)]}
        if isinstance(value, list):
            return {"list": [walk(v, f"{place}.{i}") for i, v in enumerate(value)]}
        if value is None or isinstance(value, bool | int | float | str):
            return {"value": value}
        raise TypeError(f"{place or 'state'}: {a_kind(value)} can't be kept in a checkpoint")

    return walk(state, ""), tensors


def unpack(skeleton: Any, tensors: Mapping[str, Tensor]) -> Any:
    """Put :func:`pack`'s two halves together again."""
    ((kind, content),) = skeleton.items()
    match kind:
        case "tensor":
            return tensors[content]
        case "map":
            return {key: unpack(value, tensors) for key, value in content}
        case "tuple":
            return tuple(unpack(value, tensors) for value in content)
        case "list":
            return [unpack(value, tensors) for value in content]
        case "value":
            return content
    raise ValueError(f"not a packed value: {kind}")


def save_checkpoint(
    folder: RunFolder,
    step: int,
    model: Mapping[str, Tensor],
    state: Any,
    *,
    best: bool = False,
    keep: int = 2,
    extra: Mapping[str, str] | None = None,
) -> Path:
    """Write ``checkpoints/step-…`` whole: aside, flush, rename. Then drop all but the best and the newest.

    Args:
        folder: the run.
        step: number of updates done.
        model: the weights, saved as ``model.safetensors``.
        state: everything else a resumed run needs, nested.
        best: whether ``checkpoints/best`` shall point here.
        keep: how many of the newest to keep.
        extra: more text files to put in, by name.

    Raises:
        RunFolderError: when the disk is full or can't be written; earlier checkpoints still stand.
    """
    final = folder.checkpoints / f"step-{step:09d}"
    if not (final / MANIFEST).exists():
        _write(final, step, model, state, extra or {})
    if best:
        mark_best(folder, final)
    write_whole(folder.checkpoints / "last", final.name + "\n")
    kept = {p.name for p in list_checkpoints(folder)[-keep:]} | {read_mark(folder.checkpoints / "best")}
    for old in list_checkpoints(folder):
        if old.name not in kept:
            _remove(old)
    return final


def _write(final: Path, step: int, model: Mapping[str, Tensor], state: Any, extra: Mapping[str, str]) -> None:
    aside = final.with_name(f".{final.name}.part")
    shutil.rmtree(aside, ignore_errors=True)
    skeleton, tensors = pack(state)
    try:
        aside.mkdir()
        save_file({k: v.detach().cpu().contiguous().clone() for k, v in model.items()}, aside / "model.safetensors")
        save_file(tensors, aside / "state.safetensors")
        (aside / "state.json").write_text(to_json(skeleton), encoding="utf-8")
        for name, text in extra.items():
            (aside / name).write_text(text, encoding="utf-8")
        hashes = {p.name: _sha256(p) for p in sorted(aside.iterdir())}
        (aside / MANIFEST).write_text(json.dumps({"step": step, "sha256": hashes}, indent=1), encoding="utf-8")
        for path in aside.iterdir():
            with path.open("rb") as file:
                os.fsync(file.fileno())
        sync_folder(aside)
        aside.rename(final)
        sync_folder(final.parent)
    except (OSError, SafetensorError) as error:
        shutil.rmtree(aside, ignore_errors=True)
        raise not_writable(final, error) from error


def _remove(checkpoint: Path) -> None:
    """Take a checkpoint away: first out of the list, then its files."""
    aside = checkpoint.with_name(f".{checkpoint.name}.part")
    shutil.rmtree(aside, ignore_errors=True)
    checkpoint.rename(aside)
    shutil.rmtree(aside)


def forget_after(folder: RunFolder, checkpoint: Path) -> None:
    """Drop the checkpoints after one that training goes on from: it will make them again."""
    for later in list_checkpoints(folder):
        if later.name > checkpoint.name:
            _remove(later)


def mark_best(folder: RunFolder, checkpoint: Path) -> None:
    """Point ``checkpoints/best`` at a checkpoint."""
    write_whole(folder.checkpoints / "best", checkpoint.name + "\n")


def read_mark(mark: Path) -> str:
    """The checkpoint's name that a mark such as ``checkpoints/best`` holds; empty where the file is no mark.

    Example:
        >>> read_mark(Path("no/such/file"))
        ''
    """
    if not mark.is_file() or mark.stat().st_size > LONGEST_MARK:
        return ""
    name = mark.read_text(encoding="utf-8", errors="replace").strip()
    return name if name.startswith("step-") and Path(name).name == name else ""


def list_checkpoints(folder: RunFolder) -> list[Path]:
    """The finished checkpoints, oldest first."""
    return sorted(p for p in folder.checkpoints.glob("step-*") if (p / MANIFEST).is_file())


def find_checkpoint(folder: RunFolder, which: str = "last") -> Path:
    """The path of "last", "best", or a checkpoint named in full.

    Raises:
        CheckpointError: when there is none of that name.
    """
    present = list_checkpoints(folder)
    if which == "last" and present:
        return present[-1]
    name = read_mark(folder.checkpoints / which) if which == "best" else which
    if name and Path(name).name == name and (folder.checkpoints / name / MANIFEST).is_file():
        return folder.checkpoints / name
    if not present:
        raise CheckpointError(
            expected=f"a checkpoint in {folder.checkpoints}",
            found="none: the run stopped before its first one, or they were taken away",
            do=f"train it from its beginning with `sightline resume {folder.path}`",
        )
    raise CheckpointError(
        expected=f"a checkpoint {which!r} in {folder.checkpoints}",
        found=f"these: {', '.join(p.name for p in present)}",
        do="name one of them",
    )


def load_weights(checkpoint: Path) -> dict[str, Tensor]:
    """The model's weights, their hash verified.

    Raises:
        CheckpointError: when the file is missing, truncated or altered.
    """
    _verify(checkpoint, ["model.safetensors"])
    return load_file(checkpoint / "model.safetensors")


def load_state(checkpoint: Path) -> Any:
    """Everything but the weights, hashes verified; see :func:`save_checkpoint`.

    Raises:
        CheckpointError: when a file is missing, truncated or altered.
    """
    _verify(checkpoint, ["state.safetensors", "state.json"])
    skeleton = from_json((checkpoint / "state.json").read_text(encoding="utf-8"))
    return unpack(skeleton, load_file(checkpoint / "state.safetensors"))


def _verify(checkpoint: Path, names: list[str]) -> None:
    """Refuse a checkpoint whose files are not the ones that were written, and offer the one before."""
    try:
        hashes = json.loads((checkpoint / MANIFEST).read_text(encoding="utf-8"))["sha256"]
        damaged = next((n for n in names if _sha256(checkpoint / n) != hashes[n]), None)
        found = f"{checkpoint / damaged} is not what was written (its SHA-256 differs)" if damaged else ""
    except (OSError, ValueError, KeyError, TypeError) as error:
        found = f"{checkpoint} can't be read: {error}"
    if not found:
        return
    run = checkpoint.parent.parent
    before = [p.name for p in list_checkpoints(RunFolder(run)) if p.name < checkpoint.name]
    raise CheckpointError(
        expected="a checkpoint as it was written",
        found=found,
        do=f"use the one before: `sightline resume {run} --from {before[-1]}`"
        if before
        else "there is none before it: train the run again",
    )


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
