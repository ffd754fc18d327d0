"""Loading other people's checkpoints: what is kept, what is refused and how that is told."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from huggingface_hub import errors
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from sightline.core.errors import CheckpointError, ConfigurationError
from sightline.models.bart import BART
from sightline.models.bert import BERT
from sightline.models.convnext import ConvNeXt
from sightline.models.early_exits import EarlyExits
from sightline.models.gpt import GPT
from sightline.models.hugging_face import load
from sightline.models.mlp import MLP
from sightline.models.predictor import Predictor
from sightline.models.pretrained import FAMILIES, from_pretrained, load_pretrained
from sightline.models.resnet import ResNet
from sightline.models.staged import StagedPredictor
from sightline.models.t5 import T5
from sightline.models.vit import ViT

CONFIG: dict[str, Any] = {"model_type": "vit", "hidden_size": 4, "num_hidden_layers": 1, "num_attention_heads": 2,
          "intermediate_size": 6, "image_size": 4, "patch_size": 2, "num_channels": 1}  # fmt: skip
SHAPES: dict[str, tuple[int, ...]] = {
    "vit.embeddings.cls_token": (1, 1, 4),
    "vit.embeddings.position_embeddings": (1, 5, 4),
    "vit.embeddings.patch_embeddings.projection.weight": (4, 1, 2, 2),
    "vit.embeddings.patch_embeddings.projection.bias": (4,),
    **{
        f"vit.encoder.layer.0.{layer}.{kind}": shape if kind == "weight" else shape[:1]
        for kind in ("weight", "bias")
        for layer, shape in {
            "layernorm_before": (4,),
            "layernorm_after": (4,),
            "attention.attention.query": (4, 4),
            "attention.attention.key": (4, 4),
            "attention.attention.value": (4, 4),
            "attention.output.dense": (4, 4),
            "intermediate.dense": (6, 4),
            "output.dense": (4, 6),
        }.items()
    },
    "vit.layernorm.weight": (4,),
    "vit.layernorm.bias": (4,),
    "classifier.weight": (3, 4),
    "classifier.bias": (3,),
}
"""Names and shapes of a whole classifier as the layout has them."""

X = torch.linspace(-1, 1, 32).view(2, 1, 4, 4)


def weights() -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(0)
    return {name: torch.randn(shape, generator=generator) for name, shape in SHAPES.items()}


def write(folder: Path, config: dict[str, Any] = CONFIG, tensors: dict[str, Tensor] | None = None) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "config.json").write_text(json.dumps(config))
    save_file(weights() if tensors is None else tensors, folder / "model.safetensors")
    return folder


def write_shards(folder: Path) -> dict[str, Any]:
    """The same in two files, and an index."""
    write(folder)
    (folder / "model.safetensors").unlink()
    names = sorted(SHAPES)
    place = {name: f"model-0000{1 + (number % 2)}-of-00002.safetensors" for number, name in enumerate(names)}
    for file in set(place.values()):
        save_file({name: w for name, w in weights().items() if place[name] == file}, folder / file)
    index = {"metadata": {}, "weight_map": place}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    return index


def test_the_known_families() -> None:
    assert {name: network for name, (network, _) in FAMILIES.items()} == {
        "bart": BART,
        "bert": BERT,
        "convnext": ConvNeXt,
        "gpt2": GPT,
        "resnet": ResNet,
        "t5": T5,
        "vit": ViT,
    }


def test_a_folder_in_one_file_or_in_several_gives_the_same(tmp_path: Path) -> None:
    whole = from_pretrained(write(tmp_path / "whole"))
    write_shards(tmp_path / "shards")
    shards = from_pretrained(str(tmp_path / "shards"))
    assert not whole.training
    assert whole(X).shape == (2, 3)
    assert torch.equal(whole(X), shards(X))
    assert torch.equal(whole.get_parameter("head.weight"), weights()["classifier.weight"])


def test_query_key_and_value_keep_their_places(tmp_path: Path) -> None:
    model = from_pretrained(write(tmp_path))
    packed = model.get_parameter("stages.block1.attention.query_key_value.bias")
    for number, part in enumerate(("query", "key", "value")):
        expected = weights()[f"vit.encoder.layer.0.attention.attention.{part}.bias"]
        assert torch.equal(packed[4 * number : 4 * number + 4], expected)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_weights_become_float32(dtype: torch.dtype, tmp_path: Path) -> None:
    stored = {name: weight.to(dtype) for name, weight in weights().items()}
    model = from_pretrained(write(tmp_path, CONFIG, stored))
    assert {p.dtype for p in model.parameters()} == {torch.float32}
    assert torch.equal(model.get_parameter("head.weight"), stored["classifier.weight"].float())


def test_what_was_loaded_can_be_saved_as_ours(tmp_path: Path) -> None:
    model = from_pretrained(write(tmp_path / "theirs"))
    model.save_pretrained(tmp_path / "ours")
    assert torch.equal(ViT.from_pretrained(tmp_path / "ours")(X), model(X))
    again = from_pretrained(tmp_path / "ours")
    assert type(again) is ViT
    assert not again.training
    assert torch.equal(again(X), model(X))


class Wide(Predictor):
    """A network of a user's own, with a layer of statistics."""

    def __init__(self, *, num_inputs: int = 4, num_outputs: int, unheard_of: float = 0.5, **rest: int) -> None:
        super().__init__()
        self.rest = rest
        self.norm = nn.BatchNorm1d(num_inputs)
        self.head = nn.Linear(num_inputs, num_outputs)

    def features(self, x: Tensor) -> Tensor:
        found: Tensor = self.norm(x)
        return found


