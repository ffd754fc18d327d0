"""Accuracy against compute: the fast curve is the loop over examples, the costs are the layers' formulas."""

import pytest
import torch
from torch import Tensor, nn

from sightline.core.errors import InputError
from sightline.core.schema import Schema
from sightline.data import TensorSplit, fit_standardiser
from sightline.models.early_exits import EarlyExits, early_exits
from sightline.train.exits import measure_exits
from sightline.understand.early_exits import THRESHOLDS, exit_costs, exit_curve

SCHEMA = Schema("image", "classification", (3, 9, 7), classes=("a", "b", "c"))


def outputs(exits: int = 3, count: int = 200) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    return (
        3 * torch.randn(exits, count, 4, generator=generator),
        torch.randint(0, 4, (count,), generator=generator),
    )


def slow_curve(given: Tensor, target: Tensor, costs: list[float], threshold: float) -> tuple[float, float, list[float]]:
    """One example after the other, one exit after the other."""
    right, spent, leaving = 0, 0.0, [0] * len(given)
    for i in range(len(target)):
        for k in range(len(given)):
            chances = torch.softmax(given[k, i], 0)
            if chances.max() >= threshold or k == len(given) - 1:
                right += int(chances.argmax() == target[i])
                spent += costs[k]
                leaving[k] += 1
                break
    return right / len(target), spent / len(target), [n / len(target) for n in leaving]


def test_the_curve_is_the_loop_over_examples() -> None:
    given, target = outputs()
    costs = [10.0, 25.0, 70.0]
    curve = exit_curve(given, target, costs)
    assert len(curve.accuracy) == len(THRESHOLDS) == 15
    for place, threshold in enumerate(THRESHOLDS):
        accuracy, compute, leaving = slow_curve(given, target, costs, threshold)
        assert curve.accuracy[place] == pytest.approx(accuracy, abs=1e-12)
        assert curve.compute[place] == pytest.approx(compute, abs=1e-9)
        assert curve.leaving[place] == pytest.approx(leaving, abs=1e-6)
    assert any(min(share) > 0 for share in curve.leaving)


def test_the_ends_are_the_first_and_the_last_exit() -> None:
    given, target = outputs()
    curve = exit_curve(given, target, [1, 2, 4], [0.0, 1.01])
    assert curve.accuracy == (curve.exit_accuracy[0], curve.exit_accuracy[2])
    assert curve.compute == (1.0, 4.0)
    assert curve.exit_accuracy == tuple((given[k].argmax(1) == target).double().mean().item() for k in range(3))


def test_more_is_spent_for_a_higher_threshold() -> None:
    given, target = outputs(5)
    curve = exit_curve(given, target, [1, 2, 3, 5, 8])
    assert list(curve.compute) == sorted(curve.compute)
    assert curve.compute[0] < curve.compute[-1]


@pytest.mark.parametrize(
    ("given", "target", "costs", "thresholds"),
    [
        (torch.zeros(2, 5, 1), torch.zeros(5).long(), [1, 2], [0.5]),
        (torch.zeros(2, 0, 3), torch.zeros(0).long(), [1, 2], [0.5]),
        (torch.zeros(2, 5, 3), torch.zeros(4).long(), [1, 2], [0.5]),
        (torch.zeros(2, 5, 3), torch.zeros(5).long(), [1], [0.5]),
        (torch.zeros(2, 5, 3), torch.zeros(5).long(), [2, 1], [0.5]),
        (torch.zeros(2, 5, 3), torch.zeros(5).long(), [0, 1], [0.5]),
        (torch.zeros(2, 5, 3), torch.zeros(5).long(), [1, float("inf")], [0.5]),
        (torch.zeros(2, 5, 3), torch.zeros(5).long(), [1, 2], []),
        (torch.zeros(2, 5, 3), torch.zeros(5).long(), [1, 2], [float("nan")]),
        (torch.zeros(5, 3), torch.zeros(5).long(), [1, 2], [0.5]),
    ],
)
def test_what_can_not_be_is_refused(
    given: Tensor, target: Tensor, costs: list[float], thresholds: list[float], as_a_user_calls: None
) -> None:
    with pytest.raises(InputError):
        exit_curve(given, target, costs, thresholds)


def made(backbone: str) -> EarlyExits:
    network = early_exits(SCHEMA, backbone=backbone, exits=2)
    assert isinstance(network, EarlyExits)
    return network.eval()


