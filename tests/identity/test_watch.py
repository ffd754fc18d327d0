"""The watched run is the unwatched one, bit for bit, and nothing of the watch is left when it is over."""

import random
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.modules import module as torch_modules
from torch.optim import SGD, Adam, AdamW, Optimizer
from torch.optim import optimizer as torch_optimizers
from torch.optim.lr_scheduler import LambdaLR
from torch.overrides import _get_current_function_mode_stack
from torch.utils.data import DataLoader, Dataset, TensorDataset
from torch.utils.data.dataloader import _BaseDataLoaderIter

from sightline.core.errors import InputError
from sightline.diagnose import LookSchedule, Watch

Around = Callable[[list[nn.Module], list[Optimizer]], AbstractContextManager[Any]]
EVERY_STEP = LookSchedule(first=1_000)


@dataclass
class Ran:
    """What a loop leaves: networks, optimisers, and the numbers it saw."""

    modules: list[nn.Module]
    optimizers: list[Optimizer]
    seen: list[Any] = field(default_factory=list)

    def state(self) -> dict[str, Any]:
        """All of it, and the random states."""
        return {
            "modules": [m.state_dict() for m in self.modules],
            "gradients": [[p.grad for p in m.parameters()] for m in self.modules],
            "optimizers": [o.state_dict() for o in self.optimizers],
            "seen": self.seen,
            "torch": torch.get_rng_state(),
            "python": random.getstate(),
            "attributes": [sorted(vars(m)) for network in self.modules for m in network.modules()]
            + [sorted(vars(o)) for o in self.optimizers],
        }


def identical(a: Any, b: Any) -> bool:
    """The same to the last bit."""
    if isinstance(a, Tensor):
        same = isinstance(b, Tensor) and a.dtype == b.dtype and a.shape == b.shape
        return same and a.detach().numpy().tobytes() == b.detach().numpy().tobytes()
    if isinstance(a, Mapping):
        return list(a) == list(b) and all(identical(a[key], b[key]) for key in a)
    if isinstance(a, (list, tuple)):
        return len(a) == len(b) and all(identical(x, y) for x, y in zip(a, b, strict=True))
    return bool(a == b)


# -- programs ----------------------------------------------------------------------------------------------------------


def dropout_and_momentum(around: Around) -> Ran:
    """An MLP with dropout; noise from torch and from Python."""
    network = nn.Sequential(nn.Linear(5, 16), nn.ReLU(), nn.Dropout(0.3), nn.Linear(16, 3))
    optimizer = SGD(network.parameters(), lr=0.1, momentum=0.9, nesterov=True)
    ran = Ran([network], [optimizer])
    with around(ran.modules, ran.optimizers):
        for _ in range(12):
            x = torch.randn(8, 5) + random.gauss(0, 0.1)
            optimizer.zero_grad()
            loss = F.cross_entropy(network(x), torch.randint(3, (8,)))
            loss.backward()
            optimizer.step()
            ran.seen.append(loss.item())
    return ran


def batch_norm_and_loaders(around: Around) -> Ran:
    """A CNN with batch normalisation, shuffled batches, and an evaluation after each pass."""
    network = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(64, 2))
    optimizer = Adam(network.parameters(), lr=0.01)
    data = TensorDataset(torch.randn(24, 1, 6, 6), torch.arange(24) % 2)
    training, validation = DataLoader(data, batch_size=8, shuffle=True), DataLoader(data, batch_size=12)
    ran = Ran([network], [optimizer])
    with around(ran.modules, ran.optimizers):
        for _ in range(3):
            network.train()
            for x, y in training:
                optimizer.zero_grad()
                loss = F.cross_entropy(network(x), y)
                loss.backward()
                optimizer.step()
                ran.seen.append(loss.item())
            network.eval()
            with torch.no_grad():
                ran.seen += [network(x) for x, _ in validation]
    return ran


