"""One big batch = many small ones = two processes: each part's mean weighs its share of all terms."""

from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from sightline.core.schema import IGNORED, Schema
from sightline.data.batch import Batch, Mix
from sightline.models.auxiliary import AuxiliaryOutputs
from sightline.objectives import CrossEntropy, Objective
from sightline.objectives.masked_language import MaskedLanguage
from sightline.objectives.next_token import NextToken
from sightline.objectives.sequence import Sequence
from sightline.objectives.span import Span
from sightline.objectives.span_corruption import SpanCorruption
from sightline.optim import SGD, Constant
from sightline.train.share import share_of, whole_terms
from sightline.train.supervised import Supervised
from text_models import Decoder, Encoder, EncoderDecoder, filled_up, schema, words

SIZE = 7


class Heads(nn.Module):
    """Two heads of one hidden layer; the one inside is left out in evaluation."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(1)
        self.hidden, self.last, self.inner = nn.Linear(4, 5), nn.Linear(5, 3), nn.Linear(5, 3)

    def forward(self, x: Tensor) -> AuxiliaryOutputs:
        hidden = self.hidden(x).tanh()
        return AuxiliaryOutputs(self.last(hidden), (self.inner(hidden),), (0.3,))


@dataclass(frozen=True)
class Case:
    objective: Objective
    model: nn.Module
    batch: Batch
    parts: int = 1
    """Parts of the loss."""


def language(lengths: list[int]) -> Batch:
    present = filled_up(lengths)
    inputs, target = words(SIZE).masked_fill(~present, 0), words(SIZE, seed=1).masked_fill(~present, IGNORED)
    return Batch(inputs, target, torch.arange(SIZE), SIZE, present=present)


def table() -> Batch:
    generator = torch.Generator().manual_seed(2)
    inputs = torch.randn(SIZE, 4, generator=generator, dtype=torch.float64)
    mix = Mix(torch.arange(SIZE) % 2, torch.rand(SIZE, generator=generator))
    return Batch(inputs, torch.arange(SIZE) % 3, torch.arange(SIZE), SIZE, mix=mix)


def span() -> Batch:
    target = torch.tensor([[0, 1], [2, 2], [IGNORED, IGNORED], [0, 3], [1, 1], [0, 0], [3, 7]])
    return replace(language([12, 5, 3, 4, 2, 1, 9]), target=target)


UNEQUAL = [12, 1, 4, 0, 9, 2, 3]
LABELLED = Schema("table", "classification", (4,), classes=("a", "b", "c"))
CASES = {
    "next-token": Case(NextToken(schema()), Decoder(), language(UNEQUAL)),
    "sequence": Case(Sequence(schema("sequence")), EncoderDecoder(), language(UNEQUAL)),
    "span-corruption": Case(SpanCorruption(schema()), EncoderDecoder(), language(UNEQUAL)),
    "masked-language": Case(MaskedLanguage(schema(), masked=0.4), Encoder(), language(UNEQUAL)),
    "pairs": Case(MaskedLanguage(schema(), masked=0.4, pairs="next-sentence"), Encoder(), language(UNEQUAL), 2),
    "span": Case(Span(schema("span")), Encoder(2), span()),
    "mixing and a head inside": Case(CrossEntropy(LABELLED, label_smoothing=0.1), Heads(), table(), 2),
}
every_case = pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())


def gradients(model: nn.Module) -> dict[str, Tensor]:
    return {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}


def whole(case: Case, model: nn.Module, prepared: Batch) -> tuple[dict[str, Tensor], float]:
    """The gradients of the whole batch's loss at once."""
    model.zero_grad()
    loss = case.objective(model, prepared)
    loss.total.backward()
    return gradients(model), loss.parts[case.objective.name].item()


def prepared_once(case: Case, monkeypatch: pytest.MonkeyPatch) -> tuple[nn.Module, Batch]:
    """The model in float64, and a batch that is prepared already: preparing it again changes nothing."""
    torch.manual_seed(5)
    prepared = case.objective.prepare(case.batch)
    monkeypatch.setattr(case.objective, "prepare", lambda batch: batch)
    return deepcopy(case.model).double().train(), prepared


