"""Early exits on networks of stages: outputs, who is computed, saving, options, the figure."""

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

import sightline
from sightline.core.config import Choice
from sightline.core.errors import CheckpointError, ConfigurationError, DataError, InputError, UnknownNameError
from sightline.core.schema import Schema
from sightline.models.auxiliary import AuxiliaryOutputs
from sightline.models.early_exits import EarlyExits, early_exits, even_exits
from sightline.models.registry import MODELS
from sightline.models.staged import StagedPredictor
from sightline.models.whitening_net import WhiteningNet
from sightline.objectives import CrossEntropy
from sightline.report.figures.accuracy_by_compute import accuracy_by_compute
from sightline.train.preparation import build_model, initialise_from_data
from sightline.train.spec import RunSpec
from small_models import SMALL

SCHEMA = Schema("image", "classification", (3, 8, 8), classes=("a", "b", "c"))


class Tiny(StagedPredictor):
    """Four stages of one convolution each, and a head inside that no exit uses."""

    def __init__(self, *, channels: int = 3, width: int = 4, num_outputs: int = 3) -> None:
        super().__init__()
        widths = [channels, width, width + 1, width + 2, width + 3]
        self.stages = nn.Sequential(
            *(nn.Sequential(nn.Conv2d(a, b, 3, padding=1), nn.ReLU()) for a, b in pairwise(widths))
        )
        self.head = nn.Linear(width + 3, num_outputs)
        self.inside = nn.Linear(width, num_outputs)


class Twice(Tiny):
    """Its features are not its stages' alone."""

    def features(self, x: Tensor) -> Tensor:
        return 2 * super().features(x)


def network(at: tuple[int, ...] = (0, 2), seed: int = 0, **options: Any) -> EarlyExits:
    torch.manual_seed(seed)
    return EarlyExits(backbone=Tiny(), at=at, input_shape=(3, 8, 8), **options)


def images(batch: int = 16) -> Tensor:
    """Noise on a colour of its own each: some are told apart early, some late."""
    generator = torch.Generator().manual_seed(5)
    return torch.randn(batch, 3, 8, 8, generator=generator) + 3 * torch.randn(batch, 3, 1, 1, generator=generator)


def sharpened() -> EarlyExits:
    """One whose exits are sure of some images and not of others, the second more often."""
    made = network()
    for head, factor in zip(made.exit_heads, (2, 150), strict=True):
        head.weight.data.mul_(factor)  # type: ignore[operator]
    return made.eval()


def test_the_last_exit_is_the_backbone() -> None:
    made = network().eval()
    x = images()
    assert torch.equal(made(x), made.backbone(x))
    assert torch.equal(made(x), made.head(made.features(x)))
    assert torch.equal(made.exits(x)[-1], made(x))
    assert [tuple(out.shape) for out in made.exits(x)] == [(16, 3)] * 3
    assert made(x[:0]).shape == (0, 3)


def test_each_exit_sees_its_stage() -> None:
    made = network((1, 2)).eval()
    x = images()
    for place, k in enumerate((1, 2)):
        seen = made.backbone.stages[: k + 1](x).mean((2, 3))
        assert torch.equal(made.exits(x)[place], made.exit_heads[place](seen))


def test_in_training_every_exit_is_learnt_from() -> None:
    made = network(weight=0.5)
    given = made(images())
    assert isinstance(given, AuxiliaryOutputs)
    assert given.weights == (0.5, 0.5)
    expected = made.exits(images())
    assert all(torch.equal(a, b) for a, b in zip((*given.auxiliary, given.outputs), expected, strict=True))
    target = torch.arange(16) % 3
    objective = CrossEntropy(SCHEMA)
    losses = [objective.losses(out, target).mean() for out in expected]
    from sightline.data import Batch

    loss = objective(made, Batch(images(), target, torch.arange(16), 16)).total
    torch.testing.assert_close(loss, 0.5 * losses[0] + 0.5 * losses[1] + losses[2])
    loss.backward()
    for name, parameter in made.named_parameters():
        if name.startswith("backbone.inside"):  # no exit depends on it
            assert not parameter.requires_grad
        else:
            assert parameter.grad is not None, name
            assert parameter.grad.abs().sum() > 0, name


def test_the_heads_start_with_variance_one_over_fan_in() -> None:
    torch.manual_seed(0)
    made = EarlyExits(backbone=Tiny(width=60, num_outputs=50), at=(0, 1), input_shape=(3, 4, 4))
    for head, width in zip(made.exit_heads, (60, 61), strict=True):
        assert head.weight.var().item() == pytest.approx(1 / width, rel=0.1)  # type: ignore[operator]
        assert not head.bias.any()  # type: ignore[operator]


