"""Exported files: the same numbers as the network, for every registered model, in a process that knows no Sightline."""

import io
import json
import logging
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from torch import Tensor, nn

import sightline
from sightline.core.errors import CheckpointError, ConfigurationError, RunFolderError
from sightline.core.files import from_json
from sightline.core.schema import Schema
from sightline.core.write_together import write_together
from sightline.data import TensorSplit, fit_standardiser, standardise
from sightline.models import MLP, MODELS
from sightline.models.early_exits import early_exits
from sightline.models.resnet import resnet
from sightline.objectives import Squared
from sightline.train.export import TOLERANCE, DeployedModel, export_model
from sightline.train.export_format import FORMATS, Onnx, TorchProgram
from small_models import SMALL, SMALL_IMAGES, SMALL_TEXT

HOME = str(Path(sightline.__file__).parent).encode()

STANDARDISATIONS = ("channel", "position", "midpoint", "none", "image", "patch")

QUICK: dict[str, tuple[str, ...]] = {"torch": ("mlp",), "onnx": ()}
"""What is exported by this test in every run: each takes seconds, and other tests export a ResNet and an MLP."""

EVERY = [
    pytest.param(name, form, id=f"{name}-{form}", marks=[] if name in QUICK[form] else [pytest.mark.slow])
    for form in ("torch", "onnx")
    for name in sorted(SMALL)
]


