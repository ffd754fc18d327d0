"""``sightline features`` as a user meets it."""

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from sightline.cli import features
from sightline.core.errors import CheckpointError, ConfigurationError, DataError
from sightline.data.train_tokenizer import train_tokenizer
from sightline.models.bert import BERT
from sightline.models.gpt import GPT
from sightline.models.text_predictor import TextPredictor
from sightline.train.features import nearest_texts, text_features

LINES = ["the cat sat", "a cat", "the dog sat on the mat", "dogs"]
WORDS = train_tokenizer("wordpiece", LINES, vocabulary_size=60)
CONTEXT = 16


def network(kind: str = "bert") -> TextPredictor:
    torch.manual_seed(0)
    sizes: dict[str, Any] = {"vocabulary_size": WORDS.vocabulary_size, "context_length": CONTEXT}
    sizes |= {"depth": 4, "width": 8}
    return BERT(**sizes, num_heads=2, dropout=0.5) if kind == "bert" else GPT(**sizes, num_heads=2)


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    """A saved network with its tokenizer, and a file of texts."""
    folder = tmp_path / "bert"
    network().save_pretrained(folder)
    (folder / "tokenizer.json").write_text(WORDS.to_json(), encoding="utf-8")
    (tmp_path / "lines.txt").write_text("\n".join(LINES[:2]) + "\n\n" + "\r\n".join(LINES[2:]) + "\n", encoding="utf-8")
    return tmp_path


@pytest.mark.parametrize("kind", ["bert", "gpt"])
@pytest.mark.parametrize(("mix", "pool"), [("last-four", "mean"), ("last", "first"), ("0", "max"), (-2, "last")])
def test_each_text_has_the_vector_it_would_have_alone(kind: str, mix: str | int, pool: str) -> None:
    """Run together by length, framed, filled up, and put in order again; against a text at a time by hand."""
    model = network(kind).train()
    found = text_features(model, WORDS, LINES, mix=mix, pool=pool, batch_size=3)
    assert model.training
    model.eval()
    frame = {"bert": ([WORDS.special("classify")], [WORDS.special("separator")]), "gpt": ([], [])}[kind]
    for text, vector in zip(LINES, found, strict=True):
        tokens = torch.tensor([[*frame[0], *WORDS.encode(text), *frame[1]]])
        with torch.no_grad():
            h = model.hidden_states(tokens)
        x = torch.stack(h[-4:]).mean(0) if mix == "last-four" else h[int(str(mix).replace("last", "-1"))]
        pooled = {"mean": x.mean(1), "first": x[:, 0], "max": x.amax(1), "last": x[:, -1]}[pool]
        torch.testing.assert_close(vector, pooled[0], atol=1e-5, rtol=1e-5)


