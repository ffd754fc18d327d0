"""``sightline model`` as a user meets it."""

import importlib
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from torch import Tensor

from sightline.cli import model
from sightline.cli.main import main
from sightline.understand.signal import Signal

Answer = tuple[int, str, str]


@pytest.fixture
def command(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Answer]:
    """Run ``sightline model`` in an empty folder; exit code, stdout, stderr."""
    monkeypatch.chdir(tmp_path)

    def run(*words: str) -> Answer:
        code = main(["model", *words])
        out, err = capsys.readouterr()
        return code, out, err

    return run


def test_a_network_for_pictures(command: Callable[..., Answer], tmp_path: Path) -> None:
    code, out, err = command("resnet", "--input", "1x16x12", "--classes", "3", "--model.depth", "14", "--width", "4")
    assert (code, err) == (0, "")
    assert out.startswith("input 1 × 16 × 12\n")
    head = next(line for line in out.splitlines() if line.startswith("head"))
    assert head.split()[:4] == ["head", "Linear", "3", "51"]
    assert "multiply-adds" in out
    assert "outputs               see rows 0-15, columns 0-11" in out
    assert not list(tmp_path.iterdir())


def test_the_numbers_as_json(command: Callable[..., Answer]) -> None:
    words = ("mlp", "--input", "7", "--classes", "2", "--depth", "1", "--width", "500", "--json")
    code, out, _ = command(*words)
    assert code == 0
    told = json.loads(out)
    assert told["parameters"] == 8 * 500 + 501 * 2
    assert told["multiply_adds"] == 7 * 500 + 500 * 2
    assert told["activation_bytes"] == 4 * (500 + 500 + 2)
    hidden = told["layers"][0]
    assert (hidden["layer"], hidden["receptive_field"], hidden["output"]) == ("hidden.0", [7], [500])
    assert hidden["deviation"] == pytest.approx(2**0.5, rel=0.1)
    assert told["last_maps"] is None
    assert command(*words)[1] == out
    assert command(*words, "--seed", "1")[1] != out


def test_shape_and_classes_from_data(command: Callable[..., Answer]) -> None:
    code, out, _ = command("resnet", "--data", "digits", "--width", "3", "--json")
    assert code == 0
    told = json.loads(out)
    assert told["input"] == [1, 8, 8]
    assert told["layers"][-1]["output"] == [10]
    assert told["last_maps"]["positions"] == [2, 2]


def test_a_large_network_is_shown_by_fewer_examples(
    command: Callable[..., Answer], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not fewer than 8; a small one by 64."""
    seen: list[int] = []

    def counted(network: object, x: Tensor, *, training: bool) -> Signal:
        seen.append(len(x))
        return Signal(())

    monkeypatch.setattr(importlib.import_module("sightline.understand.signal"), "signal", counted)
    words = ("mlp", "--input", "7", "--classes", "2", "--depth", "1", "--width", "500")
    for work in (6e9, 20.5 * 4500, 1.0):
        monkeypatch.setattr(model, "WORK", work)
        assert command(*words)[0] == 0
    assert seen == [64, 20, 8]


def test_help(command: Callable[..., Answer]) -> None:
    code, out, _ = command("--help")
    assert code == 0
    assert out.startswith("usage: sightline model")
    code, out, _ = command("resnet", "--help")
    assert code == 0
    assert "--model.depth" in out


@pytest.mark.parametrize(
    ("words", "expected", "suggestion"),
    [
        ([], "a model", "resnet"),
        (["resnt"], "name of a model", "'resnet'"),
        (["resnet", "--input", "3x32"], "--input", "3x32x32"),
        (["resnet", "--input", "0x3x3"], "--input", "3x32x32"),
        (["resnet", "--input", "axb"], "--input", "3x32x32"),
        (["resnet", "--classes", "1"], "--classes", "2"),
        (["resnet", "--classes", "many"], "", "--help"),
        (["resnet", "--input", "13"], "images", "mlp"),
        (["mlp", "--data", "iris", "--input", "4"], "--data, or --input", "one"),
        (["mlp", "--data", "irsi"], "data set", "iris"),
        (["mlp", "--data", ""], "data set", "--data"),
        (["mlp", "--target", "price"], "--target together with --data", "data"),
        (["--width", "4", "resnet"], "name first", "sightline model resnet"),
        (["mlp", "--widht", "4"], "a field", "width"),
        (["mlp", "--width", "0"], "≥ 1", ""),
    ],
)
def test_mistakes(command: Callable[..., Answer], words: list[str], expected: str, suggestion: str) -> None:
    code, out, err = command(*words)
    assert (code, out) == (2, "")
    lines = {part: line for line in err.splitlines() for part in ("expected:", "found:", "what to do:") if part in line}
    assert len(lines) == 3, err
    assert expected in lines["expected:"]
    assert suggestion in lines["what to do:"]
    assert "Traceback" not in err
