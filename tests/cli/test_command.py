"""The command line as a user meets it, in one process."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from PIL import Image
from sklearn.datasets import load_digits

from kills import begin, finish, telling_command, with_a_disk_that_fills
from kills import command as command_line
from sightline.cli.main import COMMANDS, main
from sightline.core.run_folder import RunFolder
from sightline.diagnose import CAUSES

Answer = tuple[int, str, str]
Command = Callable[[Sequence[str | Path]], Answer]


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Command:
    """Run the command in an empty folder; returns exit code, stdout, stderr."""
    monkeypatch.chdir(tmp_path)

    def run(words: Sequence[str | Path]) -> Answer:
        capsys.readouterr()
        code = main([str(w) for w in words])
        out, err = capsys.readouterr()
        return code, out, err

    return run


@pytest.fixture(scope="module")
def table_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run on a table, made once."""
    runs = tmp_path_factory.mktemp("runs")
    assert (
        main(["train", "mlp", "--data", "iris", "--epochs", "8", "--runs", str(runs), "--name", "iris", "--quiet"]) == 0
    )
    return runs / "iris"


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three classes of pictures in folders, with one that is broken."""
    digits = load_digits()
    root = tmp_path_factory.mktemp("photos")
    for index, (image, label) in enumerate(zip(digits.images, digits.target, strict=True)):
        if label < 3 and index < 400:
            folder = root / f"digit {label}"
            folder.mkdir(exist_ok=True)
            Image.fromarray((image * 15).astype("uint8")).save(folder / f"{index}.png")
    (root / "digit 0" / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\nnothing more")
    return root


def test_help_names_every_command(command: Command) -> None:
    code, out, _ = command(["--help"])
    assert code == 0
    assert len(COMMANDS) == 18
    assert all(f"  {name}" in out for name in COMMANDS)
    assert "exit codes:" in out


HEAVY = {"lightning_fabric", "torchmetrics", "transformers", "sklearn", "altair", "datasets"}
"""Libraries that take seconds to import, and that help on training does not need."""


def test_every_command_has_help() -> None:
    """In one fresh process, so that none leans on what a test has imported."""
    code = (
        "import sys\n"
        "from sightline.cli.main import COMMANDS, main\n"
        "for name in COMMANDS:\n"
        "    try:\n"
        "        code = main([name, '--help'])\n"
        "    except SystemExit as end:\n"
        "        code = end.code or 0\n"
        "    print(f'\\x00{name} {code}\\x00{\" \".join(sys.modules)}', end='\\x00')\n"
    )
    finished = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert finished.returncode == 0, finished.stderr
    parts = finished.stdout.split("\0")
    assert parts.pop() == ""
    helps, ends, loaded = parts[::3], parts[1::3], parts[2::3]
    assert ends == [f"{name} 0" for name in COMMANDS]
    assert all(text.startswith("usage: sightline") for text in helps)
    assert not HEAVY & set(loaded[list(COMMANDS).index("train")].split())


def test_the_package_is_the_command() -> None:
    finished = subprocess.run([sys.executable, "-m", "sightline", "--help"], capture_output=True, text=True)
    assert finished.returncode == 0, finished.stderr
    assert finished.stdout.startswith("sightline - design")


def test_help_of_a_model_shows_every_field_with_default_and_unit(command: Command) -> None:
    code, out, _ = command(["train", "resnet", "--help"])
    assert code == 0
    for field in ("--data.source", "--model.depth", "--optim.lr", "--schedule.warmup", "--plan.epochs", "--seed"):
        assert field in out
    assert "default 128 examples" in out
    assert "> 0" in out


def test_from_pictures_to_report(command: Command, photos: Path) -> None:
    code, out, err = command(["train", "resnet", "--data", photos, "--epochs", "4", "--lr", "0.05", "--name", "p"])
    assert code == 0, err
    assert "epoch 4/4" in err
    assert "accuracy" in out
    assert "report.html" in out
    folder = RunFolder.open("runs/p")
    assert folder.status()["state"] == "completed"
    assert "optim:\n  name: sgd\n  lr: 0.05" in folder.text("spec.yaml")
    assert any("broken.png" in path for path, _ in folder.read("readings/data.json")["left_out"])
    assert "<html" in folder.text("report.html")

    code, out, _ = command(["evaluate", "runs/p", "--json"])
    assert code == 0
    assert (
        json.loads(out)["metrics"]["accuracy"]["value"]
        == folder.read("readings/evaluation-test.json")["metrics"]["accuracy"]["value"]
    )

    code, out, _ = command(["evaluate", "runs/p", "--data", photos])
    assert code == 0
    assert "examples" in out

    code, out, err = command(["predict", "runs/p", photos / "digit 1", photos / "digit 0" / "broken.png", "--json"])
    assert code == 0
    answers = json.loads(out)
    assert {a["value"] for a in answers["answers"]} <= {"digit 0", "digit 1", "digit 2"}
    assert abs(sum(answers["answers"][0]["probabilities"].values()) - 1) < 1e-5
    assert len(answers["left_out"]) == 1


def test_a_table_by_hand(command: Command, tmp_path: Path) -> None:
    rows = [f"{i % 13},{'north' if i % 3 else 'south'},{(i % 13) * 2.0 + (i % 3)}" for i in range(120)]
    (tmp_path / "house.csv").write_text("\n".join(["rooms,side,price", *rows]))
    code, out, err = command(
        ["train", "mlp", "--data", "house.csv", "--target", "price", "--epochs", "60", "--name", "h"]
    )
    assert code == 0, err
    assert "rmse" in out
    assert "price" in out
    (tmp_path / "new.csv").write_text("rooms,side\n3,north\n5,south\n")
    code, out, _ = command(["predict", "runs/h", "new.csv"])
    assert code == 0
    assert out.count("new.csv row") == 2
    (tmp_path / "odd.csv").write_text("rooms,side\n3,west\n")
    code, _, err = command(["predict", "runs/h", "odd.csv"])
    assert code == 2
    assert "west" in err


def test_an_interrupted_run_goes_on(command: Command, table_run: Path) -> None:
    RunFolder.open(table_run).set_status("interrupted", "SIGINT after step 3")
    code, out, err = command(["evaluate", table_run])
    assert code == 0
    assert "note: this run is interrupted (SIGINT after step 3)" in err
    code, out, err = command(["resume", table_run])
    assert code == 0, err
    assert "accuracy" in out


def test_explain_prints_numbers_and_leaves_a_page(command: Command, tmp_path: Path) -> None:
    code, out, err = command(["explain", "ridge", "--columns", "3", "--ridge", "0.5"])
    assert (code, err) == (0, "")
    assert "Directions at λ = 0.5" in out
    assert "figures: explain-ridge.html" in out
    page = (tmp_path / "explain-ridge.html").read_text(encoding="utf-8")
    assert "<h2>One solution, written in six ways</h2>" in page
    assert not re.search(r"""(src|href)=["']?http""", page)


