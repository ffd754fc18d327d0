"""Losses of tokens: the mean over those that are to be predicted, and over no others."""

import math
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from sightline.core.schema import IGNORED, Schema
from sightline.data.batch import Batch
from sightline.objectives.denoising import Denoising
from sightline.objectives.masked_language import MaskedLanguage, PairBatch
from sightline.objectives.next_token import NextToken
from sightline.objectives.sequence import Sequence
from sightline.objectives.span import Span, best_span, span_f1
from sightline.objectives.span_corruption import SpanCorruption
from sightline.objectives.token_classification import TokenClassification
from sightline.objectives.token_objective import TokenObjective, shift_right
from text_models import VOCABULARY, Decoder, Encoder, EncoderDecoder, filled_up, schema, words

TAGS = ("word", "name", "place")


def language(lengths: list[int] | None = None, size: int = 5, length: int = 12) -> Batch:
    """Texts cut from a stream, or documents of unequal length."""
    stream = words(size, length + 1)
    inputs, target, present = stream[:, :-1].clone(), stream[:, 1:].clone(), None
    if lengths is not None:
        present = filled_up(lengths, length)
        inputs[~present], target[~present] = 0, IGNORED
    return Batch(inputs, target, torch.arange(size), size, present=present)


def translation() -> Batch:
    target = words(4, 8, seed=3).masked_fill(~filled_up([8, 5, 1, 0], 8), IGNORED)
    present = filled_up([12, 7, 3, 2])
    return Batch(words(4).masked_fill(~present, 0), target, torch.arange(4), 4, present=present)


def tagged() -> Batch:
    present = filled_up([12, 4, 7])
    target = (words(3, seed=5) % 3).masked_fill(~present, IGNORED)
    target[:, 0] = IGNORED
    return Batch(words(3).masked_fill(~present, 0), target, torch.arange(3), 3, present=present)


CASES: dict[str, tuple[TokenObjective, nn.Module, Batch]] = {
    "next-token": (NextToken(schema()), Decoder().double(), language()),
    "next-token, filled up": (NextToken(schema()), Decoder().double(), language([12, 1, 7, 0, 3])),
    "next-token, smoothed": (NextToken(schema(), label_smoothing=0.2), Decoder().double(), language([12, 1, 7, 0, 3])),
    "masked-language": (MaskedLanguage(schema()), Encoder().double(), language([12, 1, 7, 2, 3])),
    "span-corruption": (SpanCorruption(schema()), EncoderDecoder().double(), language()),
    "span-corruption, filled up": (SpanCorruption(schema()), EncoderDecoder().double(), language([12, 1, 7, 0, 3])),
    "denoising": (Denoising(schema()), EncoderDecoder().double(), language([12, 1, 7, 0, 3])),
    "sequence": (Sequence(schema("sequence"), label_smoothing=0.1), EncoderDecoder().double(), translation()),
    "token-classification": (
        TokenClassification(schema("token-classification", classes=TAGS)),
        Encoder(3).double(),
        tagged(),
    ),
}
every_case = pytest.mark.parametrize(("objective", "model", "batch"), CASES.values(), ids=CASES.keys())


def by_hand(objective: TokenObjective, model: nn.Module, batch: Batch) -> list[tuple[int, Tensor]]:
    """Row and loss of every term, one example at a time without filling, in plain sums over the vocabulary."""
    found = []
    for row in range(len(batch)):
        inputs, target = batch.inputs[row : row + 1], batch.target[row]
        if batch.present is not None:
            inputs = inputs[:, batch.present[row]]
        if isinstance(model, EncoderDecoder):
            last = int((target != IGNORED).sum())
            read = torch.tensor([[model.start_token, *target[: max(last - 1, 0)].tolist()]])
            outputs = model(inputs, decoder_tokens=read)[0]
        else:
            outputs = model(inputs)[0] if inputs.shape[1] else torch.zeros(0, 1)
        for place in (target != IGNORED).nonzero()[:, 0].tolist():
            p = outputs[place].softmax(0)
            q = torch.full_like(p, objective.label_smoothing / len(p))
            q[int(target[place])] += 1 - objective.label_smoothing
            found.append((row, -(q * p.log()).sum()))
    return found


