"""``sightline check``: what is certainly wrong with a training program, after its first updates."""

import sys
from collections.abc import Sequence

from sightline.cli.arguments import Arguments
from sightline.core.files import to_json

DESCRIPTION = """\
Run a training program of your own, unchanged, for its first 30 updates, then end it and tell the errors that are
certain by then. Options stand before the program; everything after its name is the program's. What shows only later
(overfitting, a rate too low, a plateau) is seen by `sightline diagnose`.

Exit code: 0 nothing is certainly wrong, 1 something is or the program ended with an error, 2 a mistake in these words,
or nothing was trained.
"""


def run(words: Sequence[str]) -> int:
    """Check as the words say."""
    from sightline.cli.program import add_program, run_program

    parser = Arguments("check", DESCRIPTION)
    parser.add_argument("--json", action="store_true", help="findings as JSON; the program's output goes to stderr")
    add_program(parser, "PROGRAM", "a Python file")
    given = parser.parse_args(words)

    from sightline.diagnose.causes import findings
    from sightline.diagnose.first_updates import FIRST_UPDATES, certain

    record = run_program(given.program, given.args, quiet=given.json, stop_after=FIRST_UPDATES)
    found = certain(findings(record))
    sys.stdout.write((to_json(found.to_dict(), indent=1) if given.json else f"\n{found}") + "\n")
    return int(bool(found.alarms) or bool(record.stopped))
