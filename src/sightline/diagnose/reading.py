"""A record as rules read it: relative quantities, computed once."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from math import inf, isfinite, log, prod
from pathlib import Path
from statistics import median

from sightline.diagnose.constant_guess import constant_guess, guess_by_place
from sightline.diagnose.passes import passes
from sightline.diagnose.record import Entry, Look, LossSeen, Record, UpdateSeen
from sightline.diagnose.tape import Call, Operand, Tape
from sightline.diagnose.tape_paths import LossCall, ancestors, back, end_of_network, is_layer, loss_call, multiplied
from sightline.diagnose.tensor_facts import TensorFacts

MODAL = frozenset(
    f"{kind}{axes}"
    for kind, every in {
        "Dropout": ("", "1d", "2d", "3d"),
        "BatchNorm": ("1d", "2d", "3d"),
        "InstanceNorm": (),
        "SyncBatchNorm": ("",),
        "AlphaDropout": ("",),
        "FeatureAlphaDropout": ("",),
    }.items()
    for axes in every
)
"""Modules that compute otherwise in training mode."""


@dataclass(frozen=True)
class Training:
    """How the training loss went.

    Attributes:
        start: mean over the first steps.
        end: over the last tenth.
        best: the lowest tenth of the run, by mean.
        before: over the tenth before the last.
        highest: the highest tenth, by mean.
    """

    start: float
    end: float
    best: float
    before: float
    highest: float

    @property
    def finite(self) -> bool:
        """No NaN, no infinity at the start or the end."""
        return isfinite(self.start) and isfinite(self.end)


class Reading:
    """A record, and what follows from it.

    Args:
        record: of a watch.
    """

    def __init__(self, record: Record) -> None:
        self.record = record

    @cached_property
    def looks(self) -> list[Look]:
        """Steps on tape from which a backward pass went."""
        return [look for look in self.record.looks if any(b.producer is not None for b in look.backwards)]

    @cached_property
    def look(self) -> Look | None:
        """The second such step (the first may hold preparations), else the first."""
        return next(iter(self.looks[1:2] or self.looks), None)

    @cached_property
    def tape(self) -> Tape:
        """Of that step; empty if there is none."""
        return self.look.tape if self.look is not None else Tape()

    @cached_property
    def entry(self) -> Entry | None:
        """The network's call that was trained, in that step."""
        return next((e for e in self.look.entries if e.grad), None) if self.look is not None else None

    @cached_property
    def loss(self) -> LossCall | None:
        """The loss of that step."""
        return loss_call(self.tape, self.root)

    @cached_property
    def root(self) -> int | None:
        """The call that gave what was differentiated in that step."""
        backwards = self.look.backwards if self.look is not None else ()
        return next((b.producer for b in backwards if b.producer is not None), None)

    @cached_property
    def two_players(self) -> bool:
        """More than one optimiser at work, so that one loss falling says little."""
        at_work = {update.optimizer for update in self.record.updates}
        return len(at_work | self.record.cleared.keys() | self.record.uncleared.keys()) > 1

    @cached_property
    def rewarded(self) -> bool:
        """Whether a policy is trained: the logarithms of what it drew itself, or logarithms weighed by signed numbers.

        The value of such a loss tells nothing: where the rewards grow it may rise.
        """
        loss = self.loss
        if loss is None:
            return False
        tree = ancestors(self.tape, self.root)
        calls = [self.tape.calls[i] for i in tree]
        for call in (c for c in calls if c.name in ("multinomial", "bernoulli")):
            if any(self.tape.calls[i].grad and self.tape.calls[i].module for i in ancestors(self.tape, call.index)):
                return True
        if not loss.by_hand or loss.kind != "cross-entropy":
            return False
        beside = [o for c in calls if c.name == "mul" and c.index > loss.call.index for o in c.operands if not o.grad]
        facts = [f for o in beside if not o.origin and (f := self.facts(o)) is not None and f.finite]
        return bool(facts) and min(f.minimum for f in facts) < 0 < max(f.maximum for f in facts)

    @cached_property
    def training(self) -> Training | None:
        """Of the loss itself where it is one of torch's, alone or with others; else of what was differentiated.

        None where its value tells nothing.
        """
        values = self.record.loss.values
        if not values or (self.rewarded and self.record.loss.not_finite is None):
            return None
        tenth = max(1, len(values) // 10)
        parts = [sum(values[i : i + tenth]) / len(values[i : i + tenth]) for i in range(0, len(values), tenth)]
        finite = [part for part in parts if isfinite(part)]
        first = values[: max(1, min(3, len(values) // 20))]
        last = values[-tenth:]
        before = values[-2 * tenth : -tenth] or last
        return Training(
            sum(first) / len(first),
            sum(last) / len(last),
            min(finite, default=inf),
            sum(before) / len(before),
            max(finite, default=inf),
        )

    @cached_property
    def guess(self) -> float | None:
        """Loss of the best constant guess, in the training loss's units."""
        loss, targets = self.loss, self.record.targets
        if loss is None or loss.others:
            return None
        values = targets.values
        if loss.by_hand and loss.target is not None and not values and not targets.classes:
            facts = self.facts(loss.target)
            if loss.kind == "cross-entropy" and facts is not None and 0 <= facts.minimum <= facts.maximum <= 1:
                return log(self.width) if self.width > 1 else log(2)
            return facts.deviation**2 if facts is not None and loss.kind == "mse" else None
        if loss.by_hand and loss.kind == "cross-entropy" and not targets.classes and self.width > 1:
            return log(self.width)
        found = constant_guess(loss.kind, targets.classes, values)
        by_place = guess_by_place(loss.kind, targets.places) if values else None
        if found is not None and by_place is not None:
            found *= by_place
        if found is None or loss.by_hand:
            return found
        reduction = loss.call.option("reduction", 99, "mean")
        factor = multiplied(self.tape, loss.call, self.root)
        if reduction == "none" and factor is None:
            return None
        if reduction == "sum" and loss.target is not None:
            return None if factor is None else found * factor * prod(loss.target.shape)
        return found * factor if factor is not None and factor > 0 else found

    @cached_property
    def width(self) -> int:
        """Numbers that the network gives an example, as the loss is given them; 1 for a vector."""
        given = self.loss.prediction if self.loss is not None else None
        shape = self.end[-1].result.shape if self.end else given.shape if given is not None else ()
        if len(shape) < 2:
            return 1
        return shape[-1] if self.end and self.end[-1].name == "linear" else shape[1]

    @cached_property
    def left(self) -> float | None:
        """Training loss at the end over that of the best constant guess: 1 where nothing was learned."""
        if self.guess is None or self.guess <= 0 or self.training is None:
            return None
        return self.training.end / self.guess

    @cached_property
    def fallen(self) -> float:
        """Share of the loss's size at the start by which it is lower at the end; 0 where it only rose."""
        t = self.training
        if t is None or not t.finite or t.start == 0:
            return 0.0
        return max(0.0, (t.start - t.end) / abs(t.start))

    @cached_property
    def learned(self) -> bool:
        """Well below the best constant guess, or, where that is not known, below half of the start.

        A policy's loss does not tell: nothing is held against it.
        """
        if self.rewarded and self.training is None:
            return True
        if self.training is None or not self.training.finite:
            return False
        return self.left < 0.7 if self.left is not None else self.fallen > 0.3

    @cached_property
    def updates(self) -> list[UpdateSeen]:
        """Of the first optimiser."""
        return [u for u in self.record.updates if u.optimizer == 0]

    @cached_property
    def update_ratio(self) -> float | None:
        """|Δw| / |w|, median over parameters of more than one number, median over the later half of the looks."""
        found = [r for u in self.updates[len(self.updates) // 2 :] if (r := self.ratio(u)) is not None]
        return median(found) if found else None

    @cached_property
    def matrices(self) -> frozenset[str]:
        """Names of parameters that are products' weights: not biases, nor scales."""
        return frozenset(p.name for p in self.record.parameters if p.fan_in > 0)

    def ratio(self, update: UpdateSeen) -> float | None:
        """|Δw| / |w| of one look, median over matrices (over all, where there is none)."""
        rows = zip(update.names, update.update, update.weight, strict=True)
        every = [(name in self.matrices, u / w) for name, u, w in rows if w > 0 and isfinite(w) and isfinite(u)]
        found = [value for matrix, value in every if matrix] or [value for _, value in every]
        return median(found) if found else None

    @cached_property
    def validation(self) -> list[LossSeen]:
        """Losses computed without gradients, by the function that is trained on."""
        kind = self.loss.kind if self.loss is not None and not self.loss.by_hand else ""
        return [loss for loss in self.record.losses if not loss.grad and kind in ("", loss.function)]

    @cached_property
    def sound(self) -> bool:
        """Training and validation by the same loss, both far below the best constant guess."""
        if self.left is None or self.guess is None or self.left > 0.3 or self.two_players or not self.validation_passes:
            return False
        return self.validation_passes[-1][1] < 0.35 * self.guess

    @cached_property
    def validation_passes(self) -> list[tuple[int, float, float | None]]:
        """(step, mean loss, mean accuracy) of each pass of evaluation."""
        return [(each.step, each.loss, each.accuracy) for each in passes(self.validation)]

    @cached_property
    def trained_inputs(self) -> list[TensorFacts]:
        """What networks were given with gradients on, call by call, where it is numbers and no places or words."""
        entries = (e for look in self.looks for e in look.entries if e.grad and e.inputs)
        return [e.inputs[0] for e in entries if e.inputs[0].floating]

    @cached_property
    def accuracies(self) -> list[tuple[int, float]]:
        """(step, share of right answers) of each pass of evaluation: of the losses, else as the loop counts it."""
        found = [(step, right) for step, _, right in self.validation_passes if right is not None]
        return found or [(step, right / of) for step, (right, of) in sorted(self.record.judged.items()) if of]

    @cached_property
    def modal(self) -> list[str]:
        """What the networks have that computes otherwise in training mode: modules, or functions that they call."""
        modules = {m.kind for m in self.record.modules if m.kind in MODAL and m.settings.get("p", 1.0)}
        called = {c.name for c in self.tape.calls if c.module and c.name in ("dropout", "batch_norm", "alpha_dropout")}
        return sorted(modules or called)

    @cached_property
    def data_size(self) -> int:
        """Examples the loop could draw from: of its DataLoaders, or of the tensor that its batches are cut from."""
        loaders = (loader.examples for loader in self.record.loaders)
        return max([0, *loaders, *(call.operands[0].shape[0] for _, call in self._cuts())])

    @cached_property
    def rows_read(self) -> tuple[int, tuple[int, int]]:
        """Rows of the tensor that batches are chosen from by indices, and the first and the last of them that were.

        All 0 where that is not seen, and where later looks read further on: a store that is being filled, say.
        """
        found: list[tuple[int, float, float]] = []
        for look, call in self._cuts():
            indices = [o for o in call.operands[1:] if len(o.shape) == 1 and o.shape[0] == call.result.shape[0]]
            for operand in indices[:1]:
                facts = operand.facts if operand.producer is None else look.tape.calls[operand.producer].result
                if facts is not None and facts.dtype == "int64" and facts.minimum >= 0:
                    found.append((call.operands[0].shape[0], facts.minimum, facts.maximum))
        if len(found) < 6:
            return 0, (0, 0)
        last, early = (max(high for _, _, high in some) for some in (found, found[: len(found) // 2]))
        if early < 0.9 * last:
            return 0, (0, 0)
        return max(rows for rows, _, _ in found), (int(min(low for _, low, _ in found)), int(last))

    @cached_property
    def tokens(self) -> bool:
        """Whether the network is given whole numbers by format: words, letters, places in a table."""
        return self.entry is not None and any(not fed.floating for fed in self.entry.inputs)

    @cached_property
    def by_pixel(self) -> bool:
        """Whether every pixel of a picture has a target of its own."""
        target = self.loss.target if self.loss is not None else None
        return target is not None and len(target.shape) >= 3

    @cached_property
    def possible(self) -> int | None:
        """How many different rows of whole numbers there can be, by the range of a batch; None for other inputs."""
        x = self.entry.inputs[0] if self.entry is not None and self.entry.inputs else None
        if x is None or not x.whole or len(x.shape) != 2 or not x.finite or x.shape[1] > 64:
            return None
        rows: int = int(x.maximum - x.minimum + 1) ** x.shape[1]
        return rows

    @cached_property
    def few_examples(self) -> int:
        """Different examples trained on; where they are altered at random, those of the DataLoader they came from."""
        trained = self.record.trained_examples
        loaders = [x.examples for x in self.record.loaders if x.examples and x.drawn * x.batch_size >= 0.9 * trained]
        return min([self.record.distinct_examples, *loaders])

    def _cuts(self) -> Iterator[tuple[Look, Call]]:
        """Calls that take rows out of a tensor for the network's input in training."""
        for look in self.looks:
            for entry in (e for e in look.entries if e.grad and e.training):
                for producer, facts in zip(entry.producers, entry.inputs, strict=True):
                    for call in back(look.tape, Operand(producer, "", (), False)):
                        if call.name in ("getitem", "index_select") and call.operands and facts.shape:
                            source = call.operands[0]
                            if source.facts is not None and len(source.shape) > 0:
                                yield look, call

    @cached_property
    def end(self) -> tuple[Call, ...]:
        """Calls from the loss's prediction back to the last layer."""
        return end_of_network(self.tape, self.loss.prediction) if self.loss is not None else ()

    def is_output(self, call: Call) -> bool:
        """Whether a call, of any look, is one of those between the last layer and the loss."""
        return any((call.module, call.name, call.site) == (own.module, own.name, own.site) for own in self.end)

    @cached_property
    def layers(self) -> list[Call]:
        """Products with weights that gradients flow through, in order of the step."""
        return [call for call in self.tape.calls if call.grad and is_layer(self.tape, call)]

    def facts(self, operand: Operand | None) -> TensorFacts | None:
        """Numbers of an operand: its own, or those of the call that made it."""
        if operand is None:
            return None
        return operand.facts if operand.producer is None else self.tape.calls[operand.producer].result

    def later(self, name: str) -> Iterator[Call]:
        """Calls of one function in the last third of the looks."""
        for look in self.looks[-max(1, len(self.looks) // 3) :]:
            yield from (call for call in look.tape.calls if call.name == name)

    def trained_network(self, parameter: str) -> bool:
        """Whether a parameter belongs to a network that was called with gradients."""
        called = {name for name, _, grad in self.record.entries if grad}
        return self.owner(parameter) in called or any(parameter.startswith(f"{name}.") for name in called)

    def owner(self, inner: str) -> str:
        """The network that a parameter or a module belongs to, by its name."""
        others = (name for name in self.record.networks[1:] if inner == name or inner.startswith(f"{name}."))
        return next(others, self.network)

    @property
    def network(self) -> str:
        """The first network's name."""
        return self.record.networks[0] if self.record.networks else "the network"


def short(site: str) -> str:
    """A site relative to the working folder, where it is below.

    Example:
        >>> short("?:0")
        '?:0'
    """
    path, _, line = site.rpartition(":")
    try:
        return f"{Path(path).relative_to(Path.cwd())}:{line}"
    except ValueError:
        return site
