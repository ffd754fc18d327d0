"""Prompting: likelihoods against the plain product, prompts as they should read, tasks that a known model solves."""

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from sightline.core.errors import ConfigurationError, DataError, InputError, SightlineError
from sightline.data.tokenizer import Tokenizer
from sightline.data.train_tokenizer import train_tokenizer
from sightline.generate import FewShot, label_log_likelihoods, masked_label_log_likelihoods
from sightline.models.bert import BERT
from sightline.models.gpt import GPT

V = 11
PROMPTS, LABELS = [[1, 2, 3, 4], [5], [6, 7]], [[1], [2, 3], [4, 5, 6], [7, 7]]


def sharpened(model: Any) -> Any:
    torch.manual_seed(0)
    with torch.no_grad():
        for weight in model.parameters():
            if weight.ndim > 1:
                weight.normal_(0, 0.5)
    return model.double().eval()


def gpt(**changes: Any) -> GPT:
    small = {"vocabulary_size": V, "context_length": 8, "depth": 2, "width": 8, "num_heads": 2}
    made: GPT = sharpened(GPT(**{**small, **changes}))
    return made


def bert(**changes: Any) -> BERT:
    small = {"vocabulary_size": V, "context_length": 8, "depth": 2, "width": 8, "num_heads": 2}
    made: BERT = sharpened(BERT(**{**small, **changes}))
    return made


@pytest.mark.parametrize("labels", [LABELS, [[1], [9]]], ids=["of unequal length", "of one token"])
@pytest.mark.parametrize("changes", [{}, {"positions": "rotary"}], ids=str)
def test_likelihoods_are_the_product_of_each_tokens(labels: list[list[int]], changes: dict[str, Any]) -> None:
    model = gpt(**changes)
    total = label_log_likelihoods(model, PROMPTS, labels)
    mean = label_log_likelihoods(model, PROMPTS, labels, score="mean")
    for i, prompt in enumerate(PROMPTS):
        for j, label in enumerate(labels):
            chances = model(torch.tensor([prompt + label])).log_softmax(2)[0]
            wanted = sum(chances[len(prompt) - 1 + k, token].item() for k, token in enumerate(label))
            assert total[i, j].item() == pytest.approx(wanted, abs=1e-10)
            assert mean[i, j].item() == pytest.approx(wanted / len(label), abs=1e-10)


def test_all_labels_of_one_length_share_the_whole_probability() -> None:
    labels = [[a, b] for a in range(V) for b in range(V)]
    total = label_log_likelihoods(gpt(), PROMPTS, labels).exp().sum(1)
    torch.testing.assert_close(total, torch.ones(3, dtype=torch.float64))


def test_a_masked_model_fills_in_its_mask() -> None:
    model, mask = bert(), 10
    prompts = [[1, mask, 3, 4], [mask], [6, mask]]
    found = masked_label_log_likelihoods(model, prompts, [2, 9, 4], mask=mask)
    for row, prompt in zip(found, prompts, strict=True):
        chances = model(torch.tensor([prompt])).log_softmax(2)[0, prompt.index(mask)]
        torch.testing.assert_close(row, chances[[2, 9, 4]])
    paired = bert(pairs=True)
    assert masked_label_log_likelihoods(paired, prompts, [2, 9], mask=mask).shape == (3, 2)


class Copying(GPT):
    """A known model of next tokens: after "was" it says what followed "was" after the same word before, if anything.

    Without an example it holds the first label, "bad", for twice as likely as "great", and "good" for half.
    """

    def __init__(self, tokenizer: Tokenizer) -> None:
        super().__init__(vocabulary_size=tokenizer.vocabulary_size, context_length=200, depth=1, width=8, num_heads=2)
        self.words = {word: tokenizer.encode(word)[0] for word in ("was", "bad", "great")}
        self.read: list[list[int]] = []

    def forward(self, tokens: Tensor, *, present: Any = None, select: Any = None, cache: Any = None) -> Tensor:  # type: ignore[override]
        rows = []
        for row, real in zip(tokens.tolist(), present.tolist(), strict=True):
            text = [t for t, is_text in zip(row, real, strict=True) if is_text]
            self.read.append(text)
            scores = torch.full((self.vocabulary_size,), -9.0, dtype=torch.float64)
            scores[self.words["bad"]], scores[self.words["great"]] = math.log(2), 0.0
            for i in range(len(text) - 2):
                if text[i + 1] == self.words["was"] and text[i] == text[-2]:
                    scores[text[i + 2]] += 5
            rows.append(scores)
        return torch.stack(rows)


WORDS = "gem bore feast slog was great bad it . : film"
EXAMPLES = [{"text": word} for word in ("gem", "bore", "feast", "slog")]
CLASSES = ["pos", "neg", "pos", "neg"]


@pytest.fixture
def tokenizer() -> Tokenizer:
    return train_tokenizer("words", [WORDS], vocabulary_size=100)


