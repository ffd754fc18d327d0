"""Every kind of text source: what its batches are, what is said of it, and how a user's mistakes are met."""

import gzip
import json
import pickle
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from sightline.core.config import from_yaml, to_yaml
from sightline.core.errors import ConfigurationError, DataError, SightlineError
from sightline.core.schema import IGNORED, Schema
from sightline.data import Data, DataSpec, load, load_like, look, read_inputs
from sightline.data.document_split import NextTokenSplit
from sightline.data.source import TextSource
from sightline.data.split import EmptySplit, Split
from sightline.data.text_pieces import given_splits
from sightline.data.text_spec import TextSpec
from sightline.data.token_split import BlockSplit
from sightline.data.tokenizer import Tokenizer

WORDS = (
    "the", "quick", "brown", "fox", "jumps", "over", "the", "lazy", "dog", "and", "then", "it", "rains", "for", "days",
    "while", "nobody", "looks",
)  # fmt: skip


def prose(lines: int, seed: int = 0) -> str:
    """Lines of words, a paragraph every fourth."""
    pick = torch.randint(0, len(WORDS), (lines, 7), generator=torch.Generator().manual_seed(seed)).tolist()
    made = [" ".join(WORDS[i] for i in row) + ("." if n % 4 else ".\n") for n, row in enumerate(pick)]
    return "\n".join(made) + "\n"


def write(path: Path, content: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(content.encode()) if path.suffix == ".gz" else content.encode())
    return path


def text(**fields: Any) -> dict[str, Any]:
    return {"tokenizer": "characters", "length": 16, **fields}


def novels(root: Path) -> Path:
    for number, name in enumerate(("emma.txt.gz", "persuasion.txt", "deep/sense.txt")):
        write(root / name, prose(60, number))
    return root


def reviews(tmp_path: Path) -> Path:
    rows = [{"text": line, "stars": n, "label": "good" if "fox" in line else "bad"}
            for n, line in enumerate(prose(80).splitlines()) if line]  # fmt: skip
    tmp_path.mkdir(exist_ok=True)
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "reviews.parquet")
    return tmp_path / "reviews.parquet"


CONLL = "\n\n".join(
    "\n".join(f"{word} x {'B-ANIMAL' if word in ('fox', 'dog') else 'O'}" for word in line.split())
    for line in prose(30).splitlines()
    if line
)


def squad() -> str:
    paragraphs = []
    for number in range(12):
        context = prose(3, number).replace("\n", " ")
        place = context.index(context.split()[4])
        answers = [{"text": context.split()[4], "answer_start": place}]
        asked = [{"question": "which word?", "answers": answers}, {"question": "none?", "answers": []}]
        paragraphs.append({"context": context, "qas": asked})
    return json.dumps({"data": [{"title": "x", "paragraphs": paragraphs}]})


def make(kind: str, root: Path) -> Data:
    """Each kind of source, small."""
    if kind == "file":
        return load(write(root / "book.txt", prose(80)), text=text())
    if kind == "folder":
        return load(novels(root), text=text(tokenizer="bpe", vocabulary_size=300))
    if kind == "lines":
        return load(write(root / "names.txt", prose(80)), text=text(documents="line", form="padded", length=80))
    if kind == "packed":
        return load(write(root / "book.txt", prose(80)), text=text(documents="paragraph"))
    if kind == "column":
        return load(reviews(root), task="language", text=text(column="text", tokenizer="words"))
    if kind == "classes":
        return load(reviews(root), target="label", text=text(column="text", tokenizer="wordpiece", length=12))
    if kind == "authors":
        return load(novels(root), target="file", text=text(documents="paragraph", length=40))
    if kind == "pairs":
        write(root / "train.en", prose(40)), write(root / "train.de", prose(40).upper())
        return load(root / "train.en", text=text(pair=str(root / "train.de"), target_length=24))
    if kind == "words":
        return load(write(root / "ner.conll", CONLL), text=text(tokenizer="wordpiece", length=20))
    return load(write(root / "squad.json", squad()), text=text(tokenizer="bpe", vocabulary_size=400, length=60))


TASKS = {
    "file": "language",
    "folder": "language",
    "lines": "language",
    "packed": "language",
    "column": "language",
    "classes": "classification",
    "authors": "classification",
    "pairs": "sequence",
    "words": "token-classification",
    "questions": "span",
}


