"""``sightline data``: look at a data set without training on it."""

import sys
from collections.abc import Sequence

from sightline.cli.arguments import Arguments
from sightline.core.files import to_json


def run(words: Sequence[str]) -> int:
    """Look as the words say."""
    parser = Arguments("data", "What is there: kinds, counts, shapes, classes, faults found. Nothing is written.")
    parser.add_argument("source", help="a path, hf:owner/name, or the name of an embedded set")
    parser.add_argument("--target", help="the column to predict, for a table")
    parser.add_argument("--json", action="store_true", help="as JSON")
    given = parser.parse_args(words)

    from sightline.data import look

    found = look(given.source, given.target)
    sys.stdout.write((to_json(found.to_dict(), indent=1) if given.json else str(found)) + "\n")
    return 0