def test_explain_a_users_table(command: Command, tmp_path: Path) -> None:
    rows = "\n".join(f"{x},{x * x % 7},{3 * x + 1}" for x in range(40))
    (tmp_path / "t.csv").write_text(f"a,b,y\n{rows}\n")
    words = ["explain", "gradient-descent", "--data", "t.csv", "--target", "y", "--figure", "gd.svg", "--json"]
    code, out, _ = command(words)
    assert code == 0
    told = json.loads(out)
    assert told["files"] == ["gd.svg", "gd-2.svg", "gd-3.svg"]
    assert all((tmp_path / name).read_text(encoding="utf-8").startswith("<svg") for name in told["files"])
    assert [row["rate"] for row in told["tables"][0]["rows"]][:2] == ["half the limit", "the fastest"]


@pytest.mark.parametrize(
    ("words", "expected", "suggestion"),
    [
        ([], "a topic", "momentum"),
        (["momentun"], "a topic", "momentum"),
        (["momentum", "--rate", "0"], "> 0", ""),
        (["momentum", "--momentum", "1"], "< 1", ""),
        (["momentum", "--rats", "1"], "a field", "rate"),
        (["ridge", "--ridge", "-1"], "> 0", ""),
        (["ridge", "--ridge", "nan"], "> 0", ""),
        (["ridge", "--target", "y"], "data to find the target in", "--data"),
        (["ridge", "--data", "nowhere.csv", "--target", "y"], "", ""),
        (["ridge", "--figure", "x.pdf"], ".html", ""),
        (["ridge", "--figure", "no/where.html"], "a folder that exists", ""),
        (["double-descent", "--data", "iris", "--samples", "1000"], "at most", "--samples"),
    ],
)
def test_mistakes_with_explain(
    command: Command, tmp_path: Path, words: list[str], expected: str, suggestion: str
) -> None:
    code, out, err = command(["explain", *words])
    assert (code, out) == (2, "")
    assert expected in err
    assert suggestion in err
    assert all(part in err for part in ("expected:", "found:", "what to do:"))
    assert not list(tmp_path.glob("*.html"))


