"""What every layer gives, against the same numbers taken by hand from its outputs; what can't be seen is named."""

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sightline.core.errors import ConfigurationError, InputError
from sightline.understand.layer_statistics import LayerStatistics, layer_statistics
from sightline.understand.moments import moments
from sightline.understand.output_statistics import OutputStatistics


class Small(nn.Module):
    """A convolution, functional activations, a layer used twice, one not called and one frozen."""

    def __init__(self) -> None:
        super().__init__()
        self.convolution, self.norm = nn.Conv1d(2, 3, 3, padding=1), nn.GroupNorm(1, 3)
        self.shared, self.bare, self.frozen = nn.Linear(12, 12), nn.Linear(12, 12), nn.Linear(12, 12)
        self.frozen.requires_grad_(False)
        self.head = nn.Linear(12, 5)

    def forward(self, x: Tensor) -> Tensor:
        """Five numbers."""
        x = F.relu_(self.norm(self.convolution(x))).flatten(1)
        x = torch.tanh(9 * self.shared(self.shared(x)))
        x = F.linear(x, self.bare.weight, self.bare.bias)
        y: Tensor = self.head(self.frozen(x).sigmoid())
        return y


def prepared() -> tuple[Small, list[Tensor]]:
    torch.manual_seed(0)
    model = Small()
    with torch.no_grad():
        model.norm.bias[1] = -9.0  # one dead channel
    return model, [torch.randn(6, 2, 4), torch.randn(4, 2, 4) + 1]


def rows(found: LayerStatistics) -> dict[tuple[str, int], OutputStatistics]:
    return {(row.name, row.use): row for row in found.outputs}


def test_it_is_what_the_outputs_say() -> None:
    model, batches = prepared()
    x = torch.cat(batches)

    found = rows(layer_statistics(model, batches, lambda x: model(x).square().mean()))
    assert list(found) == [
        ("convolution", 0),
        ("norm", 0),
        ("relu", 0),
        ("shared", 0),
        ("shared", 1),
        ("tanh", 0),
        ("frozen", 0),
        ("sigmoid", 0),
        ("head", 0),
    ]
    norm = model.norm(model.convolution(x)).detach()
    assert found["norm", 0].values.mean == pytest.approx(float(norm.mean()), abs=1e-6)
    assert found["norm", 0].values.deviation == pytest.approx(float(norm.std(correction=0)), rel=1e-6)
    assert found["norm", 0].values.largest == pytest.approx(float(norm.abs().max()))
    first = norm.relu()
    assert found["relu", 0].dead == pytest.approx(1 / 3)
    units = first.movedim(1, -1).reshape(-1, 3).double()
    sigma = torch.linalg.svdvals(units - units.mean(0))
    p = sigma[sigma > 1e-12] / sigma.sum()
    assert found["relu", 0].effective_rank == pytest.approx(float((-p * p.log()).sum().exp()), rel=1e-5)
    once = model.shared(first.flatten(1)).detach()
    twice = model.shared(once).detach()
    assert found["shared", 0].values.mean == pytest.approx(float(once.mean()), abs=1e-6)
    assert found["shared", 1].values.mean == pytest.approx(float(twice.mean()), abs=1e-6)
    tanh = torch.tanh(9 * twice)
    assert found["tanh", 0].saturated == pytest.approx(float((1 - tanh**2 < 0.05).double().mean()), abs=1e-6)
    assert 0 < (found["tanh", 0].saturated or 0) < 1
    assert found["relu", 0].saturated is None
    cosine = F.cosine_similarity(tanh[:, None], tanh[None], dim=-1)
    between = float((cosine.sum() - len(x)) / (len(x) * (len(x) - 1)))
    assert found["tanh", 0].cosine == pytest.approx(between, abs=1e-5)


def test_gradients_are_autograds() -> None:
    model, batches = prepared()
    found = layer_statistics(model, batches[:1], lambda x: model(x).square().mean())
    kept: list[Tensor] = []
    handle = model.norm.register_forward_hook(lambda m, i, o: (o.register_hook(kept.append), None)[1])
    model(batches[0]).square().mean().backward()
    handle.remove()
    by_name = rows(found)
    expected = moments(kept[0])
    assert by_name["norm", 0].gradients is not None  # of the values before they were changed in place
    assert by_name["norm", 0].gradients.deviation == pytest.approx(expected.deviation, rel=1e-5)
    assert by_name["norm", 0].gradients.n == 6 * 3 * 4
    of = {one.names: one for one in found.parameters}
    for name, p in model.named_parameters():
        if p.grad is None:
            assert of[name,].gradients is None
            assert not of[name,].trained
        else:
            gradient = of[name,].gradients
            assert gradient is not None
            assert gradient.root_mean_square == pytest.approx(float(p.grad.square().mean().sqrt()), rel=1e-5)


