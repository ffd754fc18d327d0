"""Running a user's program, unchanged, under a watch."""

import runpy
import sys
from collections.abc import Sequence
from pathlib import Path

from sightline.core.errors import DataError
from sightline.diagnose.causes import findings
from sightline.diagnose.findings import Findings
from sightline.diagnose.record import Record
from sightline.diagnose.watch import Watch


def watch_script(path: Path, args: Sequence[str] = ()) -> Record:
    """Run a program as ``python path args`` would, and see its training.

    An error that ends the program is kept in the record; its exit is not passed on.

    Raises:
        DataError: if there is no such file.
    """
    if not path.is_file():
        raise DataError(expected="a Python program", found=f"no file {str(path)!r}", do="check the path")
    watch = Watch()
    argv, sys.argv = sys.argv, [str(path), *args]
    sys.path.insert(0, str(path.parent.resolve()))
    try:
        with watch:
            runpy.run_path(str(path), run_name="__main__")
    except SystemExit as end:
        if end.code not in (None, 0):
            watch.record.stopped = watch.record.stopped or f"SystemExit: {end.code}"
    except Exception as error:  # noqa: BLE001 - the program's own, whatever it is: told in the record
        watch.record.stopped = f"{type(error).__name__}: {error}"
    finally:
        sys.argv = argv
        sys.path.remove(str(path.parent.resolve()))
    return watch.record


def diagnose(path: Path, args: Sequence[str] = ()) -> Findings:
    """Findings of a program's training."""
    return findings(watch_script(path, args))