def test_vectors_as_npz_and_as_csv(saved: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = [str(saved / "bert"), str(saved / "lines.txt"), "--layer", "last-four-concatenated", "--pool", "max"]
    assert features.run([*words, "--out", str(saved / "v.npz")]) == 0
    out, err = capsys.readouterr()
    assert out == f"4 vectors of 32 numbers in {saved / 'v.npz'}\n"
    assert err == "left out: 1 empty line\n"
    packed = np.load(saved / "v.npz")
    assert json.loads(bytes(packed["names"])) == LINES
    want = text_features(network(), WORDS, LINES, mix="last-four-concatenated", pool="max")
    np.testing.assert_allclose(packed["vectors"], want.numpy(), atol=1e-6)
    assert features.run([*words, "--out", str(saved / "v.csv")]) == 0
    with (saved / "v.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))
    assert rows[0][:3] == ["text", "v0", "v1"]
    assert [row[0] for row in rows[1:]] == LINES
    np.testing.assert_array_equal(np.array([row[1:] for row in rows[1:]], dtype=np.float32), packed["vectors"])


def test_one_long_text_does_not_make_room_for_as_much_in_every_row(tmp_path: Path) -> None:
    texts = ["a", "é€\x00", "x" * 100_000, *(["b"] * 500)]
    features._write(tmp_path / "v.npz", texts, torch.zeros(len(texts), 1))
    packed = np.load(tmp_path / "v.npz")
    assert json.loads(bytes(packed["names"])) == texts
    assert packed["names"].nbytes < 110_000


def test_a_line_ends_where_the_file_says(tmp_path: Path) -> None:
    file = tmp_path / "lines.txt"
    file.write_bytes("\ufeffa cat\u2028sat\r\ndogs\x0c".encode())
    assert features._lines(file) == ["a cat\u2028sat", "dogs\x0c"]


def test_nearest_texts_on_the_terminal(saved: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert features.run([str(saved / "bert"), str(saved / "lines.txt"), "--nearest", "2"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].split() == ["text", "nearest", "cosine"]
    assert len(lines) == 2 + 4 * 2
    vectors = text_features(network(), WORDS, LINES)
    which, cosine = nearest_texts(vectors, 2)
    for i in range(4):
        slow = sorted(
            ((float(torch.dot(vectors[i], v) / vectors[i].norm() / v.norm()), j) for j, v in enumerate(vectors)),
            reverse=True,
        )
        slow = [pair for pair in slow if pair[1] != i][:2]
        assert which[i].tolist() == [j for _, j in slow]
        assert cosine[i].tolist() == pytest.approx([c for c, _ in slow], abs=1e-6)
    assert lines[2].split()[-1] == f"{cosine[0, 0]:.3f}"
    assert LINES[int(which[0, 0])] in lines[2]


def test_long_texts_are_refused_or_cut(saved: Path, as_a_user_calls: None) -> None:
    long = "the cat sat on the mat " * 4
    with pytest.raises(DataError, match=f"at most {CONTEXT - 2} tokens") as told:
        text_features(network(), WORDS, ["a cat", long])
    assert "in text 2" in told.value.found
    cut = text_features(network(), WORDS, [long], cut=True)
    tokens = [WORDS.special("classify"), *WORDS.encode(long)[: CONTEXT - 2], WORDS.special("separator")]
    with torch.no_grad():
        want = network().eval().hidden_states(torch.tensor([tokens]))[-1].mean(1)
    torch.testing.assert_close(cut, want, atol=1e-5, rtol=1e-5)


def test_bad_input_is_told(saved: Path, as_a_user_calls: None) -> None:
    folder, lines, out = str(saved / "bert"), str(saved / "lines.txt"), str(saved / "v.npz")
    (saved / "empty.txt").write_text("\n \n", encoding="utf-8")
    (saved / "latin.txt").write_bytes(b"caf\xe9")
    cases: list[tuple[list[str], type[Exception], str]] = [
        ([folder, lines], ConfigurationError, "neither --out nor --nearest"),
        ([folder, lines, "--nearest", "-1"], ConfigurationError, "at least 1"),
        ([folder, lines, "--out", "v.txt"], ConfigurationError, r"\.npz or \.csv"),
        ([folder, lines, "--out", str(saved / "no" / "v.npz")], ConfigurationError, "make the folder"),
        ([folder, lines, "--out", out, "--layer", "last-fuor"], ConfigurationError, "last-four"),
        ([folder, lines, "--out", out, "--layer", "7"], ConfigurationError, "layer 7"),
        ([folder, lines, "--out", out, "--pool", "midle"], ConfigurationError, "pool"),
        ([folder, str(saved / "none.txt"), "--out", out], DataError, "none.txt"),
        ([folder, str(saved / "empty.txt"), "--out", out], DataError, "no text"),
        ([folder, str(saved / "latin.txt"), "--out", out], DataError, "UTF-8"),
    ]
    for words, kind, found in cases:
        with pytest.raises(kind, match=found):
            features.run(words)
    with pytest.raises(ConfigurationError, match="a network on text"):
        text_features(torch.nn.Linear(2, 2), WORDS, ["a"])
    with pytest.raises(DataError, match="none"):
        text_features(network(), WORDS, [])
    with pytest.raises(DataError, match="no token in text 2"):
        text_features(network(), WORDS, ["a", ""])
    (saved / "bert" / "tokenizer.json").unlink()
    with pytest.raises(CheckpointError, match=r"tokenizer\.json"):
        features.run([folder, lines, "--out", out])


def test_a_run_folder(saved: Path) -> None:
    """The best checkpoint's network with the run's own tokenizer."""
    from sightline.core.checkpoint import save_checkpoint
    from sightline.core.run_folder import RunFolder
    from sightline.core.schema import Schema

    torch.manual_seed(1)
    text = WORDS.text_schema(CONTEXT)
    schema = Schema("text", "language", (CONTEXT,), text=text)
    run = RunFolder.create(saved, "run")
    run.write("schema.json", json.dumps(schema.to_dict()))
    run.write("tokenizer.json", WORDS.to_json())
    spec = "name: run\ndata:\n  source: x.txt\nmodel:\n  name: gpt\n  depth: 1\n  width: 8\noptim:\n  name: adamw\n"
    run.write("spec.yaml", spec)
    run.set_status("completed")
    model = GPT(vocabulary_size=WORDS.vocabulary_size, context_length=CONTEXT, depth=1, width=8, num_heads=4)
    save_checkpoint(run, 1, model.state_dict(), {}, best=True, keep=1)
    assert features.run([str(run.path), str(saved / "lines.txt"), "--out", str(saved / "v.npz")]) == 0
    np.testing.assert_allclose(np.load(saved / "v.npz")["vectors"], text_features(model, WORDS, LINES), atol=1e-6)


def test_features_that_are_no_numbers_are_refused() -> None:
    model = network()
    with torch.no_grad():
        model.embedding.weight[5:] = torch.nan
    with pytest.raises(CheckpointError, match="NaN or infinity in those of text 1"):
        text_features(model, WORDS, LINES)
