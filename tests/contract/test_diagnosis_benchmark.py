"""The benchmark of diagnoses with a stand-in for the diagnoser: what it counts, what it shows, what it hides."""

import math
from collections.abc import Callable
from dataclasses import astuple, replace
from pathlib import Path
from types import SimpleNamespace

import pytest

import diagnosis
from diagnosis import (
    Diagnoser,
    Run,
    diagnose_source,
    evaluate,
    false_alarms,
    run_part,
    score_repaired,
    summarise,
    summary_lines,
)
from diagnosis_score import Said
from forked import Outcome
from measure_faults import is_worse, score_of, scores_by_name
from planted import Fault, Truth

RATE = Truth(frozenset({"rate-too-high"}), frozenset({"HLR"}))
FAULT = Fault("mlp-a", "mlp", "optimiser", "worse", (RATE,), "", (("lr=0.05", "lr=5.0"),))
OTHER = Fault("mlp-b", "mlp", "loop", "worse", (Truth(frozenset({"detached"}), frozenset()),), "", ())
RIGHT = Said("rate-too-high", ("HLR",), "error")


def _run(fault: str, seed: int, *findings: Said, verified: bool | None = None, error: str = "") -> Run:
    return Run("mlp", fault, "optimiser", seed, findings, None, verified, error, 2.0 + seed)


def test_a_summary_counted_by_hand() -> None:
    runs = [
        _run("mlp-a", 0, RIGHT, verified=True),
        _run("mlp-a", 1, RIGHT, Said("dead-units", ("ACH",), "warning"), verified=False),
        _run("mlp-a", 2, error="out of time"),
        _run("mlp-b", 0, Said("detached", (), "advice")),
    ]
    summary = summarise(runs, [FAULT, OTHER])
    f3 = (1 + 10 * 0.5 / (9 * 0.5 + 1) + 0) / 3  # P and R: (1, 1), (1/2, 1), (0, 0)
    assert astuple(summary.by_name) == pytest.approx((1 / 3, 1 / 3, 1 / 4, f3 / 2))  # mlp-b adds zeros
    assert summary.by_code is not None
    assert astuple(summary.by_code) == pytest.approx((2 / 3, 2 / 3, 1 / 2, f3))
    assert (summary.programs, summary.runs, summary.diagnosed_programs) == (2, 4, 1)
    assert (summary.silent, summary.broken, summary.verified, summary.seconds) == (2, 1, (1, 2), 2.5)


def test_a_false_alarm_is_a_warning_on_a_healthy_run() -> None:
    quiet, loud = Said("rate-too-high", (), "advice"), Said("rate-too-high", (), "warning")
    runs = [_run("", 0, quiet), _run("", 1, loud), _run("", 2, loud), _run("", 3)]
    assert false_alarms(runs) == {"runs": (2, 4), "programs": (1, 1)}


