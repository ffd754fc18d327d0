"""Damaged run folders: the report names the file; it neither crashes nor passes over it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sightline.core.errors import RunFolderError
from sightline.core.run_folder import RunFolder
from sightline.report import compare, render, write_report

EVALUATION: dict[str, Any] = {
    "split": "test",
    "checkpoint": "step-000000001",
    "count": 3,
    "loss": 0.5,
    "metrics": {"accuracy": {"value": 0.5, "standard_error": 0.1, "unit": ""}},
    "classes": ["a", "b"],
    "confusion": [[1, 1], [0, 1]],
    "per_class": [{"class": "a", "precision": 1.0, "recall": 0.5, "f1": 0.7, "count": 2}],
    "mistakes": [{"index": 0, "target": "a", "predicted": "b", "picture": None, "row": None}],
}
FILES: dict[str, Any] = {
    "schema.json": {
        "kind": "table",
        "task": "classification",
        "input_shape": [2],
        "classes": ["a", "b"],
        "target": "t",
    },
    "environment.json": {"processor": "Example CPU", "cores": 2, "accelerators": []},
    "readings/data.json": {"what": "a table", "counts": {"train": 3}, "balance": {"train": {"a": 2, "b": 1}}},
    "readings/evaluation-test.json": EVALUATION,
    "findings.json": {"verdict": "None.", "seen": "", "trained": True, "findings": [{"cause": "none"}]},
    "readings/watch.json": {
        "layers": {"names": ["fc"], "steps": [0], "update": [[0.01]], "gradient": [[0.1]]},
        "units": {"dead": {"0": [[0, 0.5]]}, "saturated": {}},
    },
}


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    folder = RunFolder.create(tmp_path, "run")
    folder.write("spec.yaml", "name: run\n")
    for name, content in FILES.items():
        folder.write(name, content)
    folder.append_metrics({"kind": "train", "step": 1, "loss": 1.0})
    folder.set_status("completed", step=1)
    render(folder)
    return folder


def check_named(folder: RunFolder, name: str) -> None:
    with pytest.raises(RunFolderError) as caught:
        write_report(folder)
    assert name in caught.value.expected + caught.value.found
    assert caught.value.do
    assert not folder.has("report.html")


ALL = [*FILES, "status.json", "metrics.jsonl", "spec.yaml"]


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("content", [b'{"kind": \n', b"\xff\xfe\x00\n", b"7\n", b"[" * 5000 + b"\n"])
def test_a_file_that_is_not_what_was_written_is_named(folder: RunFolder, name: str, content: bytes) -> None:
    (folder.path / name).write_bytes(content)
    check_named(folder, name)


def without(key: str) -> Callable[[dict[str, Any]], dict[str, Any]]:
    return lambda plain: {k: v for k, v in plain.items() if k != key}


def having(**changes: Any) -> Callable[[dict[str, Any]], dict[str, Any]]:
    return lambda plain: plain | changes


@pytest.mark.parametrize(
    "change",
    [
        *(without(key) for key in ("split", "checkpoint", "count", "loss", "metrics")),
        having(metrics={"accuracy": 0.5}),
        having(metrics={"accuracy": {"value": "high"}}),
        having(confusion=[[1, 1]]),
        having(confusion=[[1], [2]]),
        having(per_class=[{"class": "a"}]),
        having(per_class=[{"class": "a", "precision": "x", "recall": 1.0, "f1": 1.0, "count": 2}]),
        having(mistakes=[{"index": 1}]),
        having(mistakes=[{"index": 1, "target": "a", "predicted": "b", "picture": "../../secret.png"}]),
        having(mistakes=[{"index": 1, "target": "a", "predicted": "b", "picture": "spec.yaml"}]),
        having(mistakes=[{"index": 1, "target": "a", "predicted": "b", "picture": "samples/torn.png"}]),
        having(scatter=[[1.0]]),
    ],
)
def test_an_evaluation_with_wrong_entries_is_named(folder: RunFolder, change: Any) -> None:
    (folder.path.parent / "secret.png").write_bytes(b"\x89PNG secret")
    folder.write("samples/torn.png", b"\x89PNG\r\n\x1a\n torn")
    changed = change(EVALUATION)
    folder.write("readings/evaluation-test.json", changed)
    picture = (changed.get("mistakes") or [{}])[0].get("picture")
    check_named(folder, picture or "readings/evaluation-test.json")


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("readings/data.json", {"left_out": 3}),
        ("readings/data.json", {"balance": {"train": 3}}),
        ("readings/data.json", {"counts": ["train"]}),
        ("readings/data.json", {"duplicates": [{"first": "train"}]}),
        ("schema.json", {"task": "classification"}),
        ("environment.json", {"accelerators": 3}),
        ("findings.json", [3]),
        ("findings.json", {"verdict": "", "seen": "", "trained": True, "findings": [3]}),
        ("findings.json", {"verdict": "", "seen": "", "findings": []}),
        ("readings/watch.json", {"layers": {"names": ["fc"], "steps": [0], "update": [], "gradient": []}}),
        ("readings/watch.json", {"layers": {"names": ["fc"], "steps": [0], "update": [[1, 2]], "gradient": [[1]]}}),
        ("readings/watch.json", {"units": {"dead": [3]}}),
        ("status.json", {"why": "no state"}),
        ("status.json", {"state": "completed", "seconds": "long"}),
    ],
)
def test_other_wrong_entries_are_named(folder: RunFolder, name: str, content: Any) -> None:
    folder.write(name, content)
    check_named(folder, name)


@pytest.mark.parametrize(
    "line", ['{"kind": "train", "loss": 1}', '{"kind": "train", "step": 2, "loss": "low"}', "[1]", "{", "null"]
)
def test_a_damaged_line_of_the_metrics_is_named(folder: RunFolder, line: str) -> None:
    with (folder.path / "metrics.jsonl").open("a") as file:
        file.write(line + "\n")
    check_named(folder, "metrics.jsonl")


def test_a_torn_last_line_is_no_damage(folder: RunFolder) -> None:
    before = render(folder)
    with (folder.path / "metrics.jsonl").open("a") as file:
        file.write('{"kind": "train", "ste')
    assert render(folder) == before


def test_an_old_page_stands_when_the_new_one_fails(folder: RunFolder) -> None:
    write_report(folder).write_text("old")
    folder.write("schema.json", "[]")
    with pytest.raises(RunFolderError):
        write_report(folder)
    assert folder.text("report.html") == "old"


def test_a_folder_that_is_no_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RunFolderError):
        write_report(tmp_path)
    with pytest.raises(RunFolderError):
        render(str(tmp_path / "missing"))


def test_compare_names_the_damaged_run(folder: RunFolder, tmp_path: Path) -> None:
    other = RunFolder.create(tmp_path, "other")
    other.write("spec.yaml", "- no mapping\n")
    with pytest.raises(RunFolderError) as caught:
        compare(folder, other)
    assert str(other.path / "spec.yaml") in caught.value.expected


plain = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9**20) | st.floats() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_value_anywhere_is_shown_or_named(folder: RunFolder, data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(sorted(FILES)))
    key = data.draw(st.sampled_from(sorted(FILES[name])))
    folder.write(name, FILES[name] | {key: data.draw(plain)})
    page, named = "", ""
    try:
        page = render(folder)
    except RunFolderError as error:
        named = str(error)
    finally:
        folder.write(name, FILES[name])
    assert page.startswith("<!doctype html>") or name in named