def test_compare_report_and_list(command: Command, table_run: Path) -> None:
    code, _, _ = command(["train", "mlp", "--data", "iris", "--epochs", "3", "--name", "other", "--quiet"])
    assert code == 0
    code, out, _ = command(["compare", table_run, "runs/other"])
    assert code == 0
    assert "plan.epochs" in out
    assert "accuracy" in out
    code, out, _ = command(["compare", table_run, "runs/other", "--json"])
    assert json.loads(out)
    (table_run / "report.html").unlink()
    code, out, _ = command(["report", table_run])
    assert Path(out.strip()).is_file()
    code, out, _ = command(["list", "--json"])
    assert {kind: len(names) for kind, names in json.loads(out).items()} == {
        "recipes": 21, "models": 29, "data": 5, "objectives": 21, "optimizers": 5, "schedules": 6,
        "topics": 14, "causes": len(CAUSES),
    }  # fmt: skip


def test_look_writes_nothing(command: Command, photos: Path, tmp_path: Path) -> None:
    before = sorted(tmp_path.rglob("*"))
    code, out, _ = command(["data", photos])
    assert code == 0
    assert "broken.png" in out
    assert "3 classes" in out
    assert json.loads(command(["data", photos, "--json"])[1])["counts"]
    assert sorted(tmp_path.rglob("*")) == before


def test_describe_says_what_a_step_does_and_makes_no_run(command: Command, tmp_path: Path) -> None:
    code, out, _ = command(["train", "digits-mlp", "--describe"])
    assert code == 0
    assert "trainable parameters" in out
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    ("words", "expected", "suggestion"),
    [
        (["trian"], "a command", "did you mean 'train'"),
        (["train"], "a recipe or a model", "digits-resnet"),
        (["train", "resnt"], "name of a recipe or a model", "did you mean 'resnet'"),
        (["train", "mlp"], "data for the model", "--data"),
        (["train", "mlp", "--data", "irsi"], "data set", "iris"),
        (["train", "mlp", "--data", "iris", "--optim.lrr", "1"], "a field", "optim.lr"),
        (["train", "mlp", "--data", "iris", "--lr", "big"], "a number", "learning rate"),
        (["train", "mlp", "--data", "iris", "--lr", "-1"], "> 0", "learning rate"),
        (["train", "mlp", "--data", "iris", "--lr", "nan"], "> 0", "learning rate"),
        (["train", "mlp", "--data", "iris", "--epochs", "2.5"], "whole number", "passes"),
        (["train", "mlp", "--data", "iris", "--epochs"], "whole number", "passes"),
        (["train", "mlp", "--data", "iris", "--optim", "adm"], "optimi", "adam"),
        (["train", "mlp", "--data", "iris", "--name", "a/b"], "one folder name", "slashes"),
        (["train", "mlp", "--data", "iris", "--weight-decay"], "a number", "give a value"),
        (["train", "mlp", "--data", "iris", "stray"], "--name value", "--"),
        (["train", "resnet", "--data", "iris"], "image", "mlp"),
        (["train", "resnet", "--data", "digits", "--model.depth", "9"], "6n", "8"),
        (["train", "mlp", "--data", "iris", "--objective", "squared"], "regression", "cross-entropy"),
        (["resume", "runs/none"], "run folder", ""),
        (["evaluate", "runs/none"], "run folder", ""),
        (["predict", "runs/none"], "", "--help"),
        (["list", "modles"], "", "--help"),
        (["data", "no-such-place"], "a path", "check the path"),
        (["compare", "a", "b"], "run folder", ""),
    ],
)
def test_mistakes_are_told_in_three_parts(
    command: Command, tmp_path: Path, words: list[str], expected: str, suggestion: str
) -> None:
    code, out, err = command(words)
    assert code == 2, err
    assert out == ""
    lines = {part: line for line in err.splitlines() for part in ("expected:", "found:", "what to do:") if part in line}
    assert len(lines) == 3, err
    assert expected in lines["expected:"]
    assert suggestion in lines["what to do:"]
    assert "Traceback" not in err
    assert not (tmp_path / "runs").exists() or not list((tmp_path / "runs").iterdir())


def test_debug_shows_the_traceback(command: Command) -> None:
    from sightline.core.errors import UnknownNameError

    with pytest.raises(UnknownNameError):
        command(["--debug", "trian"])


