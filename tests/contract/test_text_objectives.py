"""Objectives on text: the table of them, what they refuse, and a split measured without keeping its outputs."""

import json
import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from sightline.core.config import build, resolve
from sightline.core.errors import ConfigurationError, DataError
from sightline.core.schema import IGNORED, Schema
from sightline.core.seeds import Seeds
from sightline.data import load, load_like
from sightline.data.batch import Batch
from sightline.data.split import Epoch, Split
from sightline.objectives import CrossEntropy, Objective, default_objective
from sightline.objectives.denoising import Denoising
from sightline.objectives.masked_language import MaskedLanguage
from sightline.objectives.next_token import NextToken
from sightline.objectives.registry import OBJECTIVES
from sightline.objectives.sequence import Sequence
from sightline.objectives.span import Span
from sightline.objectives.span_corruption import SpanCorruption
from sightline.objectives.token_classification import TokenClassification
from sightline.train.evaluation import evaluate
from sightline.train.supervised import require_inputs
from text_models import TEXT, Decoder, Encoder, EncoderDecoder, filled_up, schema, words

TAGS = ("word", "name", "place")
KINDS: dict[str, tuple[Any, str, Any]] = {
    "next-token": (NextToken, "language", Decoder),
    "masked-language": (MaskedLanguage, "language", Encoder),
    "span-corruption": (SpanCorruption, "language", EncoderDecoder),
    "denoising": (Denoising, "language", EncoderDecoder),
    "sequence": (Sequence, "sequence", EncoderDecoder),
    "token-classification": (TokenClassification, "token-classification", lambda: Encoder(3)),
    "span": (Span, "span", lambda: Encoder(2)),
}


def schema_of(task: str) -> Schema:
    return schema(task, classes=TAGS if task == "token-classification" else ())


class Texts(Split):
    """Examples that are there already."""

    bytes_per_term = TEXT.bytes_per_token

    def __init__(self, inputs: Tensor, target: Tensor, present: Tensor | None = None) -> None:
        super().__init__("validation", torch.zeros(len(inputs), dtype=torch.int64))
        self.inputs, self.answers, self.present = inputs, target, present

    def cut(self, epoch: Epoch, device: torch.device) -> Iterator[Batch]:
        for part in epoch:
            rows = part.indices
            present = None if self.present is None else self.present[rows]
            yield Batch(self.inputs[rows], self.answers[rows], rows, part.global_size, present=present)


