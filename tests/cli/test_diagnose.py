"""``sightline diagnose`` and ``sightline check``: programs as people write them, run unchanged."""

import json
from collections.abc import Callable, Sequence
from html import unescape
from pathlib import Path

import pytest

from sightline.cli.main import main

Answer = tuple[int, str, str]
Command = Callable[[Sequence[str | Path]], Answer]

LOOP = """
import torch
from torch import nn
torch.manual_seed(0)
x = torch.randn(256, 8)
y = (x[:, 0] > 0).long()
net = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 2){end})
optimizer = torch.optim.Adam(net.parameters(), lr=0.01)
for epoch in range(10):
    for part in torch.randperm(256).split(32):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(net(x[part]), y[part])
        loss.backward()
        optimizer.step()
    print("epoch", epoch)
    {then}
"""
HEALTHY = LOOP.format(end="", then="")
FAULTY = LOOP.format(end=", nn.Softmax(dim=1)", then="")
CRASHING = LOOP.format(end="", then="raise ValueError('out of beans')")
INTERRUPTED = LOOP.format(end="", then="raise KeyboardInterrupt")
LEAVING = LOOP.format(end="", then="raise SystemExit('enough')")
NOTHING = "print('hello')"
CRASHING_AT_ONCE = "import a_module_that_is_not_there"
ECHO = """
import json, sys
from pathlib import Path
Path("told.json").write_text(json.dumps([__name__, sys.argv, sys.path[0]]))
"""


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Command:
    """Run the command in an empty folder; returns exit code, stdout, stderr."""
    monkeypatch.chdir(tmp_path)

    def run(words: Sequence[str | Path]) -> Answer:
        capsys.readouterr()
        code = main([str(word) for word in words])
        out, err = capsys.readouterr()
        return code, out, err

    return run


def program(folder: Path, text: str) -> Path:
    path = folder / "train_it.py"
    path.write_text(text)
    return path


def test_a_faulty_program_is_told_its_cause_after_its_own_output(command: Command, tmp_path: Path) -> None:
    code, out, err = command(["diagnose", program(tmp_path, FAULTY)])
    assert (code, err) == (1, "")
    own, _, told = out.partition("epoch 9\n")
    assert own.startswith("epoch 0\n")
    assert told.strip().startswith("The outputs go through softmax before a loss that wants plain scores")
    assert "train_it.py:" in told
    assert "error, 95% sure: probabilities-into-logits-loss" in " ".join(told.split())


def test_a_healthy_program_is_left_in_peace(command: Command, tmp_path: Path) -> None:
    code, out, err = command(["diagnose", program(tmp_path, HEALTHY)])
    assert (code, err) == (0, "")
    assert "Nothing speaks against this training." in out
    assert "80 updates" in out


def test_a_crash_is_told_as_python_tells_it_and_then_diagnosed(command: Command, tmp_path: Path) -> None:
    code, out, err = command(["diagnose", program(tmp_path, CRASHING)])
    assert code == 1
    assert err.startswith("Traceback (most recent call last):")
    assert err.rstrip().endswith("ValueError: out of beans")
    assert "train_it.py" in err
    assert "runpy" not in err
    assert "The program ended with ValueError: out of beans." in " ".join(out.split())
    assert "8 updates" in out


@pytest.mark.parametrize(("text", "why"), [(INTERRUPTED, "KeyboardInterrupt"), (LEAVING, "SystemExit: enough")])
def test_a_program_that_is_left_early_is_diagnosed(command: Command, tmp_path: Path, text: str, why: str) -> None:
    code, out, err = command(["diagnose", program(tmp_path, text)])
    assert code == 1
    assert f"The program ended with {why}." in " ".join(out.split())
    assert err.rstrip().endswith(why.rpartition(" ")[2])


