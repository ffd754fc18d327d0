"""Parameter groups: weights are regularised, biases and normalisation parameters are not."""

from typing import ClassVar

import pytest
import torch
from torch import nn

from sightline.core.errors import ConfigurationError
from sightline.models import MLP, ResNet
from sightline.nn import ConvNeXtBlock, PatchEmbedding, WeightedPool2d
from sightline.optim import add_l1_gradient, parameter_groups


def names(model: nn.Module, *, regularised: bool) -> set[str]:
    by_identity = {id(p): name for name, p in model.named_parameters()}
    groups = [g for g in parameter_groups(model, weight_decay=0.1) if g["regularised"] == regularised]
    return {by_identity[id(p)] for g in groups for p in g["params"]}


def test_a_residual_network() -> None:
    model = ResNet(in_channels=1, num_outputs=3, widths=(2, 4, 8))
    every = {name for name, _ in model.named_parameters()}
    weights = {name for name in every if "conv" in name or name == "head.weight"}
    assert len(weights) == 8
    assert names(model, regularised=True) == weights
    assert names(model, regularised=False) == every - weights


class Others(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.rnn = nn.LSTM(3, 4)
        self.embedding = nn.Embedding(5, 3)
        self.layer_norm = nn.LayerNorm([2, 3])  # two axes, and still a normalisation
        self.group_norm = nn.GroupNorm(1, 4)
        self.act = nn.PReLU()
        self.token = nn.Parameter(torch.zeros(1, 1, 4))
        self.temperature = nn.Parameter(torch.ones(()))


def test_other_layers() -> None:
    regularised = {"rnn.weight_ih_l0", "rnn.weight_hh_l0", "embedding.weight", "token"}
    assert names(Others(), regularised=True) == regularised
    rest = {"rnn.bias_ih_l0", "rnn.bias_hh_l0", "layer_norm.weight", "layer_norm.bias"}
    rest |= {"group_norm.weight", "group_norm.bias", "act.weight", "temperature"}
    assert names(Others(), regularised=False) == rest


def test_scales_tokens_and_positions_are_not_regularised() -> None:
    """As the authors of ConvNeXt and of ViT's training recipes do; a pooling's weights sum to 1 whatever they are."""
    block = ConvNeXtBlock(num_channels=4)
    assert names(block, regularised=True) == {"depthwise.weight", "expand.weight", "contract.weight"}
    assert "contract.scale" in names(block, regularised=False)
    embed = PatchEmbedding(in_channels=1, image_size=(4, 4), patch_size=2, width=3)
    assert names(embed, regularised=True) == {"patches.weight"}
    assert names(embed, regularised=False) == {"patches.bias", "class_token", "positions"}
    assert names(WeightedPool2d(), regularised=False) == {"logits"}


class Declared(nn.Linear):
    """Says otherwise of a weight, a bias, a matrix and a vector."""

    regularised: ClassVar[frozenset[str]] = frozenset({"bias", "shift"})
    not_regularised: ClassVar[frozenset[str]] = frozenset({"weight", "table"})

    def __init__(self) -> None:
        super().__init__(2, 2)
        self.shift = nn.Parameter(torch.zeros(2))
        self.table = nn.Parameter(torch.zeros(2, 2))
        self.other, self.others = nn.Parameter(torch.zeros(2)), nn.Parameter(torch.zeros(2, 2))


class Heir(Declared):
    """A subclass is bound by what its base says."""


def test_a_class_says_otherwise_of_its_own_parameters_only() -> None:
    for model in (Declared(), Heir()):
        assert names(model, regularised=True) == {"bias", "shift", "others"}
        assert names(model, regularised=False) == {"weight", "table", "other"}
    around = nn.Module()  # layers of these names declare nothing
    around.regularised, around.not_regularised = nn.Linear(2, 2), Declared()
    around.matrix = nn.Parameter(torch.zeros(2, 2))
    assert names(around, regularised=True) == {"matrix", "regularised.weight"} | {
        f"not_regularised.{name}" for name in ("bias", "shift", "others")
    }


def test_each_group_has_its_decay() -> None:
    model = MLP(num_inputs=2, num_outputs=2, hidden=[3])
    assert [g["weight_decay"] for g in parameter_groups(model, weight_decay=0.1)] == [0.1, 0.0]


def test_a_flat_shard_of_a_weight_is_still_regularised() -> None:
    layer = nn.Linear(3, 2)
    layer.weight = nn.Parameter(layer.weight.detach().flatten()[:4])
    assert names(layer, regularised=True) == {"weight"}


def test_a_shared_parameter_counts_once_and_a_frozen_one_not_at_all() -> None:
    model = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3), nn.Linear(3, 3))
    model[1].weight = model[0].weight
    model[2].weight.requires_grad_(False)
    groups = parameter_groups(model)
    assert [len(g["params"]) for g in groups] == [1, 3]


def test_no_group_is_empty() -> None:
    assert len(parameter_groups(nn.Linear(2, 2, bias=False))) == 1
    assert len(parameter_groups(nn.BatchNorm1d(2))) == 1


@pytest.mark.parametrize("model", [nn.ReLU(), nn.Linear(2, 2).requires_grad_(False)])
def test_nothing_to_train_is_refused(model: nn.Module) -> None:
    with pytest.raises(ConfigurationError, match="to train"):
        parameter_groups(model)


def test_l1_pulls_at_regularised_weights_only() -> None:
    model = nn.Linear(2, 2)
    optimizer = torch.optim.SGD(parameter_groups(model), lr=0.1)
    model(torch.ones(1, 2)).sum().backward()
    assert model.weight.grad is not None
    assert model.bias.grad is not None
    weight_grad, bias_grad = model.weight.grad.clone(), model.bias.grad.clone()
    penalty = 0.3 * model.weight.abs().sum()
    (expected,) = torch.autograd.grad(penalty, model.weight)
    add_l1_gradient(optimizer, 0.3)
    torch.testing.assert_close(model.weight.grad, weight_grad + expected)
    assert torch.equal(model.bias.grad, bias_grad)


def test_l1_passes_over_weights_without_a_gradient() -> None:
    model = nn.Linear(2, 2)
    optimizer = torch.optim.SGD(parameter_groups(model), lr=0.1)
    add_l1_gradient(optimizer, 0.3)
    assert model.weight.grad is None
