"""The page's verdict and its sections on the network: what the readings say, and nothing where there are none."""

from pathlib import Path
from typing import Any

import pytest

from contract.test_diagnosis_page import EVIL, finding, found
from contract.test_report import (
    DIGITS,
    Page,
    begin,
    check_offline,
    classification,
    evaluation,
    log,
    picture,
    regression,
)
from sightline.core.errors import RunFolderError
from sightline.core.run_folder import RunFolder
from sightline.report import render
from sightline.report.diagnosis_section import diagnosis
from sightline.report.read import read_run
from sightline.report.verdict import Verdict, verdict

STEPS = list(range(20, 201, 20))


def add_readings(folder: RunFolder, name: str = "stem.conv") -> RunFolder:
    """Everything a run leaves about its network, in small numbers that are easy to find again."""
    layers = [
        {"name": name, "kind": "Conv2d", "shape": [8, 8, 8], "parameters": 72, "multiply_adds": 4608, "bytes": 2048},
        {"name": "head", "kind": "Linear", "shape": [10], "parameters": 650, "multiply_adds": 640, "bytes": 40},
        {"name": "spare", "kind": "Linear", "shape": None, "parameters": 6, "multiply_adds": 0, "bytes": 0},
    ]
    folder.write("readings/layers.json", layers)
    weights = [
        {"name": f"{name}.weight", "count": 3, "place": [0, 1, 2], "sigma": [2.0, 1.0, 0.5], "condition": 4.0,
         "effective_rank": 2.7},
        {"name": "head.weight", "count": 10, "place": [0, 9], "sigma": [1.0, 0.1], "condition": 10.0,
         "effective_rank": 4.0},
    ]  # fmt: skip
    folder.write("readings/spectra.json", {"weights": weights, "left_out": ["table.weight"]})
    points = [[float(k), float(-k)] for k in range(10)]
    told = {"points": points, "labels": list(range(10)), "classes": list(DIGITS), "explained": [0.5, 0.25]}
    folder.write("readings/embedding-map.json", {**told, "split": "test", "width": 64})
    rows = [
        {"step": s, "sharpness": 3.0 + s / 10, "limit": 20.0, "rate": 0.1, "loss": 1.0, "converged": True}
        for s in STEPS
    ]
    plain = {"points": rows, "factor": 2.0, "preconditioned": False, "optimizer": "sgd", "examples": 256}
    folder.write("readings/sharpness.json", plain)
    examples = [
        {"index": 7, "target": "3", "answers": [[20 * k, str(3 + 5 * (k % 2))] for k in range(1, 10)], "changes": 8,
         "picture": picture(folder, "changed", 5), "row": None},
        {"index": 9, "target": "1", "answers": [[20, "7"], [40, "1"]], "changes": 1, "picture": None,
         "row": {"ink": 0.5}},
    ]  # fmt: skip
    looks = [{"step": step, "changed": 4 / step, "forgotten": 1 / step} for step in STEPS[1:]]
    folder.write("readings/changed.json", {"count": 359, "looks": looks, "examples": examples})
    return folder


def of(folder: RunFolder, plain: dict[str, Any] | None = None) -> Verdict:
    return verdict(read_run(folder), diagnosis(plain or found(), {}))


def test_every_reading_has_its_section_and_its_figure(tmp_path: Path) -> None:
    html = render(add_readings(classification(tmp_path)))
    check_offline(html)
    page = Page(html)
    for words in (
        "Learned well", "Sharpness", "limit 2/η of sgd", "It is passed at 2 of 10 checkpoints", "Spectra",
        "The fewest are used in head: its effective rank is 40 % of its size", "Left out: table.weight",
        "Most-changed examples", "of the 359 that were followed", "is 3 , changed 8 ×", "… 3 → 8 → 3 → 8 → 3 → 8",
        "is 1 , changed 1 ×", "Map of examples", "10 test examples as the last layer sees them, 64 numbers each",
        "75 % of the variance", "Cost and memory by layer", "5,248 multiply-adds, 2.09 kB of outputs", "8 × 8 × 8",
        "not used",
    ):  # fmt: skip
        assert words in page.words, words
    assert {"sharpness", "spectra", "embedding-map", "changed"} <= page.charts.keys()
    places = [a["data-chart"] for _, a in page.tags if "data-chart" in a]
    assert sorted(map(str, places)) == sorted(page.charts)
    limit = [p["value"] for p in page.charts["sharpness"]["datasets"]["points"] if p["series"] == "stability limit"]
    rates = [row["lr"] for row in read_run(RunFolder.open(tmp_path / "digits-resnet")).training]
    assert limit == pytest.approx([2 / rate for rate in rates if 2 / rate <= 100 * 23.0])