@pytest.mark.parametrize("name", ["diagnose", "check"])
@pytest.mark.parametrize(
    ("text", "words"),
    [
        (NOTHING, ["ran to its end and trained nothing", "what to do:", "let it train"]),
        (CRASHING_AT_ONCE, ["ended with ModuleNotFoundError", "what to do:", "mend that error"]),
        (None, ["a Python program", "no file", "check the path"]),
    ],
)
def test_what_trains_nothing_is_told_in_three_parts(
    command: Command, tmp_path: Path, name: str, text: str | None, words: list[str]
) -> None:
    path = program(tmp_path, text) if text is not None else tmp_path / "missing.py"
    code, out, err = command([name, path])
    assert code == 2
    assert "Watched" not in out
    assert all(word in err for word in words), err


def test_everything_after_the_programs_name_is_its_own(command: Command, tmp_path: Path) -> None:
    path = program(tmp_path, ECHO)
    own = ["--json", "--debug", "--help", "--lr", "3", "--", "x", "--report=p"]
    assert command(["diagnose", "--report", "page.html", path, *own])[0] == 2
    name, argv, first = json.loads((tmp_path / "told.json").read_text())
    assert name == "__main__"
    assert argv == [str(path), *own]
    assert first == str(tmp_path)


def test_json_has_standard_output_for_itself(command: Command, tmp_path: Path) -> None:
    code, out, err = command(["diagnose", "--json", program(tmp_path, FAULTY)])
    assert code == 1
    assert "epoch 9" in err
    told = json.loads(out)
    assert told["findings"][0]["cause"] == "probabilities-into-logits-loss"
    assert told["trained"] is True


def test_a_check_ends_the_program_after_thirty_updates(command: Command, tmp_path: Path) -> None:
    code, out, err = command(["check", program(tmp_path, FAULTY)])
    assert (code, err) == (1, "")
    assert "epoch 2\n" in out
    assert "epoch 3\n" not in out
    assert "30 updates" in out
    assert "Only the first 30 updates are looked at" in " ".join(out.split())
    assert "probabilities-into-logits-loss" in out


def test_a_check_of_a_healthy_program_says_how_little_it_saw(command: Command, tmp_path: Path) -> None:
    code, out, _ = command(["check", "--json", program(tmp_path, HEALTHY)])
    told = json.loads(out)
    assert code == 0
    assert told["verdict"] == "Nothing is certain to be wrong after the first updates."
    assert "Only the first 30 updates" in told["seen"]
    assert told["findings"] == []


def test_a_page_is_written_where_it_is_asked_for(command: Command, tmp_path: Path) -> None:
    code, out, _ = command(["diagnose", "--report", "page.html", program(tmp_path, FAULTY)])
    assert code == 1
    assert "page  page.html" in out
    assert "diagnosis of train_it.py" in (tmp_path / "page.html").read_text(encoding="utf-8")
    code, out, err = command(["diagnose", "--report", "nowhere/page.html", program(tmp_path, ECHO)])
    assert code == 2
    assert "no folder nowhere" in err
    assert not (tmp_path / "told.json").exists()


def test_a_run_tells_what_was_found_while_it_trained(command: Command, tmp_path: Path) -> None:
    words = ["train", "mlp", "--data", "iris", "--epochs", "3", "--name", "iris", "--quiet"]
    assert command(words)[0] == 0
    run = tmp_path / "runs" / "iris"
    code, out, _ = command(["diagnose", "--json", "--report", "page.html", run])
    found = json.loads((run / "findings.json").read_text())
    assert json.loads(out) == {key: found[key] for key in ("verdict", "seen", "trained", "findings", "held_back")}
    assert code == int(any(one["severity"] != "advice" for one in found["findings"]))
    assert (tmp_path / "page.html").is_file()
    code, _, err = command(["diagnose", run, "--json"])
    assert code == 2
    assert "nothing after a run's folder" in err
    (run / "findings.json").unlink()
    code, _, err = command(["diagnose", run])
    assert code == 2
    assert "findings.json" in err
    assert command(["diagnose", tmp_path])[0] == 2


