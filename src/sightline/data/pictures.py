"""Encoded images by number: files of a folder, or cells of an Arrow column."""

from collections.abc import Sequence
from pathlib import Path
from stat import S_ISDIR
from typing import Literal, Protocol, runtime_checkable

import pyarrow as pa

from sightline.core.errors import DataError
from sightline.data.duplicates import fingerprint


@runtime_checkable
class Pictures(Protocol):
    """Encoded images, read one at a time."""

    def __len__(self) -> int: ...

    def content(self, index: int) -> bytes:
        """The image file's bytes."""
        ...

    def name(self, index: int) -> str:
        """Where it stands, for messages."""
        ...

    def identity(self) -> bytes:
        """What changes when the images are changed: paths, sizes and times of the files."""
        ...


class FilePictures:
    """Image files.

    Args:
        paths: of the files.
        root: folder the names shown are relative to.
    """

    def __init__(self, paths: Sequence[Path], root: Path) -> None:
        self.paths, self.root = paths, root

    def __len__(self) -> int:
        return len(self.paths)

    def content(self, index: int) -> bytes:
        """The file's bytes.

        Raises:
            DataError: when it can't be read.
        """
        return read_bytes(self.paths[index])

    def name(self, index: int) -> str:
        """Its path below the root."""
        return str(self.paths[index].relative_to(self.root))

    def identity(self) -> bytes:
        """Path, size and time of each file."""
        return "\n".join(map(file_identity, self.paths)).encode(errors="surrogatepass")


class ArrowPictures:
    """Image bytes in an Arrow column, in memory or memory-mapped.

    Args:
        column: binary.
        names: for each row the file it comes from.
        source: what changes when the images change; empty: the images' bytes themselves.
    """

    def __init__(self, column: pa.ChunkedArray, names: Sequence[str], source: bytes) -> None:
        self.column, self.names, self.source = column, names, source

    def __len__(self) -> int:
        return len(self.column)

    def content(self, index: int) -> bytes:
        """The cell's bytes.

        Raises:
            DataError: when the cell is empty.
        """
        content: bytes | None = self.column[index].as_py()
        if content is None:
            raise DataError(
                expected=f"image bytes in {self.name(index)}",
                found="none",
                do="store the image's bytes, not only its path",
            )
        return content

    def name(self, index: int) -> str:
        """File and row."""
        return self.names[index]

    def identity(self) -> bytes:
        """The source given, or a hash of all cells."""
        return self.source or fingerprint(*(self.column[i].as_py() or b"" for i in range(len(self)))).encode()


def file_identity(path: Path) -> str:
    """Path, size and time of a file, in one line.

    Raises:
        DataError: when there is no such file.
    """
    try:
        stat = path.stat()
    except OSError as error:
        raise unreadable(path, error) from error
    return f"{path.absolute()} {stat.st_size} {stat.st_mtime_ns}"


def read_bytes(path: Path) -> bytes:
    """A file's bytes.

    Raises:
        DataError: when it can't be read.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise unreadable(path, error) from error


def path_kind(path: Path) -> Literal["file", "folder", "none"]:
    """What a path names.

    Raises:
        DataError: when that can't be found out.
    """
    try:
        mode = path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return "none"
    except OSError as error:
        raise unreadable(path, error) from error
    return "folder" if S_ISDIR(mode) else "file"


def entries(folder: Path) -> list[Path]:
    """What a folder holds, sorted, hidden entries left out.

    Raises:
        DataError: when it can't be read.
    """
    try:
        return sorted(p for p in folder.iterdir() if not p.name.startswith("."))
    except OSError as error:
        raise unreadable(folder, error) from error


def unreadable(path: Path, error: OSError) -> DataError:
    """The error for a file that is not there or can't be read."""
    return DataError(
        expected=f"a file that can be read at {path}",
        found=error.strerror or str(error),
        do="check the path and its permissions",
    )
