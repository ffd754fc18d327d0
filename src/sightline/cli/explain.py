"""``sightline explain``: the theory worked out in numbers for a problem, with a figure."""

import sys
from collections.abc import Sequence

from sightline.cli.arguments import Arguments
from sightline.cli.overrides import apply_overrides, table
from sightline.core.config import Choice
from sightline.core.errors import ConfigurationError, near
from sightline.core.files import to_json

DESCRIPTION = """\
Work a topic of the theory out for your data or for a generated problem: prints the numbers, writes the figures.

topics:
{topics}
"""


def run(words: Sequence[str]) -> int:
    """Explain as the words say."""
    words = list(words)
    wants_help = any(w in ("--help", "-h") for w in words)
    words = [w for w in words if w not in ("--help", "-h")]

    from sightline.explain import EXPLANATIONS, ExplainSpec, explain
    from sightline.report.save_figure import checked_target

    width = max(map(len, EXPLANATIONS))
    topics = "\n".join(f"  {name:<{width}}   {EXPLANATIONS.summary(name)}" for name in EXPLANATIONS)
    parser = Arguments("explain", DESCRIPTION.format(topics=topics))
    parser.add_argument("topic", nargs="?", help="one of the topics")
    parser.add_argument(
        "--figure",
        help="where the page (.html), pictures (.png, .svg) or specifications (.json) go (default: explain-TOPIC.html)",
    )
    parser.add_argument("--json", action="store_true", help="the numbers as JSON")
    if wants_help and (not words or words[0].startswith("-")):
        sys.stdout.write(parser.format_help() + "\n`sightline explain TOPIC --help` shows every field.\n")
        return 0
    given, rest = parser.parse_known_args(words)
    if given.topic is None:
        raise ConfigurationError(
            expected="a topic to explain", found="none", do="name one of: " + ", ".join(EXPLANATIONS)
        )
    if given.topic not in EXPLANATIONS:
        raise ConfigurationError(
            expected="a topic that can be explained", found=repr(given.topic), do=near(given.topic, EXPLANATIONS)
        )
    spec = ExplainSpec(topic=Choice(given.topic))
    if wants_help:
        fields = f"fields of {given.topic}, with their defaults (--rate is enough for --topic.rate):\n{table(spec)}"
        sys.stdout.write(f"{parser.format_help()}\n{fields}\n")
        return 0
    if any(word == "--topic" or word.startswith("--topic=") for word in rest):
        raise ConfigurationError(
            expected="one topic", found=f"{given.topic} and another after --topic", do="name the topic once, without --"
        )
    path = checked_target(
        f"explain-{given.topic}.html" if given.figure is None else given.figure
    )  # before the work, not after
    explanation = explain(apply_overrides(spec, rest))
    written = explanation.save(path)
    if given.json:
        told = {**explanation.to_dict(), "files": [str(file) for file in written]}
        sys.stdout.write(to_json(told, indent=1) + "\n")
        return 0
    sys.stdout.write(f"{explanation}\n\n" + "".join(f"figures: {file}\n" for file in written))
    return 0
