"""Running a user's program, unchanged, under a watch."""

import runpy
import sys
from collections.abc import Sequence
from pathlib import Path

from sightline.core.errors import DataError
from sightline.diagnose.causes import findings
from sightline.diagnose.enough import EnoughSeen
from sightline.diagnose.findings import Findings
from sightline.diagnose.own_frames import as_unwatched
from sightline.diagnose.record import Record
from sightline.diagnose.watch import Watch


def watch_script(
    path: Path, args: Sequence[str] = (), *, stop_after: int | None = None, watch: Watch | None = None
) -> Record:
    """Run a program as ``python path args`` would, and see its training.

    An error that ends the program is told on standard error, as Python tells it without a watch, and kept in the
    record; its exit is not passed on.

    Args:
        path: the program.
        args: its arguments.
        stop_after: end it after so many updates; none: let it run to its end.
        watch: one made for it, with a number of updates of its own; none: a plain one.

    Raises:
        DataError: if there is no such file.
    """
    path = Path(path)
    if not path.is_file():
        raise DataError(expected="a Python program", found=f"no file {str(path)!r}", do="check the path")
    watch = watch or Watch(stop_after=stop_after)
    argv, sys.argv = sys.argv, [str(path), *args]
    folder = str(path.parent.resolve())
    sys.path.insert(0, folder)
    try:
        with watch:
            runpy.run_path(str(path), run_name="__main__")
    except EnoughSeen:
        pass
    except SystemExit as end:
        if end.code not in (None, 0):
            watch.record.stopped = f"SystemExit: {end.code}"
            if isinstance(end.code, str):
                sys.stderr.write(f"{end.code}\n")
    except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 - the program's own: told as Python tells it, and kept
        watch.record.stopped = f"{type(error).__name__}: {error}".removesuffix(": ")
        as_unwatched(error, path)
        sys.excepthook(type(error), error, error.__traceback__)
    finally:
        sys.argv = argv
        if folder in sys.path:
            sys.path.remove(folder)
    return watch.record


def diagnose(path: Path, args: Sequence[str] = ()) -> Findings:
    """Findings of a program's training."""
    return findings(watch_script(path, args))
