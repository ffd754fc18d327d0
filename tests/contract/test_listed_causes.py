"""The causes that are listed are those that rules tell, in the code and in the documentation."""

import ast
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from sightline.diagnose import CAUSES, RULES
from sightline.diagnose.rules import told_by

PAGE = Path(__file__).parents[2] / "docs" / "diagnosis.md"


def table() -> str:
    """The rows of docs/diagnosis.md, from the rules themselves."""
    return "\n".join(
        ["| cause | what it is |", "|---|---|", *(f"| `{name}` | {line} |" for name, line in CAUSES.items())]
    )


@cache
def source(name: str) -> ast.Module:
    """Of the file that a rule stands in."""
    path = sys.modules[RULES[name].__module__].__file__ or ""
    return ast.parse(Path(path).read_text(encoding="utf-8"))


def given(name: str, word: str) -> Iterator[ast.expr]:
    """What a rule's file gives a finding under a name."""
    for node in ast.walk(source(name)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Finding":
            assert not node.args, f"{name}: a finding's parts are given by name, so that this test can read them"
            yield from (keyword.value for keyword in node.keywords if keyword.arg == word)


def words(value: ast.expr) -> set[str]:
    """All strings in an expression."""
    return {node.value for node in ast.walk(value) if isinstance(node, ast.Constant) and isinstance(node.value, str)}


def causes(name: str, value: ast.expr) -> set[str]:
    """The strings that an expression can be: one, one of two, or a name's that was set to one."""
    if isinstance(value, ast.IfExp):
        return causes(name, value.body) | causes(name, value.orelse)
    if isinstance(value, ast.Name):
        set_to = [
            bound
            for node in ast.walk(source(name))
            if isinstance(node, ast.Assign)
            for target in node.targets
            for bound in _bound(target, node.value, value.id)
        ]
        assert set_to, f"{name}: {value.id} is set nowhere"
        return set().union(*(causes(name, each) for each in set_to))
    assert isinstance(value, ast.Constant), f"{name}: {ast.unparse(value)} can't be read as a cause"
    return {str(value.value)}


def _bound(target: ast.expr, value: ast.expr, name: str) -> Iterator[ast.expr]:
    if isinstance(target, ast.Name) and target.id == name:
        yield value
    if isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple):
        for each, one in zip(target.elts, value.elts, strict=True):
            yield from _bound(each, one, name)


def test_every_cause_stands_in_the_documentation() -> None:
    assert len(CAUSES) >= 50
    written = PAGE.read_text(encoding="utf-8").partition("<!-- causes -->\n")[2].partition("\n<!-- /causes -->")[0]
    assert written == table(), f"put this between the two marks of {PAGE.name}:\n{table()}"


@pytest.mark.parametrize("name", RULES)
def test_a_rule_declares_the_causes_that_it_tells(name: str) -> None:
    found = [causes(name, value) for value in given(name, "cause")]
    assert found, f"{name}: no finding in its file"
    assert set(told_by(name)) == set().union(*found)
    assert all(told_by(name).values())


@pytest.mark.parametrize("name", RULES)
def test_what_a_rule_explains_are_causes(name: str) -> None:
    every = list(given(name, "explains"))
    assert not any(isinstance(value, ast.Constant) for value in every), "one name alone is no tuple of names"
    explained = set().union(*map(words, [*every, *given(name, "form")]))
    assert explained <= set(CAUSES)


def test_listed_is_what_is_told() -> None:
    assert set(CAUSES) == {cause for name in RULES for cause in told_by(name)}
