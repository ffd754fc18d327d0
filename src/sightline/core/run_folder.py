"""The run folder: everything a run leaves behind, and all that is read afterwards."""

import fcntl
import os
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from sightline.core.errors import RunFolderError, near
from sightline.core.files import from_json, not_writable, to_json, write_whole

State = Literal["running", "completed", "interrupted", "failed"]


@dataclass(frozen=True)
class RunFolder:
    """Paths, status and metrics of one run; see ``docs/run-folder.md`` for the layout.

    Args:
        path: the folder itself.
    """

    path: Path

    @classmethod
    def create(cls, parent: Path, name: str, *, exact: bool = False) -> "RunFolder":
        """Make a new folder that no other run has, however many start at this instant.

        Args:
            parent: where runs live, made if need be.
            name: the wanted name; "-2", "-3", … is added where it is taken.
            exact: refuse a taken name instead.

        Raises:
            RunFolderError: when the folder can't be made.
        """
        if not name or Path(name).name != name or name.startswith("."):
            raise RunFolderError(
                expected="a run name that is one folder name",
                found=repr(name),
                do="leave out slashes and dots",
            )
        try:
            parent.mkdir(parents=True, exist_ok=True)
            for attempt in range(1, 10_000):
                path = parent / (name if attempt == 1 else f"{name}-{attempt}")
                try:
                    path.mkdir()
                except FileExistsError:
                    if exact:
                        raise RunFolderError(
                            expected=f"a run name not yet taken in {parent}",
                            found=str(path),
                            do=f"choose another name, or `sightline resume {path}`",
                        ) from None
                    continue
                for part in ("checkpoints", "readings", "samples"):
                    (path / part).mkdir()
                return cls(path)
        except OSError as error:
            raise not_writable(parent / name, error) from error
        raise RunFolderError(expected="a free run name", found=f"{name} … {name}-9999", do="choose another name")

    @classmethod
    def open(cls, path: Path | str) -> "RunFolder":
        """Open an existing run folder.

        Raises:
            RunFolderError: when it is missing or is no run folder.
        """
        path = Path(path)
        if not (path / "spec.yaml").is_file():
            found = "no such folder" if not path.exists() else f"{path} without a spec.yaml"
            beside = (
                [p.name for p in path.parent.glob("*") if (p / "spec.yaml").exists()] if path.parent.is_dir() else []
            )
            raise RunFolderError(
                expected=f"a run folder at {path}",
                found=found,
                do=near(path.name, beside) if beside else "check the path",
            )
        return cls(path)

    @property
    def name(self) -> str:
        """The run's name: the last part of its path."""
        return self.path.name

    @property
    def checkpoints(self) -> Path:
        """Where checkpoints lie."""
        return self.path / "checkpoints"

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Hold the run for writing: a second process that tries is refused.

        Raises:
            RunFolderError: when another process trains in this folder.
        """
        try:
            descriptor = os.open(self.path / ".lock", os.O_RDWR | os.O_CREAT, 0o644)
        except OSError as error:
            raise not_writable(self.path / ".lock", error) from error
        try:
            self._hold(descriptor)
            yield
        finally:
            os.close(descriptor)

    def _hold(self, descriptor: int) -> None:
        for attempt in range(10):  # a reader that asks how the run stands holds it for an instant
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return
            except BlockingIOError:
                time.sleep(0.01 * attempt)
        raise RunFolderError(
            expected=f"{self.path} to be free",
            found="another process training in it",
            do="wait for that process, or stop it first",
        )

    def write(self, name: str, content: Any) -> Path:
        """Write one file whole: text and bytes as they are, everything else as JSON."""
        path = self.path / name
        if path.parent != self.path:
            path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, content if isinstance(content, str | bytes) else to_json(content, indent=1))
        return path

    def read(self, name: str) -> Any:
        """Read one JSON file of the folder.

        Raises:
            RunFolderError: when it is missing or is not JSON.
        """
        return self._parsed(name, self.text(name))

    def _parsed(self, name: str, text: str) -> Any:
        try:
            return from_json(text)
        except ValueError as error:
            raise self._damaged(name, str(error)) from error

    def _damaged(self, name: str, what: str) -> RunFolderError:
        return RunFolderError(
            expected=f"{self.path / name} as a run wrote it",
            found=f"a damaged file: {what}",
            do="take the file from a copy of the run, or train again",
        )

    def text(self, name: str) -> str:
        """The text of one file of the folder.

        Raises:
            RunFolderError: when it is missing.
        """
        path = self.path / name
        try:
            return path.read_text(encoding="utf-8")
        except UnicodeDecodeError as error:
            raise self._damaged(name, str(error)) from error
        except OSError as error:
            raise RunFolderError(
                expected=f"{name} in {self.path}",
                found=error.strerror or str(error),
                do="take the file from a copy of the run; one that has not ended writes it when it does",
            ) from error

    def has(self, name: str) -> bool:
        """Whether the folder holds this file."""
        return (self.path / name).is_file()

    def set_status(self, state: State, why: str = "", **details: Any) -> None:
        """Record how the run stands, with the time (UTC)."""
        now = datetime.now(UTC).isoformat(timespec="seconds")
        self.write("status.json", {"state": state, "why": why, "time": now, "process": os.getpid(), **details})

    def status(self) -> dict[str, Any]:
        """How the run stands; a "running" whose process is gone reads "interrupted"."""
        status = self.read("status.json")
        if not isinstance(status, dict) or not isinstance(status.get("state"), str):
            raise self._damaged("status.json", f"no state: {status!r}")
        if status["state"] == "running" and not self.is_locked():
            status.update(state="interrupted", why="its process ended without a word")
        return status

    def is_locked(self) -> bool:
        """Whether a process holds the run right now."""
        try:
            descriptor = os.open(self.path / ".lock", os.O_RDONLY)
        except OSError:  # never trained in, or not ours to look at
            return False
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(descriptor)
        return False

    def metrics(self) -> list[dict[str, Any]]:
        """Every whole line of metrics.jsonl; a torn last line (a killed process) is left out."""
        if not self.has("metrics.jsonl"):
            return []
        whole, _, _ = self.text("metrics.jsonl").rpartition("\n")
        return [self._parsed("metrics.jsonl", line) for line in whole.split("\n") if line]

    def keep_metrics(self, step: int) -> None:
        """Forget metrics after a step: a resumed run writes them again, the same."""
        kept = [row for row in self.metrics() if row["step"] <= step]
        self.write("metrics.jsonl", "".join(to_json(row) + "\n" for row in kept))

    def append_metrics(self, row: Mapping[str, Any]) -> None:
        """Add one line to metrics.jsonl in a single write."""
        path = self.path / "metrics.jsonl"
        try:
            with path.open("a", encoding="utf-8") as file:
                file.write(to_json(dict(row)) + "\n")
        except OSError as error:
            raise not_writable(path, error) from error

    def sweep(self) -> None:
        """Remove what a killed process left half written."""
        for part in [*self.path.glob(".*.part"), *self.checkpoints.glob(".*.part")]:
            shutil.rmtree(part) if part.is_dir() else part.unlink(missing_ok=True)


def fresh_name(stem: str) -> str:
    """A run name from what is trained and the local time.

    Example:
        >>> fresh_name("digits-resnet").startswith("digits-resnet-20")
        True
    """
    return f"{stem}-{datetime.now().astimezone().strftime('%Y%m%d-%H%M%S')}"
