"""Residual, plain and ODE networks: published sizes, first weights, options, bad input, export, formats."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from sightline.core.errors import ConfigurationError, DataError, InputError
from sightline.core.schema import Schema
from sightline.models import MODELS, Predictor, resnet_sizes
from sightline.models.ode_net import ODENet
from sightline.models.resnet import ResNet, blocks_per_stage
from sightline.nn.residual import BasicBlock, BottleneckBlock, ResidualBlock, zero_branches
from sightline.nn.shortcut import PaddedShortcut
from sightline.nn.stochastic_depth import StochasticDepth

GREY = Schema("image", "classification", (1, 8, 8), classes=tuple("abcdefghij"))
PRICED = Schema("image", "regression", (3, 9, 7), target="price")
TABLE = Schema("table", "classification", (5,), classes=("no", "yes"))
TEXT = Schema("text", "none", (16,))

REGISTERED: list[tuple[str, dict[str, Any]]] = [
    ("resnet", {}),
    ("resnet", {"depth": 14, "width": 4, "activation": "pre", "stochastic_depth": 0.2}),
    ("plain", {"width": 4}),
    ("resnet18", {"width": 4}),
    ("resnet50", {"width": 4}),
    ("ode-net", {"width": 4}),
    ("ode-net", {"width": 3, "steps": 1, "method": "rk4", "gradient": "adjoint"}),
]
registered = pytest.mark.parametrize(("name", "options"), REGISTERED, ids=[f"{n}-{len(o)}" for n, o in REGISTERED])
NAMES = ["resnet", "plain", "resnet18", "resnet34", "resnet50", "resnet101", "resnet152", "ode-net"]

SMALL: dict[str, Any] = {"in_channels": 1, "num_outputs": 3, "depths": (1, 2), "widths": (8, 16)}
VARIANTS: dict[str, dict[str, Any]] = {
    "basic": {},
    "plain": {"shortcut": "none"},
    "large": {"stem": "large", "shortcut": "projection", "stem_width": 3},
    "bottleneck": {"block": "bottleneck"},
    "bottleneck-1x1-stride": {"block": "bottleneck-1x1-stride", "shortcut": "projection"},
    "pre-activation": {"block": "pre-activation", "stochastic_depth": 0.1},
    "pre-activation-bottleneck": {"block": "pre-activation-bottleneck", "shortcut": "projection", "strides": [2, 1]},
    "ode-net": {},
    "ode-net-adjoint": {"gradient": "adjoint", "method": "euler"},
}
variants = pytest.mark.parametrize("variant", list(VARIANTS))


def make(variant: str) -> Predictor:
    torch.manual_seed(0)
    if variant.startswith("ode-net"):
        return ODENet(in_channels=1, num_outputs=3, widths=(4, 8), **VARIANTS[variant])
    return ResNet(**SMALL, **VARIANTS[variant])


def images(*shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(1))


@registered
def test_registered_networks_learn_from_any_image(name: str, options: dict[str, Any]) -> None:
    for schema in (GREY, PRICED):
        model = MODELS[name](schema, seed=0, **options)
        x = images(8, *schema.input_shape)
        outputs = model(x)
        assert outputs.shape == (8, schema.num_outputs)
        assert torch.isfinite(outputs).all()
        outputs.square().sum().backward()
        if not options.get("stochastic_depth"):
            assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in model.parameters())
        assert model.eval()(x[:0]).shape == (0, schema.num_outputs)


def test_all_are_registered_and_refuse_what_is_no_image() -> None:
    assert set(NAMES) <= set(MODELS)
    for name in NAMES:
        assert MODELS.summary(name).endswith(".")
        with pytest.raises(DataError, match="use the model 'mlp'"):
            MODELS[name](TABLE)
        with pytest.raises(DataError, match=name):
            MODELS[name](TEXT)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("resnet", {"activation": "both"}),
        ("resnet", {"stochastic_depth": 1.0}),
        ("plain", {"depth": 9}),
        ("plain", {"stochastic_depth": 0.1}),
        ("resnet50", {"width": 0}),
        ("ode-net", {"steps": 0}),
        ("ode-net", {"method": "rk45"}),
        ("ode-net", {"gradient": "none"}),
    ],
)
def test_options_out_of_range_are_refused(name: str, options: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match=next(iter(options))):
        MODELS[name](GREY, **options)


COUNTS = {
    "resnet20": 269_722,  # He et al. 2016, table 6: 0.27, 0.46, 0.66, 0.85 and 1.7 million
    "resnet32": 464_154,
    "resnet44": 658_586,
    "resnet56": 853_018,
    "resnet110": 1_727_962,
    "plain20": 269_722,
    "plain32": 464_154,
    "plain44": 658_586,
    "plain56": 853_018,
    "pre_activation_resnet110": 1_727_962,  # "Identity Mappings", table 4: 1.7 million, both
    "pre_activation_resnet164": 1_703_258,
    "resnet18": 11_689_512,  # as published with their ImageNet weights
    "resnet34": 21_797_672,
    "resnet50": 25_557_032,
    "resnet101": 44_549_160,
    "resnet152": 60_192_808,
}


@pytest.mark.parametrize("name", list(COUNTS))
def test_named_sizes_have_the_published_layers_and_parameters(name: str) -> None:
    with torch.device("meta"):
        network = getattr(resnet_sizes, name)()
    assert sum(p.numel() for p in network.parameters()) == COUNTS[name]
    layers = [n for n, m in network.named_modules() if isinstance(m, nn.Conv2d | nn.Linear) and "shortcut" not in n]
    assert len(layers) == int(name.lstrip("_abcdefghijklmnopqrstuvwxyz"))


def test_the_registered_sizes_are_the_named_ones() -> None:
    for name in ("resnet18", "resnet34", "resnet50", "resnet101", "resnet152"):
        with torch.device("meta"):
            entry, named = (
                MODELS[name](GREY, width=8),
                getattr(resnet_sizes, name)(in_channels=1, num_outputs=10, width=8),
            )
        assert str(entry) == str(named)
    assert MODELS["resnet50"](GREY, width=4).choice.options == {"width": 4}  # type: ignore[union-attr]


def test_options_make_the_network_they_name() -> None:
    sizes: dict[str, Any] = {"in_channels": 1, "num_outputs": 10, "depths": (2, 2, 2), "widths": (4, 8, 16)}
    cases: list[tuple[str, dict[str, Any], ResNet]] = [
        ("resnet", {}, ResNet(**sizes)),
        ("plain", {}, ResNet(**sizes, shortcut="none")),
        ("resnet", {"activation": "pre"}, ResNet(**sizes, block="pre-activation")),
        ("resnet", {"stochastic_depth": 0.3}, ResNet(**sizes, stochastic_depth=0.3)),
    ]
    for name, options, expected in cases:
        assert str(MODELS[name](GREY, depth=14, width=4, **options)) == str(expected)
    made = MODELS["ode-net"](GREY, width=4, steps=3, method="rk4", gradient="adjoint")
    sizes = {"in_channels": 1, "num_outputs": 10, "widths": (4, 8, 16)}
    assert str(made) == str(ODENet(**sizes, steps=3, method="rk4", gradient="adjoint"))


@pytest.mark.parametrize("name", ["resnet20", "plain20", "plain32", "plain44", "plain56"])
def test_plain_networks_have_no_skips_and_the_others_have_one_a_block(name: str) -> None:
    with torch.device("meta"):
        blocks = [m for m in getattr(resnet_sizes, name)().modules() if isinstance(m, ResidualBlock)]
    assert len(blocks) >= 8
    assert all((block.shortcut is None) == name.startswith("plain") for block in blocks)


@pytest.mark.parametrize(("depth", "nearest"), [(9, "8 or 14"), (13, "8 or 14"), (2, "8"), (0, "8"), (-4, "8")])
def test_depths_that_are_not_6n_and_2_are_refused(depth: int, nearest: str) -> None:
    with pytest.raises(ConfigurationError, match="6n") as caught:
        blocks_per_stage(depth)
    assert str(depth) in caught.value.found
    assert nearest in caught.value.do


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"depths": ()}, "depths"),
        ({"depths": (), "widths": (), "strides": ()}, "depths"),
        ({"depths": (1, 0)}, "depths"),
        ({"depths": (1, 1, 1)}, "depths"),
        ({"widths": (4, 0)}, "widths"),
        ({"strides": (1,)}, "strides"),
        ({"strides": (1, 0)}, "strides"),
        ({"block": "basics"}, "basics"),
        ({"stem": "tiny"}, "tiny"),
        ({"shortcut": "identity"}, "identity"),
        ({"widths": (8, 4)}, "shortcut that pads"),
        ({"stem_width": 9}, "shortcut that pads"),
        ({"block": "bottleneck", "widths": (3, 8), "stem_width": 3}, "widths of 4"),
        ({"block": "pre-activation-bottleneck", "widths": (3, 8), "stem_width": 3}, "widths of 4"),
        ({"stochastic_depth": 1.0}, "1.0"),
        ({"stochastic_depth": 0.1, "shortcut": "none"}, "plain network"),
    ],
)
@pytest.mark.usefixtures("as_a_user_calls")
def test_networks_that_can_not_be_built_are_refused(options: dict[str, Any], named: str) -> None:
    with pytest.raises(ConfigurationError, match=named):
        ResNet(**{**SMALL, **options})


@pytest.mark.usefixtures("as_a_user_calls")
@pytest.mark.parametrize(
    ("shape", "layer"),
    [((2, 3, 8, 8), "stages.stem"), ((2, 1, 0, 8), "stages.stem"), ((64,), "stages.stem"), ((2, 64), "stages.stem")],
)
@variants
def test_images_that_do_not_fit_are_told_by_the_layer(variant: str, shape: tuple[int, ...], layer: str) -> None:
    with pytest.raises(InputError, match=layer):
        make(variant)(torch.zeros(shape))


@pytest.mark.usefixtures("as_a_user_calls")
def test_one_image_of_one_position_is_too_little_for_batch_statistics() -> None:
    with pytest.raises(InputError, match=r"stages\.stem\.norm"):
        make("basic")(torch.zeros(1, 1, 1, 1))


@variants
def test_tiny_images_give_an_output(variant: str) -> None:
    model = make(variant)
    assert torch.isfinite(model.eval()(images(2, 1, 1, 1))).all()


@pytest.mark.parametrize(("variant", "first", "last"), [("basic", 9, 5), ("large", 3, 2), ("ode-net", 9, 5)])
def test_stages_after_the_first_halve_the_sides_rounded_up(variant: str, first: int, last: int) -> None:
    maps, sides = images(2, 1, 9, 9), {}
    for name, stage in make(variant).stages.named_children():  # type: ignore[union-attr]
        maps = stage(maps)
        sides[name] = maps.shape[2]
    assert (sides["stem"], sides["stage1"], sides["stage2"]) == (first, first, last)


@variants
def test_saves_and_loads(variant: str, tmp_path: Path) -> None:
    model = make(variant)
    model(images(4, 1, 9, 8))
    model.eval().save_pretrained(tmp_path)
    loaded = type(model).from_pretrained(tmp_path)
    assert torch.equal(loaded(images(2, 1, 9, 8)), model(images(2, 1, 9, 8)))
    assert str(loaded) == str(model)


@variants
def test_channels_last_gives_the_same_outputs_and_keeps_its_layout(variant: str) -> None:
    model, x = make(variant).eval(), images(2, 1, 16, 16)
    expected = model(x)
    model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    maps = x.contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(model(maps), expected, rtol=1e-5, atol=1e-5)
    for stage in model.stages:  # type: ignore[union-attr]
        maps = stage(maps)
        assert maps.is_contiguous(memory_format=torch.channels_last)


@variants
@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_keeps_the_dtype(variant: str, dtype: torch.dtype) -> None:
    outputs = make(variant).to(dtype)(images(3, 1, 8, 8).to(dtype))
    assert outputs.dtype == dtype
    assert torch.isfinite(outputs).all()


@pytest.mark.usefixtures("as_a_user_calls")  # a symbolic trace has no tensors whose shapes could be checked
@variants
def test_traced_and_exported_networks_give_the_same_outputs(variant: str) -> None:
    model, x = make(variant).eval(), images(3, 1, 9, 8)
    with torch.no_grad():
        expected = model(x)
        torch.testing.assert_close(torch.fx.symbolic_trace(model)(x), expected)
    if variant == "ode-net-adjoint":
        batch = {0: torch.export.Dim("batch", min=1, max=64)}
        program = torch.export.export(model, (x,), dynamic_shapes=(batch,))
        torch.testing.assert_close(program.module()(x[:2]), expected[:2])


def test_first_weights_are_he_normal_with_skips_and_without() -> None:
    sizes: dict[str, Any] = {"in_channels": 3, "num_outputs": 400, "depths": (2, 2), "widths": (64, 128)}
    states = []
    for shortcut in ("pad", "none"):
        torch.manual_seed(0)
        network = ResNet(**sizes, shortcut=shortcut)
        states.append(network.state_dict())
        for layer in network.stages.modules():
            if isinstance(layer, nn.Conv2d):
                fan_in = layer.weight[0].numel()
                spread = 5 * (2 / layer.weight.numel()) ** 0.5  # five standard errors of a variance
                assert layer.weight.var().item() * fan_in / 2 == pytest.approx(1, abs=spread)
            elif isinstance(layer, nn.BatchNorm2d):
                assert (layer.weight == 1).all()
                assert not layer.bias.any()
        assert isinstance(network.head, nn.Linear)
        assert network.head.weight.var().item() * 128 == pytest.approx(1, abs=0.03)
        assert not network.head.bias.any()
    residual, plain = states
    assert list(residual) == list(plain)
    assert all(torch.equal(residual[name], plain[name]) for name in residual)


def test_the_ode_networks_first_weights_are_he_normal() -> None:
    torch.manual_seed(0)
    network = ODENet(in_channels=3, num_outputs=2, widths=(64, 64))
    for layer in network.stages.modules():
        if isinstance(layer, nn.Conv2d):
            spread = 5 * (2 / layer.weight.numel()) ** 0.5
            assert layer.weight.var().item() * layer.weight[0].numel() / 2 == pytest.approx(1, abs=spread)


@pytest.mark.parametrize("block", ["basic", "bottleneck", "pre-activation", "pre-activation-bottleneck"])
def test_stochastic_depth_rises_linearly_and_acts_in_training_only(block: Any) -> None:
    network = ResNet(in_channels=1, num_outputs=2, depths=(2, 2), widths=(4, 8), block=block, stochastic_depth=0.4)
    drops = [m.drop_probability for m in network.modules() if isinstance(m, StochasticDepth)]
    assert drops == pytest.approx([0.1, 0.2, 0.3, 0.4])
    bare = ResNet(in_channels=1, num_outputs=2, depths=(2, 2), widths=(4, 8), block=block)
    bare.load_state_dict(network.state_dict())
    x = images(8, 1, 8, 8)
    assert torch.equal(network.eval()(x), bare.eval()(x))
    torch.manual_seed(0)
    assert not torch.equal(network.train()(x), bare.train()(x))


def test_a_dropped_branch_leaves_the_shortcut() -> None:
    torch.manual_seed(0)
    block, x = BasicBlock(num_inputs=2, num_outputs=4, stride=2, drop_probability=0.5), images(64, 2, 4, 4)
    y = block(x)
    skipped = PaddedShortcut(num_inputs=2, num_outputs=4, stride=2)(x).relu()
    dropped = [bool(torch.equal(a, b)) for a, b in zip(y, skipped, strict=True)]
    assert 16 < sum(dropped) < 48
    index = dropped.index(False)
    assert torch.allclose(
        y[index], (2 * block.branch(x) + PaddedShortcut(num_inputs=2, num_outputs=4, stride=2)(x)).relu()[index]
    )


def test_blocks_may_start_as_their_shortcuts() -> None:
    for options in ({}, {"block": "bottleneck", "shortcut": "projection"}):
        network = ResNet(**SMALL, **options)  # type: ignore[arg-type]
        zero_branches(network)
        blocks = [m for m in network.modules() if isinstance(m, ResidualBlock)]
        assert len(blocks) == 3
        for block in blocks:
            x = images(4, block.conv1.in_channels, 6, 6)  # type: ignore[union-attr, arg-type]
            assert block.shortcut is not None
            torch.testing.assert_close(block(x), block.shortcut(x).relu())
            scales = {name: p for name, p in block.named_parameters() if "norm" in name and name.endswith("weight")}
            last = "norm3.weight" if "norm3.weight" in scales else "norm2.weight"
            assert [name for name, scale in scales.items() if not scale.any()] == [last]
    for other in (make("plain"), make("pre-activation"), make("ode-net")):
        before = {name: value.clone() for name, value in other.state_dict().items()}
        with pytest.raises(ConfigurationError, match="leave the first weights"):
            zero_branches(other)
        assert all(torch.equal(value, before[name]) for name, value in other.state_dict().items())


def test_bottlenecks_round_down_and_put_the_stride_where_they_say() -> None:
    for stride_in, strides in (("3x3", [1, 2, 1]), ("1x1", [2, 1, 1])):
        block = BottleneckBlock(num_inputs=4, num_outputs=10, stride=2, stride_in=stride_in)  # type: ignore[arg-type]
        assert [c.stride[0] for c in (block.conv1, block.conv2, block.conv3)] == strides
        assert block.conv2.weight.shape == (2, 2, 3, 3)


@pytest.mark.usefixtures("as_a_user_calls")
@pytest.mark.parametrize("stride_in", ["1 × 1", "1X1", "", 1])
def test_a_stride_in_no_convolution_is_refused(stride_in: Any) -> None:
    with pytest.raises(ConfigurationError, match="stride_in: one of 3x3, 1x1"):
        BottleneckBlock(num_inputs=4, num_outputs=8, stride_in=stride_in)


def test_the_ode_network_has_one_blocks_weights_however_many_steps() -> None:
    few, many = (ODENet(in_channels=1, num_outputs=2, widths=(4, 8), steps=n) for n in (1, 50))
    assert sum(p.numel() for p in few.parameters()) == sum(p.numel() for p in many.parameters())
    assert [m.num_groups for m in few.modules() if isinstance(m, nn.GroupNorm)] == [1, 1, 2, 2, 2]
