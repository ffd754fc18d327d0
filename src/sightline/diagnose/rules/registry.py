"""Where rules are kept, and the causes that they tell."""

from collections.abc import Callable
from inspect import getdoc

from sightline.core.registry import Registry
from sightline.diagnose.finding import Finding
from sightline.diagnose.reading import Reading

Rule = Callable[[Reading], Finding | None]
"""Looks at a reading; tells a cause, or nothing."""

RULES: Registry[Rule] = Registry("rule on bad training")

_TOLD: dict[Rule, dict[str, str]] = {}


def tells(cause: str, line: str = "") -> Callable[[Rule], Rule]:
    """Declare a cause that a rule may tell; a rule that declares none tells one of its own name.

    Args:
        cause: its name.
        line: what it is; none: the first line of the rule's docstring.
    """

    def declare(rule: Rule) -> Rule:
        # decorators work from the last to the first: causes stand in the order they are read in
        _TOLD[rule] = {cause: line or _first_line(rule), **_TOLD.get(rule, {})}
        return rule

    return declare


def told_by(name: str) -> dict[str, str]:
    """The causes that a rule may tell, with a line on each.

    Raises:
        UnknownNameError: for a rule that there is not.
    """
    rule = RULES[name]
    return _TOLD.get(rule) or {name: _first_line(rule)}


def listed() -> dict[str, str]:
    """Every cause that a rule may tell, in order, with the lines of all the rules that do."""
    lines: dict[str, list[str]] = {}
    for name in sorted(RULES, key=lambda name: name not in told_by(name)):
        for cause, line in told_by(name).items():
            lines.setdefault(cause, []).append(line)
    return {cause: " ".join(lines[cause]) for cause in sorted(lines)}


def _first_line(rule: Rule) -> str:
    return (getdoc(rule) or "").partition("\n")[0]
