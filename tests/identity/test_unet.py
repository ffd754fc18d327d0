"""U-Net and its parts: against their formulas, at any size, and told the time and the class."""

import math
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sightline.core.errors import ConfigurationError, InputError
from sightline.models.unet import UNet
from sightline.nn.conditioned_block import ConditionedBlock
from sightline.nn.group_norm import group_norm
from sightline.nn.map_attention import MapAttention
from sightline.nn.time_embedding import TimeEmbedding


def shaken(network: nn.Module) -> Any:
    """The network with all weights away from their first values."""
    torch.manual_seed(0)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.2 * torch.randn_like(parameter))
    return network.double().eval()


def small(**options: Any) -> UNet:
    given = {"in_channels": 1, "widths": [4, 8], "attention": [False, True], "num_groups": 2, "num_blocks": 1}
    return shaken(UNet(**{**given, **options}))  # type: ignore[no-any-return]


def images(*shape: int) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


def test_time_embedding_is_its_formula() -> None:
    layer = shaken(TimeEmbedding(width=6, num_outputs=5, base=100.0))
    for t in (0, 1, 7.5, 1000):
        clock = []
        for i in range(3):
            clock += [math.sin(t * 100 ** (-i / 3)), math.cos(t * 100 ** (-i / 3))]
        hidden = layer.first.weight @ torch.tensor(clock, dtype=torch.float64) + layer.first.bias
        wanted = layer.second.weight @ (hidden * hidden.sigmoid()) + layer.second.bias
        torch.testing.assert_close(layer(torch.tensor([t]))[0], wanted, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("num_outputs", [4, 6])
def test_conditioned_block_is_its_formula(num_outputs: int) -> None:
    block = shaken(ConditionedBlock(num_inputs=4, num_outputs=num_outputs, condition_width=3, num_groups=2))
    x, c = images(3, 4, 5, 6), images(3, 3)

    def convolved(conv: Any, maps: Tensor) -> Tensor:
        return F.conv2d(maps, conv.weight, conv.bias, padding=conv.weight.shape[2] // 2)

    h = group_norm(x, 2, block.norm1.weight, block.norm1.bias)
    h = convolved(block.conv1, h * h.sigmoid())
    h = h + (c @ block.condition.weight.T + block.condition.bias).reshape(3, num_outputs, 1, 1)
    h = group_norm(h, 2, block.norm2.weight, block.norm2.bias)
    h = convolved(block.conv2, h * h.sigmoid())
    wanted = h + (x if num_outputs == 4 else convolved(block.shortcut, x))
    torch.testing.assert_close(block(x, c), wanted, rtol=1e-10, atol=1e-10)


def test_attention_between_positions_is_a_loop_over_them() -> None:
    layer = shaken(MapAttention(num_channels=4, head_width=2, num_groups=2))
    x = images(2, 4, 2, 3)
    normed = group_norm(x, 2, layer.norm.weight, layer.norm.bias)
    packed = torch.einsum("oc,nchw->nohw", layer.attention.query_key_value.weight, normed)
    packed = packed + layer.attention.query_key_value.bias.reshape(1, -1, 1, 1)
    query, key, value = packed.split(4, 1)
    gathered = torch.zeros_like(x)
    places = [(i, j) for i in range(2) for j in range(3)]
    for n in range(2):
        for head in (slice(0, 2), slice(2, 4)):
            for i, j in places:
                scores = torch.stack([query[n, head, i, j] @ key[n, head, k, m] / math.sqrt(2) for k, m in places])
                seen = torch.stack([value[n, head, k, m] for k, m in places])
                gathered[n, head, i, j] = scores.softmax(0) @ seen
    out = torch.einsum("oc,nchw->nohw", layer.attention.output.weight, gathered)
    wanted = x + out + layer.attention.output.bias.reshape(1, -1, 1, 1)
    torch.testing.assert_close(layer(x), wanted, rtol=1e-10, atol=1e-10)


def test_the_papers_network_has_the_papers_size() -> None:
    """Ho et al. 2020, appendix B: 35.7 million parameters for CIFAR-10."""
    with torch.device("meta"):
        network = UNet(in_channels=3, widths=[128, 256, 256, 256], attention=[False, True, False, False])
    assert round(sum(p.numel() for p in network.parameters()) / 1e6, 1) == 35.7


@pytest.mark.parametrize("size", [(28, 28), (32, 32), (7, 5), (9, 16), (1, 1)])
def test_any_size_comes_back(size: tuple[int, int]) -> None:
    network = small(widths=[4, 8, 8, 8], attention=[False, False, False, True])
    x = images(2, 1, *size).requires_grad_()
    found = network(x, torch.tensor([1, 9]))
    assert found.shape == x.shape
    found.square().sum().backward()
    assert x.grad is not None
    assert bool((x.grad != 0).all())  # no row was lost on the way


def test_halving_seven_gives_four_and_doubling_cuts() -> None:
    """An odd height: the way up is nearest-neighbour doubling, its last row and column cut."""
    network = small(attention=[False, False])
    seen: list[Tensor] = []
    for layer in (network.get_submodule("down.0.shrink"), network.get_submodule("up.0.grow")):
        layer.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    network(images(1, 1, 7, 9), torch.tensor([3]))
    assert [tuple(maps.shape[2:]) for maps in seen] == [(7, 9), (7, 9)]
    assert torch.equal(seen[1][:, :, 0, 0], seen[1][:, :, 1, 1])
    assert not torch.equal(seen[1][:, :, 1, 1], seen[1][:, :, 2, 2])


def test_it_begins_at_zero_and_every_branch_with_it() -> None:
    network = UNet(in_channels=1, widths=[4, 8], attention=[True, True], num_groups=2)
    x, t = torch.randn(2, 1, 8, 8), torch.tensor([1, 2])
    assert bool((network(x, t) == 0).all())
    block = ConditionedBlock(num_inputs=4, num_outputs=4, condition_width=3, num_groups=2)
    maps = torch.randn(2, 4, 5, 5)
    assert torch.equal(block(maps, torch.randn(2, 3)), maps)
    assert torch.equal(MapAttention(num_channels=4, num_groups=2)(maps), maps)


def test_every_parameter_learns() -> None:
    network = small(num_classes=3)
    network(images(4, 1, 8, 8), torch.tensor([1, 5, 9, 13]), torch.tensor([0, 1, 2, 3])).square().sum().backward()
    still = [name for name, p in network.named_parameters() if p.grad is None or not bool((p.grad != 0).any())]
    assert still == []
    assert len(list(network.parameters())) > 60


def test_time_and_class_are_told_to_each_example_alone() -> None:
    network = small(num_classes=3)
    x, t, labels = images(2, 1, 8, 8), torch.tensor([4, 9]), torch.tensor([0, 2])
    wanted = network(x, t, labels)
    for i in range(2):
        torch.testing.assert_close(network(x[i : i + 1], t[i : i + 1], labels[i : i + 1])[0], wanted[i])
    later = network(x, torch.tensor([4, 10]), labels)
    torch.testing.assert_close(later[0], wanted[0])
    assert not torch.allclose(later[1], wanted[1])
    other = network(x, t, torch.tensor([1, 2]))
    assert not torch.allclose(other[0], wanted[0])
    torch.testing.assert_close(other[1], wanted[1])
    assert network.none == 3
    assert torch.equal(network(x, t), network(x, t, torch.tensor([3, 3])))


def test_saved_and_loaded_it_is_the_same(tmp_path: Path) -> None:
    network = small(num_classes=3, head_width=4, time_base=500.0).float()
    network.save_pretrained(tmp_path)
    again = UNet.from_pretrained(tmp_path)
    x, t, labels = images(2, 1, 8, 8).float(), torch.tensor([4, 9]), torch.tensor([0, 3])
    assert torch.equal(again(x, t, labels), network(x, t, labels))


def test_memory_layout_and_number_format_make_no_difference() -> None:
    network = small()
    x, t = images(2, 1, 10, 8), torch.tensor([4, 900])
    wanted = network(x, t).detach()
    lasting: Any = nn.Module.to
    lasting(network, memory_format=torch.channels_last)
    found = network(x.to(memory_format=torch.channels_last), t)
    assert found.is_contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(found, wanted, rtol=1e-9, atol=1e-9)
    network = network.float()
    torch.testing.assert_close(network(x.float(), t).double(), wanted, rtol=1e-3, atol=1e-3)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        rough = network(x.float(), t).detach()
    assert rough.dtype == torch.bfloat16
    assert float((rough.double() - wanted).square().mean().sqrt() / wanted.std()) < 0.1


def test_dropout_acts_in_training_only() -> None:
    network = small(dropout=0.3)
    x, t = images(2, 1, 8, 8), torch.tensor([4, 9])
    assert torch.equal(network(x, t), network(x, t))
    network.train()
    assert not torch.equal(network(x, t), network(x, t))


@pytest.mark.usefixtures("as_a_user_calls")
def test_what_does_not_fit_is_refused() -> None:
    wrong: list[dict[str, Any]] = [
        {"widths": [], "attention": []},
        {"attention": [True]},
        {"widths": [4, 6], "num_groups": 4},
        {"widths": [4, 8], "head_width": 3},
        {"widths": [3, 6], "num_groups": 3},  # a clock needs an even width
        {"num_blocks": 0},
        {"num_classes": 0},
        {"num_groups": 0},
        {"dropout": 1.0},
    ]
    for options in wrong:
        with pytest.raises(ConfigurationError):
            small(**options)
    plain, told = small(), small(num_classes=3)
    x, t = images(2, 1, 8, 8), torch.tensor([1, 2])
    with pytest.raises(ConfigurationError, match="without classes"):
        plain(x, t, torch.tensor([0, 1]))
    with pytest.raises(ConfigurationError, match="without classes"):
        _ = plain.none
    for labels in ([0, 4], [-1, 0], [0]):
        with pytest.raises(InputError, match="labels from 0 to 2"):
            told(x, t, torch.tensor(labels))
    with pytest.raises(InputError, match="time for each"):
        plain(x, torch.tensor([1]))
    with pytest.raises(InputError, match="stem"):
        plain(images(2, 3, 8, 8), t)
    with pytest.raises(ConfigurationError):
        TimeEmbedding(width=4, num_outputs=0)