@every_case
def test_the_loss_is_the_mean_over_the_tokens_to_be_predicted(
    objective: TokenObjective, model: nn.Module, batch: Batch
) -> None:
    torch.manual_seed(1)
    prepared = objective.prepare(batch)
    loss = objective(model, prepared)
    terms = by_hand(objective, model, prepared)
    assert objective.terms(prepared) == {objective.name: len(terms)}
    assert len(terms) > 4
    expected = torch.stack([value for _, value in terms])
    torch.testing.assert_close(loss.total, expected.mean(), rtol=1e-12, atol=0)
    assert loss.prediction.shape == (len(terms), objective.schema.num_outputs)
    scores = objective.scores(model, prepared)
    torch.testing.assert_close(scores.losses, expected, rtol=1e-12, atol=1e-12)
    assert scores.rows.tolist() == [row for row, _ in terms]
    assert torch.equal(scores.target, loss.target)
    assert torch.equal(scores.predicted, loss.prediction.argmax(1))


@every_case
def test_a_batch_without_anything_to_predict_has_a_loss_of_0_and_no_gradient(
    objective: TokenObjective, model: nn.Module, batch: Batch
) -> None:
    nothing = replace(
        batch,
        inputs=torch.zeros_like(batch.inputs),
        target=torch.full_like(batch.target, IGNORED),
        present=torch.zeros(batch.inputs.shape, dtype=torch.bool),
    )
    prepared = objective.prepare(nothing)
    assert objective.terms(prepared) == {objective.name: 0}
    loss = objective(model, prepared).total
    assert loss.item() == 0
    model.zero_grad()
    loss.backward()
    assert all(p.grad is None or not p.grad.any() for p in model.parameters())
    assert objective.take_in(objective.metrics(), model, prepared) == (0.0, 0)


def test_filling_changes_nothing() -> None:
    """The same texts, filled up further and with other tokens."""
    objective, model = NextToken(schema()), Decoder().double()
    short = language([7, 1, 7, 0, 3], length=7)
    longer = Batch(
        torch.cat([short.inputs, words(5, 4)], 1),
        torch.cat([short.target, torch.full((5, 4), IGNORED)], 1),
        short.indices,
        5,
        present=torch.cat([short.present, torch.zeros(5, 4, dtype=torch.bool)], 1),  # type: ignore[list-item]
    )
    torch.testing.assert_close(objective(model, longer).total, objective(model, short).total, rtol=1e-13, atol=0)


def test_the_head_runs_on_the_tokens_to_be_predicted_alone() -> None:
    objective, model, batch = CASES["masked-language"]
    seen = []
    handle = model.head.register_forward_hook(lambda _, inputs, __: seen.append(inputs[0].shape))  # type: ignore[union-attr]
    prepared = objective.prepare(batch)
    objective(model, prepared)
    handle.remove()
    assert seen == [(objective.terms(prepared)["masked-language"], 6)]


def test_a_decoder_reads_the_start_and_the_text_without_its_last_token() -> None:
    target = torch.tensor([[5, 6, 7, 8], [9, 8, IGNORED, IGNORED], [IGNORED] * 4])
    assert shift_right(target, 1).tolist() == [[1, 5, 6, 7], [1, 9, 8, 0], [1, 0, 0, 0]]
    assert shift_right(target, 1, fill=4).tolist() == [[1, 5, 6, 7], [1, 9, 8, 4], [1, 4, 4, 4]]
    assert target[0, 0] == 5


def figures(objective: TokenObjective, model: nn.Module, batch: Batch) -> dict[str, float]:
    metrics = objective.metrics()
    objective.take_in(metrics, model, batch)
    return {name: float(value) for name, value in metrics.compute().items()}


