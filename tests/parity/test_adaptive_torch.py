"""Adagrad, RMSProp, Adam and AdamW against ``torch.optim`` in float64 on quadratics: 200 steps, to 1e-12.

The rates leave the runs on their way: near the solution a method with a small ε steps by the sign of rounding errors.
"""

from typing import Any

import pytest
import torch
from torch import Tensor

from matrices import Drawn, draw, relative
from sightline.linear.adaptive import Adagrad, Adam, AdaptiveMethod, RMSProp, adaptive_iterates
from sightline.linear.weight_decay import decay_of_ridge

STEPS = 200
PROBLEMS = [draw(9, 5, rank=5, condition=30, seed=0), draw(4, 7, rank=3, condition=10, seed=1, outputs=2)]
TORCHS: list[tuple[AdaptiveMethod, type[torch.optim.Optimizer], dict[str, Any]]] = [
    (Adagrad(0.3), torch.optim.Adagrad, {"lr": 0.3}),
    (Adagrad(0.3, epsilon=0.1), torch.optim.Adagrad, {"lr": 0.3, "eps": 0.1}),
    (RMSProp(0.001, 0.25, 1e-2), torch.optim.RMSprop, {"lr": 0.001, "alpha": 0.75, "eps": 1e-2}),
    (RMSProp(0.003, epsilon=0.1), torch.optim.RMSprop, {"lr": 0.003, "eps": 0.1}),
    (Adam(0.01), torch.optim.Adam, {"lr": 0.01}),
    (Adam(0.02, 0.25, 1 / 64, 1e-3), torch.optim.Adam, {"lr": 0.02, "betas": (0.75, 63 / 64), "eps": 1e-3}),
    (Adam(0.01, weight_decay=0.5), torch.optim.AdamW, {"lr": 0.01, "weight_decay": 0.5}),
]


def torchs(drawn: Drawn, start: Tensor, make: type[torch.optim.Optimizer], **options: Any) -> Tensor:
    """torch's iterates on ‖Xw − y‖², the start first."""
    w = start.clone().requires_grad_()
    optimizer, seen = make([w], **options), [start]
    for _ in range(STEPS):
        optimizer.zero_grad()
        (drawn.X @ w - drawn.y).square().sum().backward()
        optimizer.step()
        seen.append(w.detach().clone())
    return torch.stack(seen)


def start_of(drawn: Drawn) -> Tensor:
    generator = torch.Generator().manual_seed(7)
    return torch.randn(drawn.X.shape[1], *drawn.y.shape[1:], generator=generator, dtype=torch.float64)


@pytest.mark.parametrize("drawn", PROBLEMS, ids=["tall", "wide"])
@pytest.mark.parametrize(("method", "make", "options"), TORCHS, ids=lambda value: getattr(value, "__name__", None))
def test_the_trajectories_are_torchs(
    drawn: Drawn, method: AdaptiveMethod, make: type[torch.optim.Optimizer], options: dict[str, Any]
) -> None:
    start = start_of(drawn)
    expected = torchs(drawn, start, make, **options)
    assert relative(adaptive_iterates(drawn.X, drawn.y, method, STEPS, start), expected) < 1e-12
    words = torch.optim.AdamW if make is torch.optim.Adam else make  # without decay they are one
    assert relative(torchs(drawn, start, words, **method.torch_options()), expected) < 1e-12
    assert relative(expected[-1], start) > 0.01


def test_a_ridge_is_half_of_torchs_coupled_decay() -> None:
    drawn, ridge = PROBLEMS[0], 0.2
    start = start_of(drawn)
    expected = torchs(drawn, start, torch.optim.Adam, lr=0.01, weight_decay=decay_of_ridge(ridge))
    assert relative(adaptive_iterates(drawn.X, drawn.y, Adam(0.01), STEPS, start, ridge), expected) < 1e-12
    decoupled = torchs(drawn, start, torch.optim.AdamW, lr=0.01, weight_decay=decay_of_ridge(ridge))
    assert relative(decoupled, expected) > 1e-2


def test_epsilon_stands_outside_the_root() -> None:
    """Erratum 28: under the root, √(s + ε) as in D2 (5), the path is visibly another where ε is not small."""
    drawn, epsilon = PROBLEMS[0], 0.1
    start = start_of(drawn)
    expected = torchs(drawn, start, torch.optim.Adagrad, lr=0.3, eps=epsilon)
    w, s = start, torch.zeros_like(start)
    for _ in range(STEPS):
        g = 2 * drawn.X.mT @ (drawn.X @ w - drawn.y)
        s = s + g.square()
        w = w - 0.3 * g / (s + epsilon).sqrt()
        if _ == 0:
            assert relative(w - start, expected[1] - start) > 0.01
    assert relative(w, expected[-1]) > 1e-4
    right = adaptive_iterates(drawn.X, drawn.y, Adagrad(0.3, epsilon), STEPS, start)
    assert relative(right, expected) < 1e-12