class Recurrent(nn.Module):
    """An LSTM and a layer on its last state."""

    def __init__(self) -> None:
        super().__init__()
        self.lstm, self.head = nn.LSTM(3, 6, num_layers=2, dropout=0.2, batch_first=True), nn.Linear(6, 1)

    def forward(self, x: Tensor) -> Tensor:
        """One number a row."""
        y: Tensor = self.head(self.lstm(x)[0][:, -1])
        return y


def recurrent_and_clipped(around: Around) -> Ran:
    """An LSTM whose gradients are clipped."""
    network = Recurrent()
    optimizer = AdamW(network.parameters(), lr=0.02, weight_decay=0.1)
    ran = Ran([network], [optimizer])
    with around(ran.modules, ran.optimizers):
        for _ in range(7):
            x = torch.randn(4, 5, 3)
            loss = F.mse_loss(network(x)[:, 0], x.sum((1, 2)))
            optimizer.zero_grad(set_to_none=False)
            loss.backward()
            ran.seen += [loss.item(), nn.utils.clip_grad_norm_(network.parameters(), 0.5)]
            optimizer.step()
    return ran


def encoder() -> nn.TransformerEncoder:
    """Two of torch's transformer layers."""
    layer = nn.TransformerEncoderLayer(8, 2, 16, dropout=0.1, batch_first=True)
    return nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)


def transformer(around: Around) -> Ran:
    """A transformer in training, then without gradients, where torch has a fast road of its own."""
    network = encoder()
    optimizer = Adam(network.parameters(), lr=0.01)
    ran = Ran([network], [optimizer])
    with around(ran.modules, ran.optimizers):
        for _ in range(5):
            x = torch.randn(3, 4, 8)
            network.train()
            optimizer.zero_grad()
            loss = (network(x) - x.roll(1, 1)).square().mean()
            loss.backward()
            optimizer.step()
            network.eval()
            with torch.no_grad():
                ran.seen += [loss.item(), network(x)]
    return ran


def game(around: Around) -> Ran:
    """Two networks and two optimisers against each other."""
    maker = nn.Sequential(nn.Linear(2, 8), nn.LeakyReLU(), nn.Linear(8, 2))
    judge = nn.Sequential(nn.Linear(2, 8), nn.LeakyReLU(), nn.Linear(8, 1))
    makes, judges = Adam(maker.parameters(), betas=(0.5, 0.9)), SGD(judge.parameters(), lr=0.1)
    ran = Ran([maker, judge], [makes, judges])
    with around(ran.modules, ran.optimizers):
        for _ in range(7):
            made = maker(torch.randn(6, 2))
            judges.zero_grad()
            real = F.binary_cross_entropy_with_logits(judge(torch.randn(6, 2) + 2), torch.ones(6, 1))
            fake = F.binary_cross_entropy_with_logits(judge(made.detach()), torch.zeros(6, 1))
            (real + fake).backward()
            judges.step()
            makes.zero_grad()
            fooled = F.binary_cross_entropy_with_logits(judge(made), torch.ones(6, 1))
            fooled.backward()
            makes.step()
            ran.seen += [real.item(), fake.item(), fooled.item()]
    return ran


def accumulation(around: Around) -> Ran:
    """Gradients of three batches summed before each step, and a rate that changes."""
    network = nn.Sequential(nn.Linear(3, 6), nn.Tanh(), nn.Linear(6, 1))
    optimizer = SGD(network.parameters(), lr=0.1, weight_decay=0.01)
    scheduler = LambdaLR(optimizer, lambda step: 0.9**step)
    ran = Ran([network], [optimizer])
    with around(ran.modules, ran.optimizers):
        for batch in range(21):
            x = torch.randn(4, 3)
            loss = F.mse_loss(network(x), x[:, :1] * x[:, 1:2]) / 3
            loss.backward()
            ran.seen.append(loss.item())
            if batch % 3 == 2:
                optimizer.step()
                scheduler.step()
                optimizer.zero_grad()
                ran.seen += scheduler.get_last_lr()
    return ran


PROGRAMS = (dropout_and_momentum, batch_norm_and_loaders, recurrent_and_clipped, transformer, game, accumulation)