def test_batches_join_to_one() -> None:
    model, batches = prepared()
    apart, joined = rows(layer_statistics(model, batches)), rows(layer_statistics(model, [torch.cat(batches)]))
    for key, row in joined.items():
        assert apart[key].values.mean == pytest.approx(row.values.mean, abs=1e-6)
        assert apart[key].values.deviation == pytest.approx(row.values.deviation, rel=1e-6)
        assert apart[key].cosine == pytest.approx(row.cosine, abs=1e-6)
        assert apart[key].effective_rank == pytest.approx(row.effective_rank, rel=1e-5)
        assert apart[key].dead == row.dead
        assert row.gradients is None


def test_texts_of_several_lengths() -> None:
    model = nn.Sequential(nn.Linear(3, 4), nn.Softmax(dim=1))  # over tokens: as many numbers as the text is long
    one, two = torch.randn(4, 5, 3), torch.randn(2, 7, 3)
    both, first = layer_statistics(model, [one, two]), layer_statistics(model, [one])
    for row, alone in zip(both.outputs, first.outputs, strict=True):
        assert row.values.n == 4 * 5 * 4 + 2 * 7 * 4
        assert row.shape == alone.shape
        assert (row.cosine, row.effective_rank) == (alone.cosine, alone.effective_rank)


def test_what_it_can_not_see_is_named() -> None:
    model, batches = prepared()
    assert list(layer_statistics(model, batches).unseen) == ["bare"]
    reader = nn.ModuleDict({"recurrent": nn.LSTM(4, 4), "attention": nn.MultiheadAttention(4, 2)})

    class Reader(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.parts = reader

        def forward(self, x: Tensor) -> Tensor:
            x = self.parts["recurrent"](x)[0]
            y: Tensor = self.parts["attention"](x, x, x)[0]
            return y

    unseen = layer_statistics(Reader(), [torch.randn(3, 5, 4)]).unseen
    assert list(unseen) == ["parts.recurrent", "parts.attention", "parts.attention.out_proj"]


def test_collapse_and_illness_show() -> None:
    model = nn.Sequential(nn.Linear(3, 8), nn.Softmax(dim=-1))
    with torch.no_grad():
        model.get_parameter("0.weight").mul_(0)
        model.get_parameter("0.bias").copy_(torch.arange(8.0) * 20)
    linear, softmax = layer_statistics(model, [torch.randn(30, 3)]).outputs
    assert linear.cosine == pytest.approx(1)
    assert linear.effective_rank == 0
    assert softmax.saturated == 1
    with torch.no_grad():
        model.get_parameter("0.bias").zero_()
    assert layer_statistics(model, [torch.randn(30, 3)]).outputs[1].saturated == 0  # even: small p, yet not flat
    sick = torch.randn(30, 3)
    sick[0, 0], sick[1] = float("nan"), float("inf")
    model = nn.Sequential(nn.Linear(3, 1, bias=False))
    with torch.no_grad():
        model.get_parameter("0.weight").fill_(1)
    (row,) = layer_statistics(model, [sick]).outputs
    assert (row.values.nans, row.values.infinities) == (1, 1)
    assert row.values.mean != row.values.mean
    assert row.effective_rank != row.effective_rank
    assert row.cosine != row.cosine


def test_the_network_is_as_before() -> None:
    model, batches = prepared()
    model.frozen.eval()
    state = {n: t.clone() for n, t in model.state_dict().items()}
    layer_statistics(model, batches, lambda x: model(x).square().mean())
    assert all(torch.equal(t, state[n]) for n, t in model.state_dict().items())
    assert all(p.grad is None for p in model.parameters())
    assert not model.frozen.training
    assert model.head.training
    assert not model.head._forward_hooks


@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16])
def test_halved_formats(kind: Any) -> None:
    model, batches = prepared()
    exact = rows(layer_statistics(model, batches))
    found = rows(layer_statistics(model.to(kind), [x.to(kind) for x in batches]))
    for key, row in exact.items():
        assert found[key].values.deviation == pytest.approx(row.values.deviation, rel=0.03)


def test_mistakes_are_told(as_a_user_calls: None) -> None:
    model, batches = prepared()
    with pytest.raises(InputError, match="at least one batch"):
        layer_statistics(model, [])
    with pytest.raises(InputError, match="one number"):
        layer_statistics(model, batches, model)
    with pytest.raises(ConfigurationError, match="2 rows"):
        layer_statistics(model, batches, max_rows=1)