class Fixed(StagedPredictor):
    """One without arguments."""

    def __init__(self) -> None:
        super().__init__()
        self.stages = nn.Sequential(nn.Flatten())
        self.head = nn.Linear(16, 2)


class Plain(Predictor):
    """One with arguments that no other has."""

    def __init__(self, *, num_inputs: int, num_outputs: int, only_mine: bool = True) -> None:
        super().__init__()
        self.head = nn.Linear(num_inputs, num_outputs)

    def features(self, x: Tensor) -> Tensor:
        return x


class Mine(MLP):
    """A subclass that takes just what its base does."""


class Unfinished(Predictor):
    """One that is to be derived from."""


def test_our_own_networks_are_found_by_their_class(tmp_path: Path) -> None:
    for model in (Wide(num_outputs=3), Mine(num_inputs=4, num_outputs=3), Fixed()):
        model.save_pretrained(tmp_path)
        loaded = load_pretrained(tmp_path)
        assert type(loaded.predictor) is type(model)
        assert (loaded.model_type, loaded.labels) == (type(model).__name__, None)
        x = torch.randn(5, 1, 4, 4) if isinstance(model, Fixed) else torch.randn(5, 4)
        assert torch.equal(loaded.predictor(x), model.eval()(x))
        arguments: Any = loaded.predictor._hub_mixin_config
        assert "class" not in (arguments or {})
        loaded.predictor.save_pretrained(tmp_path / "twice")
        assert (tmp_path / "twice" / "config.json").read_text() == (tmp_path / "config.json").read_text()
    backbone = ResNet(in_channels=1, num_outputs=2, widths=(4, 4), depths=(1, 1))
    exits = EarlyExits(backbone=backbone, at=(0,), input_shape=(1, 8, 8)).eval()
    exits.save_pretrained(tmp_path)
    assert torch.equal(from_pretrained(tmp_path)(torch.ones(2, 1, 8, 8)), exits(torch.ones(2, 1, 8, 8)))
    with pytest.raises(CheckpointError, match="built for num_outputs"):
        from_pretrained(tmp_path, num_outputs=5)


def test_what_is_saved_names_the_class_and_the_arguments(tmp_path: Path) -> None:
    model = Wide(num_outputs=3)
    model.save_pretrained(tmp_path)
    told = json.loads((tmp_path / "config.json").read_text())
    assert told == {"class": "Wide", "num_inputs": 4, "num_outputs": 3, "unheard_of": 0.5}
    model.save_pretrained(tmp_path, config={"num_outputs": 3})
    assert json.loads((tmp_path / "config.json").read_text()) == {"class": "Wide", "num_outputs": 3}
    assert Wide.from_pretrained(tmp_path, more=7).rest == {"more": 7}


