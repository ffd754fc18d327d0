"""Contextual features against plain loops: mixes of layers, pooling over tokens, hooks on any network."""

import math

import pytest
import torch
from torch import Tensor, nn

from sightline.core.errors import ConfigurationError, InputError
from sightline.understand.hidden_states import (
    MIXES,
    POOLINGS,
    WeightedMix,
    concatenation_of_last,
    mean_of_last,
    mix_layers,
    pool_tokens,
)
from sightline.understand.layer_outputs import layer_outputs


def states(count: int = 6, *, seed: int = 0) -> list[Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(3, 5, 4, generator=generator, dtype=torch.float64) for _ in range(count)]


def slow_mix(h: list[Tensor], name: str) -> list[list[list[float]]]:
    """The same number by number."""

    def one(b: int, n: int) -> list[float]:
        columns = [[float(x) for x in layer[b, n]] for layer in h]
        chosen = {
            "last": columns[-1:],
            "second-to-last": columns[-2:-1],
            "sum": columns[1:],
            "mean": columns[1:],
            "last-four": columns[-4:],
            "last-four-concatenated": columns[-4:],
        }[name]
        if name == "last-four-concatenated":
            return [x for column in chosen for x in column]
        divisor = len(chosen) if name in ("mean", "last-four") else 1
        return [sum(column[d] for column in chosen) / divisor for d in range(h[0].shape[2])]

    return [[one(b, n) for n in range(h[0].shape[1])] for b in range(len(h[0]))]


@pytest.mark.parametrize("name", sorted(MIXES))
def test_mixes_are_what_a_loop_gives(name: str) -> None:
    h = states()
    assert len(MIXES) == 6
    torch.testing.assert_close(mix_layers(h, name), torch.tensor(slow_mix(h, name), dtype=torch.float64))


def test_a_layer_by_its_number() -> None:
    h = states()
    for number in range(-6, 6):
        for told in (number, str(number)):
            assert mix_layers(h, told) is h[number]


def test_the_learned_mix() -> None:
    h = states(3)
    mix = WeightedMix(num_states=3).double()
    torch.testing.assert_close(mix(h), (h[0] + h[1] + h[2]) / 3)
    with torch.no_grad():
        mix.weights.copy_(torch.tensor([0.3, -1.2, 0.8]))
        mix.factor.fill_(1.7)
    powers = [math.exp(w) for w in (0.3, -1.2, 0.8)]
    want = sum(1.7 * p / sum(powers) * layer for p, layer in zip(powers, h, strict=True))
    torch.testing.assert_close(mix(h), want, atol=1e-6, rtol=1e-6)  # the weights were set in float32
    inputs = [layer.requires_grad_() for layer in h]
    assert torch.autograd.gradcheck(lambda *given: mix(given), inputs)
    mix(h).sum().backward()
    assert mix.weights.grad is not None
    assert float(mix.weights.grad.sum()) == pytest.approx(0, abs=1e-6)  # softmax: adding to all weights changes nothing
    with pytest.raises(InputError, match="num_states"):
        mix(h[:2])


@pytest.mark.parametrize("pool", POOLINGS)
def test_pooling_is_what_a_loop_gives(pool: str) -> None:
    assert len(POOLINGS) == 4
    x = states(1)[0]
    present = torch.tensor([[1, 1, 1, 0, 0], [0, 0, 1, 1, 1], [0, 1, 0, 1, 0]]).bool()
    rows = []
    for b in range(3):
        kept = [[float(v) for v in x[b, n]] for n in range(5) if present[b, n]]
        rows.append(
            {
                "first": kept[0],
                "last": kept[-1],
                "mean": [sum(column) / len(kept) for column in zip(*kept, strict=True)],
                "max": [max(column) for column in zip(*kept, strict=True)],
            }[pool]
        )
    want = torch.tensor(rows, dtype=torch.float64)
    torch.testing.assert_close(pool_tokens(x, present, pool=pool), want)
    spoilt = x.masked_fill(~present[..., None], torch.nan)
    torch.testing.assert_close(pool_tokens(spoilt, present, pool=pool), want)
    torch.testing.assert_close(pool_tokens(x, pool=pool), pool_tokens(x, torch.ones_like(present), pool=pool))


class Shared(nn.Module):
    """One block used three times."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding, self.block, self.unused = nn.Embedding(7, 4), nn.Linear(4, 4), nn.Linear(2, 2)
        self.dropout = nn.Dropout(0.5)

    def forward(self, tokens: Tensor, *, factor: float) -> Tensor:
        x = self.dropout(self.embedding(tokens))
        for _ in range(3):
            x = factor * self.block(x)
        pooled: Tensor = x.mean(1)
        return pooled


def test_hooks_give_what_the_layers_gave_and_leave_the_network_alone() -> None:
    torch.manual_seed(0)
    network, tokens = Shared().train(), torch.tensor([[1, 2, 3], [4, 5, 6]])
    found = layer_outputs(network, ["block", "embedding"], tokens, factor=2.0)
    x = network.embedding(tokens)
    want = [x]
    for _ in range(3):
        want.append(network.block(x))
        x = 2.0 * want[-1]
    assert len(found) == 4
    for one, other in zip(found, want, strict=True):
        torch.testing.assert_close(one, other)
    assert network.training
    assert not network.block._forward_hooks


def test_bad_input_is_told(as_a_user_calls: None) -> None:
    h, network = states(3), Shared()
    tokens = torch.tensor([[1, 2]])
    with pytest.raises(ConfigurationError, match="did you mean 'last-four'"):
        mix_layers(h, "last-fuor")
    with pytest.raises(ConfigurationError, match="layer 3"):
        mix_layers(h, 3)
    with pytest.raises(ConfigurationError, match="at least 4 blocks"):
        mix_layers(h, "last-four")
    with pytest.raises(ConfigurationError, match="at least 3 blocks"):
        concatenation_of_last(h, 3)
    with pytest.raises(ConfigurationError, match="at least 1 blocks"):
        mean_of_last(h, 0)
    with pytest.raises(ConfigurationError, match="pool"):
        pool_tokens(h[0], pool="middle")
    with pytest.raises(InputError, match="none in text 1"):
        pool_tokens(h[0], torch.tensor([[True] * 5, [False] * 5, [True] * 5]))
    with pytest.raises(InputError, match="present of shape"):
        pool_tokens(h[0], torch.ones(2, 5).bool())
    with pytest.raises(ConfigurationError, match="blok"):
        layer_outputs(network, ["blok"], tokens, factor=1.0)
    with pytest.raises(InputError, match="not used"):
        layer_outputs(network, ["unused"], tokens, factor=1.0)
    with pytest.raises(InputError, match=r"shape \(1, 4\)"):
        layer_outputs(network, [""], tokens, factor=1.0)
