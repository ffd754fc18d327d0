"""The layer table: multiply-adds against torch's own counter and by hand, parameters once, shapes as they are."""

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from sightline.core.errors import InputError
from sightline.core.schema import Schema
from sightline.models import MODELS
from sightline.models.mlp import MLP
from sightline.understand.layer_table import LayerTable, layer_table
from sightline.understand.multiply_adds import convolution, product
from sightline.understand.receptive_field import receptive_fields
from sightline.understand.signal import signal

PICTURES = Schema("image", "classification", (3, 32, 32), classes=tuple("abcdefghij"))


class Attention(nn.Module):
    """Products without a module of their own, and a parameter of the network's own."""

    def __init__(self) -> None:
        super().__init__()
        self.place = nn.Parameter(torch.zeros(5, 8))
        self.maps = nn.Linear(8, 24)

    def forward(self, x: Tensor) -> Tensor:
        query, key, value = self.maps(x + self.place).chunk(3, -1)
        return F.scaled_dot_product_attention(query[:, None], key[:, None], value[:, None])[:, 0]


NETWORKS: list[tuple[nn.Module, tuple[int, ...]]] = [
    (nn.Sequential(nn.Conv2d(4, 6, (3, 5), stride=2, padding=1, dilation=2, groups=2), nn.ReLU()), (4, 15, 13)),
    (nn.Sequential(nn.ConvTranspose2d(4, 6, 3, stride=2, groups=2), nn.Conv2d(6, 2, 1)), (4, 5, 7)),
    (nn.Sequential(nn.Conv1d(2, 3, 3), nn.Flatten(), nn.Linear(18, 4)), (2, 8)),
    (nn.Conv3d(1, 2, 3), (1, 5, 6, 7)),
    (nn.Sequential(nn.Linear(8, 16, bias=False), nn.LayerNorm(16), nn.Linear(16, 3)), (5, 8)),
    (Attention(), (5, 8)),
    (nn.TransformerEncoderLayer(8, 2, 16, batch_first=True), (5, 8)),
    (nn.MultiheadAttention(8, 2, batch_first=True), (5, 8)),
    (MODELS["resnet"](PICTURES, depth=8, width=4), (3, 32, 32)),
]


@pytest.mark.parametrize("index", range(len(NETWORKS)))
def test_multiply_adds_are_half_of_torchs_operations(index: int) -> None:
    network, shape = NETWORKS[index]
    if isinstance(network, nn.MultiheadAttention):
        attention = network
        network = nn.Module()
        network.attention = attention
        network.forward = lambda x: attention(x, x, x)[0]
    table = layer_table(network, shape)
    with FlopCounterMode(display=False) as counter, torch.no_grad(), sdpa_kernel(SDPBackend.MATH):
        network.train()(torch.zeros(1, *shape))
    assert table.multiply_adds * 2 == counter.get_total_flops()
    assert table.parameters == sum(p.numel() for p in network.parameters())


def test_resnet_20_has_the_known_cost() -> None:
    """40.55 million multiply-adds, stage by stage; 0.27 million parameters (He et al. 2016, table 6)."""
    table = layer_table(MODELS["resnet"](PICTURES, depth=20), (3, 32, 32))
    by_hand = 9 * 1024 * (3 * 16 + 6 * 16 * 16)
    by_hand += 9 * 256 * (16 * 32 + 5 * 32 * 32)
    by_hand += 9 * 64 * (32 * 64 + 5 * 64 * 64) + 64 * 10
    assert table.multiply_adds == by_hand == 40_551_040
    assert table.parameters == 269_722