def same(found: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> None:
    assert found.keys() == expected.keys()
    assert any(gradient.abs().max() > 1e-3 for gradient in expected.values())
    for name, gradient in expected.items():
        torch.testing.assert_close(found[name], gradient, rtol=1e-12, atol=1e-14)


@every_case
@pytest.mark.parametrize("accumulate", [1, 2, 3, 7, 50])
def test_many_small_batches_move_the_weights_as_one(
    case: Case, accumulate: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, prepared = prepared_once(case, monkeypatch)
    expected, loss = whole(case, model, prepared)
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    algorithm = Supervised(model, case.objective, SGD(lr=1.0), Constant(), accumulate=accumulate)
    algorithm.setup(Fabric(accelerator="cpu", devices=1), 1)
    logs = algorithm.step(prepared, detail=True)
    same({n: before[n] - p.detach() for n, p in model.named_parameters() if n in expected}, expected)
    assert float(logs["loss"]) == pytest.approx(loss, rel=1e-12)
    assert ("total_loss" in logs) == (case.parts > 1)


def two_processes(
    case: Case, model: nn.Module, prepared: Batch, counts: Callable[[Batch], Mapping[str, float]], cut: int
) -> tuple[dict[str, Tensor], float]:
    """What each of two processes leaves, averaged as they do."""
    half = [prepared._rows(torch.arange(cut)), prepared._rows(torch.arange(cut, SIZE))]
    found: dict[str, Tensor] = {}
    own = 0.0
    for part in half:
        model.zero_grad()
        share = share_of(case.objective(model, part), case.objective, part, counts(part), 2)
        share.total.backward()
        own += share.own.item() / 2
        for name, gradient in gradients(model).items():
            found[name] = found.get(name, torch.zeros(())) + gradient / 2
    return found, own


@every_case
@pytest.mark.parametrize("cut", [1, 3, 4])
def test_two_processes_leave_the_gradients_of_one(case: Case, cut: int, monkeypatch: pytest.MonkeyPatch) -> None:
    model, prepared = prepared_once(case, monkeypatch)
    expected, loss = whole(case, model, prepared)
    total = case.objective.terms(prepared)

    def all_reduce(counts: Tensor) -> None:
        counts.copy_(torch.tensor(list(total.values()), dtype=counts.dtype))

    monkeypatch.setattr(torch.distributed, "all_reduce", all_reduce)
    found, own = two_processes(case, model, prepared, lambda part: whole_terms(case.objective, part, 2), cut)
    same(found, expected)
    assert own == pytest.approx(loss, rel=1e-12)


@pytest.mark.parametrize(("examples", "parts"), [(3, 3), (4, 3), (1, 1)])
def test_every_process_makes_as_many_parts(examples: int, parts: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of 7 examples one process has 4 and the other 3; of 3, 2 and 1: each part is a meeting of both."""
    case = CASES["next-token"]
    model, prepared = prepared_once(case, monkeypatch)
    algorithm = Supervised(model, case.objective, SGD(lr=0.1), Constant(), accumulate=4)
    algorithm.setup(Fabric(accelerator="cpu", devices=1), 1)
    made: list[Tensor] = []
    monkeypatch.setattr(algorithm.placement, "backward", made.append)
    monkeypatch.setattr(torch.distributed, "all_reduce", lambda counts: None)
    algorithm.fabric = SimpleNamespace(world_size=2)  # type: ignore[assignment]
    batch = replace(prepared._rows(torch.arange(examples)), global_size=7 if examples > 2 else 3)
    algorithm.step(batch, detail=False)
    assert len(made) == parts


def test_weighing_by_examples_instead_of_terms_would_be_another_gradient(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the shares are for: the mean of the parts' means is not the mean of all terms."""
    case = CASES["next-token"]
    model, prepared = prepared_once(case, monkeypatch)
    expected, _ = whole(case, model, prepared)
    found: dict[str, Tensor] = {}
    for part in prepared.split(SIZE):
        model.zero_grad()
        case.objective(model, part).total.backward()
        for name, gradient in gradients(model).items():
            found[name] = found.get(name, torch.zeros(())) + gradient / SIZE
    assert max(float((found[n] - expected[n]).abs().max()) for n in expected) > 1e-3


def test_processes_ask_one_another_even_where_one_has_as_many_tokens_as_examples(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """All processes make the same calls: one that kept silent would leave the others waiting."""
    asked = []
    monkeypatch.setattr(torch.distributed, "all_reduce", lambda counts: asked.append(counts.tolist()))
    one_each = language([1] * SIZE)
    assert whole_terms(NextToken(schema()), one_each, 2) == {"next-token": 7.0}
    assert asked == [[7.0]]
    assert whole_terms(CrossEntropy(LABELLED), replace(table(), global_size=20), 2) == {"cross-entropy": 20.0}
    assert len(asked) == 1


def test_a_process_without_any_term_adds_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    case = Case(NextToken(schema()), Decoder(), language([0, 0, 0, 3, 1, 2, 2]))
    model, prepared = prepared_once(case, monkeypatch)
    expected, loss = whole(case, model, prepared)
    found, own = two_processes(case, model, prepared, lambda _: {"next-token": 8.0}, 3)
    same(found, expected)
    assert own == pytest.approx(loss, rel=1e-12)


def test_the_logged_loss_of_two_processes_is_that_of_all_terms(monkeypatch: pytest.MonkeyPatch) -> None:
    """The engine weighs what a process logs by its share of the examples; that gives the mean over all terms."""
    case = CASES["next-token"]
    model, prepared = prepared_once(case, monkeypatch)
    _, loss = whole(case, model, prepared)
    terms = case.objective.terms(prepared)["next-token"]
    monkeypatch.setattr(torch.distributed, "all_reduce", lambda counts: counts.fill_(terms))
    logged = 0.0
    for rows in (torch.arange(3), torch.arange(3, SIZE)):
        twin = deepcopy(model)
        algorithm = Supervised(twin, case.objective, SGD(lr=0.1), Constant(), accumulate=2)
        algorithm.setup(Fabric(accelerator="cpu", devices=1), 1)
        algorithm.fabric = SimpleNamespace(world_size=2, all_reduce=lambda value, **_: value)  # type: ignore[assignment]
        part = prepared._rows(rows)
        logs: Mapping[str, Any] = algorithm.step(part, detail=False)
        logged += float(logs["loss"]) * len(part) / SIZE
    assert logged == pytest.approx(loss, rel=1e-12)