def test_a_fresh_head_on_a_network_of_our_own(tmp_path: Path) -> None:
    model = Wide(num_outputs=3)
    model(torch.randn(9, 4))  # moves the running statistics
    model.save_pretrained(tmp_path)
    fresh = from_pretrained(tmp_path, num_outputs=7)
    x = torch.randn(5, 4)
    assert fresh(x).shape == (5, 7)
    assert not fresh.training
    assert torch.equal(fresh.features(x), model.eval().features(x))
    same = from_pretrained(tmp_path, num_outputs=3)
    assert not torch.equal(same.get_parameter("head.weight"), model.get_parameter("head.weight"))


def test_arguments_alone_do_where_one_class_has_them(tmp_path: Path) -> None:
    model = Plain(num_inputs=4, num_outputs=3).eval()
    model.save_pretrained(tmp_path)
    file = tmp_path / "config.json"
    file.write_text(json.dumps(model._hub_mixin_config))  # as in the checkpoints of a training
    assert torch.equal(from_pretrained(tmp_path)(X.view(8, 4)), model(X.view(8, 4)))
    file.write_text(json.dumps(MLP(num_inputs=4, num_outputs=3)._hub_mixin_config))
    with pytest.raises(CheckpointError) as caught:
        from_pretrained(tmp_path)
    assert {"MLP.from_pretrained(…)", "Mine.from_pretrained(…)"} <= set(caught.value.do.split())
    for config in ({}, {"num_inputs": 4}, {"width": 3, "learning_rate": 1}):
        file.write_text(json.dumps(config))
        with pytest.raises(CheckpointError, match="neither"):
            from_pretrained(tmp_path)


@pytest.mark.parametrize("name", ["Widee", "StagedPredictor", "Predictor", "Unfinished", 3, None, ["x"]])
def test_a_class_that_is_not_known_is_refused(name: Any, tmp_path: Path) -> None:
    Wide(num_outputs=3).save_pretrained(tmp_path)
    (tmp_path / "config.json").write_text(json.dumps({"class": name, "num_outputs": 3}))
    with pytest.raises(CheckpointError, match="import the module") as caught:
        from_pretrained(tmp_path)
    assert repr(name) in caught.value.found
    assert ("'Wide'" in caught.value.do) == (name == "Widee")
    for abstract in ("StagedPredictor", "'Predictor'", "Unfinished"):
        assert abstract not in caught.value.do


def test_our_own_folder_without_weights(tmp_path: Path) -> None:
    Wide(num_outputs=3).save_pretrained(tmp_path)
    (tmp_path / "model.safetensors").unlink()
    with pytest.raises(CheckpointError, match=r"model\.safetensors in"):
        from_pretrained(tmp_path)


def test_weights_of_our_own_that_do_not_fit_are_told_in_a_line(tmp_path: Path) -> None:
    MLP(num_inputs=4, num_outputs=2, hidden=[8, 8]).save_pretrained(tmp_path)
    for options, words in (
        ({"hidden": [9, 9]}, r"size mismatch for hidden\.0\.weight: .*\[8, 4\].*\[9, 4\]\); and 4 more$"),
        ({"hidden": [8, 8, 8]}, r"^Missing key\(s\) in state_dict: hidden\.4\.\w+; and 1 more$"),
        ({"hidden": [8]}, r"^Unexpected key\(s\) in state_dict: hidden\.2\.\w+; and 1 more$"),
        ({"num_outputs": 3}, r"size mismatch for head\.weight: .*; and 1 more$"),
        ({"nonsense": 3}, r"^got an unexpected keyword argument 'nonsense'$"),
    ):
        with pytest.raises(CheckpointError) as caught:
            MLP.from_pretrained(tmp_path, **options)
        assert re.search(words, caught.value.found), caught.value.found


