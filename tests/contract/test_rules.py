"""Every rule on the loop it is written for: a small healthy program, and the same with one fault planted."""

import json
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim import SGD, Adam, Optimizer
from torch.optim.lr_scheduler import ExponentialLR
from torch.utils.data import DataLoader, TensorDataset

from planted import known_causes
from sightline.diagnose import RULES, Finding, Findings, Record, Watch
from sightline.diagnose.changes import checked
from sightline.diagnose.finding import ORDER
from sightline.diagnose.reading import Reading

CODES = frozenset(
    [
        "ACH",
        "BCI",
        "CPP",
        "FRZ",
        "HAE",
        "HBS",
        "HLR",
        "HNE",
        "IDS",
        "IWF",
        "IWS",
        "LAD",
        "LCF",
        "LCH",
        "LCN",
        "LRM",
        "LWC",
        "MWA",
        "NZG",
        "OCH",
        "PMC",
        "RAW",
        "RCD",
        "RCP",
        "RCW",
        "TCL",
        "TRD",
        "VRM",
        "WCI",
        "WDW",
    ]
)
"""Kinds of fault in the literature's terms."""

Data = tuple[Tensor, Tensor]
Loss = Callable[[Tensor, Tensor], Tensor]


class Calls(nn.Module):
    """A function as a layer: ``Calls(torch.softmax, 1)``."""

    def __init__(self, function: Callable[..., Tensor], *arguments: Any) -> None:
        super().__init__()
        self.function, self.arguments = function, arguments

    def forward(self, x: Tensor) -> Tensor:
        """The function of x."""
        return self.function(x, *self.arguments)


# -- data --------------------------------------------------------------------------------------------------------------


def blobs(count: int = 256, classes: int = 3, *, noise: float = 0.4, scale: float = 1.0, shift: float = 0.0) -> Data:
    """Points around places on a circle, and which place."""
    y = torch.arange(count) % classes
    angle = y * (2 * torch.pi / classes)
    x = 1.5 * torch.stack([angle.cos(), angle.sin()], 1) + noise * torch.randn(count, 2)
    return x * scale + shift, y


def amounts(count: int = 256, *, scale: float = 1.0) -> Data:
    """Points and a smooth amount, (count, 1)."""
    x = torch.randn(count, 2)
    return x, scale * (x[:, :1] + (x[:, 1:] * 2).sin())


def relabelled(new: Callable[[Tensor], Tensor], made: Callable[[], Data] = blobs) -> Callable[[], Data]:
    """The same inputs with other targets."""

    def data() -> Data:
        x, y = made()
        return x, new(y)

    return data


def redrawn(new: Callable[[Tensor], Tensor], made: Callable[[], Data] = blobs) -> Callable[[], Data]:
    """Other inputs with the same targets."""

    def data() -> Data:
        x, y = made()
        return new(x), y

    return data


def pictures(*, last: bool = False, scale: float = 1.0) -> Data:
    """Bright upper or lower halves, (count, 3, 10, 10)."""
    y = torch.arange(64) % 2
    x = torch.randn(64, 3, 10, 10) * 0.5
    x[y == 0, :, :5] += 1.0
    x[y == 1, :, 5:] += 1.0
    if scale != 1.0:
        x = ((x + 2) / 5 * scale).clamp(0, 255).round()
    return (x.permute(0, 2, 3, 1).contiguous() if last else x), y


def tokens(*, ahead: int = 1, padding: float = 0.0) -> Data:
    """Counting upwards through 1 to 7, with a jump now and then; and what comes next."""
    steps = torch.where(torch.rand(64, 9) < 0.9, 1, torch.randint(0, 7, (64, 9)))
    walk = steps.cumsum(1) % 7 + 1
    walk[:, round(9 * (1 - padding)) :] = 0
    return walk[:, :8], walk[:, ahead : 8 + ahead]


# -- networks ----------------------------------------------------------------------------------------------------------


def mlp(
    *ends: nn.Module, inside: type[nn.Module] = nn.ReLU, width: int = 16, out: int = 3, depth: int = 2
) -> nn.Sequential:
    """Layers of one width, and a last one; ``ends`` come after."""
    layers: list[nn.Module] = []
    for index in range(depth):
        layers += [nn.Linear(width if index else 2, width), inside()]
    return nn.Sequential(*layers, nn.Linear(width, out), *ends)


def with_dropout(p: float = 0.1) -> nn.Sequential:
    """A network that computes otherwise in training."""
    return nn.Sequential(nn.Linear(2, 32), nn.ReLU(), nn.Dropout(p), nn.Linear(32, 3))


def changed(
    change: Callable[[str, Tensor], object], made: Callable[[], nn.Sequential] = mlp
) -> Callable[[], nn.Sequential]:
    """A network whose parameters start, or are held, otherwise."""

    def network() -> nn.Sequential:
        built = made()
        with torch.no_grad():
            for name, p in built.named_parameters():
                change(name, p)
        return built

    return network


