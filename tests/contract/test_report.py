"""The report: whatever a run folder holds, the page says it, offline, in one file, always the same."""

import json
import math
import re
from base64 import b64decode
from html import unescape
from html.parser import HTMLParser
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from sightline.core.run_folder import RunFolder
from sightline.report import render, write_report
from sightline.report.curves import MOST_POINTS

MOST_BYTES = 1_500_000
DIGITS = tuple("0123456789")


class Page(HTMLParser):
    """The tags, attributes and visible text of a page; scripts by their id."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: dict[str | None, str] = {}
        self.words = ""
        self._inside: tuple[str, str | None] = ("", None)
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._inside = (tag, dict(attrs).get("id"))

    def handle_endtag(self, tag: str) -> None:
        self._inside = ("", None)

    def handle_data(self, data: str) -> None:
        if self._inside[0] == "script":
            self.scripts[self._inside[1]] = self.scripts.get(self._inside[1], "") + data
        elif self._inside[0] != "style":
            self.words = " ".join(f"{self.words} {data}".split())

    @property
    def charts(self) -> dict[str, Any]:
        charts: dict[str, Any] = json.loads(self.scripts["charts"])
        return charts


def begin(parent: Path, name: str = "digits-resnet") -> RunFolder:
    folder = RunFolder.create(parent, name)
    folder.write(
        "spec.yaml",
        "name: digits-resnet\ndata:\n  source: digits\n  validation: 0.2\nmodel:\n  name: resnet\n"
        "  depth: 8\nobjective: null\noptim:\n  name: adamw\n  lr: 0.003\nplan:\n  epochs: 10\n"
        "  batch_size: 64\nseed: 0\n",
    )
    folder.write(
        "environment.json",
        {
            "python": "3.11.9",
            "processor": "Example CPU",
            "cores": 2,
            "accelerators": [],
            "packages": {"torch": "2.13.0"},
        },
    )
    return folder


def log(folder: RunFolder, steps: int = 200, nan_from: int | None = None, **validation: float) -> None:
    chance = np.random.default_rng(0)
    for step in range(1, steps + 1):
        loss = 2.3 * math.exp(-step / 40) + 0.02 + 0.05 * chance.random()
        lr = 0.003 * (1 + math.cos(math.pi * step / steps)) / 2 + 1e-5
        row = {"step": step, "epoch": step / 20, "seconds": step / 8}
        if nan_from is not None and step >= nan_from:
            loss = math.nan
        rates = {"loss": loss, "lr": lr, "grad_norm": loss * 3, "examples_per_second": 900.0}
        folder.append_metrics({"kind": "train", **row, **rates})
        if step % 20 == 0:
            scores = {name: value * (1 - math.exp(-step / 50)) for name, value in validation.items()}
            folder.append_metrics({"kind": "validation", **row, "loss": loss * 1.2 + 0.03, **scores})


def picture(folder: RunFolder, name: str, seed: int) -> str:
    buffer = BytesIO()
    noise = np.random.default_rng(seed).integers(0, 255, (8, 8), dtype=np.uint8)
    Image.fromarray(noise).save(buffer, format="PNG")
    folder.write(f"samples/mistakes/{name}.png", buffer.getvalue())
    return f"samples/mistakes/{name}.png"


def evaluation(folder: RunFolder, split: str, classes: tuple[str, ...], /, **changes: Any) -> None:
    size = len(classes)
    chance = np.random.default_rng(1)
    confusion = np.diag(chance.integers(25, 40, size)) + chance.binomial(1, min(0.08, 8 / size), (size, size))
    count = int(confusion.sum())
    accuracy = float(np.trace(confusion)) / count
    score = {"value": accuracy, "standard_error": 0.0071, "unit": ""}
    mistakes = [
        {
            "index": 12 + i,
            "target": classes[i % size],
            "predicted": classes[(i + 3) % size],
            "probability": 0.97 - i / 50,
            "loss": 4.1 - i / 5,
            "picture": picture(folder, f"{split}-{12 + i}", i),
            "row": None,
        }
        for i in range(8)
    ]
    per_class = [
        {"class": name, "precision": 0.97, "recall": 0.95, "f1": 0.96, "count": int(n)}
        for name, n in zip(classes, confusion.sum(1), strict=True)
    ]
    told = {
        "split": split,
        "checkpoint": "step-000000500",
        "count": count,
        "loss": 0.0812,
        "metrics": {name: dict(score) for name in ("accuracy", "precision", "recall", "f1")},
        "classes": list(classes),
        "confusion": confusion.tolist(),
        "per_class": per_class,
        "mistakes": mistakes,
        "scatter": None,
    }
    folder.write(f"readings/evaluation-{split}.json", told | changes)


def classification(parent: Path, classes: tuple[str, ...] = DIGITS) -> RunFolder:
    folder = begin(parent)
    shape = {"kind": "image", "task": "classification", "input_shape": [1, 8, 8]}
    folder.write("schema.json", {**shape, "classes": list(classes), "target": "label"})
    log(folder, accuracy=0.97, f1=0.965)
    evaluation(folder, "test", classes)
    evaluation(folder, "validation", classes)
    counts = {"train": 1078, "validation": 359, "test": 360}
    found = {
        "kind": "image",
        "what": "the digits of scikit-learn, 8 × 8 grey pictures",
        "counts": counts,
        "balance": {split: {c: n // len(classes) + i for i, c in enumerate(classes)} for split, n in counts.items()},
        "left_out": [["train/3/broken.png", "truncated"], ["train/4/notes.txt", "no picture"]],
        "duplicates": [{"first": "train", "second": "test", "count": 2, "pairs": [[0, 5], [3, 9]]}],
        "columns": [{"name": "ink", "kind": "number", "missing": 0}] * 30,
        "notes": ["pictures of other sizes were scaled to 8 × 8"],
        "pixels": {"mean": [0.305], "std": [0.376]},
    }
    folder.write("readings/data.json", found)
    folder.set_status("completed", step=500, epoch=10.0, seconds=83.4, parameters=75_290)
    return folder


def regression(parent: Path) -> RunFolder:
    folder = begin(parent, "house-mlp")
    shape = {"kind": "table", "task": "regression", "input_shape": [3], "target": "price"}
    folder.write("schema.json", {**shape, "classes": []})
    log(folder, rmse=54.0, mae=41.0, r2=0.61)
    chance = np.random.default_rng(2)
    truth = chance.normal(150, 70, 120)
    guess = truth + chance.normal(0, 40, 120)
    metrics = {
        "mae": {"value": 41.2, "standard_error": 2.9, "unit": "price"},
        "rmse": {"value": 54.1234, "standard_error": 2.41, "unit": "price"},
        "r2": {"value": 0.513, "standard_error": 0.061, "unit": ""},
    }
    worst = [
        {
            "index": i,
            "target": t,
            "predicted": p,
            "loss": (t - p) ** 2,
            "picture": None,
            "row": {"rooms": 3, "area": None},
        }
        for i, (t, p) in enumerate(zip(truth[:5].tolist(), guess[:5].tolist(), strict=True))
    ]
    scatter = np.stack([truth, guess], 1).tolist()
    none: dict[str, Any] = {"classes": [], "confusion": None, "per_class": []}
    evaluation(folder, "test", ("x",), **none, metrics=metrics, mistakes=worst, scatter=scatter, count=120)
    folder.set_status("completed", step=200, seconds=25.0)
    return folder


def check_offline(html: str) -> None:
    """One file that asks for nothing: no address in any attribute, and a policy against every request."""
    page = Page(html)
    for tag, attributes in page.tags:
        assert tag not in {"link", "iframe", "object", "embed", "base"}
        for name in ("src", "href", "srcset", "action", "poster", "data"):
            value = attributes.get(name)
            assert value is None or value.startswith(("data:image/", "#")), (tag, name, value)
    policy = next(a["content"] for t, a in page.tags if a.get("http-equiv") == "Content-Security-Policy")
    assert policy is not None
    assert policy.startswith("default-src 'none'")
    assert not re.search(r"url\(|@import", html[html.index("<style>") : html.index("</style>")])
    assert len(html.encode()) <= MOST_BYTES


def test_the_page_of_a_classifier_holds_its_figures(tmp_path: Path) -> None:
    folder = classification(tmp_path)
    path = write_report(folder)
    assert path == folder.path / "report.html"
    html = path.read_text(encoding="utf-8")
    check_offline(html)
    page = Page(html)
    metric = folder.read("readings/evaluation-test.json")["metrics"]["accuracy"]["value"]
    for words in (
        "digits-resnet", "completed", "resnet on digits, 10 classes, inputs 1 × 8 × 8",
        f"{100 * metric:.1f} ± 0.7 %", "1 min 23 s", "500 updates", "Example CPU", "validation accuracy",
        "step-000000500", "0.0812", "Worst mistakes", "with 97.0 %", "train/3/broken.png", "truncated",
        "2 examples of test also stand in train", "columns.ink", "… 30 in all",
        "pictures of other sizes were scaled", "optim.lr", "0.003", "packages.torch",
        "2.13.0", "sightline predict", "Class by class", "Most often confused",
    ):  # fmt: skip
        assert words in page.words, words
    assert "sightline resume" not in page.words
    assert list(page.charts) == [
        "loss",
        "accuracy-f1",
        "lr",
        "grad_norm",
        "examples_per_second",
        "confusion",
        "balance",
    ]
    places = [a["data-chart"] for _, a in page.tags if "data-chart" in a]
    assert sorted(map(str, places)) == sorted(page.charts)
    pictures = [a for t, a in page.tags if t == "img"]
    assert len(pictures) == 8
    cells = page.charts["confusion"]["datasets"]["cells"]
    assert sum(cell["n"] for cell in cells) == folder.read("readings/evaluation-test.json")["count"]


def test_the_page_of_a_regression_holds_its_figures(tmp_path: Path) -> None:
    html = render(regression(tmp_path))
    check_offline(html)
    page = Page(html)
    for words in (
        "predicting price",
        "54 ± 2",
        "in units of price, 120 examples",
        "RMSE (price)",
        "0.51 ± 0.06",
    ):
        assert words in page.words, words
    assert "Prediction against truth" in page.words
    assert "rooms" in page.words
    assert "confusion" not in page.charts
    assert len(page.charts["scatter"]["datasets"]["points"]) == 120
    assert {"rmse-mae", "r2"} <= page.charts.keys()


def test_the_same_folder_gives_the_same_page(tmp_path: Path) -> None:
    folder = classification(tmp_path)
    first = render(folder)
    assert write_report(folder).read_text(encoding="utf-8") == first
    assert render(str(folder.path)) == first


def test_a_run_that_has_only_begun_says_what_is_not_there_yet(tmp_path: Path) -> None:
    folder = RunFolder.create(tmp_path, "bare")
    folder.write("spec.yaml", "name: bare\nmodel: null\n")
    html = render(folder)
    check_offline(html)
    page = Page(html)
    for words in (
        "unknown", "there is no status.json", "a model built in Python on data given in Python",
        "No test or validation", "Nothing has been logged yet", "no readings/data.json",
        "no environment.json", "sightline resume",
    ):  # fmt: skip
        assert words in page.words, words
    assert "charts" not in page.scripts


def test_a_failed_run_says_why_and_shows_its_curves(tmp_path: Path) -> None:
    folder = begin(tmp_path)
    log(folder, steps=60, nan_from=41)
    folder.set_status("failed", "the loss is NaN at step 41, first in stem.conv", step=40)
    page = Page(render(folder))
    assert "failed" in page.words
    assert "first in stem.conv" in page.words
    assert "training: NaN at update 41, and 19 more after it" in page.words
    loss = page.charts["loss"]["datasets"]
    assert [point["value"] for point in loss["breaks"] if point["series"] == "training"] == ["NaN"] * 20
    assert all(point["value"] is None for point in loss["points"] if point["step"] > 40)


def test_a_running_run_reads_running(tmp_path: Path) -> None:
    folder = begin(tmp_path)
    log(folder, steps=3)
    folder.set_status("running", step=3)
    with folder.lock():
        assert "running" in Page(render(folder)).words
    assert "interrupted" in Page(render(folder)).words


def test_a_curve_that_is_never_finite_is_told_in_words(tmp_path: Path) -> None:
    folder = begin(tmp_path)
    for step in (1, 2):
        folder.append_metrics({"kind": "train", "step": step, "loss": math.inf, "lr": 0.1})
    page = Page(render(folder))
    assert "training: ∞ at update 1, and 1 more after it" in page.words
    assert "No finite value to draw" in page.words
    assert list(page.charts) == ["lr"]


def test_names_from_outside_are_never_markup(tmp_path: Path) -> None:
    evil = (
        "<script>alert(1)</script>",
        "</script><img src=http://evil.example/x>",
        '"><b onload=x>',
        "{{ 7*7 }}",
    )
    folder = classification(tmp_path, evil)
    folder.write(
        "readings/data.json",
        {"what": evil[1], "left_out": [[evil[0], evil[2]]], "balance": {evil[1]: {evil[0]: 3}}},
    )
    folder.set_status("failed", evil[0])
    finding = {"cause": evil[0], "severity": evil[2], "fix": evil[1]}
    folder.write("findings.json", {"verdict": evil[0], "seen": evil[1], "trained": True, "findings": [finding]})
    html = render(folder)
    check_offline(html)
    page = Page(html)
    assert sum(tag == "script" for tag, _ in page.tags) == 3
    assert all("onload" not in attributes for _, attributes in page.tags)
    assert "<script>alert" not in html
    assert evil[0] in unescape(page.words)
    assert page.charts["confusion"]["params"][0]["value"] == list(evil)
    assert "49" not in page.words.split()


@pytest.mark.parametrize("size", [1, 2, 100, 151])
def test_any_number_of_classes_is_drawn_or_told(tmp_path: Path, size: int) -> None:
    html = render(classification(tmp_path, tuple(f"class {i}" for i in range(size))))
    check_offline(html)
    page = Page(html)
    assert ("confusion" in page.charts) == (size <= 150)
    assert ("too many to draw" in page.words) == (size > 150)
    assert f"class {size - 1}" in page.words


def test_a_long_run_stays_within_the_size(tmp_path: Path) -> None:
    folder = begin(tmp_path)
    rows = [{"kind": "train", "step": i, "epoch": i / 99, "seconds": i / 7, "loss": 1 / i} for i in range(1, 30_001)]
    rows[17_000]["loss"] = 55.0
    folder.write("metrics.jsonl", "".join(json.dumps(row) + "\n" for row in rows))
    html = render(folder)
    check_offline(html)
    points = Page(html).charts["loss"]["datasets"]["points"]
    assert 300 < len(points) <= MOST_POINTS
    assert max(point["value"] for point in points) == 55.0
    assert points[-1]["step"] == 30_000


def test_photographs_are_scaled_down_and_share_one_allowance(tmp_path: Path) -> None:
    folder = classification(tmp_path)
    first = folder.read("readings/evaluation-test.json")
    mistakes = []
    for index in range(20):
        name = f"samples/mistakes/large-{index}.png"
        noise = np.random.default_rng(index).integers(0, 255, (300, 400, 3), dtype=np.uint8)
        Image.fromarray(noise).save(folder.path / name)
        mistakes.append({**first["mistakes"][0], "index": index, "picture": name})
    folder.write("readings/evaluation-test.json", {**first, "mistakes": mistakes})
    html = render(folder)
    check_offline(html)
    page = Page(html)
    sources = [str(a["src"]) for t, a in page.tags if t == "img"]
    assert 2 <= len(sources) < 20
    assert page.words.count("is left out, to keep this page small") == 20 - len(sources)
    pictures = [Image.open(BytesIO(b64decode(source.partition(",")[2]))) for source in sources]
    assert {picture.size for picture in pictures} == {(224, 168)}
    assert all("tiny" not in str(a.get("class")) for t, a in page.tags if t == "img")


def test_a_picture_that_is_gone_is_named(tmp_path: Path) -> None:
    folder = classification(tmp_path)
    (folder.path / "samples/mistakes/test-13.png").unlink()
    page = Page(render(folder))
    assert "test-13.png is not there" in page.words
    assert [a["class"] for t, a in page.tags if t == "img"] == ["tiny"] * 7


def test_without_a_test_split_the_validation_stands_in(tmp_path: Path) -> None:
    folder = classification(tmp_path)
    (folder.path / "readings/evaluation-test.json").unlink()
    words = Page(render(folder)).words
    assert "There is no test evaluation; what follows is about the validation split." in words
    assert "Confusion matrix, validation" in words


def test_findings_are_listed(tmp_path: Path) -> None:
    folder = classification(tmp_path)
    finding = {
        "cause": "vanishing gradient",
        "severity": "critical",
        "where": "layer 3",
        "evidence": {"norm": 0.25},
    }
    found = [{**finding, "why": "saturated", "fix": "use ReLU"}]
    folder.write("findings.json", {"verdict": "", "seen": "Watched it.", "trained": True, "findings": found})
    words = Page(render(folder)).words
    assert "Watched it." in words
    for part in ("vanishing gradient", "critical", "layer 3", "norm = 0.25", "saturated", "use ReLU"):
        assert part in words, part