@pytest.mark.parametrize("prefix", [True, False])
def test_a_backbone_needs_num_outputs(prefix: bool, tmp_path: Path) -> None:
    backbone = {n if prefix else n.removeprefix("vit."): w for n, w in weights().items() if "classifier" not in n}
    extra = {"pooler.dense.weight": torch.ones(4, 4), "pooler.dense.bias": torch.ones(4),
             "embeddings.mask_token": torch.ones(1, 1, 4)}  # fmt: skip
    backbone |= {("vit." if prefix else "") + name: weight for name, weight in extra.items()}
    write(tmp_path / "backbone", CONFIG, backbone)
    with pytest.raises(CheckpointError, match="num_outputs"):
        from_pretrained(tmp_path / "backbone")
    loaded = load_pretrained(tmp_path / "backbone", num_outputs=7)
    assert loaded.predictor(X).shape == (2, 7)
    assert loaded.labels is None
    whole = from_pretrained(write(tmp_path / "whole"))
    assert torch.equal(loaded.predictor.features(X), whole.features(X))


def test_num_outputs_replaces_the_head(tmp_path: Path) -> None:
    write(tmp_path, {**CONFIG, "id2label": {"0": "cat", "1": "dog", "2": "owl"}})
    torch.manual_seed(0)
    loaded = load_pretrained(tmp_path, num_outputs=3)
    assert loaded.labels is None
    assert not torch.equal(loaded.predictor.get_parameter("head.weight"), weights()["classifier.weight"])
    assert loaded.predictor.get_parameter("head.weight").std() < 0.1
    assert torch.equal(loaded.predictor.features(X), from_pretrained(tmp_path).features(X))
    with pytest.raises(ConfigurationError, match="at least 1"):
        from_pretrained(tmp_path, num_outputs=0)


def test_class_names_and_preprocessing_are_kept(tmp_path: Path) -> None:
    bare = load_pretrained(write(tmp_path))
    assert (bare.model_type, bare.labels) == ("vit", None)
    assert (bare.preprocessing.image_size, bare.preprocessing.mean, bare.preprocessing.std) == (None, (), ())
    write(tmp_path, {**CONFIG, "id2label": {"2": "owl", "0": "cat", "1": "dog"}})
    said = {"size": {"height": 4, "width": 6}, "image_mean": [0.5, 0.4], "image_std": [0.2, 0.1]}
    (tmp_path / "preprocessor_config.json").write_text(json.dumps({**said, "rescale_factor": 1 / 255}))
    loaded = load_pretrained(tmp_path)
    assert loaded.labels == ("cat", "dog", "owl")
    assert loaded.preprocessing.image_size == (4, 6)
    assert loaded.preprocessing.mean == pytest.approx((0.5, 0.4))
    assert loaded.preprocessing.std == pytest.approx((0.2, 0.1))
    write(tmp_path, {**CONFIG, "id2label": {str(n): f"LABEL_{n}" for n in range(3)}})
    assert load_pretrained(tmp_path).labels is None  # made up, not names


