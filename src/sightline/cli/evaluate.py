"""``sightline evaluate``: measure a run's best checkpoint."""

import sys
from collections.abc import Sequence

from sightline.cli.arguments import Arguments
from sightline.cli.unfinished import tell_unfinished
from sightline.core.errors import ConfigurationError
from sightline.core.files import to_json


def run(words: Sequence[str]) -> int:
    """Evaluate as the words say."""
    parser = Arguments("evaluate", "Measure a run's best checkpoint, with standard errors.")
    parser.add_argument("run", help="the run folder")
    parser.add_argument("--split", help="train, validation or test (default: test)")
    parser.add_argument("--data", help="measure on all examples of this source instead")
    parser.add_argument("--pair", help="of a translator: the file, or column, with the other text of --data")
    parser.add_argument("--json", action="store_true", help="everything measured, as JSON")
    given = parser.parse_args(words)
    if given.split is not None and given.data is not None:
        raise ConfigurationError(
            expected="--split or --data, all of whose examples are measured",
            found="both",
            do="leave one of the two out",
        )

    from sightline.train import open_run

    run = open_run(given.run)
    tell_unfinished(run.folder)
    evaluation = run.evaluate(given.split or "test", data=given.data, pair=given.pair)
    for note in evaluation.notes:
        sys.stderr.write(f"note: {note}\n")
    sys.stdout.write((to_json(evaluation.to_dict(), indent=1) if given.json else str(evaluation)) + "\n")
    return 0
