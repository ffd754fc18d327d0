"""Optimisers: whole trajectories against update formulas written out by hand, and against torch's plain loops."""

import io
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from sightline.core.checkpoint import pack, unpack
from sightline.core.config import build, resolve
from sightline.core.errors import ConfigurationError
from sightline.optim import OPTIMIZERS, SGD, Adagrad, Adam, AdamW, Optimizer, RMSProp, add_l1_gradient, set_lr

STEPS = 12
Rule = Callable[[Tensor, Tensor, dict[str, Tensor], int], Tensor]


class Quartic(nn.Module):
    """A weight and a bias with a curved loss, so that every step meets another gradient."""

    def __init__(self, dtype: torch.dtype = torch.float64) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(0)
        self.weight = nn.Parameter(torch.randn(3, 4, generator=generator, dtype=dtype))
        self.bias = nn.Parameter(torch.randn(3, generator=generator, dtype=dtype))

    def forward(self) -> Tensor:
        return (self.weight**4).sum() / 4 + (self.weight @ self.weight.T).sin().sum() + self.bias.cosh().sum()


def trajectory(spec: Optimizer, steps: int = STEPS) -> list[list[Tensor]]:
    model = Quartic()
    optimizer = spec.build(model)
    seen = []
    for _ in range(steps):
        optimizer.zero_grad()
        model().backward()
        add_l1_gradient(optimizer, spec.l1)
        optimizer.step()
        seen.append([p.detach().clone() for p in model.parameters()])
    return seen


def by_hand(rule: Rule, steps: int = STEPS, *, l2: float = 0.0, l1: float = 0.0) -> list[list[Tensor]]:
    """The same run with a rule (w, g, memory, k) → new w; L2 and L1 join the weight's gradient."""
    model = Quartic()
    memories: list[dict[str, Tensor]] = [{}, {}]
    seen = []
    for k in range(1, steps + 1):
        weight_grad, bias_grad = torch.autograd.grad(model(), list(model.parameters()))
        weight_grad = weight_grad + l2 * model.weight.detach() + l1 * model.weight.detach().sign()
        with torch.no_grad():
            model.weight.copy_(rule(model.weight, weight_grad, memories[0], k))
            model.bias.copy_(rule(model.bias, bias_grad, memories[1], k))
        seen.append([p.detach().clone() for p in model.parameters()])
    return seen


def plain(w: Tensor, g: Tensor, memory: dict[str, Tensor], k: int) -> Tensor:
    return w - 0.02 * g


def momentum(w: Tensor, g: Tensor, memory: dict[str, Tensor], k: int) -> Tensor:
    memory["v"] = 0.9 * memory.get("v", torch.zeros_like(g)) + g
    return w - 0.02 * memory["v"]


def nesterov(w: Tensor, g: Tensor, memory: dict[str, Tensor], k: int) -> Tensor:
    memory["v"] = 0.9 * memory.get("v", torch.zeros_like(g)) + g
    return w - 0.02 * (g + 0.9 * memory["v"])


def adagrad(w: Tensor, g: Tensor, memory: dict[str, Tensor], k: int) -> Tensor:
    memory["s"] = memory.get("s", torch.zeros_like(g)) + g**2
    return w - 0.1 * g / (memory["s"].sqrt() + 1e-2)


def rmsprop(w: Tensor, g: Tensor, memory: dict[str, Tensor], k: int) -> Tensor:
    memory["s"] = 0.9 * memory.get("s", torch.zeros_like(g)) + 0.1 * g**2
    return w - 0.01 * g / (memory["s"].sqrt() + 1e-2)


def adam(w: Tensor, g: Tensor, memory: dict[str, Tensor], k: int) -> Tensor:
    memory["m"] = 0.8 * memory.get("m", torch.zeros_like(g)) + 0.2 * g
    memory["v"] = 0.95 * memory.get("v", torch.zeros_like(g)) + 0.05 * g**2
    corrected_m, corrected_v = memory["m"] / (1 - 0.8**k), memory["v"] / (1 - 0.95**k)
    return w - 0.05 * corrected_m / (corrected_v.sqrt() + 1e-2)


def adamw(w: Tensor, g: Tensor, memory: dict[str, Tensor], k: int) -> Tensor:
    # only the weight, which has two axes, decays
    decayed = w * (1 - 0.05 * 0.3) if w.ndim == 2 else w
    return decayed + (adam(w, g, memory, k) - w)


ADAM: dict[str, Any] = {"lr": 0.05, "beta1": 0.8, "beta2": 0.95, "eps": 1e-2}
CASES: list[tuple[Optimizer, Rule, float, float]] = [
    (SGD(lr=0.02), plain, 0.0, 0.0),
    (SGD(lr=0.02, weight_decay=0.3), plain, 0.3, 0.0),
    (SGD(lr=0.02, l1=0.2, weight_decay=0.3), plain, 0.3, 0.2),
    (SGD(lr=0.02, momentum=0.9), momentum, 0.0, 0.0),
    (SGD(lr=0.02, momentum=0.9, nesterov=True, weight_decay=0.1), nesterov, 0.1, 0.0),
    (Adagrad(lr=0.1, eps=1e-2, weight_decay=0.1), adagrad, 0.1, 0.0),
    (RMSProp(lr=0.01, beta=0.9, eps=1e-2, l1=0.1), rmsprop, 0.0, 0.1),
    (Adam(**ADAM, weight_decay=0.3), adam, 0.3, 0.0),
    (AdamW(**ADAM, weight_decay=0.3), adamw, 0.0, 0.0),
]


