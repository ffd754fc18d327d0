"""What a text run leaves for its report: attention, surprise, filled masks, translations."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from sightline.core.run_folder import RunFolder
from sightline.core.schema import IGNORED, Schema
from sightline.data.batch import Batch
from sightline.data.token_array import TokenArray
from sightline.data.token_split import BlockSplit
from sightline.data.train_tokenizer import train_tokenizer
from sightline.models.bert import BERT
from sightline.models.gpt import GPT
from sightline.models.t5 import T5
from sightline.objectives.masked_language import MaskedLanguage
from sightline.objectives.next_token import NextToken
from sightline.objectives.sequence import Sequence as SequenceObjective
from sightline.objectives.span_corruption import SpanCorruption
from sightline.train.attention_record import ATTENTION, write_attention
from sightline.train.text_examples import EXAMPLES, shown_pieces, write_examples

TEXT = "to be, or not to be: that is the question\n" * 4
LETTERS = train_tokenizer("characters", [TEXT], vocabulary_size=None)
LENGTH = 12


def schema(task: Any = "language") -> Schema:
    text = LETTERS.text_schema(LENGTH, target_length=LENGTH if task == "sequence" else 0)
    return Schema("text", task, (LENGTH,), text=text)


def split() -> BlockSplit:
    return BlockSplit("validation", TokenArray(np.array(LETTERS.encode(TEXT), dtype=np.uint16)), LENGTH)


class Pairs(BlockSplit):
    """Sources of different lengths, with targets of three tokens."""

    def cut(self, epoch: Any, device: torch.device) -> Any:
        for batch in super().cut(epoch, device):
            target = batch.inputs[:, :5].clone()
            target[:, 3:] = IGNORED
            present = torch.arange(LENGTH) < 4 + batch.indices[:, None] % 3
            yield Batch(batch.inputs, target, batch.indices, batch.global_size, present=present)


def pairs() -> Pairs:
    return Pairs("validation", split().tokens, LENGTH)


def gpt() -> GPT:
    torch.manual_seed(0)
    return GPT(vocabulary_size=LETTERS.vocabulary_size, context_length=LENGTH, depth=2, width=8, num_heads=2)


def bert() -> BERT:
    torch.manual_seed(0)
    return BERT(vocabulary_size=LETTERS.vocabulary_size, context_length=LENGTH, depth=2, width=8, num_heads=2)


def t5() -> T5:
    torch.manual_seed(0)
    return T5(vocabulary_size=LETTERS.vocabulary_size, depth=2, width=8, num_heads=2)


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    return RunFolder.create(tmp_path, "x")


def test_attention_of_a_decoder(folder: RunFolder) -> None:
    model = gpt().train()
    assert write_attention(folder, model, split(), LETTERS)
    told = folder.read(ATTENTION)
    assert "".join(told["source"]) == TEXT[:LENGTH]
    assert told["target"] == []
    assert [(one["layer"], one["rows"], one["columns"]) for one in told["maps"]] == [
        (f"stack.blocks.{n}.attention", "source", "source") for n in range(2)
    ]
    weights = torch.tensor(told["maps"][1]["thousandths"])
    assert weights.shape == (2, LENGTH, LENGTH)
    assert int(weights.triu(1).max()) == 0
    assert bool(((weights.sum(2) - 1000).abs() <= LENGTH / 2).all())
    assert len(told["heads"]) == 4
    assert model.training


def test_attention_is_capped(folder: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sightline.train.attention_record.MOST_WEIGHTS", 4 * 25)
    write_attention(folder, gpt(), split(), LETTERS)
    assert len(folder.read(ATTENTION)["source"]) == 5
    assert not write_attention(folder, nn.Linear(1, 1), split(), LETTERS)


def test_attention_of_an_encoder_decoder_has_two_sides(folder: RunFolder) -> None:
    write_attention(folder, t5(), pairs(), LETTERS, objective=SequenceObjective(schema("sequence")))
    told = folder.read(ATTENTION)
    assert "".join(told["source"]) == TEXT[:4]
    assert told["target"][1:] == list(TEXT[:2])  # the start token, then the target without its last
    sides = [(one["rows"], one["columns"]) for one in told["maps"]]
    assert sides == [("source", "source")] * 2 + [("target", "target"), ("target", "source")] * 2
    assert [np.shape(one["thousandths"]) for one in told["maps"][1:4]] == [(2, 4, 4), (2, 3, 3), (2, 3, 4)]


def test_surprise_token_by_token(folder: RunFolder) -> None:
    model = gpt()
    write_examples(folder, model, NextToken(schema()), split(), LETTERS, worst=[2, 1])
    told = folder.read(EXAMPLES)
    assert sorted(one["index"] for one in told["passages"]) == [1, 2]
    assert told["passages"][0]["loss"] >= told["passages"][1]["loss"]
    one = next(one for one in told["passages"] if one["index"] == 2)
    assert one["before"] + "".join(one["pieces"]) == TEXT[2 * LENGTH : 3 * LENGTH + 1]
    tokens = torch.tensor(LETTERS.encode(TEXT[2 * LENGTH : 3 * LENGTH + 1]))
    chances = model.eval()(tokens[None, :-1])[0].log_softmax(1)
    assert one["nats"] == pytest.approx((-chances[range(LENGTH), tokens[1:]]).tolist(), abs=1e-3)
    assert one["loss"] == pytest.approx(sum(one["nats"]) / LENGTH, abs=1e-3)


def test_nothing_stands_before_a_text_that_is_restored(folder: RunFolder) -> None:
    text = train_tokenizer("characters", [TEXT], vocabulary_size=None, sentinels=3)
    objective = SpanCorruption(Schema("text", "language", (LENGTH,), text=text.text_schema(LENGTH)))
    tokens = TokenArray(np.array(text.encode(TEXT), dtype=np.uint16))
    torch.manual_seed(0)
    model = T5(vocabulary_size=text.vocabulary_size, depth=1, width=8, num_heads=2)
    write_examples(folder, model, objective, BlockSplit("validation", tokens, LENGTH), text)
    told = folder.read(EXAMPLES)["passages"]
    assert [one["before"] for one in told] == [""] * 6
    assert all(len(one["pieces"]) == len(one["nats"]) == 4 for one in told)  # a sentinel, 2 letters, the end


def test_masks_filled_in(folder: RunFolder) -> None:
    model = bert()
    write_examples(folder, model, MaskedLanguage(schema()), split(), LETTERS, seed=3)
    first = folder.read(EXAMPLES)
    write_examples(folder, model, MaskedLanguage(schema()), split(), LETTERS, seed=3)
    assert folder.read(EXAMPLES) == first
    assert len(first["filled"]) == 6
    for one in first["filled"]:
        start = one["index"] * LENGTH
        assert one["pieces"] == ["<s>", *TEXT[start : start + LENGTH - 2], "</s>"]
        assert all(0 < place < LENGTH - 1 for place in one["places"])
        assert 1 <= len(one["places"]) == len(one["guesses"]) == len(one["chances"]) == len(one["nats"]) < LENGTH


@pytest.mark.parametrize("pairs", ["next-sentence", "sentence-order"])
def test_sentence_pairs(folder: RunFolder, pairs: Any) -> None:
    text = train_tokenizer("wordpiece", [TEXT], vocabulary_size=40)
    tokens = TokenArray(np.array(text.encode(TEXT), dtype=np.uint16))
    torch.manual_seed(0)
    sizes: dict[str, Any] = {"vocabulary_size": text.vocabulary_size, "context_length": 16, "depth": 1, "width": 8}
    model = BERT(**sizes, num_heads=2, pairs=True)
    objective = MaskedLanguage(Schema("text", "language", (16,), text=text.text_schema(16)), pairs=pairs)
    cut = BlockSplit("validation", tokens, 16)
    write_examples(folder, model, objective, cut, text, worst=[1])
    write_examples(folder, model, objective, cut, text)
    pieces = folder.read(EXAMPLES)["filled"][0]["pieces"]
    assert [piece.strip() for piece in pieces].count("[SEP]") == 2
    assert write_attention(folder, model, cut, text, objective=objective)
    assert folder.read(ATTENTION)["source"][0] == "[CLS]"


def test_translations(folder: RunFolder) -> None:
    objective = SequenceObjective(schema("sequence"))
    write_examples(folder, t5(), objective, pairs(), LETTERS, worst=[1], translate=lambda source: f"{len(source)}")
    told = folder.read(EXAMPLES)
    source = TEXT[LENGTH : LENGTH + 5]
    assert told["translations"] == [{"source": source, "target": source[:3], "model": "5"}]
    assert told["passages"][0]["before"] == ""
    assert "".join(told["passages"][0]["pieces"]) == source[:3]


def test_pieces_are_shown_as_text() -> None:
    words = train_tokenizer("wordpiece", ["unable unable able un cat"] * 5, vocabulary_size=24)
    assert any(piece.startswith("##") for piece in words.pieces(words.encode("cat unable")))
    assert "".join(shown_pieces(words, words.encode("cat unable"))) == " cat unable"
    plain = train_tokenizer("words", ["yes, no"], vocabulary_size=20)
    assert "".join(shown_pieces(plain, plain.encode("no, yes"))) == " no, yes"