def test_an_example_leaves_where_it_is_first_sure() -> None:
    made = sharpened()
    x = images(64)
    with torch.no_grad():
        every = made.exits(x)
    for threshold in (0.7, 0.9, 0.97):
        outputs, where = made.predict_early(x, threshold)
        for i in range(64):
            sure = [k for k, out in enumerate(every[:-1]) if out[i].softmax(0).max() >= threshold]
            assert where[i] == (sure[0] if sure else 2)
            torch.testing.assert_close(outputs[i], every[int(where[i])][i], rtol=1e-5, atol=1e-5)
        assert len(set(where.tolist())) == 3


def test_thresholds_at_the_ends() -> None:
    made = sharpened()
    x = images()
    outputs, where = made.predict_early(x, 1.01)
    assert torch.equal(outputs, made(x))
    assert where.tolist() == [2] * 16
    outputs, where = made.predict_early(x, 0.0)
    assert torch.equal(outputs, made.exits(x)[0])
    assert where.tolist() == [0] * 16
    outputs, where = made.predict_early(x[:0], 0.5)
    assert (outputs.shape, where.shape) == ((0, 3), (0,))


def test_who_has_left_is_not_computed_further() -> None:
    made = sharpened()
    seen: list[int] = []
    for stage in made.backbone.stages:
        stage.register_forward_hook(lambda module, inputs, output: seen.append(len(output)))
    _, where = made.predict_early(images(64), 0.7)
    after_first = int((where > 0).sum())
    after_second = int((where > 1).sum())
    assert seen == [64, after_first, after_first, after_second]
    assert 0 < after_second < after_first < 64
    seen.clear()
    made.predict_early(images(64), 0.0)
    assert seen == [64]


def test_saves_and_loads_with_its_backbone(tmp_path: Path) -> None:
    torch.manual_seed(3)
    made = EarlyExits(backbone=Tiny(width=5), at=(1,), input_shape=(3, 8, 8), weight=0.25).eval()
    made.save_pretrained(tmp_path)
    told = json.loads((tmp_path / "config.json").read_text())
    assert told["backbone"]["class"] == "Tiny"
    again = EarlyExits.from_pretrained(tmp_path)
    assert not again.training
    assert (again.at, again.weight) == ((1,), 0.25)
    assert all(torch.equal(a, b) for a, b in zip(made.exits(images()), again.exits(images()), strict=True))
    told["backbone"]["class"] = "Unheard"
    (tmp_path / "config.json").write_text(json.dumps(told))
    with pytest.raises(CheckpointError, match="Unheard"):
        EarlyExits.from_pretrained(tmp_path)


def test_the_registered_builder() -> None:
    made = MODELS["early-exits"](SCHEMA, backbone="resnet depth=14 width=4", exits=2, seed=1)
    assert isinstance(made, EarlyExits)
    assert made.choice == Choice("early-exits", {"backbone": "resnet depth=14 width=4", "exits": 2, "weight": 1.0})
    assert made.backbone.choice is not None
    assert made.backbone.choice.options["width"] == 4
    assert made.at == even_exits(len(made.backbone.stages), 2)
    again = MODELS["early-exits"](SCHEMA, backbone="resnet depth=14 width=4", exits=2, seed=1)
    assert all(torch.equal(a, b) for a, b in zip(made.parameters(), again.parameters(), strict=True))


@pytest.mark.parametrize(("stages", "exits", "at"), [(4, 1, (1,)), (4, 3, (0, 1, 2)), (6, 2, (1, 3)), (2, 1, (0,))])
def test_exits_are_spaced_evenly(stages: int, exits: int, at: tuple[int, ...]) -> None:
    assert even_exits(stages, exits) == at


def test_every_number_of_exits_fits() -> None:
    for stages in range(2, 12):
        for exits in range(1, stages):
            at = even_exits(stages, exits)
            assert list(at) == sorted(set(at))
            assert len(at) == exits
            assert at[-1] <= stages - 2


