"""Sharpness against a dense Hessian, an eigenvalue at a time and preconditioned; the limit against descent itself."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.functional import hessian
from torch.func import functional_call

from sightline.core.errors import ConfigurationError, InputError
from sightline.understand.lanczos import lanczos
from sightline.understand.loss_surface import LossSurface
from sightline.understand.sharpness import sharpness
from sightline.understand.stability_limit import stability_limit


class Tied(nn.Module):
    """One weight used twice, one frozen, a functional activation, dropout and batch normalisation."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.norm, self.frozen = nn.Linear(4, 4), nn.BatchNorm1d(4), nn.Linear(4, 4)
        self.frozen.requires_grad_(False)
        self.head = nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        """Logits."""
        x = F.dropout(torch.tanh(self.norm(self.first(x))), 0.3, self.training)
        logits: Tensor = self.head(torch.tanh(self.frozen(self.first(x))))
        return logits


class Reader(nn.Module):
    """Tokens through a recurrent layer and attention."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding, self.recurrent = nn.Embedding(7, 4), nn.GRU(4, 4, batch_first=True)
        self.attention = nn.TransformerEncoderLayer(4, 2, 6, dropout=0.0, batch_first=True)
        self.head = nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        """Logits."""
        tokens = self.embedding((x[:, :4].abs() * 2).long().clamp(max=6))
        logits: Tensor = self.head(self.attention(self.recurrent(tokens)[0]).mean(1))
        return logits


NETWORKS: dict[str, Callable[[], nn.Module]] = {
    "dense": lambda: nn.Sequential(nn.Linear(4, 6), nn.GELU(), nn.Linear(6, 3)),
    "tied, frozen, normalised": Tied,
    "tokens": Reader,
    "maps": lambda: nn.Sequential(
        nn.Unflatten(1, (1, 4)), nn.Conv1d(1, 3, 3), nn.GroupNorm(1, 3), nn.SiLU(), nn.Flatten(), nn.Linear(6, 3)
    ),
}


def prepared(name: str, num_batches: int = 1) -> tuple[nn.Module, list[Any], Callable[[Any], Tensor]]:
    torch.manual_seed(0)
    model = NETWORKS[name]().double()
    batches = [(torch.randn(n, 4).double(), torch.randint(0, 3, (n,))) for n in (9, 5)[:num_batches]]
    return model, batches, lambda batch: F.cross_entropy(model(batch[0]), batch[1])


def dense(model: nn.Module, batches: list[Any]) -> Tensor:
    """∇² of the mean over all examples, every entry, by functions of the weights: the obvious twin."""
    trained = {n: p.detach() for n, p in model.named_parameters() if p.requires_grad}
    sizes = {n: p.numel() for n, p in trained.items()}
    theta = torch.cat([p.flatten() for p in trained.values()])
    rest = {n: p.detach() for n, p in model.named_parameters() if not p.requires_grad}
    total = torch.zeros(len(theta), len(theta), dtype=theta.dtype)
    count = sum(len(y) for _, y in batches)
    for x, y in batches:

        def loss(theta: Tensor, x: Tensor = x, y: Tensor = y) -> Tensor:
            parts = dict(zip(sizes, theta.split(list(sizes.values())), strict=True))
            weights = {n: part.view_as(trained[n]) for n, part in parts.items()}
            buffers = {n: b.clone() for n, b in model.named_buffers()}
            torch.manual_seed(0)
            with torch.nn.attention.sdpa_kernel(torch.nn.attention.SDPBackend.MATH):
                return F.cross_entropy(functional_call(model, weights | rest | buffers, (x,)), y)

        total += hessian(loss, theta) * len(y) / count
    return total


@pytest.mark.parametrize(("name", "num_batches"), [*((name, 1) for name in NETWORKS), ("dense", 2), ("maps", 2)])
def test_the_largest_eigenvalues_are_those_of_the_dense_hessian(name: str, num_batches: int) -> None:
    model, batches, loss = prepared(name, num_batches)
    model.train(name.startswith("tied"))
    if name == "tokens":
        model.train()  # fused kernels of evaluation have no second derivatives
    surface = LossSurface(model, batches, loss, weights=[len(y) for _, y in batches])
    expected = torch.linalg.eigvalsh(dense(model, batches)).flip(0)
    found = sharpness(surface, k=3, tolerance=1e-9)
    assert found.converged
    torch.testing.assert_close(found.values, expected[:3], rtol=1e-7, atol=1e-9)
    product = surface.product(found.directions[0])
    torch.testing.assert_close(product, found.values[0] * found.directions[0], rtol=0, atol=1e-6)


def test_it_leaves_no_trace() -> None:
    model, batches, loss = prepared("tied, frozen, normalised")
    model.train()
    before, state = {n: t.clone() for n, t in model.state_dict().items()}, torch.random.get_rng_state()
    buffers = dict(model.named_buffers())
    surface = LossSurface(model, batches, loss)
    sharpness(surface, max_products=5)
    assert surface.value() == surface.value()  # the same masks
    assert torch.equal(torch.random.get_rng_state(), state)
    assert all(torch.equal(t, before[n]) for n, t in model.state_dict().items())
    assert all(buffers[n] is b for n, b in model.named_buffers())
    assert all(p.grad is None for p in model.parameters())
    assert model.training


def test_preconditioned_it_is_that_of_the_scaled_hessian() -> None:
    model, batches, loss = prepared("dense")
    surface = LossSurface(model, batches, loss)
    scale = torch.rand(surface.num_parameters).double() + 0.1
    H = dense(model, batches) / (scale.sqrt()[:, None] * scale.sqrt())
    found = sharpness(surface, scale=scale, tolerance=1e-9)
    torch.testing.assert_close(found.values, torch.linalg.eigvalsh(H)[-1:], rtol=1e-7, atol=0)


def test_in_bfloat16_it_has_the_digits_of_that() -> None:
    model, [(x, y)], loss = prepared("dense")
    exact = sharpness(LossSurface(model, [(x, y)], loss)).largest
    model.bfloat16()
    found = sharpness(LossSurface(model, [(x.bfloat16(), y)], loss), tolerance=0.01)
    assert found.largest == pytest.approx(exact, rel=0.05)


def test_a_change_of_the_weights_is_seen_after_forgetting() -> None:
    model, batches, loss = prepared("dense")
    surface = LossSurface(model, batches, loss)
    v = torch.randn(surface.num_parameters).double()
    surface.product(v)
    with torch.no_grad():
        for p in model.parameters():
            p.mul_(1.5)
    surface.forget()
    torch.testing.assert_close(surface.product(v), dense(model, batches) @ v, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("size", [1, 2, 30])
def test_lanczos_bounds_hold(size: int) -> None:
    torch.manual_seed(size)
    A = torch.randn(size, size, dtype=torch.float64)
    A = A + A.T
    exact = torch.linalg.eigvalsh(A)
    k = min(2, size)
    for most in range(k, size + 1):
        found = lanczos(lambda v: A @ v, torch.randn(size).double(), k=k, tolerance=1e-12, max_products=most)
        nearest = (found.values[:, None] - exact).abs().amin(1)
        assert bool((nearest <= found.bounds + 1e-10 * exact.abs().max()).all())
        residual = (found.vectors @ A - found.values[:, None] * found.vectors).norm(dim=1)
        torch.testing.assert_close(residual, found.bounds, rtol=1e-6, atol=1e-9)
    torch.testing.assert_close(found.values, exact.flip(0)[:k], rtol=1e-10, atol=1e-10)


def test_a_matrix_of_low_rank_ends_early() -> None:
    A = torch.diag(torch.tensor([4.0] + [0.0] * 50, dtype=torch.float64))
    found = lanczos(lambda v: A @ v, torch.ones(51).double())
    assert found.converged
    assert found.products <= 3
    assert found.values.item() == pytest.approx(4)


@pytest.mark.parametrize(
    "options",
    [{}, {"momentum": 0.9}, {"momentum": 0.9, "nesterov": True}, {"momentum": 0.9, "averaged": True}],
    ids=repr,
)
def test_descent_on_a_parabola_turns_at_the_limit(options: dict[str, Any]) -> None:
    """torch's own optimisers, a hair below and above."""
    limit = stability_limit(0.1, **options)
    for factor, grows in ((0.99, False), (1.01, True)):
        x = nn.Parameter(torch.ones(1, dtype=torch.float64))
        averaged = options.get("averaged", False)
        keep = {"momentum": options.get("momentum", 0.0), "nesterov": options.get("nesterov", False)}
        optimizer = torch.optim.SGD([x], lr=0.1, dampening=keep["momentum"] if averaged else 0.0, **keep)
        for _ in range(400):
            optimizer.zero_grad()
            (factor * limit * x.square().sum() / 2).backward()
            optimizer.step()
        assert bool(x.abs() > 10) == grows


