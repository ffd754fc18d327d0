"""Every instrument on every kind of network: finite, without a trace, and what it can't see told by name."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sightline import understand
from sightline.understand import LossSurface


class Residual(nn.Module):
    """Two residual blocks with group normalisation, functional activations, and a layer used twice."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.norm, self.convolution = nn.Conv1d(1, 4, 3, padding=1), nn.GroupNorm(2, 4), nn.Conv1d(4, 4, 1)
        self.head = nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        """Three logits."""
        x = self.stem(x[:, None])
        for _ in range(2):
            x = x + F.relu_(self.convolution(self.norm(x)))
        y: Tensor = self.head(x.mean(2))
        return y


class Attentive(nn.Module):
    """Tokens through torch's transformer layer, its own attention inside."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Linear(1, 4)
        self.layer = nn.TransformerEncoderLayer(4, 2, 8, dropout=0.1, batch_first=True)
        self.head = nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        """Three logits."""
        y: Tensor = self.head(self.layer(self.embedding(x[..., None])).mean(1))
        return y


class Recurrent(nn.Module):
    """An LSTM, and its last output."""

    def __init__(self) -> None:
        super().__init__()
        self.recurrent, self.head = nn.LSTM(1, 4, batch_first=True), nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        """Three logits."""
        y: Tensor = self.head(self.recurrent(x[..., None])[0][:, -1])
        return y


class Bare(nn.Module):
    """Parameters of its own, shared weights, a frozen layer, and one that is never used."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(6, 6) / 3)
        self.first, self.second, self.frozen = nn.Linear(6, 6), nn.Linear(6, 6), nn.Linear(6, 6)
        self.second.weight = self.first.weight
        self.frozen.requires_grad_(False)
        self.unused, self.head = nn.Linear(6, 6), nn.Linear(6, 3)

    def forward(self, x: Tensor) -> Tensor:
        """Three logits."""
        x = torch.sigmoid(self.second(torch.tanh(self.first(x @ self.weight))))
        y: Tensor = self.head(self.frozen(x))
        return y


NETWORKS: dict[str, tuple[Callable[[], nn.Module], set[str]]] = {
    "chain": (lambda: nn.Sequential(nn.Linear(6, 8), nn.BatchNorm1d(8), nn.GELU(), nn.Linear(8, 3)), set()),
    "residual": (Residual, set()),
    "attention": (Attentive, {"layer.self_attn", "layer.self_attn.out_proj"}),
    "recurrent": (Recurrent, {"recurrent"}),
    "bare": (Bare, {"unused"}),
}
"""Networks for (N, 6), each with the modules that layer statistics can't look into."""


@pytest.mark.parametrize("name", NETWORKS)
def test_instruments_work_on_any_module(name: str) -> None:
    torch.manual_seed(0)
    build, unseen = NETWORKS[name]
    model = build()
    x, y = torch.randn(8, 6), torch.randint(0, 3, (8,))
    state = {n: t.clone() for n, t in model.state_dict().items()}
    chance = torch.random.get_rng_state()

    def loss(batch: Any) -> Tensor:
        return F.cross_entropy(model(batch[0]), batch[1])

    statistics = understand.layer_statistics(model, [(x, y)], loss)
    assert set(statistics.unseen) == unseen
    assert all(row.values.finite and row.gradients is not None for row in statistics.outputs)
    names = {n for n, _ in model.named_parameters(remove_duplicate=False)}
    assert {n for row in statistics.parameters for n in row.names} == names
    noise = understand.gradient_noise(model, [(x[:4], y[:4]), (x[4:], y[4:])], loss, [4, 4])
    assert noise.whole.trace > 0
    surface = LossSurface(model, [(x, y)], loss)
    assert understand.sharpness(surface, max_products=30, tolerance=0.1).largest > 0
    assert understand.hessian_trace(surface, probes=2).standard_error < float("inf")
    kernel = understand.tangent_kernel(model, x, outputs="mean")
    trained = {n for n, p in model.named_parameters() if p.requires_grad}
    assert {*kernel.by_layers, *kernel.by_examples} == trained
    assert float(kernel.spectrum()[-1]) > -1e-4 * float(kernel.spectrum()[0])
    assert understand.weight_singular_values(model).rows
    assert all(len(row.sigma) for row in understand.activation_singular_values(model, x).rows)
    attributions = understand.integrated_gradients(model, x, steps=8)
    assert attributions.gap is not None
    assert float(attributions.gap.max()) < 0.05
    rows = understand.layer_rows(model, x, "head" if hasattr(model, "head") else "3")
    assert understand.principal_view(rows).points.shape == (8, 2)
    assert all(torch.equal(t, state[n]) for n, t in model.state_dict().items())
    assert torch.equal(torch.random.get_rng_state(), chance)
    assert all(p.grad is None for p in model.parameters())
    assert all(module.training for module in model.modules())
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())


@pytest.mark.parametrize("name", NETWORKS)
def test_statistics_and_spectra_in_bfloat16(name: str) -> None:
    torch.manual_seed(0)
    model = NETWORKS[name][0]().bfloat16()
    x, y = torch.randn(8, 6).bfloat16(), torch.randint(0, 3, (8,))
    found = understand.layer_statistics(model, [(x, y)], lambda b: F.cross_entropy(model(b[0]), b[1]))
    assert all(row.values.finite and row.effective_rank > 0 for row in found.outputs)
    assert understand.activation_singular_values(model, x).rows
    before = understand.snapshot(model)
    with torch.no_grad():
        for p in model.parameters():
            p.mul_(1.5)
    ratios = {row.name: row.ratio for row in understand.update_ratio(before, understand.snapshot(model)).rows}
    assert all(ratio == pytest.approx(0.5, rel=0.02) or ratio == 0 for ratio in ratios.values())
    assert len(ratios) == len(list(model.named_parameters()))


def test_all_networks_are_tried() -> None:
    assert len(NETWORKS) == 5
