"""The page of a diagnosis: all that was found, offline, and nothing of a program's is ever markup."""

import json
import math
from html import unescape
from pathlib import Path
from typing import Any

import pytest

from contract.test_report import Page, begin, check_offline
from sightline.core.errors import RunFolderError
from sightline.report import diagnosis_page, render, write_diagnosis

EVIL = ("<script>alert(1)</script>", "</script><img src=http://evil.example/x>", '"><b onload=x>', "{{ 7*7 }}")


def finding(**changes: Any) -> dict[str, Any]:
    return {
        "cause": "rate-too-high",
        "severity": "error",
        "certainty": 0.85,
        "title": "The learning rate is too high",
        "where": "train.py:12",
        "evidence": ["the loss rises", "an update changes a weight by 0.3 of its size"],
        "why": "a step overshoots what it descends.",
        "fix": "try lr = 0.001",
        "lecture": ["U7"],
        "codes": ["HLR"],
        "change": {"lr": 0.001},
        "explains": [],
        "figure": {"x": "update", "y": "loss", "lines": {"loss": [[0, 1.0], [1, math.nan]]}, "logarithmic": True},
        "also": ["Nothing is learned"],
    } | changes


def found(*findings: dict[str, Any], **changes: Any) -> dict[str, Any]:
    plain = {"verdict": "Nothing speaks against this training.", "seen": "Watched Net.", "trained": True}
    return {**plain, "findings": list(findings)} | changes


def watched(name: str = "fc.weight", steps: int = 12) -> dict[str, Any]:
    rows = [0.001 * (k + 1) for k in range(steps)]
    return {
        "loss": [[k, 2.0 / (k + 1)] for k in range(steps)] + [[steps, math.inf]],
        "validation": [[4, 1.0], [9, 0.5]],
        "accuracy": [[4, 0.5], [9, 0.75]],
        "rates": [[0, 0.1], [6, 0.01]],
        "guess": 0.7,
        "layers": {"names": [name, "out"], "steps": list(range(steps)), "gradient": [rows, rows[::-1]],
                   "update": [[None, *rows[1:]], [math.nan, *rows[1:]]]},
        "units": {"dead": {name: [[0, 0.5], [0, 0.75], [3, 1.0]]}, "saturated": {"out": [[0, 0.0]]}},
        "facts": {"networks": [name], "parameters": 1234, "optimizers": ["SGD", "SGD"], "updates": steps,
                  "looks": 3, "seconds": 75.0, "examples": 5000, "distinct": 500, "stopped": ""},
    }  # fmt: skip


def test_the_first_harm_is_the_heading_and_every_part_is_told() -> None:
    advice = finding(severity="advice", title="Worth a look", figure=None)
    html = diagnosis_page(found(finding(), finding(title="Another"), advice), watched(), name="train.py")
    check_offline(html)
    page = Page(html)
    heading = html[html.index("<h1>") : html.index("</h1>")]
    assert heading == "<h1>The learning rate is too high"
    first = finding()
    for words in (*first["evidence"], first["why"], first["where"], *first["also"], "85% sure", "rate-too-high"):
        assert words in page.words, words
    assert page.words.count("try lr = 0.001") == 4
    assert "1 more finding of harm" in page.words
    assert "Worth a look" in page.words
    for fact in ("1,234 parameters", "1 min 15 s", "5,000", "500 of them different", "lr 0.1 at first", "Watched Net."):
        assert fact in page.words, fact
    assert set(page.charts) == {
        "finding-1", "finding-2", "watched-loss", "watched-accuracy", "watched-rate",
        "layers-update", "layers-gradient", "layers-dead",
    }  # fmt: skip
    drawn = [str(attributes["data-chart"]) for _, attributes in page.tags if "data-chart" in attributes]
    assert sorted(drawn) == sorted(page.charts)
    assert all(attributes.get("aria-label") for _, attributes in page.tags if "data-chart" in attributes)


def test_a_healthy_training_is_told_in_a_sentence() -> None:
    html = diagnosis_page(found(), watched())
    page = Page(html)
    assert "<h1>Nothing speaks against this training." in html
    assert 'class="diagnosis well"' in html
    assert "Findings" not in page.words
    alone = Page(diagnosis_page(found(), {}))
    assert "charts" not in alone.scripts
    assert "vega" not in str(alone.scripts).lower()