def splits(data: Data) -> list[Split]:
    return [data.train, data.validation, data.test]


def test_all_kinds_are_here() -> None:
    assert len(TASKS) == 10


@pytest.mark.parametrize("kind", TASKS)
def test_every_kind_of_text(kind: str, tmp_path: Path) -> None:
    data = make(kind, tmp_path / "data")
    schema, tokenizer = data.schema, data.tokenizer
    assert tokenizer is not None
    assert (schema.kind, schema.task) == ("text", TASKS[kind])
    assert schema.text is not None
    assert schema.input_shape == (schema.text.length,)
    assert schema.text.vocabulary_size == tokenizer.vocabulary_size
    assert Schema.from_dict(json.loads(json.dumps(schema.to_dict()))) == schema
    for split, name in zip(splits(data), ("train", "validation", "test"), strict=True):
        assert split.name == name
        assert data.found.counts[name] == len(split) > 0
        batches = list(split.batches(batch_size=4))
        assert sum(map(len, batches)) == len(split)
        for batch in batches:
            width = batch.inputs.shape[1]
            assert batch.inputs.dtype == batch.target.dtype == torch.int64
            assert batch.inputs.min() >= 0
            assert int(batch.inputs.max()) < tokenizer.vocabulary_size
            assert 1 <= width <= schema.text.length
            if batch.present is not None:
                assert batch.present.shape == batch.inputs.shape
                assert set(batch.inputs[~batch.present].tolist()) == {schema.text.pad}
                assert not batch.present.all()
            if schema.task == "classification":
                assert batch.target.shape == (len(batch),)
            elif schema.task == "span":
                assert batch.target.shape == (len(batch), 2)
            elif schema.task == "sequence":
                assert batch.target.shape[1] <= schema.text.target_length == 24
                ends = (batch.target != IGNORED).sum(1) - 1
                assert set(batch.target.gather(1, ends[:, None]).flatten().tolist()) == {schema.text.end}
            else:
                assert batch.target.shape == batch.inputs.shape
        row = split.row(0)
        assert row is not None
        assert isinstance(row["text"], str)
        assert split.picture(0) is None
    told = str(data.found)
    assert "characters" in told
    assert "bytes" in told
    json.dumps(data.found.to_dict())


