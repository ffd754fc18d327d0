"""The figures: plain numbers in, a specification out that Vega-Lite draws, in a page, a picture or a file."""

import json
import math
import re
from collections.abc import Callable, Sequence
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import vl_convert
from PIL import Image

from sightline.core.errors import ConfigurationError, DataError, RunFolderError
from sightline.report import figures
from sightline.report.figure_page import page_of_figures
from sightline.report.figures import Band
from sightline.report.save_figure import SCALE, WIDTH, save_figure
from sightline.report.vega import LOOK, Figure, Spec, colours, decades, drawn

NAN, INF = math.nan, math.inf
HESSIAN = [[2.0, 1.2], [1.2, 6.0]]
PATH = [(-2.0, 1.4), (-1.0, 0.2), (-0.3, 0.1), (0.0, 0.01)]
SIGMA = [0.01, 0.1, 1.0, 3.0]
STEPS = [0, 1, 2, 3, 4]
GRID = [[abs(1 - rate + momentum) for rate in (0.5, 1.5, 2.5)] for momentum in (0.0, 0.3)]


def band(mean: Sequence[float]) -> Band:
    return Band(mean, [0.9 * value for value in mean], [1.2 * value for value in mean])


SAMPLES: dict[str, Callable[[], Spec]] = {
    "accuracy_by_compute": lambda: figures.accuracy_by_compute(
        [1e6, 2e6, 5e6], [0.8, 0.9, 0.92], [1e6, 5e6], [0.8, 0.92], [0.0, 0.9, 1.1]
    ),
    "class_shares": lambda: figures.class_shares(["cat", "dog", "bird"], [0.7, 0.3, 0.0], [0.3, 0.3, 0.4]),
    "clusters": lambda: figures.clusters(
        [(0, 1), (2, 1), (5, 4)], [0, 0, 1], {"Lloyd": [(1, 1), (5, 4)], "expected centre": [(0, 0), (7, 6)]}
    ),
    "point_clouds": lambda: figures.point_clouds(
        {"plain": [(0, 1), (2, 1)], "remedied": [(5, 4)]}, [(0, 0), (5, 5)], ("x₁", "x₂")
    ),
    "contours": lambda: figures.contours(HESSIAN, (0, 0), {"descent": PATH, "wild": [(1, 1), (9, -40), (NAN, 0)]}),
    "contours, singular": lambda: figures.contours([[2, 0], [0, 0]], (1, 1), {"descent": [(0, 0), (0.9, 0)]}),
    "contours, from the minimum": lambda: figures.contours(HESSIAN, (1, 1), {"descent": [(1, 1), (1, 1)]}),
    "rates_by_direction": lambda: figures.rates_by_direction(SIGMA, {"η": [0.9, 0.5, -0.2, 1.3]}),
    "rates_by_direction, steep": lambda: figures.rates_by_direction(
        SIGMA, {"η": [1, 0.5, 0, 200], "ν": [1, 1, NAN, 1]}
    ),
    "filter_factors": lambda: figures.filter_factors(
        SIGMA, {"ridge": [0.0, 0.1, 0.9, 1.0], "descent": [0.0, 0.2, 1.0, 1.0]}, {"descent": "ridge"}
    ),
    "bias_variance": lambda: figures.bias_variance(
        STEPS, {"noise": [0.2] * 5, "bias²": [3, 1, 0.5, 0.2, 0.1], "variance": [0, 0.1, 0.3, 0.9, 2]}, "degree"
    ),
    "bias_variance, steep": lambda: figures.bias_variance(
        [1, 2, 4], {"bias²": [3, 1, 0.1], "variance": [0.0, 900.0, 0.3]}, "features", log_x=True
    ),
    "double_descent": lambda: figures.double_descent(
        [5, 10, 20, 40], 10, {"no ridge": band([1, INF, 2, 0.5]), "λ = 1": band([1, 0.9, 0.8, 0.7])}
    ),
    "frequency_response": lambda: figures.frequency_response(
        [0, 1, 2, math.pi], {"m = 0.9": [1, 0.2, 0.1, 0.05]}, {"m = 0.9": [0, -1.2, -0.6, 0]}
    ),
    "latent_map": lambda: figures.latent_map([(0, 1), (2, 1), (5, 4)], ["cat", "dog"], [0, 0, 1], (0.5, 0.2)),
    "latent_map, without classes": lambda: figures.latent_map([(0, 1)]),
    "latent_map, many classes": lambda: figures.latent_map([(0, 1)] * 30, [f"c{k}" for k in range(30)], range(30)),
    "latent_use": lambda: figures.latent_use([2.0, 0.5, 0.0], [0.1, 0.02, 0.0], [True, True, False], [2, 0, 1]),
    "layers_over_time": lambda: figures.layers_over_time(
        [0, 3, 1000], {"fc": [1e-3, 0.5, NAN], "a very long name of a layer deep inside": [1e-5, None, 0.0]}, "update"
    ),
    "layers_over_time, gradients": lambda: figures.layers_over_time([0, 3], {"fc": [1e-3, 0.5]}, "gradient"),
    "layers_over_time, shares": lambda: figures.layers_over_time([0], {f"c{k}": [k / 40] for k in range(40)}, "share"),
    "named_lines": lambda: figures.named_lines(
        "update",
        "loss",
        {"training": [(0, 2.0), (5, NAN), (9, 0.001)], "validation": [(5, 1.0)]},
        logarithmic=True,
        mark=("best constant guess", 0.7),
    ),
    "loss_curves": lambda: figures.loss_curves(STEPS, {"good": [4, 2, 1, 0.5, 0], "bad": [4, 40, 4e300, INF, NAN]}),
    "loss_curves, many": lambda: figures.loss_curves(STEPS, {f"η {k}": [k + 1.0] * 5 for k in range(12)}),
    "error_curves": lambda: figures.error_curves(
        [0.1, 1, 10], {"GCV": [3, 1, 2], "leave-one-out": [2.5, 1.5, float("inf")]}, "ridge λ"
    ),
    "variance_by_depth": lambda: figures.variance_by_depth(
        {"He": [1, 0.98, 1.02], "LeCun": [1, 0.5, 0.25]}, {"He": band([1, 0.98, 1.02])}
    ),
    "elbow_density": lambda: figures.elbow_density(
        [-2, 0, 2], {"Cauchy": [0.06, 0.32, 0.06]}, [-2, 0, 2], [0.2, 0.21], (-1, 1)
    ),
    "spectra": lambda: figures.spectra({"fc": [3.0, 1.0, 0.5], "a very long name of a layer deep inside": [2.0, 0.0]}),
    "stability_region": lambda: figures.stability_region(
        [0.5, 1.5, 2.5], [0.0, 0.3], GRID, [(2, 0), (2.6, 0.3)], {"fastest": (1.0, 0.0)}
    ),
}