def test_mistakes_are_told(as_a_user_calls: None) -> None:
    model = nn.Linear(1, 1)
    x = torch.ones(2, 1)
    with pytest.raises(InputError, match="no gradient"):
        LossSurface(model, [x], lambda x: x.mean()).gradient()
    with pytest.raises(InputError, match="one number"):
        LossSurface(model, [x], lambda x: model(x)).value()
    with pytest.raises(InputError, match="at least one batch"):
        LossSurface(model, [], lambda x: model(x).mean())
    with pytest.raises(InputError, match="weights"):
        LossSurface(model, [x], lambda x: model(x).mean(), weights=[1, 2])
    surface = LossSurface(model, [x], lambda x: model(x).square().mean())
    with pytest.raises(InputError, match="above 0"):
        sharpness(surface, scale=torch.zeros(2))
    with pytest.raises(ConfigurationError, match="k from 1 to 2"):
        sharpness(surface, k=3)
    with pytest.raises(InputError, match="infinite"):
        sharpness(LossSurface(model, [x * float("nan")], lambda x: model(x).square().mean()))
    with pytest.raises(ConfigurationError):
        stability_limit(0.0)


def test_a_linear_loss_has_no_curvature() -> None:
    model = nn.Linear(2, 1)
    found = sharpness(LossSurface(model, [torch.ones(3, 2)], lambda x: model(x).mean()))
    assert found.largest == 0
