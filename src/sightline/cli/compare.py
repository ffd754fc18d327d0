"""``sightline compare``: runs beside each other."""

import sys
from collections.abc import Sequence
from pathlib import Path

from sightline.cli.arguments import Arguments
from sightline.core.errors import ConfigurationError
from sightline.core.files import to_json


def run(words: Sequence[str]) -> int:
    """Compare as the words say."""
    parser = Arguments(
        "compare",
        "What runs do differently, what was found in each, and what came of it: the first against each of the others.",
    )
    parser.add_argument("first", help="a run folder")
    parser.add_argument("others", nargs="+", metavar="other", help="another run folder, or several")
    parser.add_argument("--json", action="store_true", help="as JSON")
    parser.add_argument("--report", metavar="FILE.html", help="write a page too: curves over each other")
    given = parser.parse_args(words)
    page = Path(given.report) if given.report else None
    if page is not None and not page.parent.is_dir():
        raise ConfigurationError(
            expected="--report: a file in a folder that exists", found=f"no folder {page.parent}", do="make it first"
        )

    from sightline.core.run_folder import RunFolder
    from sightline.report import compare, write_comparison
    from sightline.report.compare import all_different

    folders = [RunFolder.open(name) for name in (given.first, *given.others)]
    all_different(folders)
    compared = [compare(folders[0], other) for other in folders[1:]]
    if page is not None:
        write_comparison(page, folders)
    if given.json:
        plain = [comparison.to_dict() for comparison in compared]
        sys.stdout.write(to_json(plain[0] if len(plain) == 1 else plain, indent=1) + "\n")
        return 0
    sys.stdout.write("\n\n".join("\n".join(comparison.lines()) for comparison in compared) + "\n")
    if page is not None:
        sys.stdout.write(f"\npage  {page}\n")
    return 0