def figure(name: str) -> Figure:
    return Figure(f"The {name} of σ₁", "A caption of a few words, which says how to read the picture.", SAMPLES[name]())


class Tags(HTMLParser):
    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: list[str] = []
        self.words = ""
        self._inside = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._inside = tag

    def handle_endtag(self, tag: str) -> None:
        self._inside = ""

    def handle_data(self, data: str) -> None:
        if self._inside == "script":
            self.scripts.append(data)
        elif self._inside != "style":
            self.words = " ".join(f"{self.words} {data}".split())


def test_there_is_a_sample_of_every_figure_of_the_theory() -> None:
    names = {name.partition(",")[0] for name in SAMPLES}
    assert len(names) == 20
    assert names == set(figures.__all__) - {"Band"}


def test_error_curves_mark_the_least_of_each_curve() -> None:
    spec = figures.error_curves([0.1, 1, 10], {"a": [3, 1, 2], "b": [float("nan"), 5, 4]}, "ridge λ")
    assert [(one["x"], one["value"]) for one in spec["datasets"]["least"]] == [(1, 1), (10, 4)]
    with pytest.raises(DataError):
        figures.error_curves([0.0, 1], {"a": [1, 2]}, "ridge λ")
    with pytest.raises(DataError):
        figures.error_curves([0.1, 1], {"a": [1]}, "ridge λ")
    with pytest.raises(DataError):
        figures.error_curves([], {}, "ridge λ")


def test_layers_over_time_refuse_what_can_not_be_drawn() -> None:
    for steps, values in (([0], {"fc": [NAN]}), ([0], {"fc": [None]}), ([0, 1], {"fc": [1.0]}), ([], {})):
        with pytest.raises(DataError):
            figures.layers_over_time(steps, values, "update")
    cells = SAMPLES["layers_over_time"]()["datasets"]["cells"]
    assert [cell["colour"] for cell in cells] == [-3.0, -0.301, None, -5.0, -12.0]
    assert cells[2]["told"] == "NaN"
    assert [(cell["layer"], cell["look"], cell["step"]) for cell in cells][-1] == (1, 2, 1000)