def pictures(kind: str = "channel", shape: tuple[int, ...] = (3, 32, 32), count: int = 40) -> TensorSplit:
    """Random pictures of two classes, the first of them all of one grey."""
    images = torch.randint(0, 256, (count, *shape), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    images[0] = 77
    mean, std = fit_standardiser(images, kind)  # type: ignore[arg-type]
    schema = Schema(
        "image", "classification", shape, classes=("a", "b"), standardise=kind, image_mean=mean, image_std=std
    )
    return TensorSplit("test", images, torch.arange(count) % 2, schema)


def rows(task: str = "regression", mean: float = 1.7e9) -> TensorSplit:
    inputs = torch.randn(50, 3, generator=torch.Generator().manual_seed(0))
    schema = Schema("table", "regression", (3,), target="seconds", target_mean=mean, target_std=3.5)
    return TensorSplit("test", inputs, torch.zeros(50, dtype=torch.float64), schema)


class Flat(nn.Module):
    """The smallest network there is: each output is a weighted sum of the inputs."""

    def __init__(self, num_inputs: int, num_outputs: int = 2) -> None:
        super().__init__()
        self.linear = nn.Linear(num_inputs, num_outputs)

    def forward(self, x: Tensor) -> Tensor:
        outputs: Tensor = self.linear(x.flatten(1))
        return outputs


class Centred(Flat):
    """What it says of an example depends on the others of the batch."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x - x.mean(0))


class Branching(Flat):
    """Takes one of two ways by the value of its inputs."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x if x.sum() > 0 else -x)


def loaded(path: Path, inputs: Tensor) -> Tensor:
    return FORMATS["onnx" if path.suffix == ".onnx" else "torch"].load(path.read_bytes())(inputs)


def test_every_registered_model_has_small_options() -> None:
    assert {*SMALL, *SMALL_TEXT, *SMALL_IMAGES} == set(MODELS)
    assert all(name in MODELS for names in QUICK.values() for name in names)


@pytest.mark.parametrize(("name", "form"), EVERY)
def test_the_exported_model_gives_the_same_numbers(name: str, form: str, tmp_path: Path) -> None:
    split = pictures()
    model = MODELS[name](split.schema, seed=0, **SMALL[name])
    model.train()
    model(standardise(split.inputs[:8], split.schema))  # moves the running statistics
    path = tmp_path / f"model{FORMATS[form].suffix}"
    written = export_model(model, split, split.schema, path, format=form)
    assert written.largest_difference <= TOLERANCE
    assert (written.examples, written.bytes) == (37, path.stat().st_size)
    assert model.training
    for count in (1, 2, 5, 40):  # sizes that the export did not try, too
        with torch.no_grad():
            expected = model.eval()(standardise(split.inputs[-count:], split.schema))
        found = loaded(path, split.inputs[-count:])
        torch.testing.assert_close(found, expected, rtol=0, atol=TOLERANCE * expected.abs().max().item())


@pytest.mark.parametrize("kind", STANDARDISATIONS)
def test_raw_pixels_go_in_whatever_the_standardisation(kind: str, tmp_path: Path) -> None:
    split = pictures(kind, (3, 6, 5))
    model = Flat(90)
    export_model(model, split, split.schema, tmp_path / "m.pt2", format="torch")
    with torch.no_grad():
        expected = model(standardise(split.inputs[:7], split.schema))
    torch.testing.assert_close(loaded(tmp_path / "m.pt2", split.inputs[:7]), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("kind", STANDARDISATIONS)
def test_the_standardisations_in_onnx(kind: str, tmp_path: Path) -> None:
    split = pictures(kind, (1, 6, 5))
    model = Flat(30)
    export_model(model, split, split.schema, tmp_path / "m.onnx")
    with torch.no_grad():
        expected = model(standardise(split.inputs[:7], split.schema))
    torch.testing.assert_close(loaded(tmp_path / "m.onnx", split.inputs[:7]), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("form", ["onnx", "torch"])
def test_numbers_come_out_in_their_own_units(form: str, tmp_path: Path) -> None:
    split = rows()
    model = MLP(num_inputs=3, num_outputs=1, hidden=[4])
    path = tmp_path / f"m{FORMATS[form].suffix}"
    export_model(model, split, split.schema, path, format=form)
    with torch.no_grad():
        expected = Squared(split.schema).predict(model.eval()(split.inputs[:5])).value
    found = loaded(path, split.inputs[:5])
    assert found.dtype == torch.float64
    assert found.shape == (5,)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-5)  # of 1.7e9: seven digits would lose it
    told = json.loads((tmp_path / f"{path.name}.json").read_text())
    assert told["input"] == {
        "name": "rows", "shape": ["batch", 3], "type": "float32", "meaning": "standardised inputs, see columns",
    }  # fmt: skip
    assert told["outputs"]["meaning"] == "seconds, in its own units"
    assert "exit" not in told["outputs"]
    assert told["columns"] == []


def test_an_onnx_file_runs_where_there_is_no_sightline(tmp_path: Path) -> None:
    split = pictures(shape=(1, 8, 8))
    model = resnet(split.schema, width=3).eval()
    export_model(model, split, split.schema, tmp_path / "m.onnx", origin="a test")
    np.save(tmp_path / "in.npy", split.inputs[:11].numpy())
    code = (
        "import sys, json, numpy, onnxruntime as ort\n"
        "session = ort.InferenceSession('m.onnx', providers=['CPUExecutionProvider'])\n"
        "numpy.save('out.npy', session.run(['outputs'], {'images': numpy.load('in.npy')})[0])\n"
        "told = json.loads(session.get_modelmeta().custom_metadata_map['sightline'])\n"
        "assert told['classes'] == ['a', 'b'] and told['origin'] == 'a test', told\n"
        "assert session.get_inputs()[0].shape == ['batch', 1, 8, 8]\n"
        "assert session.get_outputs()[0].shape == ['batch', 2]\n"
        "assert 'torch' not in sys.modules and 'sightline' not in sys.modules\n"
    )
    finished = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True)
    assert finished.returncode == 0, finished.stderr
    with torch.no_grad():
        expected = model(standardise(split.inputs[:11], split.schema))
    torch.testing.assert_close(torch.from_numpy(np.load(tmp_path / "out.npy")), expected, rtol=1e-4, atol=1e-5)
    content = (tmp_path / "m.onnx").read_bytes()
    assert HOME not in content
    assert b"pkg.torch" not in content, "the exporter's own notes"
    graph = onnx.load(tmp_path / "m.onnx")
    onnx.checker.check_model(graph, full_check=True)
    assert {one.domain or "ai.onnx": one.version for one in graph.opset_import} == {"ai.onnx": 18}


@pytest.mark.slow
def test_a_torch_program_runs_where_there_is_no_sightline(tmp_path: Path) -> None:
    split = pictures(shape=(1, 8, 8))
    model = resnet(split.schema, width=3).eval()
    export_model(model, split, split.schema, tmp_path / "m.pt2", format="torch")
    torch.save(split.inputs[:11], tmp_path / "in.pt")
    code = (
        "import sys, torch\n"
        "run = torch.export.load('m.pt2').module()\n"
        "torch.save(run(torch.load('in.pt')).detach(), 'out.pt')\n"
        "assert 'sightline' not in sys.modules\n"
    )
    finished = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True)
    assert finished.returncode == 0, finished.stderr
    with torch.no_grad():
        expected = model(standardise(split.inputs[:11], split.schema))
    torch.testing.assert_close(torch.load(tmp_path / "out.pt"), expected, rtol=1e-4, atol=1e-5)


