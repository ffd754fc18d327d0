"""``sightline export``: a run's network as a file that works without Sightline."""

import sys
from collections.abc import Sequence
from dataclasses import asdict

from sightline.cli.arguments import Arguments
from sightline.cli.unfinished import tell_unfinished
from sightline.core.files import to_json


def run(words: Sequence[str]) -> int:
    """Export as the words say."""
    parser = Arguments(
        "export",
        "Write the best checkpoint's network as one file for any batch size, checked on real test examples.\n"
        "Images go in as raw pixels (uint8), rows of tables standardised; logits come out, or the number in\n"
        "its own units. A JSON file beside it says it all.",
    )
    parser.add_argument("run", help="the run folder")
    parser.add_argument("--format", default="onnx", help="onnx or torch (default: onnx)")
    parser.add_argument("--output", help="the file (default: exports/model.onnx or .pt2 in the run folder)")
    parser.add_argument("--overwrite", action="store_true", help="replace files that are there")
    parser.add_argument("--json", action="store_true", help="what was written, as JSON")
    given = parser.parse_args(words)

    from sightline.train import open_run

    run = open_run(given.run)
    tell_unfinished(run.folder)
    written = run.export(given.output, format=given.format, overwrite=given.overwrite)
    plain = asdict(written) | {"path": str(written.path), "description": str(written.description)}
    sys.stdout.write((to_json(plain, indent=1) if given.json else str(written)) + "\n")
    return 0