def test_the_order_of_the_page(tmp_path: Path) -> None:
    """Verdict first, then curves, findings, the network, the examples, cost, environment."""
    folder = add_readings(classification(tmp_path))
    folder.write("findings.json", found(finding()))
    tags = [a.get("id") or a.get("class") for t, a in Page(render(folder)).tags if t in ("section", "p")]
    wanted = ["verdict-line error", "lead", "learning", "findings", "spectra", "sharpness", "figures", "confusion"]
    wanted += ["classes", "mistakes", "changed", "map", "cost", "data", "configuration"]
    assert [tag for tag in tags if tag in wanted] == wanted


def test_a_page_without_them_leaves_them_out(tmp_path: Path) -> None:
    html = render(classification(tmp_path))
    for section in ("sharpness", "spectra", "changed", "map", "cost"):
        assert f'<section id="{section}">' not in html


@pytest.mark.parametrize("name", ["layers", "spectra", "embedding-map", "sharpness", "changed"])
def test_a_damaged_reading_is_named(tmp_path: Path, name: str) -> None:
    folder = add_readings(classification(tmp_path))
    folder.write(f"readings/{name}.json", [{"points": "none"}])
    with pytest.raises(RunFolderError, match=f"{name}.json"):
        render(folder)


def test_names_from_outside_are_never_markup(tmp_path: Path) -> None:
    for place, evil in enumerate(EVIL[:3]):
        folder = add_readings(classification(tmp_path / str(place)), evil)
        html = render(folder)
        check_offline(html)
        assert evil not in html


# -- the verdict -------------------------------------------------------------------------------------------------------


def two_classes(parent: Path, right: int, wrong: int) -> RunFolder:
    """A classifier of 100 examples of each of two classes."""
    folder = begin(parent)
    error = (right * wrong / (right + wrong) ** 3) ** 0.5
    metrics = {"accuracy": {"value": right / (right + wrong), "standard_error": error, "unit": ""}}
    confusion = [[right // 2, wrong // 2], [wrong - wrong // 2, right - right // 2]]
    evaluation(folder, "test", ("a", "b"), metrics=metrics, confusion=confusion, mistakes=[], per_class=[])
    folder.set_status("completed", step=9)
    return folder


def test_accuracy_is_held_against_the_commonest_class(tmp_path: Path) -> None:
    well = of(two_classes(tmp_path / "a", 190, 10))
    assert (well.tone, well.title) == ("well", "Learned well")
    assert well.words == ("Test accuracy 95.0 ± 1.5 %; always answering a, the commonest class, would have 50.0 %.")
    assert of(two_classes(tmp_path / "b", 150, 50)).tone == "well"  # error 0.25 is half of 0.5
    assert of(two_classes(tmp_path / "c", 148, 52)).tone == "part"
    assert of(two_classes(tmp_path / "d", 108, 92)).title == "Nothing was learned from the inputs"


def test_always_answering_the_commonest_class_is_to_learn_nothing(tmp_path: Path) -> None:
    folder = two_classes(tmp_path, 150, 50)
    told = folder.read("readings/evaluation-test.json")
    folder.write("readings/evaluation-test.json", {**told, "confusion": [[0, 50], [0, 150]]})
    found_of = of(folder)
    assert found_of.tone == "warning"
    assert "always answering b, the commonest class, would have 75.0 %" in found_of.words


def test_numbers_are_held_against_the_mean(tmp_path: Path) -> None:
    told = of(regression(tmp_path))
    assert (told.tone, told.title) == ("well", "Learned well")
    assert told.words == ("Test R² 0.51 ± 0.06; always answering the mean would have 0 (RMSE 54.1 against 77.6 price).")


@pytest.mark.parametrize(("lowest", "tone"), [(2.3, "well"), (2.4, "part"), (3.22, "part"), (3.25, "warning")])
def test_text_is_held_against_the_best_constant_guess(tmp_path: Path, lowest: float, tone: str) -> None:
    folder = begin(tmp_path)
    for step in (1, 2):
        folder.append_metrics({"kind": "validation", "step": step, "loss": lowest + 1 / step - 0.5})
    folder.write("findings.json", found())
    folder.write("readings/watch.json", {"guess": 3.3})
    folder.set_status("completed", step=2)
    told = of(folder)
    assert told.tone == tone
    assert told.words == f"Lowest validation loss {lowest:.3g}; the best constant guess would have 3.3."


def test_a_cause_comes_before_everything_else(tmp_path: Path) -> None:
    folder = classification(tmp_path)
    told = of(folder, found(finding(), finding(title="Another")))
    assert (told.tone, told.title, told.fix, told.more) == (
        "error", "The learning rate is too high", "try lr = 0.001", 1,
    )  # fmt: skip
    assert told.words.startswith("Test accuracy")
    assert of(folder, found(finding(severity="advice"))).title == "Learned well"


def test_a_run_without_figures_says_how_it_stands(tmp_path: Path) -> None:
    folder = begin(tmp_path)
    log(folder, steps=3)
    folder.set_status("failed", "NaN at step 3")
    assert of(folder) == Verdict("error", "The training failed")
    folder.set_status("interrupted", "a signal")
    assert of(folder) == Verdict("none", "Not finished")
    folder.set_status("completed")
    assert of(folder) == Verdict("well", "Nothing speaks against this training")