def test_named_lines_are_linear_where_a_value_is_below_zero() -> None:
    for low, kind in ((1e-4, "log"), (-1.0, None)):
        spec = figures.named_lines("update", "loss", {"a": [(0, low), (1, 3.0)]}, logarithmic=True)
        assert spec["layer"][0]["encoding"]["y"]["scale"].get("type") == kind
    with pytest.raises(DataError):
        figures.named_lines("update", "loss", {"a": [(0, NAN)]})


def test_class_shares_need_a_share_a_class() -> None:
    for classes, made, real in ((["a"], [1.0], []), (["a"], [0.5, 0.5], [1.0]), ([], [], [])):
        with pytest.raises(DataError, match="every class"):
            figures.class_shares(classes, made, real)


@pytest.mark.parametrize("name", list(SAMPLES))
def test_every_figure_is_drawn(name: str) -> None:
    """The specification is JSON without NaN, compiles without a warning, and draws marks in the theme's colours."""
    spec = SAMPLES[name]()
    json.dumps(spec, allow_nan=False)
    assert spec == SAMPLES[name]()
    whole = drawn(figure(name))
    svg = vl_convert.vegalite_to_svg(whole)
    assert svg.startswith("<svg")
    width = re.search(r'width="([\d.]+)"', svg)
    assert width is not None
    assert abs(float(width[1]) - WIDTH) < 25, "labels and legend stay inside the picture"
    assert "NaN" not in re.sub(r"<text.*?</text>|aria-label=\"[^\"]*\"", "", svg)
    assert colours()["ink"] in svg
    assert not re.search(r'(fill|stroke)="gray"', svg), "a theme parameter was not filled in"
    vega = vl_convert.vegalite_to_vega(whole)
    assert vega["marks"]


@pytest.mark.parametrize("name", list(SAMPLES))
def test_dark_and_light_differ_in_colours_only(name: str) -> None:
    light, dark = drawn(figure(name)), drawn(figure(name), dark=True)
    assert light["config"]["background"] != dark["config"]["background"]
    assert light["datasets"] == dark["datasets"]


def test_the_colours_are_the_style_sheets() -> None:
    wanted = set(re.findall(r'"--(\w+)"', json.dumps(LOOK))) - {"font"}
    for dark in (False, True):
        assert wanted <= colours(dark).keys()
        assert all(re.fullmatch(r"#[0-9a-f]{6}", value) for value in colours(dark).values())
    assert colours().keys() == colours(dark=True).keys()


def test_what_is_not_finite_interrupts_its_curve_and_is_named() -> None:
    rows = SAMPLES["loss_curves"]()["datasets"]
    bad = [point["value"] for point in rows["points"] if point["series"] == "bad"]
    assert bad == [4, 40, 4e300, None, None]
    assert [(one["words"], one["x"]) for one in rows["breaks"]] == [("good: 0", 4), ("bad: ∞", 3)]
    peak = SAMPLES["double_descent"]()["datasets"]
    assert [one["words"] for one in peak["breaks"]] == ["no ridge: ∞"]
    assert [one["low"] for one in peak["bands"]][1] is None
    again = figures.loss_curves(STEPS, {"a": [1, NAN, 1, NAN, 1]})["datasets"]["breaks"]
    assert [one["x"] for one in again] == [1, 3]


def test_paths_are_drawn_where_they_are_and_named_where_they_diverge() -> None:
    rows = SAMPLES["contours"]()["datasets"]
    assert {point["series"] for point in rows["points"]} == {"descent", "wild (diverges)"}
    lost = figures.contours(HESSIAN, (0, 0), {"lost": [(1, 1), (0.5, 0.5), (NAN, 0)]})["datasets"]["points"]
    assert {point["series"] for point in lost} == {"lost (diverges)"}
    descent = [(p["x"], p["y"]) for p in rows["points"] if p["series"] == "descent"]
    assert descent == PATH
    for point in rows["points"]:
        x, y = point["x"], point["y"]
        assert math.isclose(point["loss"], (2 * x * x + 2 * 1.2 * x * y + 6 * y * y) / 2, abs_tol=1e-12)


def test_the_ellipses_are_lines_of_equal_loss() -> None:
    rows = SAMPLES["contours"]()["datasets"]["ellipses"]
    assert len({row["level"] for row in rows}) >= 6
    for row in rows:
        x, y = row["x"], row["y"]
        assert math.isclose((2 * x * x + 2 * 1.2 * x * y + 6 * y * y) / 2, row["level"], rel_tol=1e-4)
    roots = sorted({math.sqrt(row["level"]) for row in rows})
    assert np.allclose(np.diff(roots), roots[0])


