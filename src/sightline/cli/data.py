"""``sightline data``: look at a data set without training on it."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass

from sightline.cli.arguments import Arguments
from sightline.core.config import Config
from sightline.core.files import to_json

DESCRIPTION = """\
What is there: kinds, counts, shapes, classes, faults found. Nothing is written. The fields of the data are set as in
`sightline train`: --data.text.pair german.txt, or --pair german.txt.
"""


def run(words: Sequence[str]) -> int:
    """Look as the words say."""
    parser = Arguments("data", DESCRIPTION)
    parser.add_argument("source", help="a path, hf:owner/name, or the name of an embedded set")
    parser.add_argument("--target", help="the column to predict, for a table; of texts also file or folder")
    parser.add_argument("--json", action="store_true", help="as JSON")
    own, fields = _divided(words)
    if "--help" in own or "-h" in own:
        from sightline.cli.overrides import table

        parser.epilog = f"fields of the data, with their defaults:\n{table(_options('', None))}"
    given = parser.parse_args(own)

    from sightline.cli.overrides import apply_overrides
    from sightline.data.look import look_spec

    found = look_spec(apply_overrides(_options(given.source, given.target), fields).data)  # type: ignore[attr-defined]
    sys.stdout.write((to_json(found.to_dict(), indent=1) if given.json else str(found)) + "\n")
    return 0


def _options(source: str, target: str | None) -> Config:
    """The data part of a run's configuration, under the name that it has there."""
    from sightline.data.spec import DataSpec

    @dataclass(frozen=True)
    class Options(Config):
        data: DataSpec

    return Options(DataSpec(source=source, target=target))


def _divided(words: Sequence[str]) -> tuple[list[str], list[str]]:
    """The words of this command, and those that name a field of the data with its value."""
    own: list[str] = []
    fields: list[str] = []
    rest = list(words)
    while rest:
        word = rest.pop(0)
        name, equals, _ = word.partition("=")
        valued = not equals and bool(rest) and not rest[0].startswith("--")
        if name in ("--target", "--json", "--help") or not word.startswith("--"):
            part, valued = own, valued and name == "--target"
        else:
            part = fields
        part += [word, *([rest.pop(0)] if valued else [])]
    return own, fields