def test_shots_teach_the_task(tokenizer: Tokenizer) -> None:
    """Zero-shot it always says "bad", calibrated it can't tell; with a shot of each it repeats what it saw."""
    model = Copying(tokenizer)
    ask = FewShot("{text} was {label}.", {"neg": "bad", "pos": "great"})
    blind = ask.ask(model, tokenizer, EXAMPLES, classes=CLASSES)
    assert blind.classes == ("neg",) * 4
    assert (blind.accuracy.value, blind.majority, blind.prompt) == (0.5, 0.5, "gem was")
    calibrated = FewShot("{text} was {label}.", ask.labels, calibrate=True)
    torch.testing.assert_close(
        calibrated.ask(model, tokenizer, EXAMPLES, classes=CLASSES).log_likelihoods, torch.zeros(4, 2).double()
    )
    shots = list(zip(EXAMPLES, CLASSES, strict=True))
    taught = ask.ask(model, tokenizer, EXAMPLES, classes=CLASSES, shots=shots, batch_size=3)
    assert taught.classes == tuple(CLASSES)
    assert taught.accuracy.value == 1.0
    assert taught.accuracy.standard_error == pytest.approx(0.1)  # Wilson: √(1/(4·16))/(1 + 1/4)
    assert taught.prompt == "gem was great.\nbore was bad.\nfeast was great.\nslog was bad.\ngem was"
    wrong = ask.ask(model, tokenizer, EXAMPLES, classes=CLASSES, shots=[(e, "neg") for e in EXAMPLES])
    assert wrong.classes == ("neg",) * 4


def test_weights_that_are_no_numbers_give_no_answers(tokenizer: Tokenizer) -> None:
    sizes: Any = {"vocabulary_size": tokenizer.vocabulary_size, "context_length": 32, "depth": 1, "width": 8}
    model = GPT(**sizes, num_heads=2)
    with torch.no_grad():
        model.embedding.weight.fill_(torch.nan)
    with pytest.raises(InputError, match="NaN in example 1"):
        FewShot("{text} was", {"neg": "bad", "pos": "great"}).ask(model, tokenizer, EXAMPLES, classes=CLASSES)


def test_likelihoods_stay_in_the_order_of_the_examples(tokenizer: Tokenizer) -> None:
    """Batches are made of prompts of like length."""
    examples = [{"text": text} for text in ("gem gem gem slog", "bore", "gem it feast", "slog")]
    shots = [({"text": "slog"}, "pos"), ({"text": "bore"}, "neg"), ({"text": "feast"}, "pos")]
    ask = FewShot("{text} was", {"neg": "bad", "pos": "great"})
    found = ask.ask(Copying(tokenizer), tokenizer, examples, classes=["pos"] * 4, shots=shots, batch_size=2)
    assert found.classes == ("pos", "neg", "pos", "pos")


def test_templates() -> None:
    labels = {"a": "yes", "b": "no"}
    for template, solved in [
        ("{text}", "T yes"),
        ("{text} It was {label}!", "T It was yes!"),
        ("Q: {text}\nA:\n{label}\n", "Q: T\nA:\nyes\n"),
        ("{text} ({label})", "T (yes)"),
        ("{{{text}}}{label}", "{T}yes"),
        ("{text} and {text}, {other}", "T and T, O yes"),
    ]:
        ask = FewShot(template, labels)
        assert ask.solved({"text": "T", "other": "O"}, "a") == solved
        before, gap, after = ask.around({"text": "T", "other": "O"})
        assert before + gap + "yes" + after == solved
        assert before == before.rstrip()
    assert FewShot("{text}: {label}", labels).solved({"text": "{label} {x}"}, "a") == "{label} {x}: yes"


def test_shots_are_balanced_and_drawn_by_the_seed() -> None:
    classes = ["a"] * 6 + ["b"] * 3 + ["c"] * 4
    draws = set()
    for seed in range(8):
        ask = FewShot("{text}", {"a": "A", "b": "B", "c": "C"}, shots=7, seed=seed)
        rows = ask.draw_shots(classes)
        counts = sorted(sum(classes[row] == name for row in rows) for name in "abc")
        assert (len(set(rows)), counts) == (7, [2, 2, 3])
        assert rows == ask.draw_shots(classes)
        draws.add(tuple(rows))
    assert len(draws) == 8
    assert any(rows != tuple(sorted(rows, key=lambda row: classes[row])) for rows in draws)
    assert FewShot("{text}", {"a": "A", "b": "B"}).draw_shots([]) == []
    with pytest.raises(DataError, match="found:      3"):
        FewShot("{text}", {"a": "A", "b": "B"}, shots=8).draw_shots(classes[:9])


