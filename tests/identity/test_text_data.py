"""A text's examples are those of a slow loop over its tokens; what is kept on the disk is what was made."""

import json
import pickle
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
import torch

from sightline.core.errors import DataError
from sightline.core.schema import IGNORED
from sightline.data import Data, load, load_like
from sightline.data.cache import cache_folder
from sightline.data.document_split import ClassSplit, NextTokenSplit, SequenceSplit, SpanSplit, TokenClassSplit
from sightline.data.documents import hold_out_last, split_documents
from sightline.data.spec import DataSpec
from sightline.data.split import EmptySplit
from sightline.data.text_spans import Question, write_questions
from sightline.data.token_array import TokenArray
from sightline.data.token_labels import pieces_of
from sightline.data.token_split import BlockSplit
from sightline.data.tokenizer import Tokenizer
from sightline.data.train_tokenizer import train_tokenizer

TEXT = "".join(chr(97 + (7 * i + i * i // 5) % 26) + (" " if i % 4 == 3 else "") for i in range(1200)) + "ÄÖÜ"


def write(path: Path, content: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content, encoding="utf-8")
    return path


def letters(**fields: Any) -> dict[str, Any]:
    return {"tokenizer": "characters", "length": 16, **fields}


def tokenizer_of(data: Data) -> Tokenizer:
    assert data.tokenizer is not None
    return data.tokenizer


def test_blocks_are_the_loop_s(tmp_path: Path) -> None:
    data = load(write(tmp_path / "t.txt", TEXT), validation_fraction=0.1, test_fraction=0.2, text=letters())
    tokenizer, count = tokenizer_of(data), len(TEXT)
    first = int(count * 0.8)
    parts = [TEXT[:first][: int(first * 0.9)], TEXT[:first][int(first * 0.9) :], TEXT[first:]]
    for split, part in zip((data.train, data.validation, data.test), parts, strict=True):
        tokens = tokenizer.encode(part)
        batches = list(split.batches(batch_size=3))
        blocks = [row for batch in batches for row in batch.inputs.tolist()]
        assert blocks == [tokens[16 * i : 16 * i + 16] for i in range(len(split))]
        assert [r for b in batches for r in b.target.tolist()] == [
            tokens[16 * i + 1 : 16 * i + 17] for i in range(len(split))
        ]
        row = split.row(1)
        assert row is not None
        # what the vocabulary does not have is left out of the text
        assert row["text"] == "".join(c for c in part[16:32] if c in parts[0])


def test_only_training_has_a_grid_of_its_own_each_epoch(tmp_path: Path) -> None:
    data = load(write(tmp_path / "t.txt", TEXT), text=letters())
    moved = {split.name: split.moved for split in (data.train, data.validation, data.test) if hasattr(split, "moved")}
    assert moved == {"train": True, "validation": False, "test": False}


@pytest.mark.parametrize(("length", "enough"), [(20, True), (21, False)])
def test_a_block_needs_the_token_after_it(length: int, enough: bool, tmp_path: Path) -> None:
    fields = {"validation_fraction": 0.21, "test_fraction": 0, "text": letters(length=length)}
    path = write(tmp_path / "t.txt", ("abcd" * 25)[:100])  # 21 characters validate
    if enough:
        assert next(load(path, **fields).validation.batches(batch_size=1)).target.shape == (1, 20)
    else:
        with pytest.raises(DataError, match="21 tokens for validation"):
            load(path, **fields)


@pytest.mark.parametrize("order", ["order", "random"])
def test_each_class_gives_its_share_to_each_split(order: Literal["order", "random"]) -> None:
    labels = torch.tensor([0] * 40 + [1] * 20)
    spec = DataSpec(source="x", validation_fraction=0.25, test_fraction=0.2)
    rows = split_documents(60, spec, labels=labels, order=order)
    shares = [torch.bincount(labels[part]).tolist() for part in (rows.train, rows.validation, rows.test)]
    assert shares == [[24, 12], [8, 4], [8, 4]]


def test_the_tokenizer_knows_the_training_part_only(tmp_path: Path) -> None:
    data = load(write(tmp_path / "t.txt", TEXT), text=letters())
    tokenizer = tokenizer_of(data)
    assert tokenizer.encode("Ä") == [tokenizer.special("unknown")]
    assert any("test" in note and "% of them unknown" in note and " 0.00 %" not in note for note in data.found.notes)


def test_however_a_path_is_typed_the_fingerprint_is_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "tokenizer.json", train_tokenizer("bpe", [TEXT], vocabulary_size=300).to_json())
    lines = [f"line {n}" for n in range(40)]
    for name in ("a.en", "a.de", "b.de"):
        write(tmp_path / name, "\n".join(f"{name[0]} {line}" for line in lines))
    text = write(tmp_path / "t.txt", TEXT)
    monkeypatch.chdir(tmp_path)

    def both(source: Path, name: str, field: str, **fields: Any) -> list[str]:
        paths = (name, f"./{name}", str(tmp_path / name))
        return [load(source, text={"length": 16, **fields, field: path}).fingerprint for path in paths]

    assert len(set(both(text, "tokenizer.json", "tokenizer"))) == 1
    pairs = both(tmp_path / "a.en", "a.de", "pair", tokenizer="characters")
    assert len(set(pairs)) == 1
    assert pairs[0] not in both(tmp_path / "a.en", "b.de", "pair", tokenizer="characters")
    write(tmp_path / "other.json", train_tokenizer("bpe", [TEXT], vocabulary_size=301).to_json())
    assert both(text, "tokenizer.json", "tokenizer")[0] != both(text, "other.json", "tokenizer")[0]


def test_what_is_counted(tmp_path: Path) -> None:
    path = write(tmp_path / "t.txt", "é a\n" * 60 + "é b\n" * 40)  # the first 240 characters train
    data = load(path, validation_fraction=0.25, test_fraction=0.2, text=letters(length=8))
    assert data.found.notes[:3] == (
        "train: 240 characters, 60 lines, 120 words, 1 document, 240 tokens of 1.25 bytes, 0.00 % of them unknown",
        "validation: 80 characters, 20 lines, 40 words, 1 document, 80 tokens of 1.25 bytes, 25.00 % of them unknown",
        "test: 80 characters, 20 lines, 40 words, 1 document, 80 tokens of 1.25 bytes, 25.00 % of them unknown",
    )
    assert data.schema.text is not None
    assert data.schema.text.bytes_per_token == 1.25
    assert data.found.what.endswith(
        "t.txt: a text of 400 characters, 5 of them different; 9 different tokens (characters)"
    )


def test_packed_documents_have_an_end_between(tmp_path: Path) -> None:
    lines = [f"line number {n}" for n in range(40)]
    data = load(write(tmp_path / "t.txt", "\n".join(lines)), test_fraction=0.0, validation_fraction=0.25,
                text=letters(documents="line"))  # fmt: skip
    tokenizer = tokenizer_of(data)
    assert isinstance(data.train, BlockSplit)
    assert isinstance(data.test, EmptySplit)
    stream = [t for line in lines[:30] for t in (*tokenizer.encode(line), tokenizer.special("end"))]
    assert data.train.tokens.values.tolist() == stream
    assert data.train.tokens.values.dtype == np.uint16


def test_names_begin_and_end(tmp_path: Path) -> None:
    names = [name * (n % 5 + 1) for n, name in enumerate(["ada", "bo", "cleo", "d"] * 6)]
    data = load(write(tmp_path / "t.txt", "\n".join(names) + "\n"), validation_fraction=0.1, test_fraction=5 / 24,
                text=letters(documents="line", form="padded", length=8))  # fmt: skip
    tokenizer = tokenizer_of(data)
    assert isinstance(data.train, NextTokenSplit)
    assert data.found.counts == {"train": 17, "validation": 2, "test": 5}
    begin, end, pad = (tokenizer.special(name) for name in ("begin", "end", "pad"))
    seen = 0
    for batch in data.test.batches(batch_size=2):
        longest = max(min(len(names[19 + i]) + 1, 8) for i in batch.indices.tolist())
        for inputs, target, i in zip(batch.inputs.tolist(), batch.target.tolist(), batch.indices.tolist(), strict=True):
            whole = [begin, *tokenizer.encode(names[19 + i])[:7], end]
            assert inputs == whole[:-1] + [pad] * (longest - len(whole) + 1)
            assert target == whole[1:] + [IGNORED] * (longest - len(whole) + 1)
            seen += 1
    assert seen == 5
    assert any("longer than 8 tokens" in note for note in data.found.notes)


def test_each_file_gives_its_share_to_each_split(tmp_path: Path) -> None:
    parts = {"a.txt": "a" * 400, "b.txt": "b" * 200}
    for name, content in parts.items():
        write(tmp_path / "d" / name, content)
    data = load(tmp_path / "d", test_fraction=0.5, validation_fraction=0.5, text=letters(length=4))
    for split, a, b in zip((data.train, data.validation, data.test), (100, 100, 200), (50, 50, 100), strict=True):
        assert isinstance(split, BlockSplit)
        assert tokenizer_of(data).decode(split.tokens.values.tolist()) == "a" * a + "b" * b or split.name != "train"
        assert len(split.tokens) == a + b


def test_whole_files_are_drawn(tmp_path: Path) -> None:
    for number in range(10):
        write(tmp_path / "d" / f"{number}.txt", chr(97 + number) * 60)
    data = load(tmp_path / "d", text=letters(order="random", length=8))
    for split, files in zip((data.train, data.validation, data.test), (7, 1, 2), strict=True):
        assert isinstance(split, BlockSplit)
        assert len(split.tokens) == 60 * files
    again = load(tmp_path / "d", text=letters(order="random", length=8), split_seed=1)
    assert again.fingerprint != data.fingerprint


def reviews(tmp_path: Path, count: int = 40) -> Path:
    lines = [
        f'"word {"very " * (n % 7)}{"good" if n % 4 else "bad"} number {n}",{"yes" if n % 4 else "no"}'
        for n in range(count)
    ]
    return write(tmp_path / "t.csv", "\n".join(["text,label", *lines]) + "\n")


def test_classes_are_the_loop_s(tmp_path: Path) -> None:
    data = load(reviews(tmp_path), target="label", text={"column": "text", "tokenizer": "words", "length": 6})
    assert data.schema.classes == ("no", "yes")
    tokenizer = tokenizer_of(data)
    special = tokenizer.special
    every = []
    for split in (data.train, data.validation, data.test):
        assert isinstance(split, ClassSplit)
        for batch in split.batches(batch_size=5):
            for tokens, target in zip(batch.inputs.tolist(), batch.target.tolist(), strict=True):
                every.append((tuple(tokens), target))
    wanted = []
    for n in range(40):
        line = f"word {'very ' * (n % 7)}{'good' if n % 4 else 'bad'} number {n}"
        whole = [special("classify"), *tokenizer.encode(line)[:4], special("separator")]
        wanted.append((tuple(whole), int(n % 4 > 0)))
    assert sorted(every) == sorted(wanted)
    for seed in range(4):
        drawn = load(data.source, target="label", text=data.spec.text, split_seed=seed)
        assert drawn.found.balance["test"] == {"no": 2, "yes": 6}
        assert drawn.found.balance["validation"] == {"no": 1, "yes": 2}


def test_the_last_of_each_class_can_be_held_out(tmp_path: Path) -> None:
    data = load(reviews(tmp_path), target="label", test_fraction=0.25, validation_fraction=0.2,
                text={"column": "text", "tokenizer": "characters", "order": "order"})  # fmt: skip
    told = [str(data.test.row(i)) for i in range(len(data.test))]
    numbers = [int(row.split("number ")[1].split("'")[0]) for row in told]
    bad = [n for n in range(40) if n % 4 == 0]
    good = [n for n in range(40) if n % 4]
    assert sorted(numbers) == sorted(bad[-2:] + good[-8:])
    kept, held = hold_out_last(torch.tensor([1, 0, 1, 1]), 4, 0.5)
    assert (kept.tolist(), held.tolist()) == ([0, 1], [2, 3])


def test_authors_are_the_files(tmp_path: Path) -> None:
    for name in ("emma", "persuasion"):
        write(tmp_path / "d" / f"{name}.txt", "\n\n".join(f"{name} says {n}" for n in range(20)))
    data = load(tmp_path / "d", target="file", text=letters(documents="paragraph", length=40))
    assert data.schema.classes == ("emma", "persuasion")
    for split in (data.train, data.validation, data.test):
        for i in range(len(split)):
            row = split.row(i)
            assert row is not None
            assert str(row["text"]).startswith(data.schema.classes[int(split.target[i])])


def test_pairs_are_the_loop_s(tmp_path: Path) -> None:
    left = [f"one {'more ' * (n % 3)}{n}" for n in range(30)]
    right = [f"süß {'mehr ' * (n % 4)}{n}" for n in range(30)]
    write(tmp_path / "a.en", "\n".join(left)), write(tmp_path / "a.de", "\r\n".join(right) + "\r\n")
    data = load(tmp_path / "a.en", text=letters(pair=str(tmp_path / "a.de"), length=12, target_length=15))
    tokenizer = tokenizer_of(data)
    special = tokenizer.special
    seen = set()
    for split in (data.train, data.validation, data.test):
        assert isinstance(split, SequenceSplit)
        for batch in split.batches(batch_size=4):
            for tokens, target in zip(batch.inputs.tolist(), batch.target.tolist(), strict=True):
                text = tokenizer.decode([t for t in target if t != IGNORED])
                number = next(
                    n for n in range(30) if right[n][:14] == text and tokens[1:11] == padded(tokenizer, left[n])
                )
                seen.add(number)
                assert tokens[0] == special("begin")
                asked = [*tokenizer.encode(right[number])[:14], special("end")]
                assert target == asked + [IGNORED] * (len(target) - len(asked))
                given = [special("begin"), *tokenizer.encode(left[number])[:10], special("end")]
                assert tokens == given + [special("pad")] * (len(tokens) - len(given))
    assert len(seen) >= 25
    assert data.schema.text is not None
    assert data.schema.text.target_length == 15
    assert data.schema.text.bytes_per_token > 1.1  # of what is to be predicted


def padded(tokenizer: Tokenizer, text: str) -> list[int]:
    whole = [*tokenizer.encode(text)[:10], tokenizer.special("end") or 0]
    return (whole + [tokenizer.special("pad") or 0] * 12)[:10]


SENTENCES = [
    [("Ada", "P"), ("came", "O"), ("unexpectedly", "O")],
    [("Unexpectedly", "O"), ("Bo", "P"), ("left", "O")],
] * 6


@pytest.mark.parametrize("kind", ["characters", "words", "bpe", "wordpiece"])
def test_a_word_s_class_stands_at_its_first_piece(kind: str, tmp_path: Path) -> None:
    lines = "\n\n".join("\n".join(f"{word}\t{label}" for word, label in s) for s in SENTENCES)
    path = write(tmp_path / "t.conll", "-DOCSTART- O\n\n" + lines + "\n")
    data = load(
        path, text={"tokenizer": kind, "vocabulary_size": {"bpe": 300, "wordpiece": 80}.get(kind), "length": 40}
    )
    tokenizer = tokenizer_of(data)
    assert data.schema.classes == ("O", "P")
    assert isinstance(data.train, TokenClassSplit)
    for batch in data.train.batches(batch_size=3):
        for tokens, target in zip(batch.inputs.tolist(), batch.target.tolist(), strict=True):
            marked = [place for place, label in enumerate(target) if label != IGNORED]
            assert len(marked) == 3
            assert marked[0] == 1
            assert tokens[0] == tokenizer.special("classify")
            first = tokenizer.pieces([tokens[place] for place in marked])
            words = SENTENCES[0] if first[0].strip().startswith("A") else SENTENCES[1]
            for piece, (word, label), place in zip(first, words, marked, strict=True):
                assert piece == "<unk>" or word.startswith(piece.strip() or "?"), (piece, word)
                assert data.schema.classes[target[place]] == label


def test_the_pieces_of_a_word_are_those_of_the_sentence() -> None:
    sentence = " ".join(word for word, _ in SENTENCES[0])
    for kind, size in (("characters", None), ("words", 50), ("bpe", 280), ("wordpiece", 60)):
        tokenizer = train_tokenizer(kind, [sentence], vocabulary_size=size)
        tokens, labels = pieces_of(SENTENCES[:1], tokenizer).of(SENTENCES[0], {"P": 1, "O": 0})
        assert tokens.tolist() == tokenizer.encode(sentence)
        assert [label for label in labels.tolist() if label != IGNORED] == [1, 0, 0]


@pytest.mark.parametrize("kind", ["characters", "words", "bpe", "wordpiece"])
def test_the_answer_s_tokens_are_the_answer(kind: str) -> None:
    context = "Ada Lovelace wrote, in 1843, notes on [MASK] the engine; über café."
    size = {"characters": None, "words": 60, "bpe": 300, "wordpiece": 90}[kind]
    tokenizer = train_tokenizer(kind, [context + " who what when"], vocabulary_size=size)
    for answer in ("Ada", "Lovelace wrote", "1843", "the engine", "café"):
        start = context.index(answer)
        asked = [Question("who what", 0, start, start + len(answer))]
        written = write_questions(tokenizer, [context], asked, 200)
        [tokens], [(first, last)], [second] = written.tokens, written.spans, written.second
        assert tokenizer.decode(tokens[first : last + 1].tolist()).strip() == answer
        special = tokenizer.special
        assert tokens[0] == special("classify")
        assert tokens[second - 1] == tokens[-1] == special("separator")
        assert tokens[1 : second - 1].tolist() == tokenizer.encode("who what")
        assert tokens[second:-1].tolist() == tokenizer.encode(context)
        if second - 1 <= (last - 2) // 2:  # the question is not cut
            assert write_questions(tokenizer, [context], asked, last + 1).kept == []  # the last separator needs a place
            assert write_questions(tokenizer, [context], asked, last + 2).spans == written.spans


def test_questions_on_one_text_are_in_one_split(tmp_path: Path) -> None:
    paragraphs = [
        {"context": f"number {'abc'[n % 3]} is here", "qas": [
            {"question": f"which {k}", "answers": [{"text": "abc"[n % 3], "answer_start": 7}]} for k in range(3)
        ]}
        for n in range(10)
    ]  # fmt: skip
    path = write(tmp_path / "t.json", json.dumps({"data": [{"paragraphs": paragraphs}]}))
    data = load(path, text=letters(length=60))
    assert data.found.counts == {"train": 21, "validation": 3, "test": 6}
    assert isinstance(data.test, SpanSplit)
    for batch in data.test.batches(batch_size=4):
        assert batch.segments is not None
        for tokens, (first, last), segments in zip(batch.inputs, batch.target.tolist(), batch.segments, strict=True):
            assert tokenizer_of(data).decode(tokens[first : last + 1].tolist()) in "abc"
            second = int(segments.argmax())
            assert tokenizer_of(data).decode(tokens[second : second + 6].tolist()) == "number"
            assert segments[first] == segments[last] == 1
    cut = load(path, text=letters(length=23))
    assert cut.found.counts == data.found.counts
    with pytest.raises(DataError, match="30 questions whose answer is cut off"):
        load(path, text=letters(length=15))


def test_another_process_maps_the_same_file(tmp_path: Path) -> None:
    data = load(write(tmp_path / "t.txt", TEXT), text=letters())
    assert isinstance(data.train, BlockSplit)
    mine = data.train.tokens
    sent = pickle.loads(pickle.dumps(mine))  # noqa: S301 our own bytes
    assert sent.path == mine.path is not None
    assert sent.values.tolist() == mine.values.tolist()
    assert len(pickle.dumps(mine)) < 600 < mine.values.nbytes


def test_a_damaged_entry_is_made_anew(tmp_path: Path) -> None:
    path = write(tmp_path / "t.txt", TEXT)
    first = load(path, text=letters())
    wanted = next(first.train.batches(batch_size=4)).inputs
    [entry] = cache_folder().iterdir()
    for name, damage in (("train-tokens", b"\x00\x01"), ("facts.json", b"{")):
        (entry / name).unlink()
        (entry / name).write_bytes(damage)
        assert torch.equal(next(load(path, text=letters()).train.batches(batch_size=4)).inputs, wanted)
    assert [p.name for p in cache_folder().iterdir()] == [entry.name]
    assert isinstance(first.train, BlockSplit)
    counts = json.loads((entry / "facts.json").read_text())["facts"]["counts"]
    assert counts["train"]["tokens"] == len(first.train.tokens)


def test_another_text_or_another_way_is_another_entry(tmp_path: Path) -> None:
    path = write(tmp_path / "t.txt", TEXT)
    marks = {load(path, text=letters()).fingerprint, load(path, text=letters(length=8)).fingerprint,
             load(path, text=letters(), test_fraction=0.3).fingerprint,
             load(write(path, TEXT + "!"), text=letters()).fingerprint}  # fmt: skip
    assert len(marks) == 4
    assert len(list(cache_folder().iterdir())) == 3  # blocks of another length are cut from the same tokens


def test_a_cache_that_can_t_be_written_is_no_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "t.txt", TEXT)
    wanted = next(load(path, text=letters()).train.batches(batch_size=4)).inputs
    monkeypatch.setenv("SIGHTLINE_CACHE", str(write(tmp_path / "file", "")))
    data = load(path, text=letters())
    assert torch.equal(next(data.train.batches(batch_size=4)).inputs, wanted)
    assert any("not kept for the next time" in note for note in data.found.notes)


def test_nothing_is_half_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stopped(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("sightline.data.tokenise.Account.add", stopped)
    with pytest.raises(KeyboardInterrupt):
        load(write(tmp_path / "t.txt", TEXT), text=letters())
    assert list(cache_folder().iterdir()) == []


def test_blocks_of_another_length_need_no_new_tokens(tmp_path: Path) -> None:
    path = write(tmp_path / "t.txt", TEXT)
    short, long = load(path, text=letters()), load(path, text=letters(length=40))
    assert len(list(cache_folder().iterdir())) == 1
    assert short.fingerprint != long.fingerprint
    assert next(long.train.batches(batch_size=2)).inputs.shape == (2, 40)
    with pytest.raises(DataError, match="a block of 900"):
        load(path, text=letters(length=900))


def test_padded_documents_of_another_length_are_cut_anew(tmp_path: Path) -> None:
    path = write(tmp_path / "t.txt", "some words\n" * 40)
    for length in (4, 6):
        data = load(path, text=letters(documents="line", form="padded", length=length))
        assert next(data.train.batches(batch_size=2)).inputs.shape == (2, length)


def test_a_column_of_digits_can_be_text(tmp_path: Path) -> None:
    lines = [f"{n * 7919:08d},{'odd' if n % 2 else 'even'}" for n in range(60)]
    path = write(tmp_path / "t.csv", "\n".join(["code,kind", *lines]))
    data = load(path, target="kind", text={"column": "code", "tokenizer": "characters", "length": 12})
    row = data.train.row(0)
    assert row is not None
    assert len(str(row["text"])) == 8
    assert len(load_like(path, data.schema, tokenizer=data.tokenizer, text=data.spec.text)) == 60


def test_many_tokens_need_wider_numbers() -> None:
    values = TokenArray(np.array([2**17, 5, 2**16], np.uint32))
    batch = next(BlockSplit("test", values, 2).batches(batch_size=1))
    assert batch.inputs.tolist() == [[2**17, 5]]


def test_batches_do_not_share_memory_with_the_text() -> None:
    split = BlockSplit("test", TokenArray(np.arange(9, dtype=np.uint16)), 4)
    batch = next(split.batches(batch_size=2))
    batch.inputs.zero_(), batch.target.zero_()
    assert split.tokens.values.tolist() == list(range(9))
    assert next(split.batches(batch_size=2)).target.tolist() == [[1, 2, 3, 4], [5, 6, 7, 8]]


def test_the_published_split_of_tiny_shakespeare(real_data: Path) -> None:
    path = real_data / "tinyshakespeare" / "input.txt"
    data = load(path, validation_fraction=0.1, test_fraction=0, text=letters(length=64))
    assert isinstance(data.train, BlockSplit)
    assert isinstance(data.validation, BlockSplit)
    assert len(data.train.tokens) == 1_003_854
    assert len(data.validation.tokens) == 111_540
    assert data.schema.text is not None
    assert data.schema.text.bytes_per_token == 1


def test_the_last_thousand_names(real_data: Path) -> None:
    path = real_data / "names" / "names.txt"
    data = load(
        path, validation_fraction=0.1, test_fraction=1000 / 32032, text=letters(documents="line", form="padded")
    )
    assert len(data.test) == 1000
    last = data.test.row(999)
    assert last is not None
    assert last["text"] == path.read_text().split()[-1]


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_on_a_gpu_the_batches_are_the_same() -> None:
    split = BlockSplit("train", TokenArray(np.arange(99, dtype=np.uint16)), 8, moved=True)
    order = torch.randperm(len(split))
    for cpu, gpu in zip(split.batches(batch_size=5, order=order),
                        split.batches(batch_size=5, order=order, device="cuda"), strict=True):  # fmt: skip
        assert gpu.inputs.is_cuda
        assert torch.equal(gpu.inputs.cpu(), cpu.inputs)
        assert torch.equal(gpu.target.cpu(), cpu.target)
