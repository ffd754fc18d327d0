"""``sightline report``: rebuild a run's page."""

import sys
from collections.abc import Sequence

from sightline.cli.arguments import Arguments

DESCRIPTION = """\
Rebuild report.html from the run folder alone. With --sharpness the network is looked at first.
"""

SHARPNESS = """\
first measure the loss's sharpness at every checkpoint that was kept (the best and the last two, more with --plan.keep
in training) against the stability limit of the rate; it loads the data, and costs up to 160 forward passes over 256
training examples a checkpoint. Cost by layer, spectra and the map of examples are measured anew too
"""


def run(words: Sequence[str]) -> int:
    """Rebuild the report."""
    parser = Arguments("report", DESCRIPTION)
    parser.add_argument("run", help="the run folder")
    parser.add_argument("--sharpness", action="store_true", help=" ".join(SHARPNESS.split()))
    given = parser.parse_args(words)

    from sightline.core.run_folder import RunFolder
    from sightline.report import write_report

    folder = RunFolder.open(given.run)
    if given.sharpness:
        from sightline.train import open_run

        run = open_run(folder.path)
        for point in run.sharpness().points:
            told = f"update {point.step:,}: sharpness {point.sharpness:.4g}, limit {point.limit:.4g}"
            sys.stdout.write(told + ("" if point.converged else ", not converged") + "\n")
        run.read_network()
    sys.stdout.write(f"{write_report(folder)}\n")
    return 0
