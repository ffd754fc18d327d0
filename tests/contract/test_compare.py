"""Comparing two runs: the fields that differ, the figures, and whether their difference is clear."""

import json
import math
from pathlib import Path
from typing import Any

import pytest

from contract.test_diagnosis_page import finding, found
from sightline.core.errors import ConfigurationError
from sightline.core.run_folder import RunFolder
from sightline.report import compare


def run(parent: Path, name: str, spec: str, metrics: dict[str, tuple[float, float | None]] | None) -> RunFolder:
    folder = RunFolder.create(parent, name)
    folder.write("spec.yaml", spec)
    folder.set_status("completed", step=500, seconds=83.4, parameters=75_290)
    if metrics is not None:
        figures = {k: {"value": v, "standard_error": e, "unit": ""} for k, (v, e) in metrics.items()}
        told: dict[str, Any] = {"split": "test", "checkpoint": "step-000000500", "count": 360, "loss": 0.1}
        folder.write("readings/evaluation-test.json", told | {"metrics": figures})
        folder.write("readings/evaluation-validation.json", told | {"split": "validation", "metrics": figures})
    return folder


A = "name: a\noptim:\n  name: adamw\n  lr: 0.003\nplan:\n  epochs: 10\nseed: 0\n"
B = "name: a\noptim:\n  name: sgd\n  lr: 0.1\n  momentum: 0.9\nplan:\n  epochs: 10\nseed: 0\n"


def test_differing_fields_and_figures(tmp_path: Path) -> None:
    a = run(tmp_path, "a", A, {"accuracy": (0.90, 0.03), "f1": (0.90, 0.03)})
    b = run(tmp_path, "b", B, {"accuracy": (0.98, 0.04), "f1": (0.995, 0.001)})
    comparison = compare(a, b)
    paths = {d.path: (d.a, d.b, d.in_a, d.in_b) for d in comparison.differences}
    assert paths == {
        "optim.name": ("adamw", "sgd", True, True),
        "optim.lr": (0.003, 0.1, True, True),
        "optim.momentum": (None, 0.9, False, True),
    }
    assert [(f.split, f.metric) for f in comparison.figures] == [
        ("test", "accuracy"),
        ("test", "f1"),
        ("validation", "accuracy"),
        ("validation", "f1"),
    ]
    accuracy, f1 = comparison.figures[:2]
    assert accuracy.difference == pytest.approx(0.08)
    assert accuracy.standard_error == pytest.approx(0.05)  # a 3-4-5 triangle
    assert accuracy.clear is False
    assert f1.clear is True
    assert comparison.a.parameters == 75_290


def test_lines_are_neat_columns(tmp_path: Path) -> None:
    a = run(tmp_path, "a", A, {"accuracy": (0.90, 0.03)})
    b = run(tmp_path, "run-b", B, {"accuracy": (0.95, 0.04)})
    assert compare(a, b).lines() == [
        "             a            run-b",
        "state        completed    completed",
        "time         1 min 23 s   1 min 23 s",
        "updates      500          500",
        "parameters   75,290       75,290",
        "",
        "configuration",
        "  optim.name       adamw   sgd",
        "  optim.lr         0.003   0.1",
        "  optim.momentum   —       0.9",
        "",
        "test",
        "  accuracy   90 ± 3 %   95 ± 4 %   +5 ± 5 %  within two standard errors",
        "",
        "validation",
        "  accuracy   90 ± 3 %   95 ± 4 %   +5 ± 5 %  within two standard errors",
    ]


def test_a_missing_evaluation_is_said_not_invented(tmp_path: Path) -> None:
    a = run(tmp_path, "a", A, {"accuracy": (0.9, None)})
    b = run(tmp_path, "b", A, None)
    comparison = compare(a, b)
    assert comparison.differences == ()
    assert len(comparison.figures) == 2
    assert all(f.b is None and f.difference is None and f.clear is None for f in comparison.figures)
    lines = comparison.lines()
    assert "  the same in every field" in lines
    assert "  accuracy   90.0 %   —" in lines
    c = run(tmp_path, "c", A, None)
    assert "  neither run has been evaluated" in compare(b, c).lines()


def test_figures_that_are_not_finite_are_shown_as_such(tmp_path: Path) -> None:
    a = run(tmp_path, "a", A, {"rmse": (math.nan, math.nan)})
    b = run(tmp_path, "b", A, {"rmse": (2.0, 0.1)})
    comparison = compare(a, b)
    assert comparison.figures[0].clear is None
    assert "  RMSE   NaN   2.00 ± 0.10" in comparison.lines()


def test_what_was_found_in_each_run_is_told(tmp_path: Path) -> None:
    folders = [run(tmp_path, name, A, None) for name in ("a", "run-b", "c", "d")]
    folders[0].write("findings.json", found(finding(), finding(severity="warning"), finding(severity="advice")))
    folders[1].write("findings.json", found(finding(severity="advice")))
    folders[2].write("findings.json", found(finding(title="\x1b[1mbold", cause="x")))
    lines = compare(folders[0], folders[1]).lines()
    at = lines.index("diagnosis")
    assert lines[at + 1 : at + 3] == [
        "  a       The learning rate is too high (rate-too-high), and 1 more",
        "  run-b   Nothing speaks against this training",
    ]
    lines = compare(folders[2], folders[3]).lines()
    at = lines.index("diagnosis")
    assert lines[at + 1 : at + 3] == ["  c   ␛[1mbold (x)", "  d   —"]
    assert "diagnosis" not in compare(folders[3], run(tmp_path, "e", A, None)).lines()
    assert compare(folders[0], folders[3]).to_dict()["b"]["diagnosis"] is None


def test_one_run_against_itself_is_refused(tmp_path: Path) -> None:
    a = run(tmp_path, "a", A, None)
    with pytest.raises(ConfigurationError, match="different runs") as caught:
        compare(a, RunFolder.open(a.path))
    assert all((caught.value.expected, caught.value.found, caught.value.do))


def test_to_dict_is_plain(tmp_path: Path) -> None:
    a = run(tmp_path, "a", A, {"accuracy": (0.90, 0.03)})
    b = run(tmp_path, "b", B, {"accuracy": (0.95, 0.04)})
    plain = compare(a, b).to_dict()
    assert json.loads(json.dumps(plain)) == plain
    assert plain["figures"][0]["clear"] is False
    assert plain["figures"][0]["difference_error"] == pytest.approx(0.05)
    assert plain["b"]["name"] == "b"


def test_a_run_without_status_is_compared(tmp_path: Path) -> None:
    a = run(tmp_path, "a", A, None)
    b = RunFolder.create(tmp_path, "b")
    b.write("spec.yaml", B)
    comparison = compare(a, b)
    assert comparison.b.state == "unknown"
    assert comparison.b.seconds is None