@pytest.mark.parametrize("kind", TASKS)
def test_loading_again_gives_the_same(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = make(kind, tmp_path / "data")

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("the tokenizer was trained again")

    monkeypatch.setattr("sightline.data.tokenise.train_tokenizer", refuse)
    second = load(first.source, **fields_of(first))
    monkeypatch.undo()
    apart = load(first.source, **fields_of(first), cache=False)
    for other in (second, apart):
        assert other.fingerprint == first.fingerprint
        assert other.schema == first.schema
        assert other.found == first.found
        for a, b in zip(splits(first), splits(other), strict=True):
            for x, y in zip(a.batches(batch_size=5), b.batches(batch_size=5), strict=True):
                assert torch.equal(x.inputs, y.inputs)
                assert torch.equal(x.target, y.target)
    sent = pickle.loads(pickle.dumps(first))  # noqa: S301 our own bytes
    for a, b in zip(splits(first), splits(sent), strict=True):
        assert torch.equal(next(a.batches(batch_size=3)).inputs, next(b.batches(batch_size=3)).inputs)
    assert len(pickle.dumps(first.train)) < 60_000


def fields_of(data: Data) -> dict[str, Any]:
    spec = data.spec
    return {"target": spec.target, "task": spec.task, "text": spec.text}


@pytest.mark.parametrize("kind", TASKS)
def test_like_itself(kind: str, tmp_path: Path) -> None:
    data = make(kind, tmp_path / "data")
    whole = load_like(data.source, data.schema, target=data.spec.target, tokenizer=data.tokenizer, text=data.spec.text)
    assert whole.name == "test"
    if isinstance(data.test, BlockSplit):
        assert len(whole) >= sum(map(len, splits(data)))
        return
    assert len(whole) == sum(map(len, splits(data)))
    mine = sorted(
        tuple(r[r != IGNORED].tolist())
        for s in splits(data)
        for b in s.batches(batch_size=1)
        for r in b.target.reshape(1, -1)
    )
    again = sorted(
        tuple(r[r != IGNORED].tolist()) for b in whole.batches(batch_size=1) for r in b.target.reshape(1, -1)
    )
    assert mine == again


def test_a_specification_survives_yaml() -> None:
    spec = DataSpec(
        source="x.txt", test_fraction=0.0, text=TextSpec(tokenizer="characters", form="packed", order="random")
    )
    assert from_yaml(DataSpec, to_yaml(spec)) == spec


# --- what a user's mistakes are met with -------------------------------------------------------------


def refuse(*words: str, kind: type[Exception] = DataError, source: Path | str, **fields: Any) -> None:
    with pytest.raises(kind) as caught:
        load(source, **fields)
    assert all(word in str(caught.value) for word in words), str(caught.value)


@pytest.mark.parametrize("content", ["", " \n\n \t", "\ufeff"])
def test_empty_text(content: str, tmp_path: Path) -> None:
    path = write(tmp_path / "t.txt", content)
    refuse("t.txt", "an empty file", source=path)
    refuse("t.txt", "an empty file", source=path, text=text(documents="line", form="padded"))
    with pytest.raises(DataError, match="empty file"):
        look(path)


def test_text_shorter_than_a_block(tmp_path: Path) -> None:
    path = write(tmp_path / "t.txt", "to be or not to be, that is the question\n" * 4)
    refuse(
        "a block of 100 tokens",
        "0.2" if False else "tokens for",
        "data.text.length",
        source=path,
        text=text(length=100),
    )
    refuse("tokens for validation", source=path, text=text(length=16))
    assert len(load(path, text=text(length=8), validation_fraction=0.2).validation) > 0


def test_no_test_split(tmp_path: Path) -> None:
    data = load(write(tmp_path / "t.txt", prose(40)), test_fraction=0, text=text())
    assert isinstance(data.test, EmptySplit)
    assert len(data.test) == 0
    with pytest.raises(DataError, match="nothing was held out for test"):
        next(data.test.batches(batch_size=1))


def test_only_a_text_may_have_no_test(tmp_path: Path) -> None:
    refuse("data.test_fraction above 0", kind=ConfigurationError, source=reviews(tmp_path), target="stars",
           test_fraction=0)  # fmt: skip
    pq.write_table(pa.table({"x": range(30), "y": [0.5 * i for i in range(30)]}), tmp_path / "t.parquet")
    refuse("data.test_fraction above 0", kind=ConfigurationError, source=tmp_path / "t.parquet", target="y",
           test_fraction=0)  # fmt: skip


def test_unpaired_lines(tmp_path: Path) -> None:
    source, pair = write(tmp_path / "a.en", "one\ntwo\nthree\n"), write(tmp_path / "a.de", "eins\nzwei\n")
    refuse("2 lines and 3", "a.de", source=source, text=text(pair=str(pair)))
    refuse("data.text.pair", "nowhere.de", source=source, text=text(pair=str(tmp_path / "nowhere.de")))


def test_pairs_with_an_empty_side_are_left_out(tmp_path: Path) -> None:
    source = write(tmp_path / "a.en", "".join(f"one {i}\n" if i % 5 else "\n" for i in range(40)))
    pair = write(tmp_path / "a.de", "".join(f"eins {i}\n" for i in range(40)))
    data = load(source, text=text(pair=str(pair)))
    assert data.found.left_out == (("8 pairs", "nothing on one side"),)
    assert sum(data.found.counts.values()) == 32
    for split in splits(data):
        for row in (split.row(i) for i in range(len(split))):
            assert row is not None
            assert str(row["text"]).replace("one", "eins") == row["target"]


def test_missing_column(tmp_path: Path) -> None:
    refuse("'body'", "choose one of", source=reviews(tmp_path), target="label", text=text(column="body"))
    refuse("'stars'", "values of type", source=reviews(tmp_path), target="label", text=text(column="stars"))
    refuse("'other'", "no such column", source=reviews(tmp_path), text=text(column="text", pair="other"))
    refuse("no such column", source=reviews(tmp_path), target="nothing", text=text(column="text"))
    refuse("the text itself", source=reviews(tmp_path), target="text", text=text(column="text"))


def test_no_utf_8(tmp_path: Path) -> None:
    (tmp_path / "t.txt").write_bytes("café".encode("latin-1") * 50)
    refuse("byte 3 is 0xe9", "t.txt", source=tmp_path / "t.txt")


def test_a_target_without_classes(tmp_path: Path) -> None:
    refuse("classes in the target 'stars'", source=reviews(tmp_path), target="stars", text=text(column="text"))
    refuse("two files of texts at least", source=one_class(tmp_path), target="file", text=text(documents="paragraph"))
    refuse("a text has no columns", source=write(tmp_path / "t.txt", prose(9)), target="file")
    refuse("a text has no columns", "'file' or 'folder'", source=novels(tmp_path / "n"), target="label")


def one_class(root: Path) -> Path:
    for folder in ("a", "b"):
        write(root / "o" / folder / "same.txt", prose(9))
    return root / "o"


@pytest.mark.parametrize(
    ("field", "value"),
    [("length", 1), ("documents", "sentence"), ("form", "filled"), ("order", "sorted"), ("vocabulary_size", 1)],
)
def test_options_out_of_range(field: str, value: object, tmp_path: Path) -> None:
    path = write(tmp_path / "t.txt", prose(40))
    refuse(f"text.{field}", kind=ConfigurationError, source=path, text={field: value})


def test_a_tokenizer_that_is_none(tmp_path: Path) -> None:
    path = write(tmp_path / "t.txt", prose(40))
    refuse("'bpee'", "did you mean 'bpe'", kind=ConfigurationError, source=path, text=text(tokenizer="bpee"))
    (tmp_path / "tokenizer.json").write_text("{")
    refuse("tokenizer.json", source=path, text=text(tokenizer=str(tmp_path)))


def test_a_saved_tokenizer_is_used_as_it_is(tmp_path: Path) -> None:
    first = load(write(tmp_path / "t.txt", prose(40)), text=text())
    assert first.tokenizer is not None
    saved = write(tmp_path / "tokenizer.json", first.tokenizer.to_json())
    second = load(tmp_path / "t.txt", text=text(tokenizer=str(saved)))
    assert second.tokenizer is not None
    assert second.tokenizer.to_json() == first.tokenizer.to_json()
    assert torch.equal(next(first.train.batches(batch_size=4)).inputs, next(second.train.batches(batch_size=4)).inputs)


def test_a_tokenizer_that_does_not_fit_the_model(tmp_path: Path) -> None:
    path = write(tmp_path / "t.txt", prose(40))
    data, other = load(path, text=text()), load(path, text=text(tokenizer="bpe", vocabulary_size=300))
    for tokenizer in (None, other.tokenizer):
        with pytest.raises(SightlineError, match="the model was trained with"):
            load_like(path, data.schema, tokenizer=tokenizer)
        with pytest.raises(SightlineError, match="the model was trained with"):
            read_inputs([path], data.schema, tokenizer=tokenizer)


def test_damaged_labels_and_questions(tmp_path: Path) -> None:
    refuse("'alone'", "line 3", source=write(tmp_path / "a.conll", "a O\nb B\nalone\n"))
    refuse("words with labels", source=write(tmp_path / "b.conll", "\n\n"))
    refuse("at least two labels", source=write(tmp_path / "c.conll", "a O\n\n" * 9))
    refuse("SQuAD's layout", source=write(tmp_path / "a.json", "{}"))
    refuse("SQuAD's layout", source=write(tmp_path / "b.json", "nothing"))
    wrong = {"context": "one two", "qas": [{"question": "?", "answers": [{"text": "two", "answer_start": 3}]}]}
    refuse("'two' at character 3", source=write(tmp_path / "c.json", json.dumps({"data": [{"paragraphs": [wrong]}]})))


def test_tasks_that_a_source_does_not_have(tmp_path: Path) -> None:
    refuse("language", kind=ConfigurationError, source=write(tmp_path / "t.txt", prose(9)), task="classification")
    refuse("classification or regression", kind=ConfigurationError, source="iris", task="language")
    refuse("data.text.pair", kind=ConfigurationError, source="iris", text={"pair": "x"})


# --- new inputs --------------------------------------------------------------------------------------


def test_inputs_of_a_model_of_texts(tmp_path: Path) -> None:
    data = make("classes", tmp_path / "data")
    first, second = write(tmp_path / "a.txt", "the lazy dog"), write(tmp_path / "b.txt", " ".join(WORDS))
    empty = write(tmp_path / "c.txt", " ")
    found = read_inputs([first, second, empty], data.schema, tokenizer=data.tokenizer)
    assert found.names == [str(first), str(second)]
    assert found.left_out == [(str(empty), "no text")]
    assert found.texts == ["the lazy dog", " ".join(WORDS)]
    assert data.tokenizer is not None
    special = data.tokenizer.special
    alone = [special("classify"), *data.tokenizer.encode("the lazy dog"), special("separator")]
    assert found.inputs[0].tolist() == alone + [special("pad")] * (12 - len(alone))
    assert found.present is not None
    assert found.present[0].tolist() == [True] * len(alone) + [False] * (12 - len(alone))
    rows = read_inputs([data_file(tmp_path)], data.schema, tokenizer=data.tokenizer, column="text")
    assert rows.names[0].endswith("row 1")
    assert len(rows.names) == sum(data.found.counts.values())
    lines = read_inputs([write(tmp_path / "d.txt", "one\ntwo\n")], data.schema, tokenizer=data.tokenizer,
                        documents="line")  # fmt: skip
    assert lines.texts == ["one", "two"]


def data_file(tmp_path: Path) -> Path:
    return tmp_path / "data" / "reviews.parquet"


def test_look_describes_and_writes_nothing(tmp_path: Path) -> None:
    found = look(write(tmp_path / "t.txt", prose(400)))
    assert found.task == "language"
    assert not (tmp_path / "sightline-cache").exists()
    assert "train:" in str(found)
    assert look(reviews(tmp_path), "label").task in ("classification", "none")
    short = look(write(tmp_path / "s.txt", "to be\nor not\n"))
    assert short.counts == {"characters": 13, "lines": 2, "words": 4, "distinct characters": 8}
    assert "too short to train on" in str(short)


def test_a_table_of_one_long_text_column_is_a_text(tmp_path: Path) -> None:
    rows = [line for line in prose(90).splitlines() if line]
    pq.write_table(pa.table({"text": rows}), tmp_path / "t.parquet")
    data = load(tmp_path / "t.parquet", text=text())
    assert data.schema.task == "language"
    assert isinstance(data.train, BlockSplit)
    pq.write_table(pa.table({"text": rows, "label": [n % 2 for n in range(len(rows))]}), tmp_path / "t.parquet")
    assert load(tmp_path / "t.parquet", target="label", text=text()).schema.classes == ("0", "1")


def test_splits_that_files_name(tmp_path: Path) -> None:
    for name, seed in (("train.txt", 0), ("valid.txt", 1), ("test.txt", 2)):
        write(tmp_path / name, prose(30, seed))
    data = load(tmp_path, text=text())
    assert next(b for b in data.found.notes if b.startswith("test")).startswith(f"test: {len(prose(30, 2)):,}")
    row = data.test.row(0)
    assert row is not None
    assert row["text"] == prose(30, 2)[:16]
    assert "files are divided as their names or folders tell: 1 train, 1 validation, 1 test" in data.found.notes


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (("the-train.txt", "a-test-of-will.txt", "emma.txt"), None),
        (("train.txt", "a-test-of-will.txt"), None),
        (("Train.txt.gz", "dev.txt", "a-test-of-will.txt"), ["train", "validation", "train"]),
        (("train/test-of-will.txt", "test/train.txt"), ["train", "test"]),
    ],
)
def test_only_whole_names_tell_a_split(names: tuple[str, ...], expected: list[str] | None, tmp_path: Path) -> None:
    files = tuple(write(tmp_path / name, prose(30, seed)) for seed, name in enumerate(names))
    assert given_splits(TextSource("x", files, tmp_path)) == expected
    said = [note for note in load(tmp_path, text=text()).found.notes if note.startswith("files are divided")]
    assert bool(said) is (expected is not None)


def test_padded_files_are_whole_examples(tmp_path: Path) -> None:
    for number in range(10):
        write(tmp_path / f"{number}.txt", prose(1, number))
    data = load(tmp_path, text=text(form="padded", length=100))
    assert isinstance(data.train, NextTokenSplit)
    assert data.found.counts == {"train": 7, "validation": 1, "test": 2}


def test_a_tokenizer_from_the_kept_entry_is_the_same(tmp_path: Path) -> None:
    first = make("folder", tmp_path / "n")
    second = load(first.source, **fields_of(first))
    assert isinstance(second.tokenizer, Tokenizer)
    assert first.tokenizer is not None
    assert second.tokenizer.to_json() == first.tokenizer.to_json()