@pytest.mark.parametrize(("parts", "hidden"), [(["tuned", "set-aside"], True), (["set-aside"], False)])
def test_single_set_aside_results_are_shown_only_when_asked_for(
    parts: list[str], hidden: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(diagnosis, "run_part", lambda part, *_: [_run("mlp-a", 0, RIGHT)])
    monkeypatch.setattr(diagnosis, "load_faults", lambda table: [FAULT])
    results = evaluate(parts, "", 1, lambda: lambda path, arguments: [])
    shown = capsys.readouterr().out.split("set-aside:")[1]
    assert ("mlp-a" not in shown) is hidden
    assert (results["set-aside"]["runs"] == []) is hidden
    assert results["set-aside"]["summary"]["by_name"]["diagnosed"] == 1.0


def test_a_proposed_edit_is_made_and_retrained(monkeypatch: pytest.MonkeyPatch) -> None:
    def found() -> Diagnoser:
        advice = SimpleNamespace(cause="dead-units", codes=(), severity="advice", edit=("lr=5.0", "lr=1.0"))
        error = SimpleNamespace(cause="rate-too-high", codes=["HLR"], severity="error", edit=("lr=5.0", "lr=0.05"))
        return lambda path, arguments: [advice, error] if "lr=5.0" in path.read_text() else []

    retrained = []

    def at_once(jobs: dict[str, Callable[[], object]], workers: int) -> list[tuple[str, Outcome]]:
        return [(name, Outcome(job(), "", 1.0)) for name, job in jobs.items()]

    def score(source: str, seed: int) -> float:
        retrained.append(source)
        return 0.6

    monkeypatch.setattr(diagnosis, "run_all", at_once)
    monkeypatch.setattr(diagnosis, "run_for_score", score)
    monkeypatch.setattr(diagnosis, "faults_that_count", lambda part: [FAULT])
    monkeypatch.setattr(diagnosis, "scores_by_name", lambda rows: {"mlp": [0.9, 1.0], "mlp-a": [0.1, 0.2]})
    (run,) = run_part("tuned", "", 1, found, 2)
    assert [each.cause for each in run.findings] == ["dead-units", "rate-too-high"]
    assert run.verified  # 0.6 is past the middle of 0.15 and 0.95
    assert len(retrained) == 1
    assert "lr=0.05" in retrained[0]
    assert "lr=5.0" not in retrained[0]
    with pytest.raises(ValueError, match="occurs 0 times"):
        score_repaired("lr=0.1", ("lr=5.0", "lr=0.05"), 0)


def test_a_fix_that_was_tried_counts_and_is_proposed() -> None:
    def tried(outcome: str, severity: str = "error") -> SimpleNamespace:
        change = {"lr": 0.1} if outcome == "helped" else {"lr": 0.2}
        words = {"cause": "rate-too-high", "codes": (), "severity": severity}
        return SimpleNamespace(**words, change=change, tried=SimpleNamespace(outcome=outcome))

    found = [tried("by hand"), tried("helped"), tried("worse", "advice")]
    said, repair, trials = diagnose_source("", 0, lambda: lambda path, arguments: found)
    assert [each.severity for each in said] == ["error", "error", "advice"]
    assert (repair, trials) == ({"lr": 0.1}, ("by hand", "helped", "worse"))
    lines = "\n".join(summary_lines("tuned", summarise([replace(_run("mlp-a", 0, *said), trials=trials)], [FAULT])))
    assert "with a fix that was tried: 2/3 = 66.7 %" in lines
    assert "helped, by the loss of the run that tried it: 1/2 = 50.0 %" in lines


def test_a_change_from_outside_is_scored_by_the_programs_own_words() -> None:
    source = """
import torch
weight = torch.nn.Linear(1, 1, bias=False)
optimizer = torch.optim.SGD(weight.parameters(), lr=0.5)
torch.nn.init.zeros_(weight.weight)
torch.nn.functional.mse_loss(weight(torch.ones(1, 1)), torch.ones(1, 1)).backward()
optimizer.step()
print(f"score={float(weight.weight.detach()):.3f}")
"""
    assert score_repaired(source, {"lr": 0.1}, 0) == pytest.approx(0.2)  # the slope is −2


def test_a_fault_counts_if_clearly_worse_than_the_spread() -> None:
    healthy = [0.90, 0.92, 0.91, 0.93, 0.89]
    assert is_worse(healthy, [0.80, 0.82, 0.81, 0.79, 0.83])
    assert not is_worse(healthy, [0.90, 0.89, 0.91, 0.90, 0.88])
    assert not is_worse(healthy, [0.10, 0.92, 0.91, 0.93, 0.90])  # once bad is not clearly worse
    assert is_worse(healthy, [math.nan] * 3 + [0.9, 0.9])
    assert not is_worse(healthy, [math.nan] * 2 + [0.9, 0.91, 0.9])
    assert is_worse(healthy, [0.5])
    assert not is_worse(healthy, [0.87])
    assert not is_worse([0.9], [0.1, 0.1])


def test_a_score_is_the_last_line() -> None:
    assert score_of("epoch 1\nscore=0.25\n") == 0.25
    rows = [{"program": "mlp", "fault": "a", "seed": seed, "score": score} for seed, score in (("1", ""), ("0", "2"))]
    scores = scores_by_name(rows)["a"]
    assert scores[0] == 2.0
    assert math.isnan(scores[1])


def test_a_program_lies_beside_its_data_and_tells_nothing(tmp_path: Path) -> None:
    from planted import faulty_source, write_program

    script = write_program(faulty_source(FAULT), tmp_path / "run")
    assert sorted(path.name for path in script.parent.iterdir()) == ["data.py", "train.py"]
    assert "lr=5.0" in script.read_text(encoding="utf-8")