def test_convolution_and_product_by_counting() -> None:
    x, weight = torch.zeros(1, 2, 4, 4), torch.zeros(3, 2, 2, 2)
    assert convolution(x, weight, F.conv2d(x, weight), False) == 3 * 3 * 3 * 2 * 2 * 2
    up = torch.zeros(2, 3, 2, 2)
    assert convolution(x, up, F.conv_transpose2d(x, up), True) == 4 * 4 * 2 * 3 * 2 * 2
    assert product(torch.zeros(7, 2, 3), torch.zeros(7, 3, 5)) == 7 * 2 * 3 * 5
    assert product(torch.zeros(2, 3), torch.zeros(3)) == 6


def rows(table: LayerTable) -> dict[str, tuple[tuple[int, ...] | None, int, int]]:
    return {row.name: (row.shape, row.parameters, row.multiply_adds) for row in table.rows}


def test_own_parameters_and_own_products_stand_by_their_module() -> None:
    found = rows(layer_table(Attention(), (5, 8)))
    assert found == {"maps": ((5, 24), 24 * 8 + 24, 5 * 8 * 24), "": ((5, 8), 40, 2 * 5 * 5 * 8)}


def test_shared_parameters_count_once_and_shared_layers_work_twice() -> None:
    layer = nn.Linear(4, 4, bias=False)
    tied = nn.Linear(4, 4, bias=False)
    tied.weight = layer.weight
    table = layer_table(nn.Sequential(layer, nn.ReLU(), layer, tied), (4,))
    assert rows(table) == {"0": ((4,), 16, 32), "1": ((4,), 0, 0), "3": ((4,), 0, 16)}
    assert (table.parameters, table.multiply_adds, table.activation_bytes) == (16, 48, 4 * 4 * 4)


def signal_in_training(network: nn.Module, shape: tuple[int, ...]) -> object:
    return signal(network, torch.ones(5, *shape), training=True)


class Unused(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.extra, self.body = nn.Linear(3, 7), nn.Linear(3, 2)

    def forward(self, x: Tensor) -> Tensor:
        outputs: Tensor = self.extra(x) if self.training else self.body(x)
        return outputs


def test_layers_that_evaluation_does_not_use_are_listed_last() -> None:
    network = Unused().train()
    table = layer_table(network, (3,))
    assert [(row.name, row.shape, row.parameters) for row in table.rows] == [("body", (2,), 8), ("extra", None, 28)]
    assert "not used" in str(table)
    assert network.training
    assert network.body.training
    assert not network.body._forward_hooks


class Failing(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        torch.rand(3)
        raise RuntimeError("no further")


@pytest.mark.parametrize("instrument", [layer_table, receptive_fields, signal_in_training])
def test_a_network_that_fails_is_left_as_it_was(instrument: Callable[[nn.Module, tuple[int, ...]], object]) -> None:
    """Its running statistics, its mode, its hooks; and the state of chance."""
    network = nn.Sequential(nn.BatchNorm2d(3), nn.Dropout(0.5), Failing())
    network[1].eval()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    chance = torch.get_rng_state()
    with pytest.raises(RuntimeError, match="no further"):
        instrument(network, (3, 4, 4))
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert [module.training for module in network.modules()] == [True, True, False, True]
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in network.modules())
    assert instrument is not signal_in_training or torch.equal(torch.get_rng_state(), chance)


def test_the_table_is_aligned_and_totalled() -> None:
    table = layer_table(MLP(num_inputs=4, num_outputs=3, hidden=[10]).double(), (4,))
    lines = str(table).splitlines()
    assert lines[0].split() == ["layer", "type", "output", "parameters", "multiply-adds"]
    assert lines[-1].split() == ["total", "83", "70"]
    assert len({len(line) for line in lines}) == 1
    assert table.activation_bytes == 8 * (10 + 10 + 3)
    assert [row.name for row in table.rows] == ["hidden.0", "hidden.1", "head"]


@pytest.mark.usefixtures("as_a_user_calls")
@pytest.mark.parametrize("shape", [(), (3, 0)])
def test_a_shape_that_is_none_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(InputError, match="batch"):
        layer_table(nn.ReLU(), shape)