def inner(*layers: nn.Module) -> nn.Sequential:
    """Layers between the two of a small network."""
    return nn.Sequential(nn.Linear(2, 16), nn.ReLU(), *layers, nn.Linear(16, 3))


def convolutions(channels: int = 3, *before: nn.Module) -> nn.Sequential:
    """Of pictures."""
    return nn.Sequential(
        *before, nn.Conv2d(channels, 8, 3), nn.ReLU(), nn.AdaptiveMaxPool2d(2), nn.Flatten(), nn.Linear(32, 2)
    )


def language() -> nn.Sequential:
    """Of tokens."""
    return nn.Sequential(nn.Embedding(8, 16), nn.Linear(16, 32), nn.ReLU(), nn.Linear(32, 8))


# -- loops -------------------------------------------------------------------------------------------------------------


def usual(optimizer: Optimizer, loss: Tensor, _: nn.Module) -> None:
    """Zero, backward, step."""
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()


def never_zeroed(optimizer: Optimizer, loss: Tensor, _: nn.Module) -> None:
    """Without zero_grad."""
    loss.backward()
    optimizer.step()


def zeroed_late(optimizer: Optimizer, loss: Tensor, _: nn.Module) -> None:
    """Gradients cleared before they are used."""
    loss.backward()
    optimizer.zero_grad()
    optimizer.step()


def stepped_early(optimizer: Optimizer, loss: Tensor, _: nn.Module) -> None:
    """The step comes before the backward pass."""
    optimizer.zero_grad()
    optimizer.step()
    loss.backward()


def wrapped(optimizer: Optimizer, loss: Tensor, _: nn.Module) -> None:
    """The loss is taken out of its graph and made a tensor again."""
    optimizer.zero_grad()
    torch.tensor(loss.item(), requires_grad=True).backward()
    optimizer.step()


def with_a_new_adam(_: Optimizer, loss: Tensor, network: nn.Module) -> None:
    """An optimiser for one update."""
    usual(Adam(network.parameters(), lr=0.02), loss, network)


class Kept:
    """Keeps every loss, with its graph."""

    def __init__(self) -> None:
        self.losses: list[Tensor] = []

    def __call__(self, optimizer: Optimizer, loss: Tensor, network: nn.Module) -> None:
        """An update."""
        usual(optimizer, loss, network)
        self.losses.append(loss)


def never_stepped(optimizer: Optimizer, loss: Tensor, _: nn.Module) -> None:
    """Without step."""
    optimizer.zero_grad()
    loss.backward()


def clipped(optimizer: Optimizer, loss: Tensor, network: nn.Module) -> None:
    """To next to nothing."""
    optimizer.zero_grad()
    loss.backward()
    nn.utils.clip_grad_norm_(network.parameters(), 1e-4)
    optimizer.step()


class Running:
    """An update after which the loss is added to a running sum, graph and all."""

    def __init__(self) -> None:
        self.total: Tensor | float = 0.0

    def __call__(self, optimizer: Optimizer, loss: Tensor, network: nn.Module) -> None:
        """One update."""
        usual(optimizer, loss, network)
        self.total = self.total + loss


class Gathered:
    """An update after four backward passes, each of the loss times a factor."""

    def __init__(self, factor: float) -> None:
        self.factor, self.passes = factor, 0

    def __call__(self, optimizer: Optimizer, loss: Tensor, network: nn.Module) -> None:
        """One backward pass, and an update after every fourth."""
        (loss * self.factor).backward()
        self.passes += 1
        if self.passes % 4 == 0:
            optimizer.step()
            optimizer.zero_grad()


class Scheduled:
    """An update after which the rate is halved."""

    def __init__(self) -> None:
        self.scheduler: ExponentialLR | None = None

    def __call__(self, optimizer: Optimizer, loss: Tensor, network: nn.Module) -> None:
        """One update."""
        self.scheduler = self.scheduler or ExponentialLR(optimizer, 0.5)
        usual(optimizer, loss, network)
        self.scheduler.step()


def adam(lr: float = 0.02, **options: Any) -> Callable[[nn.Module], Optimizer]:
    """Of all parameters."""
    return lambda network: Adam(network.parameters(), lr=lr, **options)


def sgd(lr: float = 0.1, **options: Any) -> Callable[[nn.Module], Optimizer]:
    """Of all parameters."""
    return lambda network: SGD(network.parameters(), lr=lr, **options)


def negative(network: nn.Module) -> Optimizer:
    """A rate below 0, which torch takes only afterwards."""
    optimizer = SGD(network.parameters(), lr=0.1)
    optimizer.param_groups[0]["lr"] = -0.1
    return optimizer


