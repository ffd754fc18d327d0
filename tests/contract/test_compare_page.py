"""The page of several runs: every run in every figure, what differs in its table, nothing of theirs as markup."""

import math
from pathlib import Path

import pytest

from contract.test_diagnosis_page import EVIL, finding, found
from contract.test_report import Page, begin, check_offline, classification, log
from sightline.cli.main import main
from sightline.core.errors import ConfigurationError
from sightline.core.run_folder import RunFolder
from sightline.report import compare_page, write_comparison

OTHER = "name: digits-resnet\ndata:\n  source: digits\noptim:\n  name: sgd\n  lr: 0.1\n  momentum: 0.9\nseed: 0\n"


def three(parent: Path) -> list[RunFolder]:
    """A classifier, one alike, and one that failed early and says why."""
    runs = [classification(parent / name / "run") for name in ("a", "b")]
    runs[1].write("spec.yaml", OTHER)
    runs.append(begin(parent / "c", "failed"))
    log(runs[2], steps=60, nan_from=41)
    runs[2].write("findings.json", found(finding()))
    runs[2].set_status("failed", "NaN", step=41)
    return runs


def test_every_run_is_in_every_figure_and_table(tmp_path: Path) -> None:
    runs = three(tmp_path)
    html = compare_page(runs)
    check_offline(html)
    page = Page(html)
    for words in (
        "3 runs", "Not all of them have been measured alike", "The learning rate is too high", "completed", "75,290",
        "optim.momentum", "0.9", "plan.epochs", "test accuracy", "failed",
    ):  # fmt: skip
        assert words in page.words, words
    assert "difference" not in page.words
    names = ["run/digits-resnet (1)", "run/digits-resnet (2)", "failed"]
    loss = page.charts["training-loss"]["datasets"]
    assert list(dict.fromkeys(point["series"] for point in loss["points"])) == names
    assert [row["words"] for row in loss["breaks"]] == ["failed: NaN"]
    assert list(page.charts) == [
        "training-loss", "validation-loss", "validation-accuracy", "training-lr", "training-grad_norm",
    ]  # fmt: skip
    places = [a["data-chart"] for _, a in page.tags if "data-chart" in a]
    assert sorted(map(str, places)) == sorted(page.charts)
    assert compare_page([str(run.path) for run in runs]) == html


def test_two_runs_have_a_difference(tmp_path: Path) -> None:
    runs = three(tmp_path)[:2]
    page = Page(compare_page(runs))
    assert "Both have the same test accuracy" in page.words
    assert "difference" in page.words
    told = runs[1].read("readings/evaluation-test.json")
    told["metrics"]["accuracy"]["value"] = 0.5
    runs[1].write("readings/evaluation-test.json", told)
    words = Page(compare_page(runs)).words
    assert "The best test accuracy is run/digits-resnet (1)'s" in words
    assert "more than two standard errors" in words
    told["metrics"]["accuracy"]["value"] = math.nan
    runs[1].write("readings/evaluation-test.json", told)
    assert "Not all of them have been measured alike" in Page(compare_page(runs)).words


def test_runs_that_are_alike_say_so(tmp_path: Path) -> None:
    runs = [classification(tmp_path / name) for name in ("a", "b")]
    assert "the same in every field" in Page(compare_page(runs)).words


def test_names_from_outside_are_never_markup(tmp_path: Path) -> None:
    runs = [classification(tmp_path / str(k)) for k in range(2)]
    runs[0].write("spec.yaml", f"name: x\nmodel:\n  name: {EVIL[0]!r}\ndata:\n  source: {EVIL[1]!r}\n")
    runs[1].write("findings.json", found(finding(title=EVIL[2])))
    html = compare_page(runs)
    check_offline(html)
    assert not any(evil in html for evil in EVIL)


def test_one_run_or_the_same_twice_is_refused(tmp_path: Path) -> None:
    run = classification(tmp_path)
    for runs, words in (([run], "two to 12 runs"), ([run, run], "different runs"), ([run] * 13, "two to 12 runs")):
        with pytest.raises(ConfigurationError, match=words):
            compare_page(runs)


def test_the_command_refuses_a_run_that_is_given_twice(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    a, b = (str(classification(tmp_path / name).path) for name in ("a", "b"))
    for words in ([a, a], [a, f"{a}/../{Path(a).name}"], [a, b, b]):
        assert main(["compare", *words]) == 2
        out, err = capsys.readouterr()
        assert out == ""
        assert all(part in err for part in ("expected:   different runs", "is given twice", "name each run once")), err


def test_the_command_takes_several_and_writes_a_page(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    runs = three(tmp_path)
    page = tmp_path / "page.html"
    assert main(["compare", *(str(run.path) for run in runs), "--report", str(page)]) == 0
    out = capsys.readouterr().out
    assert out.count("configuration") == 2
    assert out.endswith(f"page  {page}\n")
    assert page.read_text(encoding="utf-8") == compare_page(runs)
    assert write_comparison(page, runs[:2]) == page
    assert main(["compare", str(runs[0].path), str(runs[1].path), "--report", str(tmp_path / "no" / "x.html")]) == 2