def test_a_file_holds_no_example_and_no_path_of_this_machine(tmp_path: Path) -> None:
    split = pictures(shape=(1, 6, 5))
    export_model(Flat(30), split, split.schema, tmp_path / "m.pt2", format="torch")
    content = (tmp_path / "m.pt2").read_bytes()
    assert HOME not in content
    assert b"export.py" not in content
    extra = {"sightline.json": ""}
    program = torch.export.load(io.BytesIO((tmp_path / "m.pt2").read_bytes()), extra_files=extra)
    assert program.example_inputs is not None
    assert not program.example_inputs[0][0].any()
    assert from_json(extra["sightline.json"])["classes"] == ["a", "b"]


@pytest.mark.parametrize(
    ("change", "kept"),
    [
        (lambda out: out + 0.5e-4 * out.abs().max(), True),
        (lambda out: out + 2e-4 * out.abs().max(), False),
        (lambda out: out * torch.nan, False),
        (lambda out: out[:, :1], False),
        (lambda out: out.T if len(out) > 1 else out, False),
        (lambda out: out if len(out) == 1 else out.flip(0), False),
    ],
)
def test_a_program_that_gives_other_numbers_is_not_kept(
    change: Any, kept: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    split = pictures(shape=(1, 4, 4))
    load = TorchProgram.load

    def wrong(self: TorchProgram, content: bytes) -> Any:
        run = load(self, content)
        return lambda inputs: change(run(inputs))

    monkeypatch.setattr(TorchProgram, "load", wrong)
    if kept:
        written = export_model(Flat(16), split, split.schema, tmp_path / "m.pt2", format="torch")
        assert written.largest_difference > 1e-5
        return
    with pytest.raises(ConfigurationError, match="no file was kept") as caught:
        export_model(Flat(16), split, split.schema, tmp_path / "m.pt2", format="torch")
    assert caught.value.do.endswith("onnx")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("model", "words"), [(Centred(16), "no file was kept"), (Branching(16), "the same for all")])
def test_networks_that_can_not_be_exported_are_told(model: nn.Module, words: str, tmp_path: Path) -> None:
    split = pictures(shape=(1, 4, 4))
    with pytest.raises(ConfigurationError, match=words):
        export_model(model, split, split.schema, tmp_path / "m.pt2", format="torch")
    assert not list(tmp_path.iterdir())