def texts(task: str, size: int = 40) -> Texts:
    present = filled_up([2 + 7 * row % 11 for row in range(size)])
    inputs = words(size).masked_fill(~present, 0)
    if task == "sequence":
        return Texts(
            inputs, words(size, 8, 4).masked_fill(~filled_up([row % 9 for row in range(size)], 8), IGNORED), present
        )
    if task == "token-classification":
        return Texts(inputs, (words(size, seed=2) % 3).masked_fill(~present, IGNORED), present)
    if task == "span":
        ends = present.sum(1) - 1
        return Texts(inputs, torch.stack([ends // 2, ends], 1), present)
    return Texts(inputs, words(size, seed=3).masked_fill(~present, IGNORED), present)


def made(name: str) -> tuple[Objective, nn.Module, Texts]:
    _, task, model = KINDS[name]
    objective: Objective = build(resolve(name, OBJECTIVES, "objective"), OBJECTIVES, schema_of(task))
    return objective, model().double(), texts(task)


every = pytest.mark.parametrize("name", KINDS)


def test_every_objective_on_text_is_here() -> None:
    fixed = ("classification", "regression", "none")
    registered = {name: kind for name, kind in OBJECTIVES.items() if kind.task not in fixed}  # type: ignore[attr-defined]
    assert len(registered) == 7
    assert registered == {name: kind for name, (kind, _, _) in KINDS.items()}
    assert all(kind.name == name for name, kind in registered.items())  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("task", "kind", "name"),
    [
        ("classification", None, "cross-entropy"),
        ("language", None, "next-token"),
        ("language", "decoder", "next-token"),
        ("language", "encoder", "masked-language"),
        ("language", "encoder-decoder", "span-corruption"),
        ("sequence", "encoder-decoder", "sequence"),
        ("token-classification", "encoder", "token-classification"),
        ("span", "encoder", "span"),
    ],
)
def test_the_customary_objective(task: str, kind: str | None, name: str) -> None:
    assert default_objective(schema(task), kind).name == name


@every
def test_following_the_gradient_lowers_the_loss(name: str) -> None:
    objective, model, split = made(name)
    batch = objective.prepare(next(split.batches(batch_size=40)))
    before = objective(model, batch).total
    before.backward()
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.grad is not None:
                parameter.sub_(parameter.grad, alpha=0.1)
    assert objective(model, batch).total < before


@every
def test_a_model_of_the_right_outputs_is_let_through(name: str) -> None:
    objective, model, split = made(name)
    batch = next(split.batches(batch_size=2))
    require_inputs(model, objective, batch, objective.schema.num_outputs)
    last = [m for m in model.modules() if isinstance(m, nn.Linear) and m.out_features not in (2, 6)]
    if name != "span":
        with pytest.raises(ConfigurationError, match="outputs for"):
            require_inputs(model, objective, batch, objective.schema.num_outputs + 1)
        assert last


@every
def test_data_for_another_task_are_refused(name: str) -> None:
    kind, task, _ = KINDS[name]
    other = "regression" if task == "sequence" else "sequence"
    with pytest.raises(ConfigurationError, match=f"data for {task}") as caught:
        kind(schema_of(other))
    assert repr(resolve(default_objective(schema_of(other)).name, OBJECTIVES, "objective").name) in caught.value.do


@pytest.mark.parametrize(
    ("name", "model", "found"),
    [
        ("next-token", Encoder, "Encoder, a text encoder"),
        ("masked-language", Decoder, "Decoder, a text decoder"),
        ("span-corruption", Encoder, "Encoder, a text encoder"),
        ("sequence", Decoder, "Decoder, a text decoder"),
        ("token-classification", EncoderDecoder, "EncoderDecoder, a text encoder-decoder"),
        ("span", EncoderDecoder, "EncoderDecoder, an encoder-decoder"),
    ],
)
def test_a_network_that_sees_what_it_should_guess_or_cannot_write_is_refused(
    name: str, model: type[nn.Module], found: str
) -> None:
    objective, _, split = made(name)
    batch = objective.prepare(next(split.batches(batch_size=4)))
    with pytest.raises(ConfigurationError, match=found):
        objective.answers(model().double(), batch)


def test_a_wrapped_network_is_known() -> None:
    objective, model, split = made("sequence")
    batch = next(split.batches(batch_size=4))
    torch.testing.assert_close(objective(Wrapped(model), batch).total, objective(model, batch).total)
    with pytest.raises(ConfigurationError, match="Wrapped, a text decoder"):
        objective.answers(Wrapped(Decoder()), batch)


class Wrapped(nn.Module):
    """As several processes wrap a network."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.inside = model

    def forward(self, *given: Any, **options: Any) -> Any:
        return self.inside(*given, **options)


def test_a_network_that_does_not_say_how_it_starts_is_refused() -> None:
    objective, _, split = made("sequence")
    with pytest.raises(ConfigurationError, match="encoder-decoder"):
        objective.answers(nn.Linear(2, 2), next(split.batches(batch_size=4)))


@pytest.mark.parametrize(
    ("name", "lacking", "options"),
    [
        ("masked-language", {"mask": None}, {}),
        ("masked-language", {"separator": None}, {"pairs": "next-sentence"}),
        ("masked-language", {"classify": None}, {"pairs": "sentence-order"}),
        ("denoising", {"mask": None}, {}),
        ("span-corruption", {"end": None}, {}),
        ("span-corruption", {"sentinels": ()}, {}),
    ],
)
def test_a_vocabulary_that_lacks_a_token_is_refused(
    name: str, lacking: dict[str, Any], options: dict[str, Any]
) -> None:
    kind, task, _ = KINDS[name]
    poor = replace(schema(task), text=replace(TEXT, **lacking))
    with pytest.raises(ConfigurationError):
        kind(poor, **options)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("next-token", {"label_smoothing": 1.0}),
        ("sequence", {"label_smoothing": -0.1}),
        ("masked-language", {"masked": 0.0}),
        ("masked-language", {"pairs": "previous-sentence"}),
        ("span-corruption", {"density": 1.0}),
        ("span-corruption", {"mean_length": 0.5}),
        ("denoising", {"share": 1.5}),
        ("denoising", {"mean_length": 0.0}),
    ],
)
@pytest.mark.usefixtures("as_a_user_calls")
def test_options_out_of_range_are_refused(name: str, options: dict[str, Any]) -> None:
    kind, task, _ = KINDS[name]
    with pytest.raises(ConfigurationError):
        kind(schema(task), **options)


def test_one_class_of_tokens_is_refused() -> None:
    with pytest.raises(DataError, match="two classes"):
        TokenClassification(schema("token-classification", classes=("word",)))


def measured(name: str, objective: Objective, model: nn.Module, split: Split, **options: Any) -> Any:
    return evaluate(model, objective, split, objective.schema, name="validation", checkpoint="c", **options)


@every
def test_a_split_is_measured_as_its_batch_at_once(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """In batches and portions the sums are those of all terms together; no chance but that of the seed."""
    objective, model, split = made(name)
    model.train()
    whole = measured(name, objective, model, split, seed=3)
    with Seeds(3).scope("evaluate", 0):
        batch = objective.prepare(next(split.batches(batch_size=512)))
    with torch.no_grad():
        outputs, target = objective.answers(model, batch)
        losses = objective.losses(outputs, target)
    assert whole.loss == pytest.approx(float(losses.mean()), rel=1e-12)
    metrics = objective.metrics()
    objective.update(metrics, outputs, target)
    expected = {key: float(value) for key, value in metrics.compute().items()}
    assert {key: figure.value for key, figure in whole.metrics.items()} == pytest.approx(expected, rel=1e-6)
    assert all(0 < figure.standard_error < figure.value for figure in whole.metrics.values())
    assert whole.count == 40
    assert model.training
    monkeypatch.setattr("sightline.objectives.token_objective.PORTION_TOKENS", 100)
    again = measured(name, objective, model, split, seed=3)
    assert again.loss == pytest.approx(whole.loss, rel=1e-12)
    assert [m.index for m in again.mistakes] == [m.index for m in whole.mistakes]
    assert [f.standard_error for f in again.metrics.values()] == pytest.approx(
        [f.standard_error for f in whole.metrics.values()], rel=1e-9
    )
    assert again.metrics["f1" if name in ("span", "token-classification") else "accuracy"].value == pytest.approx(
        whole.metrics["f1" if name in ("span", "token-classification") else "accuracy"].value, rel=1e-12
    )
    json.dumps(whole.to_dict())


@pytest.mark.parametrize("name", ["masked-language", "span-corruption", "denoising"])
def test_measuring_twice_gives_the_same_and_shifts_no_chance(name: str) -> None:
    objective, model, split = made(name)
    if isinstance(objective, SpanCorruption):  # a single span always stands at the end
        objective = SpanCorruption(schema(), density=0.3, mean_length=1.5)
    before = torch.get_rng_state()
    first, torch_moved = measured(name, objective, model, split), torch.rand(3)
    second = measured(name, objective, model, split)
    assert first == second
    assert measured(name, objective, model, split, seed=1).loss != first.loss
    torch.set_rng_state(before)
    assert torch.equal(torch.rand(3), torch_moved)


class Uniform(nn.Module):
    """Every token is as likely as any other."""

    def __init__(self, vocabulary: int) -> None:
        super().__init__()
        self.scores = nn.Parameter(torch.zeros(vocabulary, dtype=torch.float64))

    def forward(self, tokens: Tensor, *, select: Tensor | None = None, **_: Any) -> Tensor:
        scores = self.scores.expand(*tokens.shape, -1)
        return scores if select is None else scores[select]


def bits_of(found: Any) -> float | None:
    return found.metrics["bits_per_byte"].value if "bits_per_byte" in found.metrics else None


@pytest.mark.parametrize("form", ["padded", "packed"])
def test_bits_per_byte_are_those_of_the_text_that_is_measured(form: str, tmp_path: Path) -> None:
    """V tokens, equally likely, cost log2 V bits each, and each line's end is one of them; é has two bytes."""
    train, test = ["abc"] * 30 + ["é"] * 30, ["aéé", "c"] * 20
    for name, lines in (
        ("train", train),
        ("valid", test),
        ("test", test),
        ("other", ["éé"] * 40),
        ("new", ["xa"] * 40),
    ):
        folder = tmp_path if name in ("other", "new") else tmp_path / "text"
        folder.mkdir(exist_ok=True)
        (folder / f"{name}.txt").write_text("\n".join(lines))
    text = {"tokenizer": "characters", "documents": "line", "form": form, "length": 4}
    data = load(tmp_path / "text", text=text)
    assert data.schema.text is not None
    model, objective = Uniform(data.schema.text.vocabulary_size), NextToken(data.schema)
    bits = math.log2(data.schema.text.vocabulary_size)

    def told(split: Split) -> float | None:
        return bits_of(measured("next-token", objective, model, split))

    # the lines' characters and an end each, over their bytes
    assert told(data.test) == pytest.approx(bits * (20 * 4 + 20 * 2) / (20 * 5 + 20 * 1))
    assert told(data.train) == pytest.approx(bits * (30 * 4 + 30 * 2) / (30 * 3 + 30 * 2))
    assert data.schema.text.bytes_per_token == pytest.approx(150 / 180)
    options: dict[str, Any] = {"tokenizer": data.tokenizer, "text": data.spec.text}
    assert told(load_like(tmp_path / "other.txt", data.schema, **options)) == pytest.approx(bits * 3 / 4)
    assert told(load_like(tmp_path / "new.txt", data.schema, **options)) is None  # what x was, the tokens don't say


def test_bits_per_byte_of_lines_cut_off_are_those_of_what_is_left(tmp_path: Path) -> None:
    path = tmp_path / "t.txt"
    path.write_text("\n".join(["abcdefgh"] * 40))
    text = {"tokenizer": "characters", "documents": "line", "form": "padded", "length": 5}
    data = load(path, text=text)
    assert data.schema.text is not None
    found = measured("next-token", NextToken(data.schema), Uniform(data.schema.text.vocabulary_size), data.test)
    assert bits_of(found) == pytest.approx(math.log2(data.schema.text.vocabulary_size) * 5 / 4)  # abcd and the end


def test_of_smoothed_targets_the_probability_is_the_tokens_own() -> None:
    objective = NextToken(schema(), label_smoothing=0.4)
    _, model, split = made("next-token")
    found = measured("next-token", objective, model, split)
    with torch.no_grad():
        scores = objective.scores(model, next(split.batches(batch_size=40)))
    for worst in found.mistakes[:3]:
        own = scores.rows == worst.index
        assert worst.loss == pytest.approx(float(scores.losses[own].mean()))
        assert worst.probability == pytest.approx(math.exp(-float(scores.nats[own].mean())))
        assert worst.probability != pytest.approx(math.exp(-worst.loss), rel=1e-3)
    assert [m.loss for m in found.mistakes] == sorted((m.loss for m in found.mistakes), reverse=True)


def test_the_worst_passages_come_first_with_their_text(monkeypatch: pytest.MonkeyPatch) -> None:
    objective, model, split = made("next-token")
    monkeypatch.setattr("sightline.train.language_evaluation.BATCH", 7)
    found = measured("next-token", objective, model, split, decode=lambda tokens: " ".join(map(str, tokens)))
    batch = next(split.batches(batch_size=40))
    outputs, _ = objective.answers(model, batch)
    chosen = batch.target != IGNORED
    losses = torch.zeros(batch.target.shape, dtype=torch.float64)
    losses[chosen] = objective.losses(outputs, batch.target[chosen]).detach()
    means = losses.sum(1) / chosen.sum(1)
    assert len(found.mistakes) == 24
    order = means.argsort(descending=True)[:24].tolist()
    assert [mistake.index for mistake in found.mistakes] == order
    worst = found.mistakes[0]
    assert worst.loss == pytest.approx(float(means[order[0]]))
    assert worst.probability == pytest.approx(math.exp(-worst.loss))
    assert worst.target == " ".join(map(str, batch.target[order[0]][chosen[order[0]]].tolist()))
    assert len(worst.predicted.split()) == int(chosen[order[0]].sum())
    assert measured("next-token", objective, model, split).mistakes[0].target == ""


def test_classes_and_answers_are_told_in_words() -> None:
    tags = measured("token-classification", *made("token-classification"))
    assert set(tags.mistakes[0].target.split()) <= set(TAGS)
    assert tags.classes == TAGS
    terms = int((made("token-classification")[2].answers != IGNORED).sum())
    assert sum(map(sum, tags.confusion)) == terms == sum(row["count"] for row in tags.per_class)
    objective, model, split = made("token-classification")
    with torch.no_grad():
        outputs, target = objective.answers(model, next(split.batches(batch_size=40)))
    given = outputs.argmax(1)
    assert tags.confusion == [[int(((target == t) & (given == p)).sum()) for p in range(3)] for t in range(3)]
    spans = measured("span", *made("span"))
    assert spans.mistakes[0].target == "–".join(map(str, made("span")[2].answers[spans.mistakes[0].index].tolist()))


def test_pairs_are_measured_too() -> None:
    objective, split = MaskedLanguage(schema(), pairs="next-sentence"), texts("language")
    found = measured("masked-language", objective, Encoder().double(), split)
    assert set(found.metrics) == {"perplexity", "accuracy", "pair_accuracy"}
    assert found.metrics["pair_accuracy"].standard_error == pytest.approx(0.08, abs=0.02)


def test_filled_up_texts_are_classified_by_their_text_alone() -> None:
    class Mean(Encoder):
        def forward(self, tokens: Tensor, **options: Any) -> Tensor:
            hidden: Tensor = self.head(self.mix(tokens, options.get("present"))[:, 0])
            return hidden

    labelled, split = schema("classification", classes=("a", "b")), texts("language")
    split.answers = torch.arange(40) % 2
    other = texts("language")
    other.answers, other.inputs = split.answers, torch.where(split.present, split.inputs, 9)  # type: ignore[arg-type]
    model, objective = Mean(2).double(), CrossEntropy(labelled)
    found, same = (evaluate(model, objective, s, labelled, name="v", checkpoint="c").loss for s in (split, other))
    assert found == pytest.approx(same, rel=1e-6)