@pytest.mark.parametrize(
    ("changes", "size", "mean", "std"),
    [
        ({"size": 8}, (8, 8), (0.5,), (0.25,)),
        ({"size": {"shortest_edge": 9}}, (9, 9), (0.5,), (0.25,)),
        ({"size": None}, None, (0.5,), (0.25,)),
        ({"do_normalize": False}, None, (), ()),
        ({"do_rescale": False, "image_mean": [51.0], "image_std": [102.0]}, None, (0.2,), (0.4,)),
        ({"rescale_factor": 1 / 127.5, "image_mean": [1.0], "image_std": [2.0]}, None, (0.5,), (1.0,)),
    ],
)
def test_preprocessing_in_its_several_spellings(
    changes: dict[str, Any], size: Any, mean: tuple[float, ...], std: tuple[float, ...], tmp_path: Path
) -> None:
    write(tmp_path)
    said = {"image_mean": [0.5], "image_std": [0.25], **changes}
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(said))
    found = load_pretrained(tmp_path).preprocessing
    assert found.image_size == size
    assert found.mean == pytest.approx(mean)
    assert found.std == pytest.approx(std)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"model_type": "vitt"}, "did you mean 'vit'"),
        ({"model_type": "swin"}, "bart, bert, convnext, gpt2, resnet, t5, vit"),
        ({"model_type": None}, "model_type in config.json"),
        ({"hidden_act": "relu"}, "hidden_act in config.json: 'gelu'"),
        ({"hidden_size": "four"}, "hidden_size"),
        ({"num_hidden_layers": 0}, "num_hidden_layers"),
        ({"patch_size": [2, 1]}, "side of a square"),
        ({"patch_size": 3}, "patches of 3 × 3"),
        ({"num_attention_heads": 3}, "3 heads"),
        ({"hidden_dropout_prob": -1}, "hidden_dropout_prob"),
        ({"hidden_dropout_prob": 1.0}, r"\[0, 1\)"),
        ({"head_dim": 7}, "head_dim"),
        ({"quantization_config": {"bits": 4}}, "quantised"),
        ({"id2label": {"0": "cat"}}, "a name for each of 3 outputs"),
        ({"id2label": {"0": "a", "1": "b", "3": "c"}}, "numbered from 0"),
        ({"num_hidden_layers": 2}, "no stages.block2"),
        ({"image_size": 8}, r"positions of shape \(1, 5, 4\) instead of \(1, 17, 4\)"),
    ],
)
def test_configurations_that_we_cannot_follow(changes: dict[str, Any], words: str, tmp_path: Path) -> None:
    write(tmp_path, {**CONFIG, **changes})
    with pytest.raises(CheckpointError, match=words):
        from_pretrained(tmp_path)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"hidden_act": "relu"}, "hidden_act"),
        ({"num_stages": 3}, "num_stages"),
        ({"depths": "33"}, "depths"),
        ({"hidden_sizes": [4]}, "as many stages"),
        ({"layer_scale_init_value": "x"}, "layer_scale_init_value"),
    ],
)
def test_configurations_of_convnext_that_we_cannot_follow(changes: dict[str, Any], words: str, tmp_path: Path) -> None:
    config = {"model_type": "convnext", "depths": [1, 1], "hidden_sizes": [4, 4], "num_stages": 2}
    write(tmp_path, {**config, **changes}, {"convnext.layernorm.weight": torch.ones(4)})
    with pytest.raises(CheckpointError, match=words):
        from_pretrained(tmp_path, num_outputs=2)


def without(*names: str) -> dict[str, Tensor]:
    return {name: weight for name, weight in weights().items() if name not in names}


@pytest.mark.parametrize(
    ("tensors", "words"),
    [
        (without("vit.layernorm.bias"), "no stages.norm.bias"),
        (without("classifier.bias"), "no head.bias"),
        (without("vit.encoder.layer.0.attention.attention.key.weight"), "query, key and value"),
        ({**weights(), "vit.layernorm.extra": torch.ones(1)}, "stages.norm.extra, which the network does not have"),
        ({**weights(), "decoder.0.weight": torch.ones(1)}, "decoder.0.weight, which"),
        ({**weights(), "classifier.weight": torch.ones(3, 5)}, r"head.weight of shape \(3, 5\) instead of \(3, 4\)"),
        ({**weights(), "vit.layernorm.bias": torch.ones(4, dtype=torch.int8)}, "quantised"),
    ],
)
def test_weights_that_do_not_fit_are_named(tensors: dict[str, Tensor], words: str, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=words):
        from_pretrained(write(tmp_path, CONFIG, tensors))


def test_pickles_are_refused_and_never_read(tmp_path: Path) -> None:
    write(tmp_path)
    (tmp_path / "model.safetensors").unlink()
    (tmp_path / "pytorch_model.bin").write_bytes(b"\x80\x04cposix\nsystem\n(S'touch harmed'\ntR.")
    with pytest.raises(CheckpointError, match=r"pytorch_model\.bin only") as caught:
        from_pretrained(tmp_path)
    assert "any program" in caught.value.found
    assert "save_pretrained" in caught.value.do
    (tmp_path / "pytorch_model.bin").unlink()
    with pytest.raises(CheckpointError, match="neither"):
        from_pretrained(tmp_path)


