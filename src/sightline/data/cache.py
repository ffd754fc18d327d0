"""Decoded images kept from one load to the next, each entry one file, whole or not there."""

import hashlib
import json
import os
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from sightline.core.files import from_json, to_json

Arrays = dict[str, npt.NDArray[Any]]


@dataclass(frozen=True)
class Entry:
    """What is kept.

    Args:
        arrays: by name.
        facts: anything JSON can hold.
    """

    arrays: Arrays
    facts: dict[str, Any]


def cache_folder() -> Path:
    """``$SIGHTLINE_CACHE``, or ``~/.cache/sightline``. It can be deleted at any time."""
    named = os.environ.get("SIGHTLINE_CACHE")
    return Path(named) if named else Path.home() / ".cache" / "sightline"


def fetch(key: str) -> Entry | None:
    """The entry of a key; none where there is none, or where it is damaged and has to be made anew."""
    path = _path(key)
    try:
        with safe_open(path, "np") as file:
            metadata = file.metadata() or {}
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 it is no mapping
        facts = from_json(metadata["facts"])
    except (OSError, SafetensorError, KeyError, json.JSONDecodeError):
        return None
    return Entry(arrays, facts) if metadata.get("checksum") == _checksum(arrays, metadata["facts"]) else None


def keep(key: str, entry: Entry) -> str | None:
    """Write an entry beside, then rename; the reason where it can't be written, which is no error."""
    path = _path(key)
    aside = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    facts = to_json(entry.facts)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        save_file(entry.arrays, aside, {"facts": facts, "checksum": _checksum(entry.arrays, facts)})
        aside.replace(path)
    except (OSError, SafetensorError) as error:
        _remove(aside)
        return f"{path.parent} can't be written ({getattr(error, 'strerror', None) or error})"
    return None


def _remove(path: Path) -> None:
    """Take away what was half written, where that much is possible."""
    if path.parent.is_dir() and os.access(path.parent, os.W_OK):
        path.unlink(missing_ok=True)


def _path(key: str) -> Path:
    return cache_folder() / f"{key}.safetensors"


def _checksum(arrays: Arrays, facts: str) -> str:
    whole = hashlib.blake2b(facts.encode(), digest_size=16)
    for name in sorted(arrays):
        whole.update(name.encode())
        whole.update(np.ascontiguousarray(arrays[name]).data)
    return whole.hexdigest()
