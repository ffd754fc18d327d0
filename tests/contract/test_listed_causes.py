"""The documentation lists the causes that there are."""

from pathlib import Path

from sightline.diagnose import RULES

PAGE = Path(__file__).parents[2] / "docs" / "diagnosis.md"


def table() -> str:
    """The rows of docs/diagnosis.md, from the rules themselves."""
    rows = [f"| `{name}` | {RULES.summary(name)} |" for name in sorted(RULES)]
    return "\n".join(["| cause | what it is |", "|---|---|", *rows])


def test_every_cause_stands_in_the_documentation() -> None:
    assert len(RULES) >= 50
    written = PAGE.read_text(encoding="utf-8").partition("<!-- causes -->\n")[2].partition("\n<!-- /causes -->")[0]
    assert written == table(), f"put this between the two marks of {PAGE.name}:\n{table()}"
