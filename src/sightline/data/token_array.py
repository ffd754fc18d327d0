"""Tokens as flat arrays, in memory or mapped from the cache folder: written once, whole or not there."""

import hashlib
import json
import secrets
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from sightline.core.files import from_json, to_json
from sightline.data.cache import cache_folder

Values = npt.NDArray[Any]

FACTS = "facts.json"
CHUNK = 2**24


def token_type(vocabulary_size: int) -> np.dtype[Any]:
    """The smallest number format that holds every token's number.

    Example:
        >>> token_type(65_536).name, token_type(65_537).name
        ('uint16', 'uint32')
    """
    return np.dtype(np.uint16 if vocabulary_size <= 2**16 else np.uint32)


class TokenArray:
    """One flat array, in memory or mapped from a file that several processes share.

    Sent to another process, a mapped one is mapped there anew; one in memory is copied.

    Args:
        values: the numbers.
        path: the file they are mapped from; none: they are in memory.

    Lecture: W1

    Example:
        >>> TokenArray(np.arange(3, dtype=np.uint16)).values.tolist()
        [0, 1, 2]
    """

    def __init__(self, values: Values, path: Path | None = None) -> None:
        self.values, self.path = values, path

    def __len__(self) -> int:
        return len(self.values)

    @classmethod
    def map(cls, path: Path, dtype: str) -> "TokenArray":
        """The numbers of a raw file, read where they are used."""
        if path.stat().st_size == 0:
            return cls(np.zeros(0, dtype))  # an empty file can't be mapped
        return cls(np.asarray(np.memmap(path, dtype, "r")), path)

    def __reduce__(self) -> tuple[object, ...]:
        if self.path is None:
            return TokenArray, (self.values,)
        return TokenArray.map, (self.path, self.values.dtype.str)


@dataclass(frozen=True)
class Stored:
    """Arrays by name, and facts about them.

    Args:
        arrays: flat arrays.
        facts: anything JSON can hold.
        note: why they are not kept for the next time, where they were to be; else empty.
    """

    arrays: Mapping[str, TokenArray]
    facts: Mapping[str, Any]
    note: str = ""

    def __getitem__(self, name: str) -> Values:
        return self.arrays[name].values


class Writer:
    """Takes arrays in piece by piece: into files of a folder, or into memory.

    Args:
        folder: where the files go; none: memory.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder
        self.pieces: dict[str, list[Values]] = {}
        self.types: dict[str, np.dtype[Any]] = {}

    def append(self, name: str, values: Values) -> None:
        """Add numbers to the end of an array; all pieces of one array are of one number format."""
        assert self.types.setdefault(name, values.dtype) == values.dtype, name
        if self.folder is None:
            self.pieces.setdefault(name, []).append(values)
            return
        with (self.folder / name).open("ab") as file:
            file.write(np.ascontiguousarray(values).data)

    def in_memory(self, facts: Mapping[str, Any]) -> Stored:
        """What was taken in, where it went into memory."""
        return Stored({name: TokenArray(np.concatenate(parts)) for name, parts in self.pieces.items()}, facts)


Make = Callable[[Writer], Mapping[str, Any]]


def stored(key: str | None, make: Make) -> Stored:
    """The arrays of a key: mapped where they are kept already, else made, kept and mapped.

    A folder that is damaged is made anew; one that can't be written is no error: the arrays then stay in memory.

    Args:
        key: names the entry: a hash of all that the arrays depend on; none: nothing is kept.
        make: appends every array to a writer and returns the facts.
    """
    if key is None:
        writer = Writer()
        return writer.in_memory(make(writer))
    final = cache_folder() / f"text-{key}"
    found = _open(final)
    if found is not None:
        return found
    aside = final.with_name(f".{final.name}.{secrets.token_hex(4)}.part")
    try:
        aside.mkdir(parents=True)
        _write(aside, make)
        _put(aside, final)
    except OSError as error:
        shutil.rmtree(aside, ignore_errors=True)
        writer = Writer()
        kept_not = f"{final.parent} can't be written ({error.strerror or error}): tokens are not kept for the next time"
        return replace(writer.in_memory(make(writer)), note=kept_not)
    except BaseException:
        shutil.rmtree(aside, ignore_errors=True)
        raise
    return _open(final) or stored(None, make)


def _write(folder: Path, make: Make) -> None:
    writer = Writer(folder)
    facts = make(writer)
    arrays = {name: {"type": dtype.str, "checksum": _checksum(folder / name)} for name, dtype in writer.types.items()}
    (folder / FACTS).write_text(to_json({"facts": dict(facts), "arrays": arrays}), encoding="utf-8")


def _put(aside: Path, final: Path) -> None:
    """Rename into place; where another process was faster its entry is as good."""
    if final.exists():
        if _open(final) is not None:
            shutil.rmtree(aside)
            return
        shutil.rmtree(final)
    try:
        aside.rename(final)
    except OSError:
        if _open(final) is None:
            raise
        shutil.rmtree(aside)


def _open(folder: Path) -> Stored | None:
    """What a folder keeps; none where there is nothing, or something damaged."""
    try:
        whole = from_json((folder / FACTS).read_text(encoding="utf-8"))
        arrays = {}
        for name, told in whole["arrays"].items():
            if _checksum(folder / name) != told["checksum"]:
                return None
            arrays[name] = TokenArray.map(folder / name, told["type"])
        return Stored(arrays, whole["facts"])
    except (OSError, json.JSONDecodeError, UnicodeDecodeError, KeyError, TypeError, ValueError):
        return None


def _checksum(path: Path) -> str:
    """A hash of a file's bytes, read piece by piece."""
    whole = hashlib.blake2b(digest_size=16)
    with path.open("rb") as file:
        while piece := file.read(CHUNK):
            whole.update(piece)
    return whole.hexdigest()
