"""``sightline data`` as a user meets it: any field of the data may be set, what can't apply is refused."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import sightline
from sightline.cli.main import main
from sightline.core.errors import ConfigurationError
from sightline.data import look
from sightline.data.spec import DataSpec
from sightline.data.text_spec import TextSpec

Answer = tuple[int, str, str]
Command = Callable[..., Answer]


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Command:
    """Run ``sightline data`` in a folder of texts; exit code, stdout, stderr."""
    monkeypatch.chdir(tmp_path)
    english = "".join(f"the cat number {i} sat\n" for i in range(60))
    (tmp_path / "english.txt").write_text(english, encoding="utf-8")
    (tmp_path / "german.txt").write_text(english.replace("the cat", "die Katze"), encoding="utf-8")
    (tmp_path / "authors").mkdir()
    for name in ("poe", "wells"):
        text = "\n\n".join(f"a paragraph {i} of {name} with words" for i in range(40))
        (tmp_path / "authors" / f"{name}.txt").write_text(text, encoding="utf-8")
    rows = "".join(f"a long enough text of review {i},another long note that is {i},{'ab'[i % 2]}\n" for i in range(80))
    (tmp_path / "reviews.csv").write_text("review,note,label\n" + rows, encoding="utf-8")

    def run(*words: str) -> Answer:
        code = main(["data", *words])
        out, err = capsys.readouterr()
        return code, out, err

    return run


@pytest.mark.parametrize(
    "words",
    [
        ["english.txt", "--data.text.pair", "german.txt", "--data.text.tokenizer", "characters"],
        ["--pair=german.txt", "--tokenizer", "characters", "english.txt"],
        ["--json", "english.txt", "--text.pair", "german.txt", "--data.text.tokenizer=characters"],
    ],
    ids=["whole names", "short names, the source last", "mixed"],
)
def test_pairs(command: Command, words: list[str]) -> None:
    words = [word.replace("--text.", "--data.text.") for word in words]
    code, out, err = command(*words, *([] if "--json" in words else ["--json"]))
    assert (code, err) == (0, "")
    found = json.loads(out)
    assert found["task"] == "sequence"
    assert "60 pairs of texts" in found["what"]
    assert "(characters)" in found["what"]
    assert sum(found["counts"].values()) == 60


def test_classes_of_paragraphs(command: Command) -> None:
    code, out, _ = command("authors", "--target", "file", "--data.text.documents", "paragraph")
    assert code == 0
    assert "80 texts of 2 classes to predict 'file'" in out
    assert [line.split()[0] for line in out.splitlines() if line.startswith("  ")] == ["train", "poe", "wells"]


def test_a_named_column_is_the_text(command: Command) -> None:
    assert command("reviews.csv", "--target", "label")[0] == 2  # of two columns of text none is read by itself
    told = command("reviews.csv", "--target", "label", "--column", "note", "--lowercase", "--length", "8", "--json")[1]
    found = json.loads(told)
    assert found["kind"] == "text"
    assert found["task"] == "classification"
    assert any("another long note" in note for note in found["notes"])
    assert any("longer than 8 tokens" in note for note in found["notes"])


def test_the_account_is_that_of_training_on_it(command: Command, tmp_path: Path) -> None:
    text: Any = {"pair": "german.txt", "tokenizer": "words"}
    whole = sightline.load("english.txt", text=text, validation_fraction=0.25).found
    assert look("english.txt", text=text, validation_fraction=0.25).to_dict() == whole.to_dict()
    told = command(
        "english.txt", "--pair", "german.txt", "--tokenizer", "words", "--validation-fraction", "0.25", "--json"
    )
    assert json.loads(told[1])["counts"] == whole.counts


def test_help_tells_the_fields(command: Command, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        command("--help")
    out = capsys.readouterr().out
    assert "--data.text.pair" in out
    assert "--data.image-size" in out


@pytest.mark.parametrize(
    ("words", "expected", "found", "suggestion"),
    [
        (["iris", "--length", "5"], "no options of texts", "data.text.length = 5", "--data.text.column"),
        (["digits", "--data.text.pair", "x.txt"], "no options of texts", "data.text.pair = 'x.txt'", "leave"),
        (["digits", "--tokenizer", "words"], "no options of texts", "'words'", "leave"),
        (["iris", "--column", "colour"], "'colour'", "no such column", ""),
        (["english.txt", "--data.txt.length", "5"], "a field", "--data.txt.length", "data.text.length"),
        (["english.txt", "--length", "1"], "≥ 2", "1", "length"),
        (["english.txt", "--length"], "whole number", "nothing", "value"),
        (["english.txt", "--pair", "none.txt"], "none.txt", "none", "path"),
        (["hf:owner/name", "--length", "5"], "no options for hf:owner/name", "some", "fetch"),
        (["--json"], "source", "required", "--help"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_mistakes(command: Command, words: list[str], expected: str, found: str, suggestion: str) -> None:
    code, out, err = command(*words)
    assert (code, out) == (2, "")
    lines = {part: line for line in err.splitlines() for part in ("expected:", "found:", "what to do:") if part in line}
    assert len(lines) == 3, err
    assert expected in lines["expected:"]
    assert found in lines["found:"]
    assert suggestion in lines["what to do:"]


@pytest.mark.parametrize("source", ["iris", "digits"])
def test_options_of_texts_are_refused_where_there_is_none(source: str) -> None:
    for text in (TextSpec(length=64), TextSpec(lowercase=True), TextSpec(order="random"), TextSpec(sentinels=3)):
        with pytest.raises(ConfigurationError, match=r"no options of texts"):
            sightline.data.load_spec(DataSpec(source=source, text=text))
