"""``sightline diagnose``: what is wrong with the training of a program, or of a run."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sightline.cli.arguments import Arguments
from sightline.core.errors import ConfigurationError
from sightline.core.files import to_json

if TYPE_CHECKING:
    from sightline.diagnose import Findings

DESCRIPTION = """\
Run a training program of your own, unchanged, as `python PROGRAM ...` would, and say what keeps it from learning:
causes with their evidence and the change to make. Options stand before the program; everything after its name is the
program's. For the folder of a run of Sightline's: what was found while it was trained.

With --try-fix the training is run again, unseen, for each of the first three findings whose fix is a number or a module
that can be changed from outside, with that fix alone; what came of it is told, and a finding whose fix does not help
becomes advice. The program is run as it was: what it writes, it writes again.

Exit code: 0 nothing speaks against the training, 1 something does or the program ended with an error, 2 a mistake in
these words, or nothing was trained.
"""


def run(words: Sequence[str]) -> int:
    """Diagnose as the words say."""
    from sightline.cli.program import add_program

    parser = Arguments("diagnose", DESCRIPTION)
    parser.add_argument("--report", metavar="FILE.html", help="write a page with curves, evidence and layers over time")
    parser.add_argument("--json", action="store_true", help="findings as JSON; the program's output goes to stderr")
    parser.add_argument("--try-fix", action="store_true", help="train again with each fix that can be tried")
    parser.add_argument(
        "--updates", type=int, metavar="N", help="with --try-fix: make at most so many updates again (default: 2,000)"
    )
    add_program(parser, "PROGRAM|RUN", "a Python file, or the folder of a run")
    given = parser.parse_args(words)
    page = Path(given.report) if given.report else None
    if page is not None and (page.is_dir() or not page.parent.is_dir()):
        raise ConfigurationError(
            expected="--report: a file in a folder that exists",
            found=f"the folder {page}" if page.is_dir() else f"no folder {page.parent}",
            do="name the page's file" if page.is_dir() else "make it first",
        )
    if given.updates is not None:
        from sightline.diagnose.again import checked_updates

        if not given.try_fix:
            raise ConfigurationError(
                expected="--updates together with --try-fix",
                found="--updates alone",
                do="add --try-fix, or leave it out",
            )
        checked_updates(given.updates)
    found, watched, stopped = _of_run(given) if Path(given.program).is_dir() else _of_program(given)
    sys.stdout.write((to_json(found.to_dict(), indent=1) if given.json else f"\n{found}") + "\n")
    if page is not None:
        from sightline.report import write_diagnosis

        write_diagnosis(page, found.to_dict(), watched, name=Path(given.program).name)
        if not given.json:
            sys.stdout.write(f"\npage  {page}\n")
    return int(bool(found.alarms) or stopped)


def _of_program(given: Any) -> "tuple[Findings, dict[str, Any], bool]":
    """Findings, what a page draws, and whether an error ended the program."""
    from sightline.cli.program import run_program
    from sightline.diagnose import digest, findings

    record = run_program(given.program, given.args, quiet=given.json)
    if not given.try_fix:
        return findings(record), digest(record), bool(record.stopped)
    from sightline.diagnose.again import prove

    found = prove(Path(given.program), given.args, record, tell=_tell, **_updates(given))
    return found, digest(record), bool(record.stopped)


def _updates(given: Any) -> dict[str, int]:
    return {} if given.updates is None else {"updates": given.updates}


def _tell(what: str) -> None:
    sys.stderr.write(f"training again with {what} ...\n")


def _of_run(given: Any) -> "tuple[Findings, dict[str, Any], bool]":
    """The same of a run's folder."""
    from sightline.core.run_folder import RunFolder
    from sightline.diagnose import Findings
    from sightline.report.read import read_diagnosis

    if given.args:
        raise ConfigurationError(
            expected="nothing after a run's folder", found=" ".join(given.args), do="put options before the folder"
        )
    diagnosis = read_diagnosis(RunFolder.open(given.program))
    if given.try_fix:
        from sightline.trying import try_fixes

        return try_fixes(given.program, tell=_tell, **_updates(given)), dict(diagnosis.watched), False
    return Findings.from_dict(diagnosis.found), dict(diagnosis.watched), False
