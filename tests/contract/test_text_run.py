"""A run on text from its folder: loaded, written with, turned into vectors, measured on other data."""

from pathlib import Path
from typing import Any

import pytest
import torch

import sightline
from sightline.cli.main import main
from sightline.core.config import Choice
from sightline.core.errors import ConfigurationError, DataError, SightlineError
from sightline.data import load_like
from sightline.data.text_spec import TextSpec
from sightline.models import GPT, for_task
from sightline.train import Plan, Run

LINES = ["the cat sees the moon", "a dog sees a cat", "the moon is red", "a red dog sleeps"]


def trained(folder: Path, model: str, **data: Any) -> Run:
    spec = sightline.recipes.starting_point(model, str(folder / "words.txt"))
    text = spec.data.text.replace(tokenizer="words", length=8, **data)
    small = spec.replace(
        data=spec.data.replace(text=text),
        model=Choice(model, {"depth": 1, "num_heads": 2, "width": 8}),
        plan=Plan(steps=2, batch_size=4),
    )
    return sightline.train.train(small, runs=folder / "runs", name=model, quiet=True)


@pytest.fixture
def book(tmp_path: Path) -> Path:
    (tmp_path / "words.txt").write_text("\n".join(LINES * 60) + "\n", encoding="utf-8")
    return tmp_path


def test_a_checkpoint_is_a_network_and_serves_another_task(book: Path) -> None:
    run = trained(book, "gpt")
    best = run.folder.path / "checkpoints" / "best"
    assert best.is_file()
    for place in (best, run.checkpoint):
        loaded: Any = sightline.from_pretrained(place)
        assert isinstance(loaded, GPT)
        tokens = torch.tensor([run.tokenizer.encode(LINES[0])])
        assert torch.equal(loaded(tokens), run.model(tokens))
    classifier: Any = sightline.from_pretrained(best, task="classification", num_outputs=3)
    assert classifier(tokens).shape == (1, 3)
    again: Any = for_task(loaded, "classification", num_outputs=3)
    assert torch.equal(again.embedding.weight, classifier.embedding.weight)


def test_it_writes_and_makes_vectors(book: Path) -> None:
    run = trained(book, "gpt")
    single = run.generate("the cat", max_new_tokens=3)
    assert [passage.prompt for passage in single] == ["the cat"]
    assert single == run.generate(["the cat"], max_new_tokens=3)
    assert run.features(LINES[0]).shape == (1, 8)
    assert torch.equal(run.features(LINES)[0], run.features(LINES[0])[0])
    assert run.folder.has("samples/text.jsonl")
    assert run.folder.has("readings/attention.json")
    assert run.folder.has("readings/text.json")
    assert (run.checkpoint / "tokenizer.json").read_text() == run.folder.text("tokenizer.json")
    with pytest.raises(ConfigurationError, match="images or a table"):
        run.export()
    with pytest.raises(ConfigurationError, match="sightline generate"):
        run.predict([book / "words.txt"])


def test_a_translator_is_measured_on_its_own_pairs_and_on_others(book: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The other text of other data is never taken from training."""
    for name in ("words.fr", "other.txt", "other.fr"):
        (book / name).write_text("\n".join(line.upper() for line in LINES * 60) + "\n", encoding="utf-8")
    monkeypatch.chdir(book)
    run = sightline.open_run(trained(book, "transformer", pair="words.fr").folder.path)
    assert run.evaluate("test").count > 0
    other = run.evaluate(data=book / "other.txt", pair=book / "other.fr")
    assert other.count == 240
    with pytest.raises(sightline.SightlineError, match="pair"):
        run.evaluate(data=book / "other.txt")


def test_mistakes_in_measuring_name_only_what_measuring_has(book: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`sightline evaluate` has --data, --pair and --split, and no --data.text.pair; what it can't use it refuses."""
    (book / "words.fr").write_text("\n".join(line.upper() for line in LINES * 60) + "\n", encoding="utf-8")
    monkeypatch.chdir(book)
    run = trained(book, "transformer", pair="words.fr")
    (book / "other.csv").write_text("text,number\n" + "a long text of its own,3\n" * 9, encoding="utf-8")
    for options, found in (
        ({"data": "words.txt", "pair": "none.fr"}, "none"),
        ({"data": "words.txt", "pair": "."}, "folder"),
        ({"data": "other.csv", "pair": "words.fr"}, "no such column"),
        ({"data": "digits", "pair": "words.fr"}, "digits"),
        ({"pair": "words.fr"}, "no other data"),
    ):
        with pytest.raises(SightlineError, match=found) as told:
            run.evaluate(**options)
        assert "--data.text" not in str(told.value)
    with pytest.raises(DataError, match=r"none(?s:.*)--data\.text\.pair"):
        sightline.load("words.txt", text={"pair": "none.fr"})
    schema, tokenizer = run.schema, run.tokenizer
    (book / "pairs.csv").write_text("en,fr\n" + "the cat sees,THE CAT SEES\n" * 9, encoding="utf-8")
    columns: Any = {"schema": schema, "tokenizer": tokenizer}  # of a table the pair is a column, as in training
    assert len(load_like("pairs.csv", text=TextSpec(column="en", pair="fr"), **columns)) == 9
    with pytest.raises(DataError, match="no such column"):
        load_like("pairs.csv", text=TextSpec(column="en", pair="de"), **columns)
    gpt = trained(book, "gpt")
    with pytest.raises(ConfigurationError, match="for the task 'language'"):
        gpt.evaluate(data="words.txt", pair="words.fr")
    for words, found in (
        (["--split", "test", "--data", "words.txt"], "both"),
        (["--pair", "words.fr"], "no other data"),
    ):
        with pytest.raises(ConfigurationError, match=found):
            main(["--debug", "evaluate", str(gpt.folder.path), *words])