def test_layers_hold_the_worst_of_a_step_and_rates_hold_until_they_change() -> None:
    charts = Page(diagnosis_page(found(), watched())).charts
    dead = charts["layers-dead"]["datasets"]["cells"]
    assert [(cell["step"], cell["colour"]) for cell in dead] == [(0, 0.75), (3, 1.0)]
    rate = charts["watched-rate"]["datasets"]["points"]
    assert [(point["x"], point["value"]) for point in rate] == [(0, 0.1), (5, 0.1), (6, 0.01), (11, 0.01)]
    update = charts["layers-update"]["datasets"]["cells"]
    assert [cell["colour"] for cell in update if cell["step"] == 0] == [None]
    assert charts["layers-update"]["params"][0]["value"] == ["fc", "out"]
    words = [row["words"] for row in charts["watched-loss"]["datasets"]["breaks"]]
    assert words == ["training: ∞"]


@pytest.mark.parametrize("evil", EVIL)
def test_names_of_a_program_are_never_markup(evil: str) -> None:
    lines = {"x": evil, "y": evil, "lines": {evil: [[0, 1.0], [1, 2.0]]}, "logarithmic": False}
    texts = dict.fromkeys(("cause", "severity", "title", "where", "why", "fix"), evil)
    one = finding(**texts, evidence=[evil], also=[evil], figure=lines)
    html = diagnosis_page(found(one, verdict=evil, seen=evil), watched(evil), name=evil)
    check_offline(html)
    page = Page(html)
    assert sum(tag == "script" for tag, _ in page.tags) == 3
    assert all("onload" not in attributes for _, attributes in page.tags)
    assert not any(tag == "img" for tag, _ in page.tags)
    assert "<script>alert" not in html
    assert evil in unescape(page.words)
    assert "49" not in page.words.split()
    assert evil in page.charts["layers-update"]["params"][0]["value"] or len(evil) > 28


def test_the_same_values_give_the_same_page_within_the_size() -> None:
    many = {
        **watched(),
        "loss": [[k, 1.0 / (k + 1)] for k in range(1000)],
        "layers": {
            "names": [f"block{k}.weight" for k in range(64)], "steps": list(range(80)),
            "gradient": [[0.1] * 80] * 64, "update": [[0.001] * 80] * 64,
        },
    }  # fmt: skip
    html = diagnosis_page(found(finding()), many)
    assert html == diagnosis_page(found(finding()), many)
    assert len(html.encode()) < 3_000_000


def test_a_page_is_written_whole_or_the_folder_is_named(tmp_path: Path) -> None:
    path = write_diagnosis(tmp_path / "page.html", found(), watched())
    assert path.read_text(encoding="utf-8").startswith("<!doctype html>")
    with pytest.raises(RunFolderError, match="missing"):
        write_diagnosis(tmp_path / "missing" / "page.html", found(), {})


def test_a_run_tells_its_diagnosis_first_then_curves_findings_and_layers(tmp_path: Path) -> None:
    folder = begin(tmp_path)
    folder.write("findings.json", found(finding()))
    folder.write(
        "readings/watch.json", json.loads(json.dumps(watched()).replace("NaN", "null").replace("Infinity", "9"))
    )
    html = render(folder)
    check_offline(html)
    page = Page(html)
    assert html.index("verdict-line error") < html.index('class="lead"') < html.index('id="learning"')
    assert html.index('id="learning"') < html.index('id="findings"') < html.index('id="layers"')
    assert {"finding-1", "layers-update", "layers-gradient", "layers-dead"} == set(page.charts)
    assert "Watched Net." in page.words
    folder.write("findings.json", found(finding(severity="advice")))
    html = render(folder)
    assert "verdict-line well" in html[html.index("<body>") :]
    assert "Nothing speaks against this training. Watched Net." in Page(html).words
    (folder.path / "readings/watch.json").unlink()
    assert 'id="layers"' not in render(folder)


def test_what_came_of_a_fix_stands_below_it() -> None:
    sentence = "with lr = 0.001, 500 updates: training loss 2.3 without it, 0.4 with it <i>. It helps."
    tried = {"outcome": "helped", "sentence": sentence, "updates": 500, "measure": "training loss"}
    tried |= {"before": 2.3, "after": 0.4, "error": 0.01}
    html = diagnosis_page(found(finding(tried=tried), finding(tried=None)), {})
    check_offline(html)
    assert html.count('<p class="tried helped">') == 1
    assert html.count('class="tried') == 1
    assert sentence in Page(html).words
    card = html[html.index('<article class="finding error"') : html.index("</article>")]
    assert card.index('<p class="fix">') < card.index('<p class="tried helped">')
