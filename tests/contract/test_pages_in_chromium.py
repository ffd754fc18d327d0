"""Every page in a real browser: drawn, quiet, offline, readable in both themes, at three widths, by keyboard."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from chromium import BINARY, Browser, browser
from contract.test_diagnosis_page import finding, found, watched
from contract.test_network_sections import add_readings
from contract.test_report import begin, classification, log, regression
from contract.test_text_report import begin as begin_text
from contract.test_text_report import with_readings
from sightline.core.run_folder import RunFolder
from sightline.report import compare_page, diagnosis_page, render

pytestmark = pytest.mark.skipif(BINARY is None, reason="no Chromium here")

MOST_BYTES = 3_000_000
VIEWS = ((390, False), (390, True), (768, False), (1400, True))
"""Widths in pixels, and whether the theme is dark: a phone, a tablet, a desk."""
CONTRAST, LARGE_CONTRAST = 4.5, 3.0
"""WCAG 2.2, level AA: of text, and of text from 24 pixels (bold from 18.66) on."""

CHARTS = """[...document.querySelectorAll("[data-chart]")].map((place) => {
  const svg = place.querySelector("svg"), canvas = place.querySelector("canvas");
  const box = (svg ?? canvas).getBoundingClientRect();
  const marks = svg ? svg.querySelectorAll("[class*='mark-'][class*='marks'] > *, .role-mark > *").length : 1;
  return { name: place.dataset.chart, marks, wide: box.width, high: box.height,
           out: box.right - document.documentElement.clientWidth };
})"""

COLOURS = (Path(__file__).parent.parent / "contrast.js").read_text(encoding="utf-8")

REACHABLE = """[...document.querySelectorAll("a[href], button, summary, [tabindex='0']")]
  .filter((e) => e.checkVisibility() && !e.disabled)"""


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with browser() as started:
        yield started


def a_run(folder: Path) -> str:
    made = add_readings(classification(folder))
    made.write("findings.json", found(finding(), finding(severity="advice")))
    made.write("readings/watch.json", watched())
    return render(made)


def a_failed_run(folder: Path) -> str:
    made = begin(folder)
    log(made, steps=60, nan_from=41)
    made.set_status("failed", "the loss is NaN at step 41, first in stem.conv", step=40)
    return render(made)


def a_regression(folder: Path) -> str:
    return render(regression(folder))


def a_text_run(folder: Path) -> str:
    return render(with_readings(begin_text(folder)))


def a_diagnosis(folder: Path) -> str:
    return diagnosis_page(found(finding(), finding(severity="warning"), finding(severity="advice")), watched())


def a_healthy_diagnosis(folder: Path) -> str:
    return diagnosis_page(found(), watched(), name="train.py")


def a_comparison(folder: Path) -> str:
    runs: list[RunFolder] = [classification(folder / "a"), classification(folder / "b")]
    runs[1].write("spec.yaml", "name: other\noptim:\n  name: sgd\n  lr: 0.1\nseed: 1\n")
    return compare_page(runs)


PAGES = (a_run, a_failed_run, a_regression, a_text_run, a_diagnosis, a_healthy_diagnosis, a_comparison)


def complaints(chromium: Browser) -> list[Any]:
    """Errors and warnings of the console, exceptions, and requests for anything but the file itself."""
    told: list[Any] = []
    for method, event in chromium.events:
        if method == "Runtime.exceptionThrown" or method == "Log.entryAdded":
            told.append(event)
        if method == "Runtime.consoleAPICalled" and event["type"] in ("error", "warning", "assert"):
            told.append(event["args"])
        if method == "Network.requestWillBeSent" and not event["request"]["url"].startswith(
            ("file:", "data:", "blob:")
        ):
            told.append(event["request"]["url"])
    return told


@pytest.mark.parametrize("make", PAGES, ids=lambda make: make.__name__)
def test_a_page_is_drawn_and_readable_at_every_width_in_both_themes(
    make: Any, tmp_path: Path, chromium: Browser
) -> None:
    html = make(tmp_path)
    assert len(html.encode()) <= MOST_BYTES
    path = tmp_path / "page.html"
    path.write_text(html, encoding="utf-8")
    chromium.look(VIEWS[0][0])
    chromium.open(path)
    expected = html.count("data-chart=")
    for width, dark in VIEWS:
        chromium.look(width, dark=dark)
        chromium.evaluate("new Promise((done) => setTimeout(done, 250))")
        chromium.drawn()
        charts = chromium.evaluate(CHARTS)
        assert len(charts) == expected
        for chart in charts:
            assert chart["marks"] > 0, chart
            assert chart["wide"] > 200, chart
            assert chart["high"] > 40, chart
            assert chart["out"] <= 0, (width, chart)
        assert chromium.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0, width
        poor = chromium.evaluate(COLOURS.replace("LARGE", str(LARGE_CONTRAST)).replace("SMALL", str(CONTRAST)))
        assert poor == [], (width, dark, poor)
    assert complaints(chromium) == []


def test_a_causes_name_is_not_broken_at_its_hyphens(tmp_path: Path, chromium: Browser) -> None:
    causes = [finding(cause="classification-loss-for-regression"), finding(cause="a-" * 80)]
    path = tmp_path / "page.html"
    path.write_text(diagnosis_page(found(*causes), watched()), encoding="utf-8")
    for width, _ in VIEWS:
        chromium.look(width)
        chromium.open(path)
        lines = (
            "[...document.querySelectorAll('.cause')].map((name) => name.getClientRects().length && name.offsetHeight)"
        )
        first, second = chromium.evaluate(lines)
        assert 0 < first < 30, width
        assert second >= first
        assert chromium.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0, width


@pytest.mark.parametrize("make", [a_run, a_text_run, a_diagnosis, a_comparison], ids=lambda make: make.__name__)
def test_every_control_is_reached_by_the_keyboard_and_shows_it(make: Any, tmp_path: Path, chromium: Browser) -> None:
    path = tmp_path / "page.html"
    path.write_text(make(tmp_path), encoding="utf-8")
    chromium.look(1400)
    chromium.open(path)
    chromium.evaluate(f"window.wanted = {REACHABLE}; 0")
    count = chromium.evaluate("wanted.length")
    assert count > 4
    reached, invisible = set(), []
    for _ in range(count + 12):
        chromium.key("Tab")
        place, seen, words = chromium.evaluate("""(() => {
          const at = document.activeElement, style = getComputedStyle(at);
          const own = style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 1;
          const inner = at.querySelector("i"), beside = inner && getComputedStyle(inner).outlineStyle !== "none";
          return [wanted.indexOf(at), own || Boolean(beside), at.outerHTML.slice(0, 80)];
        })()""")
        if place >= 0:
            reached.add(place)
            if not seen:
                invisible.append(words)
        if len(reached) == count:
            break
    missed = [chromium.evaluate(f"wanted[{k}].outerHTML.slice(0, 120)") for k in range(count) if k not in reached]
    assert missed == []
    assert invisible == []


def test_a_figure_is_saved_as_svg_and_png(tmp_path: Path, chromium: Browser) -> None:
    path = tmp_path / "page.html"
    path.write_text(a_diagnosis(tmp_path), encoding="utf-8")
    chromium.look(768)
    chromium.open(path)
    chromium.evaluate("""(() => {
      window.saved = [];
      const address = URL.createObjectURL.bind(URL);
      URL.createObjectURL = (blob) => { window.blob = blob; return address(blob); };
      HTMLAnchorElement.prototype.click = function () { saved.push([this.download, this.href]); };
      document.querySelector(".tools button").focus();
    })()""")
    chromium.key("Enter")
    chromium.wait("saved.length === 1")
    chromium.evaluate("document.querySelectorAll('.tools button')[1].focus()")
    chromium.key("Enter")
    chromium.wait("saved.length === 2")
    (svg, _), (png, picture) = json.loads(chromium.evaluate("JSON.stringify(saved)"))
    assert (svg, png) == ("watched-loss.svg", "watched-loss.png")
    text = chromium.evaluate("blob.text()")
    assert text.startswith("<svg")
    assert "update" in text
    paper = chromium.evaluate("getComputedStyle(document.documentElement).getPropertyValue('--paper').trim()")
    assert f'fill="{paper}"' in text  # a file has a ground of its own
    assert picture.startswith("data:image/png;base64,")
    assert len(picture) > 2_000
    assert complaints(chromium) == []