# -- fixes tried -------------------------------------------------------------------------------------------------------

ONCE = "import os; os.remove('needed.txt')\n" + FAULTY


def test_a_fix_is_tried_in_a_second_run_that_is_not_shown(command: Command, tmp_path: Path) -> None:
    slow = HEALTHY.replace("lr=0.01", "lr=1e-6").replace("range(10)", "range(12)")
    words: list[str | Path] = [
        "diagnose",
        "--try-fix",
        "--updates",
        "90",
        "--json",
        "--report",
        "page.html",
        program(tmp_path, slow),
    ]
    code, out, err = command(words)
    found = json.loads(out)["findings"][0]
    assert code == 1
    assert err.count("epoch 11") == 1
    assert "training again with lr = 0.001 ..." in err
    assert (found["cause"], found["change"]) == ("rate-too-low", {"lr": 0.001})
    assert (found["tried"]["outcome"], found["tried"]["measure"]) == ("helped", "training loss")
    assert found["tried"]["updates"] == 90
    assert found["tried"]["sentence"] in unescape((tmp_path / "page.html").read_text(encoding="utf-8"))


def test_a_program_that_cannot_be_run_twice_says_so(command: Command, tmp_path: Path) -> None:
    (tmp_path / "needed.txt").touch()
    code, out, _ = command(["diagnose", "--try-fix", program(tmp_path, ONCE)])
    assert code == 1
    assert "the second run came to 0 updates only: FileNotFoundError" in " ".join(out.split())
    assert "error, 95% sure: probabilities-into-logits-loss" in " ".join(out.split())


def test_a_second_run_has_an_end(tmp_path: Path) -> None:
    from sightline.diagnose.again import run_again

    path = program(tmp_path, "import time\ntime.sleep(600)\n")
    assert run_again(path, [], {"lr": 0.1}, updates=32, seconds=0.5).stopped == "it was ended after 0 s"


def test_a_runs_fixes_are_tried_beside_it(command: Command, tmp_path: Path) -> None:
    slow = ["--optim", "sgd", "--optim.lr", "3e-4", "--epochs", "20", "--name", "iris", "--quiet"]
    assert command(["train", "mlp", "--data", "iris", *slow])[0] == 0
    run = tmp_path / "runs" / "iris"
    before = sorted((path, path.stat().st_mtime_ns) for path in run.rglob("*"))
    code, out, err = command(["diagnose", "--try-fix", "--json", run])
    found = json.loads(out)["findings"][0]
    assert (code, found["cause"]) == (1, "rate-too-low")
    assert (found["tried"]["outcome"], found["tried"]["measure"]) == ("helped", "training loss")
    assert err.count("training again with") == 2
    assert sorted((path, path.stat().st_mtime_ns) for path in run.rglob("*")) == before
    assert [path.name for path in (tmp_path / "runs").iterdir()] == ["iris"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--try-fix", "--updates", "0"], "updates: 32 or more"),
        (["--try-fix", "--updates", "-5"], "updates: 32 or more"),
        (["--updates", "100"], "together with --try-fix"),
    ],
)
def test_words_on_trying_that_make_no_sense(command: Command, tmp_path: Path, words: list[str], said: str) -> None:
    code, _, err = command(["diagnose", *words, program(tmp_path, ECHO)])
    assert code == 2
    assert said in err
    assert not (tmp_path / "told.json").exists()


@pytest.mark.parametrize("text", [NOTHING, CRASHING_AT_ONCE])
def test_where_nothing_is_trained_nothing_is_tried(command: Command, tmp_path: Path, text: str) -> None:
    code, _, err = command(["diagnose", "--try-fix", program(tmp_path, text)])
    assert code == 2
    assert "training again" not in err
    (tmp_path / "empty").mkdir()
    code, _, err = command(["diagnose", "--try-fix", tmp_path / "empty"])
    assert code == 2
    assert "without a spec.yaml" in err