def run(program: Callable[[Around], Ran], around: Around) -> dict[str, Any]:
    """From fixed seeds."""
    torch.manual_seed(3)
    random.seed(4)
    return program(around).state()


def unwatched(_: Sequence[nn.Module], __: Sequence[Optimizer]) -> AbstractContextManager[None]:
    """The loop alone."""
    return nullcontext()


def looked(watch: Watch) -> int:
    """Updates before which a backward pass was on tape."""
    return len({look.step for look in watch.record.looks if look.backwards and look.step < watch.record.steps})


def tracks() -> dict[str, Any]:
    """Everything global that a watch takes hold of."""
    hooks = ("_global_forward_pre_hooks", "_global_forward_hooks", "_global_backward_hooks")
    more = ("_global_forward_hooks_always_called", "_global_forward_hooks_with_kwargs")
    of_steps = ("_global_optimizer_pre_hooks", "_global_optimizer_post_hooks")
    return {
        "modes": list(_get_current_function_mode_stack()),
        "iter": DataLoader.__iter__,
        "next": _BaseDataLoaderIter.__next__,
        "gradients": torch.is_grad_enabled(),
        **{name: dict(getattr(torch_modules, name)) for name in (*hooks, *more)},
        **{name: dict(getattr(torch_optimizers, name)) for name in of_steps},
    }


# -- the run is the same -----------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("as_a_user_calls")  # the tests' checks of types draw from Python's random stream themselves
@pytest.mark.parametrize("program", PROGRAMS, ids=lambda p: p.__name__)
def test_the_watched_run_is_the_unwatched_one_to_the_last_bit(program: Callable[[Around], Ran]) -> None:
    before = tracks()
    alone = run(program, unwatched)
    watches: list[Watch] = []

    def told(networks: list[nn.Module], optimizers: list[Optimizer]) -> Watch:
        watches.append(Watch(networks, optimizers, schedule=EVERY_STEP))
        return watches[-1]

    def found(_: list[nn.Module], __: list[Optimizer]) -> Watch:
        watches.append(Watch())
        return watches[-1]

    for around in (told, found):
        state = run(program, around)
        for part in alone:
            assert identical(alone[part], state[part]), f"{part}, {around.__name__}"
        assert tracks() == before
    for watch in watches:  # it did look
        assert looked(watch) >= 4
        assert watch.record.updates
        assert watch.record.backwards
        assert watch.record.steps == watches[0].record.steps >= 5
        watch.findings()
    assert looked(watches[0]) == watches[0].record.steps >= looked(watches[1])


def test_a_difference_of_one_bit_is_seen() -> None:
    x = torch.tensor([1.0])
    assert identical([x], [x.clone()])
    assert not identical([x], [torch.nextafter(x, x + 1)])
    assert not identical({"a": torch.tensor(0.0)}, {"a": torch.tensor(-0.0)})
    assert not identical([x], [])


def test_torch_takes_its_fast_road_under_the_watch(monkeypatch: pytest.MonkeyPatch) -> None:
    taken = 0
    fast = torch._transformer_encoder_layer_fwd

    def counted(*args: Any, **kwargs: Any) -> Tensor:
        nonlocal taken
        taken += 1
        result: Tensor = fast(*args, **kwargs)
        return result

    monkeypatch.setattr(torch, "_transformer_encoder_layer_fwd", counted)
    network = encoder().eval()
    with torch.no_grad(), Watch(network):
        network(torch.randn(2, 3, 8))
        network(torch.randn(2, 3, 8))
    assert taken == 4  # two layers, twice


# -- nothing is left ---------------------------------------------------------------------------------------------------


class Breaks(nn.Module):
    """Raises in the forward pass, in a layer within."""

    def __init__(self, error: BaseException) -> None:
        super().__init__()
        self.layer, self.error = nn.Linear(2, 2), error
        self.inside = nn.ReLU()
        self.inside.forward = self.fail  # type: ignore[method-assign, assignment]

    def fail(self, x: Tensor) -> Tensor:
        """What a user's mistake, or a key pressed, does."""
        raise self.error

    def forward(self, x: Tensor) -> Tensor:
        """Never comes back."""
        y: Tensor = self.inside(self.layer(x))
        return y