def test_bands_hold_their_edges_and_parts_their_sum() -> None:
    rows = SAMPLES["variance_by_depth"]()["datasets"]["bands"]
    assert [(row["low"], row["high"]) for row in rows] == [(0.9 * v, 1.2 * v) for v in (1, 0.98, 1.02)]
    rows = SAMPLES["bias_variance"]()["datasets"]
    assert [row["value"] for row in rows["total"]] == pytest.approx([3.2, 1.3, 1.0, 1.3, 2.3])
    marked = [row for name, found in rows.items() if name.startswith("data-") for row in found]
    assert marked == [{"at": 2, "words": "least at 2"}]


def test_phases_are_shown_in_degrees_and_frequencies_in_units_of_pi() -> None:
    rows = SAMPLES["frequency_response"]()["datasets"]
    assert [row["value"] for row in rows["phase"]] == pytest.approx([0, -math.degrees(1.2), -math.degrees(0.6), 0])
    assert rows["gain"][-1]["x"] == 1.0


def test_ticks_of_many_decades_hold_one() -> None:
    assert decades([8e-16, 4]) == [1e-15, 1e-12, 1e-9, 1e-6, 1e-3, 1.0]


@pytest.mark.parametrize(
    "call",
    [
        lambda: figures.clusters([], [], {"a": [(0, 0)]}),
        lambda: figures.clusters([(0, 0)], [0, 1], {"a": [(0, 0)]}),
        lambda: figures.clusters([(0, 0)], [0], {}),
        lambda: figures.clusters([(0, NAN)], [0], {"a": [(0, 0)]}),
        lambda: figures.point_clouds({}, [(0, 0)]),
        lambda: figures.point_clouds({"a": [(0, 0)]}, []),
        lambda: figures.point_clouds({"a": [(0, NAN)]}, [(0, 0)]),
        lambda: figures.contours(HESSIAN, (0, 0), {}),
        lambda: figures.contours(HESSIAN, (0, 0), {"a": []}),
        lambda: figures.contours(HESSIAN, (0, 0), {"a": [(NAN, 1.0)]}),
        lambda: figures.contours(HESSIAN, (NAN, 0), {"a": PATH}),
        lambda: figures.contours([[1, 2], [2, 1]], (0, 0), {"a": PATH}),
        lambda: figures.contours([[1, 0], [5, 1]], (0, 0), {"a": PATH}),
        lambda: figures.contours([[0, 0], [0, 0]], (0, 0), {"a": PATH}),
        lambda: figures.contours([[1.0]], (0, 0), {"a": PATH}),
        lambda: figures.rates_by_direction([], {}),
        lambda: figures.rates_by_direction([0.0, 1.0], {"a": [1, 1]}),
        lambda: figures.rates_by_direction([1.0], {"a": [1, 1]}),
        lambda: figures.rates_by_direction([1.0], {"a": [NAN]}),
        lambda: figures.filter_factors([1.0], {}),
        lambda: figures.bias_variance([1, 2], {"bias²": [1, -1]}),
        lambda: figures.bias_variance([1, 2], {"bias²": [1, NAN]}),
        lambda: figures.bias_variance([0, 2], {"bias²": [1, 1]}, log_x=True),
        lambda: figures.double_descent([1], 1, {}),
        lambda: figures.double_descent([1], 0, {"a": band([1])}),
        lambda: figures.double_descent([1], 1, {"a": Band([1], [1, 2], [1])}),
        lambda: figures.double_descent([1], 1, {"a": band([-1])}),
        lambda: figures.frequency_response([], {}, {}),
        lambda: figures.frequency_response([1], {"a": [1]}, {"a": [1, 2]}),
        lambda: figures.loss_curves([], {}),
        lambda: figures.loss_curves([1], {"a": [0.0]}),
        lambda: figures.variance_by_depth({}),
        lambda: figures.variance_by_depth({"a": [1, 1], "b": [1]}),
        lambda: figures.variance_by_depth({"a": [1, 1]}, {"a": band([1])}),
        lambda: figures.elbow_density([], {}),
        lambda: figures.elbow_density([1, 2], {"a": [1, 1]}, [0, 1], []),
        lambda: figures.stability_region([], [], []),
        lambda: figures.stability_region([1, 2], [0, 1], [[1, 2]]),
        lambda: figures.stability_region([1, 2], [0, 1], [[1, 2], [1, NAN]]),
        lambda: figures.stability_region([2, 1], [0, 1], [[1, 2], [1, 2]]),
    ],
)
def test_nothing_to_draw_is_refused_in_three_parts(call: Callable[[], Spec]) -> None:
    with pytest.raises(DataError) as caught:
        call()
    assert all((caught.value.expected, caught.value.found, caught.value.do))