def shuffled(x: Tensor, y: Tensor, batch: int) -> Iterator[Data]:
    """Passes in random order, for ever."""
    while True:
        order = torch.randperm(len(x))
        for start in range(0, len(x) - batch + 1, batch):
            chosen = order[start : start + batch]
            yield x[chosen], y[chosen]


def sorted_by_class(x: Tensor, y: Tensor, batch: int) -> Iterator[Data]:
    """Passes in the order of the classes, for ever."""
    order = y.argsort(stable=True)
    while True:
        for start in range(0, len(x) - batch + 1, batch):
            chosen = order[start : start + batch]
            yield x[chosen], y[chosen]


def first_batch(x: Tensor, y: Tensor, batch: int) -> Iterator[Data]:
    """A pass begun anew at every step."""
    loader = DataLoader(TensorDataset(x, y), batch_size=batch)
    while True:
        yield tuple(next(iter(loader)))


@dataclass(frozen=True)
class Program:
    """A loop in parts; the default is healthy."""

    network: Callable[[], nn.Module] = mlp
    optimizer: Callable[[nn.Module], Optimizer] = field(default_factory=adam)
    data: Callable[[], Data] = blobs
    order: Callable[[Tensor, Tensor, int], Iterator[Data]] = shuffled
    loss: Loss = F.cross_entropy
    update: Callable[[], Callable[[Optimizer, Tensor, nn.Module], None]] = lambda: usual
    training: bool = True
    evaluated: Callable[[Data], Data] | None = None
    evaluated_in_training_mode: bool = False
    steps: int = 48
    batch: int = 32

    def watched(self) -> Record:
        """Run under a watch; an error of the loop ends it."""
        return self.seen_by(Watch).record

    def seen_by(self, watch: Callable[[nn.Module, Optimizer], Watch]) -> Watch:
        """Run under a watch of some kind."""
        torch.manual_seed(0)
        network = self.network()
        optimizer, update = self.optimizer(network), self.update()
        x, y = self.data()
        network.train(self.training)
        with suppress(IndexError), watch(network, optimizer) as w:
            for step, (a, b) in zip(range(self.steps), self.order(x, y, self.batch), strict=False):
                update(optimizer, self.loss(network(a), b), network)
                if self.evaluated is not None and step % 8 == 7:
                    network.train(self.evaluated_in_training_mode)
                    with torch.no_grad():
                        c, d = self.evaluated((x, y))
                        self.loss(network(c), d)
                    network.train(self.training)
        return w

    def findings(self) -> Findings:
        """What the rules say of it."""
        return _findings(self.watched())


def _findings(record: Record) -> Findings:
    from sightline.diagnose import findings

    return findings(record)


def unseen(_: Data) -> Data:
    """New examples."""
    return blobs(96)


def half_seen(data: Data) -> Data:
    """Half of them trained on."""
    x, y = blobs(32)
    return torch.cat([data[0][:32], x]), torch.cat([data[1][:32], y])


def by_token(scores: Tensor, target: Tensor) -> Tensor:
    """Cross-entropy over places."""
    return F.cross_entropy(scores.flatten(0, 1), target.flatten())


def squared(y: Tensor, target: Tensor) -> Tensor:
    """Written by hand, as far as shapes go."""
    return ((y - target) ** 2).mean()


def logarithm(scores: Tensor, target: Tensor) -> Tensor:
    """A cross-entropy written by hand without a guard, with scores far apart."""
    return -(F.one_hot(target, 3) * (scores * 1e4).softmax(1).log()).sum(1).mean()


def one_score(scores: Tensor, target: Tensor) -> Tensor:
    """Binary cross-entropy of probabilities."""
    return F.binary_cross_entropy(scores[:, 0], (target == 0).float())


def shares(y: Tensor, target: Tensor) -> Tensor:
    """Categorical cross-entropy of scores made to add up to 1, by hand."""
    p = (y / y.sum(1, keepdim=True)).clamp(1e-7, 1 - 1e-7)
    return -(F.one_hot(target, 3)[:, :1] * p.log()).sum(1).mean()


def by_share(y: Tensor, target: Tensor) -> Tensor:
    """Squares of relative errors, of targets that cross 0."""
    return (((y - target) / target) ** 2).mean()


def transposed(scores: Tensor, target: Tensor) -> Tensor:
    """Classes and places exchanged, then joined as if they were not."""
    return F.cross_entropy(scores.transpose(1, 2).reshape(-1, scores.shape[-1]), target.flatten())


def untold_dropout() -> nn.Sequential:
    """Dropout by a function, on for ever."""
    return nn.Sequential(nn.Linear(2, 32), nn.ReLU(), Calls(F.dropout, 0.1), nn.Linear(32, 3))