@pytest.mark.parametrize("at", [(), (3,), (-1,), (2, 1), (1, 1), (0, 7)])
def test_stages_that_are_not_there_are_refused(at: tuple[int, ...]) -> None:
    with pytest.raises(ConfigurationError, match="from 0 to 2"):
        network(at)


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"backbone": "mlp"}, ConfigurationError, r"made of stages: alexnet, .*resnet, .*vit"),
        ({"backbone": "early-exits"}, ConfigurationError, "made of stages"),
        ({"backbone": "resnt"}, UnknownNameError, "resnet"),
        ({"backbone": ""}, UnknownNameError, "the name of a model"),
        ({"backbone": "resnet depth"}, ConfigurationError, "NAME=VALUE"),
        ({"backbone": "resnet dept=8"}, ConfigurationError, "depth"),
        ({"backbone": "resnet depth=x"}, ConfigurationError, "whole number"),
        ({"backbone": "resnet depth=[8"}, ConfigurationError, "NAME=VALUE"),
        ({"backbone": "resnet(width=4)"}, ConfigurationError, "write it as in 'resnet width=4'"),
        ({"backbone": "resnet,width=4"}, ConfigurationError, "write it as in 'resnet width=4'"),
        ({"backbone": "resnet:width=4"}, ConfigurationError, "write it as in 'resnet width=4'"),
        ({"backbone": "resnet width=4, depth=8"}, ConfigurationError, "write it as in 'resnet width=4 depth=8'"),
        ({"backbone": "resnet(4)"}, ConfigurationError, "write it as in 'resnet depth=20 width=8'"),
        ({"backbone": "resnet width=4 width=8"}, ConfigurationError, "width twice"),
        ({"backbone": "googlenet auxiliary_weight=0.3"}, ConfigurationError, "leave auxiliary_weight out"),
        ({"backbone": "vit depth=1 width=6 heads=2", "exits": 2}, ConfigurationError, "from 1 to 1 exits"),
        ({"exits": 0}, ConfigurationError, "exits"),
        ({"exits": 40}, ConfigurationError, "exits"),
        ({"weight": 0.0}, ConfigurationError, "weight"),
        ({"weight": float("nan")}, ConfigurationError, "weight"),
    ],
)
def test_options_that_can_not_be(options: dict[str, Any], error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        MODELS["early-exits"](SCHEMA, **options)


def test_every_network_of_stages_is_named_and_can_be_wrapped() -> None:
    """On meta tensors: what is named in the message are the names whose networks have stages."""
    schema = Schema("image", "classification", (3, 64, 64), classes=("a", "b"))
    with torch.device("meta"):
        made = {name: MODELS[name](schema) for name in sorted(SMALL) if name != "early-exits"}
    staged = [name for name, network in made.items() if isinstance(network, StagedPredictor)]
    with pytest.raises(ConfigurationError) as caught:
        MODELS["early-exits"](SCHEMA, backbone="mlp")
    assert caught.value.expected.endswith(": " + ", ".join(staged))


def test_heads_inside_are_not_built() -> None:
    made = MODELS["early-exits"](SCHEMA, backbone="googlenet width_factor=0.05", exits=2)
    assert isinstance(made, EarlyExits)
    assert all(parameter.requires_grad for parameter in made.parameters())
    assert not any("auxiliary" in name for name in made.state_dict())
    assert made.backbone.choice is not None
    assert made.backbone.choice.options["auxiliary_weight"] == 0


def test_another_head_is_the_backbones() -> None:
    made = network().eval()
    head = nn.Linear(7, 3)
    made.head = head
    assert made.backbone.head is made.head is made.heads[-1] is head
    assert torch.equal(made(images()), head(made.backbone.features(images())))
    assert [name for name, _ in made.named_children()] == ["backbone", "exit_heads"]


def test_no_exit_where_the_image_is_not_seen() -> None:
    """After a transformer's embedding the class token is the same for every image."""
    for exits, at in ((1, (3,)), (2, (2, 4)), (3, (2, 3, 4)), (4, (1, 2, 3, 4))):
        made = MODELS["early-exits"](SCHEMA, backbone="vit depth=4 width=6 heads=2", exits=exits)
        assert isinstance(made, EarlyExits)
        assert made.at == at
        pair = [out[0] != out[1] for out in made.eval().exits(images(2))]
        assert all(differ.all() for differ in pair)
    assert isinstance(made, EarlyExits)
    with pytest.raises(ConfigurationError, match=r"stage 0 \(embedding\)") as caught:
        EarlyExits(backbone=made.backbone, at=(0, 2), input_shape=(3, 8, 8))
    assert "1 (block1), 2 (block2), 3 (block3), 4 (block4)" in caught.value.do


def test_a_run_chooses_the_backbones_first_weights_from_the_data(tmp_path: Path) -> None:
    random = numpy.random.default_rng(0)
    for kind in ("dark", "light"):
        (tmp_path / kind).mkdir()
        for number in range(10):
            pixels = random.integers(0, 256, (10, 10), dtype=numpy.uint8)
            Image.fromarray(pixels).save(tmp_path / kind / f"{number}.png")
    data = sightline.load(tmp_path)
    spec = RunSpec(
        name="w",
        data=data.spec,
        model=Choice("early-exits", {"backbone": "whitening-net width=2", "exits": 1}),
        optim=Choice("adamw"),
    )
    made = build_model(spec, data)
    assert isinstance(made, EarlyExits)
    assert isinstance(made.backbone, WhiteningNet)
    assert made.backbone.whitening.fitted
    assert not made.backbone.mirror
    alone = WhiteningNet(in_channels=1, num_outputs=2, widths=(2, 8, 8))
    initialise_from_data(alone, data)
    assert torch.equal(made.backbone.whitening.weight, alone.whitening.weight)


def test_tables_are_sent_elsewhere() -> None:
    with pytest.raises(DataError, match="mlp"):
        early_exits(Schema("table", "classification", (4,), classes=("a", "b")))


def test_what_can_not_be_is_told(as_a_user_calls: None) -> None:
    with pytest.raises(ConfigurationError, match="positive weight"):
        network(weight=-1.0)
    with pytest.raises(ConfigurationError, match="Twice"):
        EarlyExits(backbone=Twice(), at=(0,), input_shape=(3, 8, 8))
    with pytest.raises(InputError, match=r"stages\.0\.0"):
        EarlyExits(backbone=Tiny(), at=(0,), input_shape=(1, 8, 8))
    with pytest.raises(InputError, match=r"backbone\.stages\.0\.0"):
        network().eval()(torch.zeros(2, 1, 8, 8))
    with pytest.raises(ConfigurationError, match="training mode"):
        network().predict_early(images(), 0.5)
    with pytest.raises(ConfigurationError, match="NaN"):
        network().eval().predict_early(images(), float("nan"))
    number = EarlyExits(backbone=Tiny(num_outputs=1), at=(0,), input_shape=(3, 8, 8)).eval()
    with pytest.raises(ConfigurationError, match="one output"):
        number.predict_early(images(), 0.5)


def test_building_leaves_the_backbone_as_it_is() -> None:
    backbone = MODELS["resnet"](SCHEMA, width=3, seed=0)
    assert isinstance(backbone, StagedPredictor)
    before = {name: value.clone() for name, value in backbone.state_dict().items()}
    state = torch.get_rng_state()
    made = EarlyExits(backbone=backbone, at=(1,), input_shape=(3, 8, 8))
    assert made.backbone is backbone
    assert backbone.training
    assert all(torch.equal(before[name], value) for name, value in backbone.state_dict().items())
    assert all(p.grad is None and p.requires_grad for p in backbone.parameters())
    assert not torch.equal(torch.get_rng_state(), state)  # the head's weights alone are drawn
    double = EarlyExits(backbone=Tiny().double(), at=(1,), input_shape=(3, 8, 8))
    assert all(p.dtype == torch.float64 for p in double.parameters())


def test_a_run_leaves_accuracy_against_compute(tmp_path: Path) -> None:
    data = sightline.load("digits")
    model = EarlyExits(backbone=Tiny(channels=1, num_outputs=10), at=(0, 1), input_shape=(1, 8, 8))
    plan = sightline.train.Plan(epochs=1, batch_size=512)
    run = sightline.fit(model, data, plan, name="e", runs=tmp_path, quiet=True)
    for split in ("validation", "test"):
        told = run.folder.read(f"readings/exits-{split}.json")
        assert told["count"] == len(getattr(data, split))
        assert told["accuracy"][-1] == told["exit_accuracy"][-1]
        assert told["compute"][-1] == told["exit_compute"][-1]
        assert told["accuracy"][-1] == pytest.approx(
            run.folder.read(f"readings/evaluation-{split}.json")["metrics"]["accuracy"]["value"], abs=1e-9
        )
    spec = accuracy_by_compute(
        told["compute"], told["accuracy"], told["exit_compute"], told["exit_accuracy"], told["thresholds"]
    )
    assert len(spec["datasets"]["points"]) == len(told["thresholds"])
    json.dumps(spec, allow_nan=False)


def test_the_figure_is_in_order_of_compute() -> None:
    spec = accuracy_by_compute([30.0, 10.0], [0.9, 0.5], [10, 30], [0.5, 0.9], [1.01, 0.0])
    assert [(p["x"], p["value"], p["threshold"]) for p in spec["datasets"]["points"]] == [(10, 0.5, 0), (30, 0.9, 1.01)]
    assert [(p["x"], p["value"]) for p in spec["datasets"]["exits"]] == [(10, 0.5), (30, 0.9)]


@pytest.mark.parametrize(
    "given",
    [
        ([], [], [1], [1]),
        ([1], [1], [], []),
        ([0.0], [1], [1], [1]),
        ([1], [1, 1], [1], [1]),
        ([1], [1], [1], [1, 1]),
        ([1], [1], [1], [1], [1, 2]),
    ],
)
def test_nothing_to_draw_is_refused(given: tuple[Any, ...]) -> None:
    with pytest.raises(DataError):
        accuracy_by_compute(*given)
