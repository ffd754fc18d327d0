"""``sightline compare``: two runs side by side."""

import sys
from collections.abc import Sequence

from sightline.cli.arguments import Arguments
from sightline.core.files import to_json


def run(words: Sequence[str]) -> int:
    """Compare as the words say."""
    parser = Arguments("compare", "What two runs do differently, and what came of it.")
    parser.add_argument("first", help="a run folder")
    parser.add_argument("second", help="another run folder")
    parser.add_argument("--json", action="store_true", help="as JSON")
    given = parser.parse_args(words)

    from sightline.core.run_folder import RunFolder
    from sightline.report import compare

    comparison = compare(RunFolder.open(given.first), RunFolder.open(given.second))
    text = to_json(comparison.to_dict(), indent=1) if given.json else "\n".join(comparison.lines())
    sys.stdout.write(text + "\n")
    return 0
