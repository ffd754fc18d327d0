"""``sightline predict``: a run's answers for files, folders and tables."""

import sys
from collections.abc import Sequence
from dataclasses import asdict

from sightline.cli.arguments import Arguments
from sightline.cli.unfinished import tell_unfinished
from sightline.core.files import to_json


def run(words: Sequence[str]) -> int:
    """Predict as the words say."""
    parser = Arguments("predict", "Answer for pictures, folders of pictures, or the rows of tables.")
    parser.add_argument("run", help="the run folder")
    parser.add_argument("paths", nargs="+", metavar="PATH", help="files and folders")
    parser.add_argument("--json", action="store_true", help="answers with all probabilities, as JSON")
    given = parser.parse_args(words)

    from sightline.train import open_run

    run = open_run(given.run)
    tell_unfinished(run.folder)
    predictions = run.predict(given.paths)
    if given.json:
        sys.stdout.write(to_json(asdict(predictions), indent=1) + "\n")
        return 0
    width = max(len(a.name) for a in predictions.answers)
    for answer in predictions.answers:
        value = answer.value if isinstance(answer.value, str) else f"{answer.value:.6g}"
        sure = f"  {max(answer.probabilities.values()):.3f}" if answer.probabilities else ""
        sys.stdout.write(f"{answer.name:<{width}}  {value}{sure}\n")
    for name, why in predictions.left_out:
        sys.stderr.write(f"left out: {name}: {why}\n")
    return 0
