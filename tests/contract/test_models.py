"""Every registered model, on every kind of data it takes: shapes, gradients, saving, dtypes, determinism."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

import sightline.models
from sightline.core.errors import (
    CheckpointError,
    ConfigurationError,
    DataError,
    InputError,
    SightlineError,
    UnknownNameError,
)
from sightline.core.schema import Schema
from sightline.models import MLP, MODELS, Predictor, ResNet, mlp, resnet
from small_models import SMALL, SMALL_IMAGES, SMALL_TEXT

GREY = Schema("image", "classification", (1, 8, 8), classes=tuple("abcdefghij"))
COLOUR = Schema("image", "classification", (3, 32, 32), classes=("cat", "dog"))
PRICED = Schema("image", "regression", (3, 9, 7), target="price")
TABLE = Schema("table", "classification", (5,), classes=("no", "yes", "maybe"))
HOUSES = Schema("table", "regression", (4,), target="price")
TEXT = Schema("text", "none", (16,))
UNLABELLED = Schema("image", "none", (1, 8, 8))

CASES: list[tuple[str, Schema, dict[str, Any]]] = [
    *((name, COLOUR, options) for name, options in SMALL.items()),
    ("mlp", GREY, {}),
    ("mlp", COLOUR, {"activation": "gelu", "dropout": 0.2}),
    ("mlp", PRICED, {"activation": "tanh", "depth": 1}),
    ("mlp", TABLE, {"depth": 0}),
    ("mlp", HOUSES, {"width": 7}),
    ("resnet", GREY, {}),
    ("resnet", COLOUR, {"depth": 14, "width": 4}),
    ("resnet", PRICED, {"width": 3}),
]
NAMES = [
    f"{name}-{schema.kind}-{schema.task}-{len(schema.input_shape)}-{len(options)}" for name, schema, options in CASES
]
IMAGE_MODELS = sorted(set(SMALL) - {"mlp"})
every_case = pytest.mark.parametrize(("name", "schema", "options"), CASES, ids=NAMES)


def inputs(schema: Schema, batch: int = 3, dtype: torch.dtype = torch.float32) -> Tensor:
    return torch.randn(batch, *schema.input_shape, generator=torch.Generator().manual_seed(1)).to(dtype)


def make(name: str, schema: Schema, options: dict[str, Any], seed: int = 0) -> Predictor:
    torch.manual_seed(seed)
    return MODELS[name](schema, **options)


def test_the_cases_cover_the_registry() -> None:
    assert len(MODELS) == 29
    assert sorted(MODELS) == sorted([*SMALL, *SMALL_TEXT, *SMALL_IMAGES])
    assert {name for name, _, _ in CASES} == set(SMALL)
    assert all(MODELS.summary(name).endswith(".") for name in MODELS)


@every_case
def test_outputs_and_features(name: str, schema: Schema, options: dict[str, Any]) -> None:
    model = make(name, schema, options)
    x = inputs(schema)
    given = model(x)
    outputs = given if isinstance(given, Tensor) else given.outputs
    assert outputs.shape == (3, schema.num_outputs)
    assert torch.isfinite(outputs).all()
    model.eval()
    outputs = model(x)
    assert torch.equal(model.head(model.features(x)), outputs)
    assert model(x[:0]).shape == (0, schema.num_outputs)


@every_case
def test_every_parameter_gets_a_gradient(name: str, schema: Schema, options: dict[str, Any]) -> None:
    model = make(name, schema, options)
    given = model(inputs(schema, 8))
    heads = [given] if isinstance(given, Tensor) else [given.outputs, *given.auxiliary]
    sum((outputs.square().sum() for outputs in heads), torch.zeros(())).backward()
    parameters = dict(model.named_parameters())
    assert len(parameters) >= 2
    for key, parameter in parameters.items():
        assert parameter.grad is not None, key
        assert torch.isfinite(parameter.grad).all(), key
        assert parameter.grad.abs().sum() > 0, key


@every_case
@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_keeps_the_dtype(name: str, schema: Schema, options: dict[str, Any], dtype: torch.dtype) -> None:
    model = make(name, schema, options).to(dtype)
    outputs = model.eval()(inputs(schema, dtype=dtype))
    assert outputs.dtype == dtype
    assert torch.isfinite(outputs).all()


@every_case
def test_the_seed_decides_the_weights(name: str, schema: Schema, options: dict[str, Any]) -> None:
    first, again, other = (make(name, schema, options, seed).state_dict() for seed in (0, 0, 1))
    assert all(torch.equal(first[key], again[key]) for key in first)
    weight = "exit_heads.0.weight" if name == "early-exits" else "head.weight"
    assert not torch.equal(first[weight], other[weight])


@every_case
def test_saves_and_loads(name: str, schema: Schema, options: dict[str, Any], tmp_path: Path) -> None:
    model = make(name, schema, options)
    model(inputs(schema, 8))  # moves the running statistics
    model.eval()
    model.save_pretrained(tmp_path)
    assert (tmp_path / "model.safetensors").is_file()
    assert (tmp_path / "config.json").is_file()
    loaded = type(model).from_pretrained(tmp_path)
    assert not loaded.training
    assert torch.equal(loaded(inputs(schema)), model(inputs(schema)))


@every_case
def test_remembers_how_it_was_built(name: str, schema: Schema, options: dict[str, Any]) -> None:
    choice = make(name, schema, options).choice
    assert choice is not None
    assert choice.name == name
    assert options.items() <= dict(choice.options).items()


@pytest.mark.parametrize("name", IMAGE_MODELS)
def test_channels_last_gives_the_same_outputs(name: str) -> None:
    model = make(name, COLOUR, SMALL[name]).double()
    x = inputs(COLOUR, 4, torch.float64)
    model(x)  # moves the running statistics
    model.eval()
    expected = model(x)
    model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    found = model(x.contiguous(memory_format=torch.channels_last))
    torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-9)


def test_a_resnet_keeps_channels_last() -> None:
    model = make("resnet", COLOUR, {}).eval()
    model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    assert isinstance(model, ResNet)
    assert model.stages(inputs(COLOUR).contiguous(memory_format=torch.channels_last)).is_contiguous(
        memory_format=torch.channels_last
    )


@pytest.mark.usefixtures("as_a_user_calls")
@pytest.mark.parametrize("name", IMAGE_MODELS)
def test_images_with_other_channels_are_refused_by_a_layer(name: str) -> None:
    with pytest.raises(InputError, match=r"the layer \S+ can take|images of 3 × 32 × 32"):
        make(name, COLOUR, SMALL[name])(torch.zeros(2, 4, 32, 32))


@pytest.mark.usefixtures("as_a_user_calls")
@pytest.mark.parametrize("name", IMAGE_MODELS)
@pytest.mark.parametrize("side", [1, 2, 3, 5])
def test_tiny_images_are_predicted_or_refused_in_our_words(name: str, side: int) -> None:
    tiny = Schema("image", "classification", (3, side, side), classes=("cat", "dog"))
    try:
        outputs = make(name, tiny, SMALL[name]).eval()(inputs(tiny))
    except SightlineError:
        return
    assert outputs.shape == (3, 2)
    assert torch.isfinite(outputs).all()


def test_channels_last_weights_are_saved_whole(tmp_path: Path) -> None:
    model = make("resnet", GREY, {}).eval()
    model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    model.save_pretrained(tmp_path)
    loaded = ResNet.from_pretrained(tmp_path)
    assert all(torch.equal(loaded.state_dict()[k], v) for k, v in model.state_dict().items())


@pytest.mark.parametrize(("depth", "layers"), [(8, 8), (14, 14), (20, 20), (56, 56)])
def test_resnet_depth_counts_its_layers_with_weights(depth: int, layers: int) -> None:
    model = resnet(COLOUR, depth=depth, width=2)
    assert sum(isinstance(m, torch.nn.Conv2d | torch.nn.Linear) for m in model.modules()) == layers


def test_mlp_hidden_units_start_with_the_spread_of_their_inputs() -> None:
    torch.manual_seed(0)
    x = torch.randn(500, 400)
    for activation in ("relu", "gelu", "tanh"):
        model = MLP(num_inputs=400, num_outputs=400, hidden=[400] * 3, activation=activation)
        expected = 2 / 400 if activation != "tanh" else 1 / 400
        for layer in model.hidden:
            if isinstance(layer, torch.nn.Linear):
                assert layer.weight.var().item() == pytest.approx(expected, rel=0.03)
                assert not layer.bias.any()
        assert 0.1 < model(x).std().item() < 2


def test_dropout_acts_in_training_only() -> None:
    model = mlp(TABLE, dropout=0.5)
    x = inputs(TABLE)
    assert not torch.equal(model(x), model(x))
    model.eval()
    assert torch.equal(model(x), model(x))


def test_a_saved_model_is_not_loaded_as_another(tmp_path: Path) -> None:
    mlp(TABLE).save_pretrained(tmp_path / "mlp")
    resnet(GREY).save_pretrained(tmp_path / "resnet")
    with pytest.raises(CheckpointError, match="MLP saved by"):
        MLP.from_pretrained(tmp_path / "resnet")
    with pytest.raises(CheckpointError, match="ResNet saved by"):
        ResNet.from_pretrained(tmp_path / "mlp")


def test_weights_of_another_shape_are_refused(tmp_path: Path) -> None:
    mlp(TABLE, width=8).save_pretrained(tmp_path)
    with pytest.raises(CheckpointError, match="MLP saved by"):
        MLP.from_pretrained(tmp_path, hidden=[9, 9])
    with pytest.raises(CheckpointError, match="MLP saved by"):
        MLP.from_pretrained(tmp_path, hidden=[8, 8, 8])


def test_damaged_or_missing_weights_are_refused(tmp_path: Path) -> None:
    mlp(TABLE).save_pretrained(tmp_path)
    weights = tmp_path / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-10])
    with pytest.raises(CheckpointError):
        MLP.from_pretrained(tmp_path)
    weights.unlink()
    with pytest.raises(CheckpointError, match="MLP saved by"):
        MLP.from_pretrained(tmp_path)


@pytest.mark.parametrize("name", sorted(SMALL))
@pytest.mark.parametrize("schema", [TEXT, UNLABELLED], ids=["text", "unlabelled"])
def test_data_that_no_model_can_learn_from_are_refused(name: str, schema: Schema) -> None:
    with pytest.raises(DataError, match=name):
        MODELS[name](schema)


@pytest.mark.parametrize("name", IMAGE_MODELS)
def test_networks_for_images_send_tables_to_the_mlp(name: str) -> None:
    with pytest.raises(DataError, match="use the model 'mlp'"):
        MODELS[name](TABLE)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("mlp", {"width": 0}),
        ("mlp", {"depth": -1}),
        ("mlp", {"dropout": 1.0}),
        ("mlp", {"activation": "reluu"}),
        ("mlp", {"widht": 3}),
        ("resnet", {"depth": 9}),
        ("resnet", {"width": 0}),
        ("resnet", {"width": 1.5}),
    ],
)
def test_options_out_of_range_are_refused(name: str, options: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match=next(iter(options))):
        MODELS[name](GREY, **options)


def test_a_misspelt_model_suggests_the_near_one() -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'resnet'"):
        MODELS["resnt"]


def test_the_builder_and_not_its_file_bears_the_name() -> None:
    from sightline.models import resnet as imported

    assert sightline.models.resnet is imported
    assert isinstance(sightline.models.resnet(GREY, depth=8), ResNet)
    assert isinstance(sightline.models.mlp(GREY), MLP)