def test_folders_and_files_that_are_not_there_or_damaged(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="not there"):
        from_pretrained(tmp_path / "nothing")
    write(tmp_path)
    with pytest.raises(CheckpointError, match="is a file"):
        from_pretrained(tmp_path / "model.safetensors")
    with pytest.raises(ConfigurationError, match="revision"):
        from_pretrained(tmp_path, revision="main")
    file = tmp_path / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-4])
    with pytest.raises(CheckpointError, match=r"model\.safetensors"):
        from_pretrained(tmp_path)
    write(tmp_path)
    for content in (b"{", b"[]", b"\xff\xfe", b""):
        (tmp_path / "config.json").write_bytes(content)
        with pytest.raises(CheckpointError, match=r"config\.json"):
            from_pretrained(tmp_path)
    (tmp_path / "config.json").unlink()
    with pytest.raises(CheckpointError, match=r"config\.json"):
        from_pretrained(tmp_path)
    write(tmp_path)
    (tmp_path / "preprocessor_config.json").write_text('{"image_mean": ["x"], "image_std": [1]}')
    with pytest.raises(CheckpointError, match="preprocessor_config"):
        from_pretrained(tmp_path)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda folder, index: (folder / "model-00002-of-00002.safetensors").unlink(), "no such file"),
        (lambda folder, index: index.pop("weight_map"), "weight_map"),
        (lambda folder, index: index["weight_map"].update({"vit.layernorm.bias": "../x.safetensors"}), "file name"),
        (lambda folder, index: index["weight_map"].update({"vit.layernorm.bias": "x.bin"}), "file name"),
        (lambda folder, index: index["weight_map"].update(new="model-00002-of-00002.safetensors"), "no weight 'new'"),
        (lambda folder, index: index["weight_map"].update(new=1), "weight_map"),
    ],
)
def test_an_index_that_does_not_fit_its_files(change: Callable[..., Any], words: str, tmp_path: Path) -> None:
    index = write_shards(tmp_path)
    change(tmp_path, index)
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(CheckpointError, match=words):
        from_pretrained(tmp_path)


def test_the_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_shards(tmp_path)
    asked = []

    def fetch(repository: str, file: str, *, revision: str | None) -> str:
        asked.append((repository, file, revision))
        if repository != "owner/name":
            raise errors.HFValidationError("no such name")
        if not (tmp_path / file).is_file():
            raise errors.LocalEntryNotFoundError(f"no {file} here, and no network")
        return str(tmp_path / file)

    monkeypatch.setattr(load, "hf_hub_download", fetch)
    model = from_pretrained("hf:owner/name", revision="v2")
    assert model(X).shape == (2, 3)
    assert {(repository, revision) for repository, _, revision in asked} == {("owner/name", "v2")}
    assert not any(file.endswith((".bin", ".h5", ".msgpack")) for _, file, _ in asked)
    own = Wide(num_outputs=3).eval()
    own.save_pretrained(tmp_path)
    assert torch.equal(from_pretrained("hf:owner/name", revision="v3")(X.view(8, 4)), own(X.view(8, 4)))
    assert ("owner/name", "model.safetensors", "v3") in asked
    with pytest.raises(CheckpointError, match="HFValidationError: no such name"):
        from_pretrained("hf:other/name")
    for file in tmp_path.iterdir():
        file.unlink()
    with pytest.raises(CheckpointError, match="no network"):
        from_pretrained("hf:owner/name")


def test_the_layout_that_is_tested_here_is_the_one_that_transformers_writes(tmp_path: Path) -> None:
    from transformers import ViTConfig, ViTForImageClassification, ViTModel

    options: dict[str, Any] = {**CONFIG, "num_labels": 3}
    config = ViTConfig(**{name: value for name, value in options.items() if name != "model_type"})
    ViTForImageClassification(config).save_pretrained(tmp_path)
    assert {n: tuple(w.shape) for n, w in load_file(tmp_path / "model.safetensors").items()} == SHAPES
    ViTModel(config).save_pretrained(tmp_path / "backbone", max_shard_size=200)
    assert (tmp_path / "backbone" / "model.safetensors.index.json").is_file()
    assert from_pretrained(tmp_path / "backbone", num_outputs=2)(X).shape == (2, 2)
