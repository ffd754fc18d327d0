"""``sightline export`` as a user meets it."""

import json
from pathlib import Path

import pytest

from sightline.cli.main import main


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run on a table."""
    runs = tmp_path_factory.mktemp("runs")
    words = ["train", "mlp", "--data", "iris", "--epochs", "2", "--runs", str(runs), "--name", "iris", "--quiet"]
    assert main(words) == 0
    return runs / "iris"


def test_into_the_run_folder_and_elsewhere(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["export", str(run), "--format", "torch"]) == 0
    out = capsys.readouterr().out
    assert "exports/model.pt2" in out
    assert "largest" in out
    assert (run / "exports" / "model.pt2.json").is_file()
    path = tmp_path / "flowers.pt2"
    assert main(["export", str(run), "--format", "torch", "--output", str(path), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["path"] == str(path)
    assert told["format"] == "torch"
    assert told["bytes"] == path.stat().st_size
    assert told["largest_difference"] <= 1e-4
    assert main(["export", str(run), "--format", "torch"]) == 2
    assert "--overwrite" in capsys.readouterr().err
    assert main(["export", str(run), "--format", "torch", "--overwrite"]) == 0


@pytest.mark.parametrize(
    ("words", "suggestion"),
    [
        (["--format", "onx"], "did you mean 'onnx'?"),
        (["--format", "torch", "--output", "m.onnx"], ".pt2"),
        (["--format", "torch", "--output", "no/where.pt2"], "make that folder"),
        (["--fromat", "torch"], "--help"),
    ],
)
def test_mistakes(
    run: Path, words: list[str], suggestion: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    assert main(["export", str(run), *words]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert suggestion in err
    assert all(part in err for part in ("expected:", "found:", "what to do:"))


def test_no_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["export", str(tmp_path / "none")]) == 2
    assert "run folder" in capsys.readouterr().err