def test_a_masked_model_is_asked_at_the_labels_place(tokenizer: Tokenizer) -> None:
    """The mask stands where the label would, among the whole template and the special tokens."""
    model = bert(vocabulary_size=tokenizer.vocabulary_size, context_length=32)
    ask = FewShot("{label} film: {text}.", {"neg": "bad", "pos": "great"})
    shots = [({"text": "slog"}, "neg")]
    found = ask.ask(model, tokenizer, EXAMPLES[:1], classes=["pos"], shots=shots)
    mask, begin, end = (tokenizer.special(name) for name in ("mask", "classify", "separator"))
    begin = tokenizer.special("begin") if begin is None else begin
    end = tokenizer.special("end") if end is None else end
    text = [begin, *tokenizer.encode("bad film: slog."), mask, *tokenizer.encode("film: gem."), end]
    labels = [tokenizer.encode(word)[0] for word in ("bad", "great")]
    wanted = model(torch.tensor([text])).log_softmax(2)[0, text.index(mask), labels]
    torch.testing.assert_close(found.log_likelihoods[0], wanted)
    assert found.prompt == "bad film: slog.\n[mask] film: gem."


@pytest.mark.usefixtures("as_a_user_calls")
def test_mistakes(tokenizer: Tokenizer) -> None:
    labels = {"neg": "bad", "pos": "great"}
    build: list[tuple[Any, str]] = [
        (lambda: FewShot("no place", labels), "'no place'"),
        (lambda: FewShot("{label}", labels), "'{label}'"),
        (lambda: FewShot("{text} {label} {label}", labels), "{label} {label}"),
        (lambda: FewShot("{text", labels), "'{text'"),
        (lambda: FewShot("{0}", labels), "'{0}'"),
        (lambda: FewShot("{text:>9}", labels), "'{text:>9}'"),
        (lambda: FewShot("{text}", {"a": "same", "b": "same"}), "a=same, b=same"),
        (lambda: FewShot("{text}", {"a": "alone"}), "a=alone"),
        (lambda: FewShot("{text}", labels, shots=-1), "shots = -1"),
    ]
    for make, found in build:
        with pytest.raises(ConfigurationError) as caught:
            make()
        assert found in str(caught.value).splitlines()[1]
    model = Copying(tokenizer)
    ask = FewShot("{text} was", labels)
    asked: list[tuple[Any, str]] = [
        (lambda: ask.ask(model, tokenizer, [], classes=[]), "0 examples"),
        (lambda: ask.ask(model, tokenizer, EXAMPLES, classes=["pos"]), "4 examples, 1 classes"),
        (lambda: ask.ask(model, tokenizer, EXAMPLES[:1], classes=["positive"]), "the class 'positive'"),
        (lambda: ask.ask(model, tokenizer, [{"title": "x"}], classes=["pos"]), "texts for title"),
        (lambda: ask.ask(model, tokenizer, [{"text": "gem " * 300}], classes=["pos"]), "301 tokens"),
        (lambda: FewShot("{label}: {text}", labels).ask(model, tokenizer, EXAMPLES, classes=CLASSES), "{text} after"),
        (lambda: FewShot("{text}", {"a": "great film", "b": "bad"}).ask(bert(), tokenizer, EXAMPLES, classes="abab"),
         "great | film"),
        (lambda: ask.ask(bert(), train_tokenizer("bpe", ["x"], vocabulary_size=256 + 9), EXAMPLES, classes=CLASSES),
         "'bad'"),
        (lambda: label_log_likelihoods(bert(), PROMPTS, LABELS), "BERT"),
        (lambda: label_log_likelihoods(gpt(num_outputs=2), PROMPTS, LABELS), "GPT"),
        (lambda: label_log_likelihoods(gpt(), PROMPTS, []), "0 labels"),
        (lambda: label_log_likelihoods(gpt(), [[1], []], LABELS), "prompt 1 is empty"),
        (lambda: label_log_likelihoods(gpt(), PROMPTS, [[1], []]), "label 1 is empty"),
        (lambda: label_log_likelihoods(gpt(), PROMPTS, [[V]]), f"label 0: token {V}"),
        (lambda: label_log_likelihoods(gpt(), [[1] * 8], [[1, 2]]), "9 tokens"),
        (lambda: label_log_likelihoods(gpt(), PROMPTS, LABELS, score="average"), "average"),  # type: ignore[arg-type]
        (lambda: masked_label_log_likelihoods(gpt(), [[1]], [2], mask=1), "GPT"),
        (lambda: masked_label_log_likelihoods(bert(), [[1], [2]], [2], mask=1), "0 of them in text 1"),
        (lambda: masked_label_log_likelihoods(bert(), [[1, 1]], [2], mask=1), "2 of them in text 0"),
        (lambda: masked_label_log_likelihoods(bert(task="classification", num_outputs=2), [[1]], [2], mask=1), "BERT"),
    ]  # fmt: skip
    for call, found in asked:
        with pytest.raises(SightlineError) as error:
            call()
        assert found in str(error.value).splitlines()[1], str(error.value)
    assert label_log_likelihoods(gpt(), [[1] * 8], [[1], [2]]).shape == (1, 2)
    assert issubclass(InputError, SightlineError)
