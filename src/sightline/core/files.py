"""Files that are written whole or not at all, and JSON that keeps NaN and infinity."""

import json
import math
import os
import secrets
from contextlib import suppress
from pathlib import Path
from typing import Any

from sightline.core.errors import RunFolderError


def write_whole(path: Path, content: bytes | str) -> None:
    """Write beside, flush to the disk, rename: a reader sees the old file or the new one, never a part.

    Raises:
        RunFolderError: when the disk is full or the folder can't be written; the old file still stands.
    """
    content = content.encode() if isinstance(content, str) else content
    aside = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    try:
        with aside.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        aside.replace(path)
        sync_folder(path.parent)
    except OSError as error:
        with suppress(OSError):  # a file system that can't be written keeps its leftovers too
            aside.unlink(missing_ok=True)
        raise not_writable(path, error) from error


def sync_folder(folder: Path) -> None:
    """Flush a folder's entries, so that a rename in it survives a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def not_writable(path: Path, error: Exception) -> RunFolderError:
    """The three-part error for a write that failed."""
    return RunFolderError(
        expected=f"to write {path}",
        found=f"{getattr(error, 'strerror', None) or error}; what was there before is untouched",
        do="free some space, or choose a folder that can be written; a run that has begun can be resumed",
    )


def to_json(value: Any, *, indent: int | None = None) -> str:
    """Strict JSON in which NaN and infinities stand as the strings "NaN", "Infinity", "-Infinity".

    A text that happens to be one of the three gets a backslash in front, so nothing is mistaken.

    Example:
        >>> to_json({"loss": float("nan")})
        '{"loss": "NaN"}'
    """
    return json.dumps(_spell(value), indent=indent, allow_nan=False, ensure_ascii=False)


def from_json(text: str | bytes) -> Any:
    """Read :func:`to_json`'s text, the three strings turned back into numbers."""
    return _unspell(json.loads(text))


_NAMES = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}


def _spell(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    if isinstance(value, str) and value.lstrip("\\") in _NAMES:
        return "\\" + value
    if isinstance(value, dict):
        return {str(k): _spell(v) for k, v in value.items()}
    return [_spell(v) for v in value] if isinstance(value, list | tuple) else value


def _unspell(value: Any) -> Any:
    if isinstance(value, str):
        return value[1:] if value[:1] == "\\" and value.lstrip("\\") in _NAMES else _NAMES.get(value, value)
    if isinstance(value, dict):
        return {k: _unspell(v) for k, v in value.items()}
    return [_unspell(v) for v in value] if isinstance(value, list) else value