def test_the_page_is_one_offline_file(tmp_path: Path) -> None:
    shown = [figure(name) for name in SAMPLES]
    (path,) = save_figure(shown, tmp_path / "all.html")
    html = path.read_text(encoding="utf-8")
    page = Tags(html)
    for tag, attributes in page.tags:
        assert tag not in {"link", "iframe", "object", "embed", "base", "img"}
        assert not {"src", "href", "srcset", "action", "data"} & attributes.keys()
    policy = next(a["content"] for _, a in page.tags if a.get("http-equiv") == "Content-Security-Policy")
    assert policy is not None
    assert policy.startswith("default-src 'none'")
    assert not re.search(r"url\(|@import", html[html.index("<style>") : html.index("</style>")])
    own = html.replace(page.scripts[1], "")
    assert "http" not in own.replace("http-equiv", "")
    assert len([a for _, a in page.tags if "data-chart" in a]) == len(SAMPLES)
    assert len(json.loads(page.scripts[0])) == len(SAMPLES)
    for one in shown:
        assert one.title in page.words
        assert one.caption in page.words


def test_tables_stand_below_the_figures() -> None:
    table = ("Numbers <&>", ["what", "value"], [["σ₁", 1 / 3], ["<script>", INF]])
    html = page_of_figures("Ridge", "Why small directions shrink.", [table], [figure("filter_factors")])
    page = Tags(html)
    assert "Numbers <&>" in page.words
    assert "σ₁ 0.3333" in page.words
    assert "<script> ∞" in page.words
    assert page.words.index("The filter_factors") < page.words.index("0.3333")
    assert sum(tag == "script" for tag, _ in page.tags) == 3
    alone = Tags(page_of_figures("Only numbers", tables=[table]))
    assert not alone.scripts
    with pytest.raises(ConfigurationError):
        page_of_figures("nothing")
    with pytest.raises(ConfigurationError, match="one a column"):
        page_of_figures("ragged", tables=[("t", ["a", "b"], [["x"]])])


def test_pictures_are_readable_and_not_blank(tmp_path: Path) -> None:
    names = ["loss_curves", "stability_region"]
    paths = save_figure([figure(name) for name in names], tmp_path / "theory.png")
    assert [path.name for path in paths] == ["theory.png", "theory-2.png"]
    for path in paths:
        with Image.open(path) as picture:
            assert abs(picture.width - SCALE * WIDTH) < 50
            pixels = np.asarray(picture.convert("RGB"))
        paper = tuple(int(colours()["paper"][place : place + 2], 16) for place in (1, 3, 5))
        assert tuple(pixels[2, 2]) == paper
        assert (pixels != np.array(paper)).any(axis=2).mean() > 0.01
        assert len(np.unique(pixels.astype(np.int64) @ [65536, 256, 1])) > 20


def test_specifications_and_drawings_are_whole(tmp_path: Path) -> None:
    one = figure("loss_curves")
    (spec,) = save_figure(one, tmp_path / "loss.json")
    assert json.loads(spec.read_text(encoding="utf-8")) == json.loads(json.dumps(drawn(one)))
    (svg,) = save_figure(one, str(tmp_path / "loss.SVG"))
    assert one.title in svg.read_text(encoding="utf-8")


@pytest.mark.parametrize("name", ["a.pdf", "a", "missing/a.png", "folder.png"])
def test_a_path_that_can_not_be_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "folder.png").mkdir()
    with pytest.raises(ConfigurationError) as caught:
        save_figure(figure("loss_curves"), tmp_path / name)
    assert all((caught.value.expected, caught.value.found, caught.value.do))
    assert [path.name for path in tmp_path.iterdir()] == ["folder.png"]
    with pytest.raises(ConfigurationError):
        save_figure([], tmp_path / "a.png")


def test_a_failed_write_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.svg"
    save_figure(figure("loss_curves"), path)
    before = path.read_bytes()

    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(RunFolderError, match="No space left"):
        save_figure(figure("elbow_density"), path)
    assert path.read_bytes() == before
    assert [found.name for found in tmp_path.iterdir()] == ["a.svg"]