@pytest.mark.parametrize("case", ["next-token", "next-token, smoothed", "masked-language", "sequence"])
def test_perplexity_is_that_of_the_probabilities_and_accuracy_that_of_the_likeliest(case: str) -> None:
    objective, model, batch = CASES[case]
    prepared = objective.prepare(batch)
    with torch.no_grad():
        outputs, target = objective.answers(model, prepared)
    p = outputs.softmax(1)[torch.arange(len(target)), target]
    nats = float(-p.log().mean())
    expected = {"perplexity": math.exp(nats), "accuracy": float((outputs.argmax(1) == target).double().mean())}
    if objective.name == "next-token":
        expected["bits_per_byte"] = nats / (math.log(2) * 2.5)
    found = figures(objective, model, prepared)
    assert found == pytest.approx(expected, rel=1e-6)
    smoothed = objective.losses(outputs, target).mean().item()
    assert (smoothed == pytest.approx(nats, rel=1e-6)) is not bool(objective.label_smoothing)


@every_case
def test_measured_in_portions_is_measured_at_once(
    objective: TokenObjective, model: nn.Module, batch: Batch, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepared = objective.prepare(batch)
    whole, total = objective.metrics(), objective.take_in(objective.metrics(), model, prepared)
    objective.take_in(whole, model, prepared)
    monkeypatch.setattr("sightline.objectives.token_objective.PORTION_OUTPUTS", 2 * objective.schema.num_outputs)
    assert len(objective.portions(prepared)) > 2
    parts = objective.metrics()
    assert objective.take_in(parts, model, prepared) == pytest.approx(total, rel=1e-12)
    assert {k: float(v) for k, v in parts.compute().items()} == pytest.approx(
        {k: float(v) for k, v in whole.compute().items()}, rel=1e-6
    )


def test_many_tokens_are_measured_in_portions_too(monkeypatch: pytest.MonkeyPatch) -> None:
    objective, _, batch = CASES["next-token"]
    assert len(objective.portions(batch)) == 1
    monkeypatch.setattr("sightline.objectives.token_objective.PORTION_TOKENS", 30)
    assert len(objective.portions(batch)) == 2


def test_the_sum_of_many_nats_keeps_its_digits() -> None:
    from sightline.objectives.metrics import MeanNats

    metric = MeanNats()
    for _ in range(3000):
        metric.update(torch.full((1000,), 4.0004), torch.ones(1000, dtype=torch.bool))
    assert metric.compute().item() == pytest.approx(4.0004, rel=1e-7)


def test_two_parts_of_pairs_are_each_a_mean_over_its_own_terms() -> None:
    objective, model = MaskedLanguage(schema(), pairs="next-sentence"), Encoder().double()
    torch.manual_seed(3)
    batch = objective.prepare(language([12, 8, 7, 12, 3]))
    assert isinstance(batch, PairBatch)
    assert batch.pair is not None
    loss = objective(model, batch)
    tokens, pairs = model(batch.inputs, present=batch.present, segments=batch.segments, pairs=True)
    told = -pairs.log_softmax(1)[torch.arange(5), batch.pair].mean()
    hidden = batch.target != IGNORED
    guessed = -tokens[hidden].log_softmax(1).gather(1, batch.target[hidden][:, None]).mean()
    torch.testing.assert_close(loss.parts["pair"], told, rtol=1e-12, atol=0)
    torch.testing.assert_close(loss.parts["masked-language"], guessed, rtol=1e-12, atol=0)
    torch.testing.assert_close(loss.total, told + guessed, rtol=1e-12, atol=0)
    assert objective.terms(batch) == {"masked-language": int(hidden.sum()), "pair": 5}
    found = figures(objective, model, batch)
    assert found["pair_accuracy"] == pytest.approx(float((pairs.argmax(1) == batch.pair).double().mean()))
    assert found["perplexity"] == pytest.approx(math.exp(guessed.item()), rel=1e-6)
    assert set(figures(*CASES["masked-language"][:2], CASES["masked-language"][0].prepare(language()))) == {
        "perplexity",
        "accuracy",
    }


class TwoNumbers(nn.Module):
    """Gives the numbers it was made with."""

    def __init__(self, numbers: Tensor) -> None:
        super().__init__()
        self.numbers = nn.Parameter(numbers)

    def forward(self, tokens: Tensor, **_: Any) -> Tensor:
        return self.numbers[: len(tokens)]


def answers_batch() -> tuple[Batch, Tensor]:
    present = filled_up([12, 5, 9, 4])
    target = torch.tensor([[2, 6], [4, 4], [IGNORED, IGNORED], [0, 3]])
    numbers = torch.randn(4, 12, 2, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    return Batch(words(4), target, torch.arange(4), 4, present=present), numbers


def test_a_spans_loss_is_the_mean_of_its_ends_over_the_text_alone() -> None:
    batch, numbers = answers_batch()
    objective, model = Span(schema("span")), TwoNumbers(numbers)
    loss = objective(model, batch)
    expected = []
    for row in (0, 1, 3):
        length = int(batch.present[row].sum())  # type: ignore[index]
        for end in (0, 1):
            expected.append(-numbers[row, :length, end].log_softmax(0)[batch.target[row, end]])
    torch.testing.assert_close(loss.total, torch.stack(expected).mean(), rtol=1e-12, atol=0)
    assert objective.terms(batch) == {"span": 6}
    loss.total.backward()
    assert model.numbers.grad is not None
    assert not model.numbers.grad[1, 5:].any()
    assert not model.numbers.grad[2].any()
    nothing = replace(batch, target=torch.full_like(batch.target, IGNORED))
    assert objective(model, nothing).total.item() == 0


@pytest.mark.parametrize("seed", range(20))
def test_the_best_span_is_that_of_a_full_search(seed: int) -> None:
    first, last = torch.randn(2, 3, 7, generator=torch.Generator().manual_seed(seed))
    first[1, 4:] = last[1, 4:] = -torch.inf
    found = best_span(first, last)
    for row in range(3):
        _, i, j = max((float(first[row, i] + last[row, j]), i, j) for i in range(7) for j in range(i, 7))
        assert found[row].tolist() == [i, j]


def test_spans_are_scored_by_their_tokens() -> None:
    generator = torch.Generator().manual_seed(0)
    predicted, target = torch.randint(0, 9, (2, 50, 2), generator=generator).sort(2).values
    for given, true, found in zip(
        predicted.tolist(), target.tolist(), span_f1(predicted, target).tolist(), strict=True
    ):
        a, b = set(range(given[0], given[1] + 1)), set(range(true[0], true[1] + 1))
        assert found == pytest.approx(2 * len(a & b) / (len(a) + len(b)))
    batch, numbers = answers_batch()
    objective, model = Span(schema("span")), TwoNumbers(numbers)
    metrics = objective.metrics()
    with torch.no_grad():
        total, count = objective.take_in(metrics, model, batch)
    assert total / count == pytest.approx(objective(model, batch).total.item(), rel=1e-6)
    given = objective.predict(objective.answers(model, batch)[0]).value.view(2, 3).T
    true = batch.target[[0, 1, 3]]
    assert metrics.compute()["f1"].item() == pytest.approx(span_f1(given, true).mean().item())
    assert metrics.compute()["exact_match"].item() == pytest.approx((given == true).all(1).double().mean().item())


def test_token_classes_are_measured_over_tokens() -> None:
    objective, model, batch = CASES["token-classification"]
    outputs, target = objective.answers(model, batch)
    label, confusion = outputs.argmax(1), torch.zeros(3, 3)
    for true, given in zip(target.tolist(), label.tolist(), strict=True):
        confusion[true, given] += 1
    both = confusion.sum(0) + confusion.sum(1)
    found = figures(objective, model, batch)
    assert found["accuracy"] == pytest.approx(float((label == target).double().mean()))
    assert found["f1"] == pytest.approx(float((2 * confusion.diagonal() / both.clamp(min=1))[both > 0].mean()))
    assert isinstance(objective.schema, Schema)
    assert objective.schema.num_outputs == 3 != VOCABULARY