def told_dropout() -> nn.Sequential:
    """Dropout by a function that is told the mode."""

    class Told(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            """Dropped in training."""
            return F.dropout(x, 0.1, self.training)

    return nn.Sequential(nn.Linear(2, 32), nn.ReLU(), Told(), nn.Linear(32, 3))


def made_anew() -> nn.Module:
    """The last layer is made in every forward pass."""

    class Anew(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first = nn.Linear(2, 16)

        def forward(self, x: Tensor) -> Tensor:
            """Scores of random weights."""
            scores: Tensor = nn.Linear(16, 3)(self.first(x).relu())
            return scores

    return Anew()


def attention(axis: int) -> nn.Module:
    """A causal language model of one head, whose softmax runs over an axis."""

    class Attention(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embed, self.places, self.out = nn.Embedding(11, 16), nn.Embedding(12, 16), nn.Linear(16, 11)
            self.query, self.key, self.value = nn.Linear(16, 16), nn.Linear(16, 16), nn.Linear(16, 16)

        def forward(self, x: Tensor) -> Tensor:
            """Scores of the next token."""
            h = self.embed(x) + self.places(torch.arange(x.shape[1]))
            scores = self.query(h) @ self.key(h).mT / 4
            hidden = torch.ones(x.shape[1], x.shape[1], dtype=torch.bool).triu(1)
            answer: Tensor = self.out(h + scores.masked_fill(hidden, -1e9).softmax(axis) @ self.value(h))
            return answer

    return Attention()


def residual(normalise: bool) -> nn.Module:
    """Four residual blocks over pictures."""

    class Block(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.second = nn.Conv2d(8, 8, 3, padding=1), nn.Conv2d(8, 8, 3, padding=1)
            self.norm: nn.Module = nn.BatchNorm2d(8) if normalise else nn.Identity()

        def forward(self, x: Tensor) -> Tensor:
            """x and what the branch adds."""
            total: Tensor = x + self.second(self.norm(self.first(x)).relu())
            return total

    blocks = [Block() for _ in range(4)]
    return nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), *blocks, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 2))


def upwards(scores: Tensor, target: Tensor) -> Tensor:
    """The loss with the other sign."""
    return -F.cross_entropy(scores, target)


def many(_: Data) -> Data:
    """New examples."""
    return blobs(240)


def two_of_three() -> Data:
    """The first classes only."""
    x, y = blobs(384)
    return x[y < 2], y[y < 2]


def half_noise() -> Data:
    """Three of four labels are drawn."""
    x, y = blobs(384)
    return x, torch.where(torch.rand(len(y)) < 0.75, torch.randint(3, (len(y),)), y)


def with_the_target(x: Tensor, y: Tensor) -> Tensor:
    """A table with noise, and the target as its last column."""
    return torch.cat([x, torch.randn(len(x), 3), y[:, None] / 2 - 0.5], 1)


def told() -> Data:
    """Overlapping classes that stand in the inputs."""
    x, y = blobs(256, noise=1.6)
    return with_the_target(x, y), y


def of_six() -> nn.Sequential:
    """A network for such a table."""
    return nn.Sequential(nn.Linear(6, 16), nn.ReLU(), nn.Linear(16, 3))


def in_other_units(_: Data) -> Data:
    """New amounts, a thousand times as large."""
    x, y = amounts(160)
    return x, 1000 * y


def squeezed(x: Tensor) -> Tensor:
    """A hard sigmoid by hand, so flat that it hardly leaves its middle."""
    return torch.clamp(0.01 * x + 0.5, 0, 1)


def one_broken(x: Tensor) -> Tensor:
    """One number of one example is none."""
    x = x.clone()
    x[200, -1] = torch.nan
    return x


def mostly_the_first(classes: int) -> Data:
    """Four of five examples are of one class."""
    x, y = blobs(256, classes)
    rare = torch.rand(256) < 0.2
    return x[torch.where(rare, torch.arange(256), 0)] + 0.1 * torch.randn(256, 2), torch.where(rare, y, 0)


def permuted_blobs() -> Data:
    """Classes that belong to other examples."""
    x, y = blobs(128)
    return x, y[torch.randperm(128)]


def overlapping(count: int = 24) -> Data:
    """Two classes that are told apart in three of four cases."""
    return blobs(count, 2, noise=1.6)


CLASSES = Program()
DROPOUT = Program(network=with_dropout, evaluated=unseen)
AMOUNTS = Program(network=partial(mlp, out=1), data=amounts, loss=F.mse_loss, steps=64)
PICTURES = Program(network=convolutions, data=pictures, batch=16, steps=32)
TOKENS = Program(network=language, data=tokens, loss=by_token, batch=16, steps=40, optimizer=adam(0.02))

GATHERED = replace(CLASSES, update=lambda: Gathered(1 / 4), optimizer=sgd(0.5), steps=160)

HEALTHY = {
    "classes": CLASSES,
    "gathered": GATHERED,
    "dropout": DROPOUT,
    "amounts": AMOUNTS,
    "pictures": PICTURES,
    "tokens": TOKENS,
    "validated": replace(CLASSES, evaluated=many),
    "amounts-validated": replace(AMOUNTS, evaluated=lambda _: amounts(160)),
    "residual": replace(PICTURES, network=lambda: residual(True), optimizer=adam(0.01), steps=64),
    "told-dropout": replace(DROPOUT, network=told_dropout),
    "attention": replace(TOKENS, network=lambda: attention(-1)),
}


def _last_only(network: nn.Module) -> Optimizer:
    return Adam(list(network.parameters())[-2:], lr=0.02)


def _of_another(_: nn.Module) -> Optimizer:
    return Adam(mlp().parameters(), lr=0.02)


def _penalised(factor: float) -> Program:
    """The penalty needs the network that the loss is computed of."""
    kept: list[nn.Module] = []

    def network() -> nn.Module:
        kept[:] = [mlp()]
        return kept[0]

    def loss(scores: Tensor, target: Tensor) -> Tensor:
        size = scores.new_zeros(())
        for p in kept[0].parameters():
            size = size + p.abs().sum()
        return F.cross_entropy(scores, target) + factor * size

    return replace(CLASSES, network=network, loss=loss, optimizer=adam(3e-3))


FAULTS: list[tuple[str, Program]] = [
    # the loop
    ("gradients-not-zeroed", replace(CLASSES, update=lambda: never_zeroed)),
    ("zero-grad-misplaced", replace(CLASSES, update=lambda: zeroed_late)),
    ("step-before-backward", replace(CLASSES, update=lambda: stepped_early)),
    ("no-updates", replace(CLASSES, update=lambda: never_stepped)),
    ("graph-accumulated", replace(CLASSES, update=Kept)),
    ("detached", replace(CLASSES, update=lambda: wrapped)),
    ("rate-negative", replace(CLASSES, loss=upwards)),
    ("recreated-parameters", replace(CLASSES, update=lambda: with_a_new_adam)),
    ("dropout-too-strong", replace(CLASSES, network=lambda: mlp(nn.Dropout(0.5)))),
    ("leak", replace(CLASSES, data=told, network=of_six)),
    ("wrong-labels", replace(CLASSES, data=two_of_three, evaluated=many)),
    ("wrong-labels", replace(CLASSES, data=half_noise, evaluated=many, steps=160)),
    ("validation-preprocessed-differently", replace(AMOUNTS, evaluated=in_other_units)),
    ("training-mode-in-evaluation", replace(DROPOUT, network=untold_dropout)),
    ("recreated-parameters", replace(CLASSES, network=made_anew)),
    ("parameters-not-in-optimizer", replace(CLASSES, optimizer=_last_only)),
    ("recreated-parameters", replace(CLASSES, optimizer=_of_another)),
    (
        "frozen-parameters",
        replace(CLASSES, network=changed(lambda name, p: p.requires_grad_(not name.startswith("2.")))),
    ),
    ("detached", replace(CLASSES, network=lambda: inner(Calls(Tensor.detach), nn.Linear(16, 16), nn.ReLU()))),
    ("graph-accumulated", replace(CLASSES, update=Running)),
    ("evaluation-mode-in-training", replace(DROPOUT, training=False)),
    ("training-mode-in-evaluation", replace(DROPOUT, evaluated_in_training_mode=True)),
    ("scheduler-rhythm", replace(CLASSES, update=Scheduled)),
    ("same-batch", replace(CLASSES, order=first_batch)),
    ("not-shuffled", replace(CLASSES, order=sorted_by_class)),
    ("validation-overlaps-training", replace(CLASSES, evaluated=half_seen)),
    ("accumulation-not-averaged", replace(CLASSES, update=lambda: Gathered(1.0), optimizer=sgd(0.01), steps=80)),
    ("accumulation-averaged-twice", replace(CLASSES, update=lambda: Gathered(1 / 16), optimizer=sgd(0.5), steps=80)),
    ("batch-too-large", replace(CLASSES, batch=256, steps=10, optimizer=adam(2e-3))),
    ("stopped-too-early", replace(CLASSES, data=lambda: blobs(2048), batch=64, steps=24, optimizer=adam(1.6e-3))),
    # loss and output
    ("probabilities-into-logits-loss", replace(CLASSES, network=lambda: mlp(nn.Softmax(1)))),
    ("logits-into-probability-loss", replace(CLASSES, loss=F.nll_loss)),
    ("softmax-over-one-unit", replace(CLASSES, network=lambda: mlp(nn.Softmax(1), out=1), loss=one_score)),
    ("softmax-over-one-unit", replace(CLASSES, network=lambda: mlp(nn.Sigmoid(), out=1), loss=shares)),
    ("softmax-wrong-dimension", replace(CLASSES, network=lambda: mlp(nn.Softmax(0)))),
    ("output-cannot-reach-targets", replace(AMOUNTS, network=lambda: mlp(nn.Sigmoid(), out=1))),
    ("broadcast-loss", replace(AMOUNTS, data=relabelled(lambda y: y[:, 0], amounts), loss=squared)),
    ("classification-loss-for-regression", replace(AMOUNTS, loss=F.binary_cross_entropy_with_logits)),
    ("regression-loss-for-classes", replace(AMOUNTS, data=relabelled(lambda y: y[:, None].float()))),
    ("label-range", replace(CLASSES, data=relabelled(lambda y: y + 1))),
    ("ignored-index", replace(CLASSES, loss=partial(F.cross_entropy, ignore_index=0))),
    ("unstable-loss", replace(CLASSES, loss=logarithm)),
    ("unstable-loss", replace(AMOUNTS, loss=by_share)),
    ("missing-normalisation", replace(PICTURES, network=lambda: residual(False), optimizer=adam(3e-4), steps=12)),
    ("shape-scrambled", replace(TOKENS, network=lambda: attention(-1), loss=transposed)),
    ("softmax-wrong-dimension", replace(TOKENS, network=lambda: attention(-2))),
    (
        "classification-loss-for-regression",
        replace(CLASSES, data=relabelled(lambda y: F.one_hot(y, 3) * 4.0 - 2.0)),
    ),
    # data
    ("not-standardised", replace(CLASSES, data=lambda: blobs(scale=100.0, shift=300.0))),
    ("constant-input", replace(CLASSES, data=redrawn(torch.zeros_like))),
    ("nan-in-data", replace(CLASSES, data=redrawn(lambda x: x.masked_fill(x > 2, torch.nan)))),
    ("not-standardised", replace(PICTURES, data=lambda: pictures(scale=255.0))),
    ("constant-targets", replace(CLASSES, data=relabelled(torch.zeros_like))),
    (
        "class-imbalance",
        replace(CLASSES, data=relabelled(lambda y: (torch.arange(len(y)) % 32 == 5).long()), batch=256),
    ),
    ("nan-in-data", replace(CLASSES, data=redrawn(one_broken))),
    ("nan-in-data", replace(AMOUNTS, data=relabelled(one_broken, amounts))),
    ("nan-in-data", replace(AMOUNTS, data=relabelled(lambda y: torch.full_like(y, torch.inf), amounts))),
    ("class-imbalance", replace(CLASSES, data=lambda: mostly_the_first(6), network=partial(mlp, out=6))),
    (
        "wrong-labels",
        replace(
            CLASSES, data=permuted_blobs, network=partial(mlp, width=128), steps=900, batch=16, optimizer=adam(6e-3)
        ),
    ),
    ("wrong-layout", replace(PICTURES, data=lambda: pictures(last=True), network=lambda: convolutions(10))),
    ("leak", replace(TOKENS, data=lambda: tokens(ahead=0))),
    ("padding-as-data", replace(TOKENS, data=lambda: tokens(padding=0.6))),
    ("validation-preprocessed-differently", replace(CLASSES, evaluated=lambda _: blobs(96, scale=5.0, shift=3.0))),
    ("target-scale", replace(AMOUNTS, data=lambda: amounts(scale=1000.0))),
    (
        "wrong-labels",
        Program(
            network=partial(mlp, width=64),
            data=relabelled(lambda y: torch.randint(3, y.shape), lambda: blobs(64)),
            evaluated=lambda _: (blobs(96)[0], torch.randint(3, (96,))),
            steps=96,
        ),
    ),
    # optimiser
    ("rate-too-high", replace(CLASSES, optimizer=sgd(300.0))),
    ("rate-too-low", replace(CLASSES, optimizer=adam(1e-6))),
    ("rate-negative", replace(CLASSES, optimizer=negative)),
    ("momentum-out-of-range", replace(CLASSES, optimizer=sgd(0.1, momentum=0.999))),
    ("epsilon-out-of-range", replace(CLASSES, optimizer=adam(eps=1.0))),
    ("weight-decay-too-strong", replace(CLASSES, optimizer=sgd(0.1, weight_decay=2.0))),
    ("weight-decay-too-strong", _penalised(0.1)),
    ("clipping-always-active", replace(CLASSES, optimizer=sgd(0.1), update=lambda: clipped)),
    ("batch-too-small", replace(CLASSES, network=lambda: inner(nn.BatchNorm1d(16)), batch=2)),
    # network
    (
        "bad-initialisation",
        replace(CLASSES, network=changed(lambda name, p: p.mul_(30) if "weight" in name else p), optimizer=adam(1e-4)),
    ),
    (
        "dead-units",
        replace(CLASSES, network=changed(lambda name, p: p.fill_(-8.0) if name == "0.bias" else p)),
    ),
    ("symmetric-weights", replace(CLASSES, network=changed(lambda _, p: p.fill_(0.1)))),
    (
        "dead-units",
        replace(
            CLASSES,
            data=lambda: blobs(scale=0.3),
            network=changed(lambda name, p: p.fill_(-2.5) if name == "0.bias" else p),
        ),
    ),
    (
        "saturation",
        replace(
            CLASSES,
            data=lambda: blobs(scale=8.0),
            network=changed(lambda name, p: p.mul_(4) if name == "0.weight" else p, partial(mlp, inside=nn.Tanh)),
            optimizer=adam(2e-4),
        ),
    ),
    (
        "vanishing-signal",
        replace(CLASSES, network=lambda: inner(Calls(squeezed)), optimizer=adam(2e-3)),
    ),
    ("vanishing-gradients", replace(CLASSES, network=partial(mlp, inside=nn.Sigmoid, depth=6))),
    ("missing-nonlinearity", replace(CLASSES, network=partial(mlp, inside=nn.Identity))),
    ("missing-normalisation", replace(CLASSES, network=partial(mlp, depth=14), optimizer=sgd(0.01), steps=32)),
    (
        "bottleneck",
        replace(
            CLASSES,
            data=lambda: blobs(classes=8, noise=0.2),
            network=lambda: nn.Sequential(
                nn.Linear(2, 16), nn.ReLU(), nn.Linear(16, 1), nn.Tanh(), nn.Linear(1, 16), nn.ReLU(), nn.Linear(16, 8)
            ),
        ),
    ),
    ("dropout-too-strong", replace(DROPOUT, network=partial(with_dropout, 0.9))),
    (
        "collapsed-outputs",
        replace(CLASSES, network=lambda: nn.Sequential(Calls(torch.mul, 1e-4), *mlp()), optimizer=adam(3e-3)),
    ),
    (
        "overfitting",
        Program(
            network=partial(mlp, width=64, out=2),
            data=overlapping,
            evaluated=lambda _: overlapping(200),
            batch=24,
            steps=96,
            optimizer=adam(0.03),
        ),
    ),
    ("no-progress", replace(CLASSES, data=relabelled(lambda y: torch.randint(3, y.shape), lambda: blobs(2048)))),
]


@pytest.mark.parametrize("name", HEALTHY)
def test_of_a_healthy_loop_nothing_is_said(name: str) -> None:
    record = HEALTHY[name].watched()
    found = _findings(record)
    assert not found.alarms, str(found)
    assert found.trained
    assert Reading(record).learned


@pytest.mark.parametrize(
    ("cause", "program"), [pytest.param(cause, p, id=f"{i}-{cause}") for i, (cause, p) in enumerate(FAULTS)]
)
def test_a_planted_fault_is_named(cause: str, program: Program) -> None:
    found = program.findings()
    assert cause in [finding.cause for finding in found.alarms], str(found)
    for finding in found:
        _check(finding)
    again = Findings.from_dict(json.loads(json.dumps(found.to_dict())))
    assert json.dumps(again.to_dict()) == json.dumps(found.to_dict())  # as text: NaN in a figure is no equal of itself
    assert (again.seen, again.trained, again.verdict, str(again)) == (
        found.seen,
        found.trained,
        found.verdict,
        str(found),
    )


def _check(f: Finding) -> None:
    """Whole: someone who reads it knows what, where, by which numbers, why, and what to change."""
    assert f.severity in ORDER
    assert 0 < f.certainty <= 1
    assert f.title
    assert f.where
    assert f.where != "?:0"
    assert f.why
    assert f.fix
    assert f.lecture
    assert f.evidence
    assert all(f.evidence)
    assert len(f.codes) <= 3
    assert set(f.codes) <= CODES
    assert f.cause not in f.explains
    assert checked(f.change) == f.change


def test_two_players_and_a_discriminator_that_is_always_right() -> None:
    torch.manual_seed(0)
    maker, judge = nn.Sequential(nn.Linear(2, 8), nn.ReLU(), nn.Linear(8, 2)), mlp(out=1)
    makes, judges = Adam(maker.parameters(), lr=1e-6), Adam(judge.parameters(), lr=0.05)
    ones, zeros = torch.ones(32, 1), torch.zeros(32, 1)
    with Watch([maker, judge], [makes, judges]) as w:
        for _ in range(48):
            made = maker(torch.randn(32, 2))
            judges.zero_grad()
            right = F.binary_cross_entropy_with_logits(judge(torch.randn(32, 2) + 6), ones)
            (right + F.binary_cross_entropy_with_logits(judge(made.detach()), zeros)).backward()
            judges.step()
            makes.zero_grad()
            F.binary_cross_entropy_with_logits(judge(made), ones).backward()
            makes.step()
    assert "discriminator-too-strong" in [finding.cause for finding in w.findings().alarms]


def test_a_code_that_says_nothing() -> None:
    torch.manual_seed(0)
    encoder, decoder = nn.Linear(6, 4), nn.Linear(2, 6)
    adams = Adam([*encoder.parameters(), *decoder.parameters()], lr=0.05)
    with Watch([encoder, decoder], adams) as w:
        for _ in range(48):
            x = torch.randn(32, 6)
            mean, logarithm = encoder(x).chunk(2, 1)
            code = mean + torch.randn_like(mean) * (logarithm / 2).exp()
            prior = 0.5 * (mean.square() + logarithm.exp() - 1 - logarithm).sum(1).mean()
            loss = F.mse_loss(decoder(code), x) + 30 * prior
            adams.zero_grad()
            loss.backward()
            adams.step()
    assert "posterior-collapse" in [finding.cause for finding in w.findings().alarms]


def test_pictures_that_are_reshaped_instead_of_transposed() -> None:
    torch.manual_seed(0)
    network = convolutions()
    x, y = pictures(last=True)
    adams = Adam(network.parameters())
    with Watch(network, adams) as w:
        for _ in range(4):
            usual(adams, F.cross_entropy(network(x.reshape(64, 3, 10, 10)), y), network)
    (found,) = [finding for finding in w.findings().alarms if finding.cause == "wrong-layout"]
    assert found.severity == "error"
    assert "test_rules.py" in found.where


def test_every_rule_is_silent_on_an_empty_record() -> None:
    assert len(RULES) >= 50
    for name in RULES:
        assert RULES[name](Reading(Record())) is None, name


def test_the_table_is_wide_and_its_causes_are_known() -> None:
    causes = {cause for cause, _ in FAULTS}
    assert len(causes) >= 45
    assert causes <= known_causes().keys()


def test_an_optimiser_that_goes_forth_and_back_itself_is_healthy() -> None:
    torch.manual_seed(0)
    network, (x, y) = mlp(), blobs()
    lbfgs = torch.optim.LBFGS(network.parameters(), lr=0.5, max_iter=4)

    def closure() -> float:
        lbfgs.zero_grad()
        loss = F.cross_entropy(network(x), y)
        loss.backward()
        return float(loss.detach())

    with Watch(network, lbfgs) as w:
        for _ in range(8):
            lbfgs.step(closure)
    assert w.record.steps == 8
    assert w.record.backwards >= 8
    assert not w.findings().alarms, str(w.findings())


def test_updates_by_hand_are_not_called_missing() -> None:
    torch.manual_seed(0)
    network, (x, y) = mlp(), blobs()
    with Watch(network) as w:
        for _ in range(40):
            network.zero_grad()
            F.cross_entropy(network(x), y).backward()
            with torch.no_grad():
                for p in network.parameters():
                    if p.grad is not None:
                        p.sub_(0.3 * p.grad)
    assert not w.findings().alarms, str(w.findings())
    assert "by hand" in str(w.findings())
    with Watch(network) as w:
        for _ in range(8):
            F.cross_entropy(network(x), y).backward()
    assert [finding.cause for finding in w.findings().alarms] == ["no-updates"]


def test_a_head_of_one_score_beside_another_is_no_bottleneck() -> None:
    torch.manual_seed(0)
    trunk, classes, amount = nn.Sequential(nn.Linear(2, 16), nn.ReLU()), nn.Linear(16, 6), nn.Linear(16, 1)
    adams = Adam([*trunk.parameters(), *classes.parameters(), *amount.parameters()], lr=0.01)
    x, y = blobs(256, 6, noise=0.1)
    with Watch([trunk, classes, amount], adams) as w:
        for _ in range(60):
            h = trunk(x)
            odd = F.binary_cross_entropy_with_logits(amount(h)[:, 0], (y % 2).float())
            usual(adams, F.cross_entropy(classes(h), y) + odd, trunk)
    assert not w.findings().alarms, str(w.findings())


@pytest.mark.filterwarnings("ignore:Using `torch.compile:UserWarning")
@pytest.mark.usefixtures("as_a_user_calls")
def test_a_compiled_network_is_watched_from_outside() -> None:
    torch.manual_seed(0)
    network, (x, y) = mlp(), blobs()
    compiled = torch.compile(network, backend="eager")
    adams = Adam(network.parameters(), lr=0.02)
    with Watch() as w:
        for _ in range(40):
            usual(adams, F.cross_entropy(compiled(x), y), network)
    assert w.record.steps == 40
    assert not w.findings().alarms, str(w.findings())