def test_an_unwritable_run_folder(command: Command, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    code, _, err = command(["train", "mlp", "--data", "iris", "--runs", "file/runs"])
    assert code == 2
    assert "choose a folder that can be written" in err


@pytest.mark.parametrize(("number", "expected"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_signals_save_and_mark_the_run(tmp_path: Path, number: signal.Signals, expected: int) -> None:
    words = ["train", "digits-mlp", "--epochs", "200000", "--runs", str(tmp_path), "--name", "run"]
    process = begin(telling_command, words, str(tmp_path / "told.txt"))
    assert process.pid is not None
    deadline = time.monotonic() + 60
    while not (tmp_path / "run" / "checkpoints" / "last").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(0.3)
    os.kill(process.pid, number)
    process.join(timeout=120)
    err = (tmp_path / "told.txt").read_text(encoding="utf-8")
    assert process.exitcode == expected, err
    assert "Traceback" not in err
    status = RunFolder.open(tmp_path / "run").status()
    assert status["state"] == "interrupted"
    assert number.name in status["why"]


def test_a_full_disk_leaves_the_previous_checkpoint_and_says_so(tmp_path: Path) -> None:
    """The process may write files of 300 kB at most: the weights alone are more."""
    words = ["train", "digits-mlp", "--model.width", "400", "--epochs", "4", "--runs", str(tmp_path), "--name", "run"]
    process = begin(with_a_disk_that_fills, [*words, "--quiet"], str(tmp_path / "told.txt"), 20)
    process.join(timeout=120)
    told = (tmp_path / "told.txt").read_text(encoding="utf-8")
    assert process.exitcode == 2, told
    assert "what was there before is untouched" in told
    assert "Traceback" not in told
    folder = RunFolder.open(tmp_path / "run")
    assert folder.status()["state"] == "failed"
    assert not list(folder.checkpoints.glob(".*"))
    finish(command_line, ["resume", str(folder.path), "--quiet"])
    assert folder.status()["state"] == "completed"


def test_too_large_to_be_described(command: Command, photos: Path, tmp_path: Path) -> None:
    absurd: tuple[tuple[str | Path, str, str], ...] = (
        ("iris", "--model.depth", "100000"),
        ("iris", "--model.width", "1000000000"),
        (photos, "--data.image-size", "4096"),
    )
    for data, option, value in absurd:
        words: list[str | Path] = ["train", "mlp", "--data", data, "--describe", option, value]
        code, out, err = command(words)
        assert (code, out) == (2, "")
        assert all(part in err for part in ("expected:", "found:", "what to do:"))
        assert option.removeprefix("--").replace("-", "_") in err or "not built to its end" in err or "memory" in err
    assert not (tmp_path / "runs").exists()


def test_data_of_another_size_is_told(command: Command, photos: Path, tmp_path: Path) -> None:
    words: list[str | Path] = ["train", "mlp", "--data", photos, "--steps", "2", "--name", "p", "--quiet"]
    assert command(words)[0] == 0
    assert command(["evaluate", "runs/p", "--data", photos])[2] == ""
    for name in ("digit 0", "digit 1", "digit 2"):
        (tmp_path / "wide" / name).mkdir(parents=True)
        Image.new("L", (12, 9), 99).save(tmp_path / "wide" / name / "1.png")
    code, out, err = command(["evaluate", "runs/p", "--data", "wide"])
    assert (code, err) == (0, "note: images of 12 × 9; centre-cropped and resized to 8 × 8\n")
    assert "3 examples" in out
    told = json.loads(command(["evaluate", "runs/p", "--data", "wide", "--json"])[1])
    assert told["notes"] == ["images of 12 × 9; centre-cropped and resized to 8 × 8"]


def test_runs_without_checkpoints_say_so(command: Command, table_run: Path, tmp_path: Path) -> None:
    shutil.copytree(table_run, tmp_path / "bare")
    shutil.rmtree(tmp_path / "bare" / "checkpoints")
    (tmp_path / "bare" / "checkpoints").mkdir()
    (tmp_path / "x.csv").write_text("sepal length (cm),sepal width (cm),petal length (cm),petal width (cm)\n1,2,3,4\n")
    for words in (["evaluate", "bare"], ["predict", "bare", "x.csv"]):
        code, _, err = command(words)
        assert code == 2
        assert "a checkpoint in" in err
        assert "`sightline resume" in err