class Missing(Dataset[Tensor]):
    """Has no examples where it says there are some."""

    def __len__(self) -> int:
        return 3

    def __getitem__(self, index: int) -> Tensor:
        raise KeyError(index)


def raised(network: nn.Module, where: str) -> None:
    """A loop that an error ends."""
    optimizer = SGD(network.parameters(), lr=0.1)
    with Watch(network, optimizer):
        if where == "training":
            network(torch.ones(1, 2)).sum().backward()
        if where == "evaluation":
            network.eval()
            with torch.no_grad():
                network(torch.ones(1, 2))
        if where == "loader":
            next(iter(DataLoader(Missing())))
        if where == "step":
            optimizer.step(closure=lambda: dict[str, float]()["loss"])
        raise RuntimeError("the loop's own")


@pytest.mark.parametrize("error", [ValueError("a mistake"), KeyboardInterrupt()], ids=["error", "key"])
@pytest.mark.parametrize("where", ["training", "evaluation"])
def test_nothing_is_left_when_a_forward_pass_raises(where: str, error: BaseException) -> None:
    before = tracks()
    network = Breaks(error)
    attributes = [sorted(vars(m)) for m in network.modules()]
    with pytest.raises(type(error)):
        raised(network, where)
    assert tracks() == before
    assert [sorted(vars(m)) for m in network.modules()] == attributes
    assert not any(m._forward_hooks or m._forward_pre_hooks or m._backward_hooks for m in network.modules())


@pytest.mark.parametrize(("where", "error"), [("loader", KeyError), ("step", KeyError), ("loop", RuntimeError)])
def test_nothing_is_left_when_the_loop_raises(where: str, error: type[Exception]) -> None:
    before = tracks()
    with pytest.raises(error):
        raised(nn.Linear(2, 1), where)
    assert tracks() == before


def test_an_error_that_the_loop_catches_does_not_blind_the_watch() -> None:
    network = nn.Linear(2, 1)
    optimizer = SGD(network.parameters(), lr=0.1)
    with Watch(network, optimizer, schedule=EVERY_STEP) as w:
        with pytest.raises(RuntimeError):
            network(torch.ones(1, 5))
        for _ in range(3):
            optimizer.zero_grad()
            network(torch.ones(4, 2)).square().mean().backward()
            optimizer.step()
    assert w.record.steps == w.record.backwards == 3
    assert looked(w) == 3


def test_the_error_is_told_in_the_record_and_passed_on() -> None:
    watch = Watch()
    with pytest.raises(ZeroDivisionError), watch:
        _ = 1 / 0
    assert watch.record.stopped == "ZeroDivisionError: division by zero"
    watch = Watch()
    with pytest.raises(KeyboardInterrupt), watch:
        raise KeyboardInterrupt
    assert watch.record.stopped == ""


def test_watches_within_each_other_both_see() -> None:
    before = tracks()
    network = nn.Linear(2, 1)
    optimizer = SGD(network.parameters(), lr=0.1)
    with Watch(network, optimizer) as outer, Watch(network, optimizer) as inner:
        for _ in range(3):
            optimizer.zero_grad()
            network(torch.ones(4, 2)).square().mean().backward()
            optimizer.step()
    assert outer.record.steps == inner.record.steps == 3
    assert outer.record.backwards == inner.record.backwards == 3
    assert outer.record.loss.values == inner.record.loss.values
    assert tracks() == before


@pytest.mark.usefixtures("as_a_user_calls")
@pytest.mark.parametrize("wrong", [3, "model", [nn.Linear(1, 1), 3], torch.ones(2)], ids=str)
def test_what_is_no_network_or_no_optimiser_is_told(wrong: Any) -> None:
    with pytest.raises(InputError, match=r"torch\.nn\.Module"):
        Watch(wrong)
    with pytest.raises(InputError, match="optimiser"):
        Watch(nn.Linear(1, 1), wrong)