class Singular(Flat):
    """The singular values of each image of one channel, weighted."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(torch.linalg.svdvals(x[:, 0]))


@pytest.mark.parametrize(
    ("model", "operation"),
    [
        (nn.Sequential(nn.AdaptiveMaxPool2d(3), nn.Flatten(), nn.Linear(9, 2)), "adaptive_max_pool2d"),
        (Singular(8), "linalg_svd"),
    ],
    ids=["pooling", "singular values"],
)
def test_operations_that_onnx_has_not_are_told(model: nn.Module, operation: str, tmp_path: Path) -> None:
    split = pictures(shape=(1, 8, 8))
    with pytest.raises(ConfigurationError, match=operation) as caught:
        export_model(model, split, split.schema, tmp_path / "m.onnx")
    assert caught.value.do == "export with --format torch"
    assert "\n" not in caught.value.found
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("place", ["convert", "encode", "load", "run"])
@pytest.mark.parametrize(("message", "words"), [("it can't be\nat all", "it can't be;"), ("", "KeyError;")])
def test_whatever_a_library_raises_is_told(
    place: str, message: str, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def breaks(*arguments: Any) -> Any:
        if place == "run" and len(arguments) == 2:  # load itself
            return breaks
        raise RuntimeError("a page of advice") from (RuntimeError(message) if message else KeyError())

    monkeypatch.setattr(TorchProgram, "load" if place == "run" else place, breaks)
    split = pictures(shape=(1, 4, 4))
    with pytest.raises(ConfigurationError, match=words) as caught:
        export_model(Flat(16), split, split.schema, tmp_path / "m.pt2", format="torch")
    assert caught.value.do == "export with --format onnx"
    assert not list(tmp_path.iterdir())


def test_early_exits_are_exported_without_the_early_ones(tmp_path: Path) -> None:
    split = pictures(shape=(3, 8, 8))
    model = early_exits(split.schema, backbone="resnet depth=8 width=3")
    written = export_model(model, split, split.schema, tmp_path / "m.pt2", format="torch")
    told = json.loads(written.description.read_text())
    assert told["outputs"]["exit"] == "the last exit's; the earlier ones are left out"
    with torch.no_grad():
        expected = model.eval()(standardise(split.inputs[:5], split.schema))
    torch.testing.assert_close(loaded(written.path, split.inputs[:5]), expected, rtol=0, atol=1e-4)


def test_few_examples_are_enough(tmp_path: Path) -> None:
    split = pictures(shape=(1, 4, 4), count=3)
    written = export_model(Flat(16), split, split.schema, tmp_path / "m.pt2", format="torch")
    assert written.examples == 3


def test_the_network_is_left_as_it_is(tmp_path: Path) -> None:
    split = pictures(shape=(3, 8, 8))
    model = resnet(split.schema, width=3).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    before = {name: value.clone() for name, value in model.state_dict().items()}
    deployed = DeployedModel(model, split.schema)
    assert not deployed.model.training
    assert model.training
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())
    assert model.stages[0].conv.weight.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize(
    ("name", "form", "words"),
    [
        ("m.onnx", "onx", "choose one of|did you mean 'onnx'"),
        ("m.pt2", "onnx", "end its name in .onnx"),
        ("m.onnx", "torch", "end its name in .pt2"),
        ("m", "torch", "end its name in .pt2"),
        ("missing/m.pt2", "torch", "make that folder first"),
        ("folder.pt2", "torch", "a folder at"),
        ("there.pt2", "torch", "there already"),
        ("described.pt2", "torch", "there already"),
    ],
)
def test_paths_and_formats_that_can_not_be(name: str, form: str, words: str, tmp_path: Path) -> None:
    (tmp_path / "folder.pt2").mkdir()
    (tmp_path / "there.pt2").write_bytes(b"mine")
    (tmp_path / "described.pt2.json").write_text("mine")
    before = sorted(tmp_path.rglob("*"))
    split = pictures(shape=(1, 4, 4))
    with pytest.raises(ConfigurationError, match=words):
        export_model(Flat(16), split, split.schema, tmp_path / name, format=form)
    assert sorted(tmp_path.rglob("*")) == before
    assert (tmp_path / "there.pt2").read_bytes() == b"mine"


def test_a_file_is_replaced_where_that_is_asked_for(tmp_path: Path) -> None:
    split = pictures(shape=(1, 4, 4))
    path = tmp_path / "m.pt2"
    path.write_bytes(b"old")
    written = export_model(Flat(16), split, split.schema, path, format="torch", overwrite=True)
    assert path.stat().st_size == written.bytes > 100
    assert sorted(p.name for p in tmp_path.iterdir()) == ["m.pt2", "m.pt2.json"]


@pytest.mark.parametrize("missing", ["onnx", "onnxscript", "onnxruntime"])
def test_without_onnx_the_command_that_installs_it_is_told(
    missing: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(ConfigurationError, match="pip install onnx onnxscript onnxruntime, or") as caught:
        Onnx().require()
    assert missing in caught.value.found
    split = pictures(shape=(1, 4, 4))
    with pytest.raises(ConfigurationError, match="pip install"):
        export_model(Flat(16), split, split.schema, tmp_path / "m.onnx")
    assert not list(tmp_path.iterdir())


def test_the_exporter_does_not_speak(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = logging.getLogger("torch.onnx._internal.exporter._registration")
    before, heard = log.level, []

    def stopped(*arguments: Any, **options: Any) -> None:
        heard.append((log.isEnabledFor(logging.WARNING), options["verbose"]))
        raise RuntimeError("stopped here")

    monkeypatch.setattr("torch.onnx.export", stopped)
    split = pictures(shape=(1, 4, 4))
    with pytest.raises(ConfigurationError, match="stopped here"):
        export_model(Flat(16), split, split.schema, tmp_path / "m.onnx")
    assert heard == [(False, False)]
    assert log.level == before


@pytest.mark.parametrize("failing", range(3))
@pytest.mark.parametrize("overwrite", [False, True])
def test_a_full_disk_leaves_what_was_there(
    failing: int, overwrite: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    split = pictures(shape=(1, 4, 4))
    before = {"m.pt2": b"the old program", "m.pt2.json": b"{}"} if overwrite else {}
    for name, content in before.items():
        (tmp_path / name).write_bytes(content)
    calls = []

    def full(descriptor: int) -> None:
        calls.append(descriptor)
        if len(calls) > failing:
            raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(RunFolderError, match="what was there before is untouched"):
        export_model(Flat(16), split, split.schema, tmp_path / "m.pt2", format="torch", overwrite=overwrite)
    assert len(calls) == failing + 1
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


@pytest.mark.parametrize("links", [True, False])
@pytest.mark.parametrize("failing", [None, "m.pt2", "m.pt2.json"])
@pytest.mark.parametrize("there", [("m.pt2",), ("m.pt2.json",), ("m.pt2", "m.pt2.json")])
@pytest.mark.parametrize("error", [OSError(5, "Input/output error"), KeyboardInterrupt()])
def test_both_files_or_none(
    error: BaseException,
    there: tuple[str, ...],
    failing: str | None,
    links: bool,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Whichever rename fails, with and without hard links."""
    new = {tmp_path / "m.pt2": b"new program", tmp_path / "m.pt2.json": b"new description"}
    before = {name: f"old {name}".encode() for name in there}
    for name, content in before.items():
        (tmp_path / name).write_bytes(content)
    replace = Path.replace

    def fails(self: Path, target: Path) -> Path:
        if self.suffix == ".part" and target.name == failing:
            raise error
        return replace(self, target)

    def no_links(self: Path, target: Path) -> None:
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(Path, "replace", fails)
    if not links:
        monkeypatch.setattr(Path, "hardlink_to", no_links)
    if failing is None:
        write_together(new)
        before = {path.name: content for path, content in new.items()}
    else:
        told = RunFolderError if isinstance(error, OSError) else KeyboardInterrupt
        with pytest.raises(told, match=failing if isinstance(error, OSError) else None):
            write_together(new)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_from_a_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = sightline.load("iris")
    plan = sightline.train.Plan(epochs=1)
    model = sightline.models.mlp(data.schema, width=4)
    run = sightline.fit(model, data, plan, name="flowers", runs=tmp_path, quiet=True)
    with monkeypatch.context() as without:
        without.setitem(sys.modules, "onnx", None)
        with pytest.raises(ConfigurationError, match="pip install"):
            run.export()
    assert not (run.folder.path / "exports").exists()
    with pytest.raises(ConfigurationError, match="make that folder first"):
        run.export(tmp_path / "no" / "m.pt2", format="torch")
    written = run.export(format="torch")
    assert written.path == tmp_path / "flowers" / "exports" / "model.pt2"
    assert "differ from the network's by at most" in str(written)
    told = json.loads(written.description.read_text())
    assert told["classes"] == list(data.schema.classes)
    assert told["origin"].startswith("run flowers, step-")
    assert [column["name"] for column in told["columns"]] == [column.name for column in data.schema.columns]
    assert told["file"] == "model.pt2"
    assert told["bytes"] == written.path.stat().st_size
    assert told["versions"].keys() == {"sightline", "torch"}
    batch = next(data.test.batches(batch_size=4))
    with torch.no_grad():
        torch.testing.assert_close(loaded(written.path, batch.inputs), run.model(batch.inputs))
    with pytest.raises(ConfigurationError, match="--overwrite"):
        run.export(format="torch")

    weights = run.checkpoint / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-3])
    with pytest.raises(CheckpointError):
        sightline.open_run(run.folder.path).export(tmp_path / "m.pt2", format="torch")
    for checkpoint in (run.folder.path / "checkpoints").glob("step-*"):
        (checkpoint / "manifest.json").unlink()
    for old in (run.folder.path / "exports").iterdir():
        old.unlink()
    (run.folder.path / "exports").rmdir()
    with pytest.raises(CheckpointError, match="a checkpoint"):
        sightline.open_run(run.folder.path).export(format="torch")
    assert not (run.folder.path / "exports").exists()