def test_the_cases_cover_the_registry() -> None:
    assert list(OPTIMIZERS) == ["adagrad", "adam", "adamw", "rmsprop", "sgd"]
    assert {type(spec) for spec, *_ in CASES} == {
        type(build(resolve(n, OPTIMIZERS, ""), OPTIMIZERS)) for n in OPTIMIZERS
    }


@pytest.mark.parametrize(("spec", "rule", "l2", "l1"), CASES, ids=[str(spec) for spec, *_ in CASES])
def test_follows_its_formula(spec: Optimizer, rule: Rule, l2: float, l1: float) -> None:
    found, expected = trajectory(spec), by_hand(rule, l2=l2, l1=l1)
    assert len(found) == len(expected) == STEPS
    assert not torch.equal(found[0][0], found[-1][0])
    for ours, theirs in zip(found, expected, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-11)


TORCH: list[tuple[Optimizer, Callable[[Any], torch.optim.Optimizer]]] = [
    (SGD(lr=0.02, momentum=0.9), lambda p: torch.optim.SGD(p, 0.02, 0.9, foreach=False)),
    (Adagrad(), lambda p: torch.optim.Adagrad(p, 0.01, foreach=False)),
    (RMSProp(), lambda p: torch.optim.RMSprop(p, 0.001, foreach=False)),
    (Adam(), lambda p: torch.optim.Adam(p, 0.001, foreach=False)),
    (AdamW(weight_decay=0.0), lambda p: torch.optim.AdamW(p, 0.001, weight_decay=0, foreach=False)),
]


@pytest.mark.parametrize(("spec", "reference"), TORCH, ids=[type(spec).__name__ for spec, _ in TORCH])
def test_defaults_are_torchs(spec: Optimizer, reference: Callable[[Any], torch.optim.Optimizer]) -> None:
    model = Quartic()
    optimizer = reference(model.parameters())
    for expected in trajectory(spec):
        optimizer.zero_grad()
        model().backward()
        optimizer.step()
        torch.testing.assert_close(expected, [p.detach() for p in model.parameters()], rtol=1e-10, atol=1e-12)


def test_decoupled_decay_is_plain_decay_for_sgd_only() -> None:
    """w ← w − α∂E/∂w − αλw: the rate multiplies both terms."""
    model = Quartic()
    gradient = torch.autograd.grad(model(), model.weight)[0]
    expected = model.weight.detach() - 0.02 * gradient - 0.02 * 0.3 * model.weight.detach()
    torch.testing.assert_close(trajectory(SGD(lr=0.02, weight_decay=0.3), 1)[0][0], expected)
    coupled, decoupled = (trajectory(kind(weight_decay=0.3), 1)[0][0] for kind in (Adam, AdamW))
    assert (coupled - decoupled).abs().max() > 1e-5


@pytest.mark.parametrize("name", sorted(OPTIMIZERS))
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_a_resumed_run_is_the_same_to_the_last_bit(name: str, layout: torch.memory_format) -> None:
    """Also where a checkpoint has lost the memory layout of the moments."""
    options = {"momentum": 0.9} if name == "sgd" else {}
    spec: Optimizer = build(resolve({"name": name, **options}, OPTIMIZERS, ""), OPTIMIZERS)

    def network() -> nn.Module:
        torch.manual_seed(0)
        model = nn.Sequential(nn.Conv2d(3, 5, 3), nn.BatchNorm2d(5), nn.ReLU(), nn.Conv2d(5, 7, 3), nn.Flatten())
        return model.to(memory_format=layout)  # type: ignore[call-overload, no-any-return]

    def train(model: nn.Module, optimizer: torch.optim.Optimizer, steps: range) -> None:
        for step in steps:
            x = torch.randn(4, 3, 6, 6, generator=torch.Generator().manual_seed(step))
            set_lr(optimizer, 1 / (1 + step))
            optimizer.zero_grad()
            model(x.contiguous(memory_format=layout)).square().mean().backward()
            optimizer.step()

    whole = network()
    train(whole, spec.build(whole), range(7))

    first = network()
    optimizer = spec.build(first)
    train(first, optimizer, range(4))
    weights, state = pack(first.state_dict()), pack(optimizer.state_dict())

    second = network()
    resumed = spec.build(second)
    second.load_state_dict(unpack(*weights))
    resumed.load_state_dict(unpack(*state))
    train(second, resumed, range(4, 7))
    compared = whole.state_dict()
    assert len(compared) == 9
    assert all(torch.equal(second.state_dict()[key], value) for key, value in compared.items())


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64])
@pytest.mark.parametrize("name", sorted(OPTIMIZERS))
def test_every_dtype_moves(name: str, dtype: torch.dtype) -> None:
    model = nn.Linear(3, 2).to(dtype)
    before = model.weight.detach().clone()
    spec: Optimizer = build(resolve({"name": name, "lr": 0.5}, OPTIMIZERS, ""), OPTIMIZERS)
    optimizer = spec.build(model)
    model(torch.ones(1, 3, dtype=dtype)).sum().backward()
    optimizer.step()
    assert model.weight.dtype == dtype
    assert not torch.equal(model.weight, before)
    torch.save(optimizer.state_dict(), io.BytesIO())


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        (SGD, {"nesterov": True}),
        (SGD, {"lr": 0.0}),
        (SGD, {"lr": float("nan")}),
        (SGD, {"momentum": 1.0}),
        (Adam, {"beta2": 1.0}),
        (AdamW, {"weight_decay": -1.0}),
        (RMSProp, {"l1": -0.1}),
        (Adagrad, {"eps": 0.0}),
    ],
)
def test_options_out_of_range_are_refused(kind: Callable[..., Optimizer], options: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError) as caught:
        kind(**options)
    assert next(iter(options)) in str(caught.value)