def formulas(network: EarlyExits, x: Tensor) -> list[int]:
    """Multiply-adds up to each head by the layers' formulas, from the shapes that hooks see."""
    spent, at = 0, {}
    heads = {id(head): place for place, head in enumerate(network.heads)}

    def note(module: nn.Module, inputs: tuple[Tensor], output: Tensor) -> None:
        nonlocal spent
        if isinstance(module, nn.Conv2d):
            kernel = module.kernel_size[0] * module.kernel_size[1]
            spent += output[0].numel() * kernel * module.in_channels // module.groups
        if isinstance(module, nn.Linear):
            spent += output[0].numel() * module.in_features
        if id(module) in heads:
            at[heads[id(module)]] = spent

    handles = [module.register_forward_hook(note) for module in network.modules()]
    network.exits(x)
    for handle in handles:
        handle.remove()
    return [at[place] for place in range(len(heads))]


@pytest.mark.parametrize("backbone", ["resnet depth=14 width=4", "resnet width=3"])
def test_costs_are_the_layers_formulas(backbone: str) -> None:
    network = made(backbone)
    x = torch.randn(1, 3, 9, 7)
    costs = exit_costs(network.exits, network.heads, x)
    assert costs == formulas(network, x)
    assert costs == sorted(set(costs))


def test_depthwise_strided_and_attention_by_hand() -> None:
    depthwise = nn.Conv2d(6, 12, (3, 5), stride=2, groups=3)
    assert exit_costs(depthwise, [depthwise], torch.zeros(1, 6, 9, 11)) == [12 * 4 * 4 * 2 * 15]
    head = nn.Linear(8, 3)

    def run(x: Tensor) -> Tensor:
        q = x.view(1, 5, 2, 4).transpose(1, 2)
        mixed: Tensor = nn.functional.scaled_dot_product_attention(q, q, q)
        return head(mixed.transpose(1, 2).reshape(1, 5, 8)[:, 0])  # type: ignore[no-any-return]

    assert exit_costs(run, [head], torch.zeros(1, 5, 8)) == [2 * 5 * 5 * 8 + 8 * 3]


def test_costs_of_what_is_not_computed_are_refused(as_a_user_calls: None) -> None:
    layer, other = nn.Linear(3, 2), nn.Linear(3, 2)
    with pytest.raises(InputError, match="head 1"):
        exit_costs(layer, [layer, other], torch.zeros(1, 3))
    with pytest.raises(InputError, match="2 examples"):
        exit_costs(layer, [layer], torch.zeros(2, 3))
    assert not layer._forward_hooks


def test_the_curve_is_what_predict_early_does() -> None:
    torch.manual_seed(0)
    network = made("resnet width=4")
    x, target = torch.randn(60, 3, 9, 7) + 2 * torch.randn(60, 3, 1, 1), torch.arange(60) % 3
    costs = exit_costs(network.exits, network.heads, x[:1])
    with torch.no_grad():
        every = torch.stack(network.exits(x))
    threshold = every[:2].softmax(2).amax(2).flatten().sort().values[79:81].mean().item()  # between two of them
    curve = exit_curve(every, target, costs, [threshold])
    answers, where = network.predict_early(x, threshold)
    assert curve.accuracy[0] == (answers.argmax(1) == target).double().mean().item()
    assert curve.compute[0] == pytest.approx(torch.tensor(costs, dtype=torch.float64)[where].mean().item(), rel=1e-12)
    assert len(where.unique()) > 1


def test_a_network_in_training_is_measured_in_evaluation_mode() -> None:
    """Batch normalisation: by the running statistics, which stay as they are."""
    torch.manual_seed(0)
    images = torch.randint(0, 256, (60, 3, 9, 7), dtype=torch.uint8)
    images[::2] //= 4
    mean, std = fit_standardiser(images, "channel")
    schema = Schema("image", "classification", (3, 9, 7), classes=("a", "b", "c"), image_mean=mean, image_std=std)
    split = TensorSplit("test", images, torch.arange(60) % 3, schema)
    network = made("resnet width=4").train()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    found = measure_exits(network, split)
    assert network.training
    assert all(torch.equal(before[name], value) for name, value in network.state_dict().items())
    assert found == measure_exits(network.eval(), split)
    assert not network.training
    (batch,) = split.batches(batch_size=60)
    with torch.no_grad():
        every = torch.stack(network.exits(batch.inputs))
    assert found == exit_curve(every, batch.target, exit_costs(network.exits, network.heads, batch.inputs[:1]))
