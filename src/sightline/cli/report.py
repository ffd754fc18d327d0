"""``sightline report``: rebuild a run's page."""

import sys
from collections.abc import Sequence

from sightline.cli.arguments import Arguments


def run(words: Sequence[str]) -> int:
    """Rebuild the report."""
    parser = Arguments("report", "Rebuild report.html from the run folder alone.")
    parser.add_argument("run", help="the run folder")
    given = parser.parse_args(words)

    from sightline.core.run_folder import RunFolder
    from sightline.report import write_report

    sys.stdout.write(f"{write_report(RunFolder.open(given.run))}\n")
    return 0
