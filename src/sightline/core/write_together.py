"""Files that belong to each other, such as a program and its description: all are written, or none is."""

import os
import secrets
import shutil
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from sightline.core.files import not_writable, sync_folder


def write_together(contents: Mapping[Path, bytes]) -> None:
    """Write all beside, flush to the disk, rename; where anything fails, what was there before is put back.

    Args:
        contents: of each file, by path; all in one folder.

    Raises:
        RunFolderError: when the disk is full or the folder can't be written; the old files still stand.
    """
    mark = secrets.token_hex(4)
    new = {path: path.with_name(f".{path.name}.{mark}.part") for path in contents}
    old = {path: path.with_name(f".{path.name}.{mark}.old") for path in contents if path.exists()}
    path, renaming = next(iter(contents)), False
    try:
        for path, content in contents.items():
            with new[path].open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
        for path, kept in old.items():
            _keep(path, kept)
        renaming = True
        for path, aside in new.items():
            aside.replace(path)
        sync_folder(path.parent)
    except BaseException as error:
        for target in contents:
            with suppress(OSError):
                _undo(target, new[target], old.get(target), renaming)
        if isinstance(error, OSError):
            raise not_writable(path, error) from error
        raise
    for kept in old.values():
        with suppress(OSError):  # the new files stand
            kept.unlink()


def _keep(path: Path, name: Path) -> None:
    """Give a file a second name; a copy on file systems without hard links."""
    try:
        name.hardlink_to(path)
    except OSError:
        shutil.copyfile(path, name)


def _undo(path: Path, new: Path, old: Path | None, renaming: bool) -> None:
    """Put the old content back, which as a rename needs no space, and leave nothing beside it."""
    if renaming and old is not None:
        old.replace(path)
    elif renaming:
        path.unlink(missing_ok=True)
    new.unlink(missing_ok=True)
    if old is not None:
        old.unlink(missing_ok=True)  # still there where both were names of one file
