"""The report of a run on text: what it wrote, where it was surprised, who looks at whom; offline and small."""

import json
import math
import shutil
import subprocess
from base64 import b64decode
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from contract.test_report import Page, check_offline
from sightline.core.errors import RunFolderError
from sightline.core.files import to_json
from sightline.core.run_folder import RunFolder
from sightline.data.text_account import split_line
from sightline.report import render, write_report
from sightline.report.attention_section import MOST_MAPS
from sightline.report.curves import panels
from sightline.report.figures.attention_maps import head_pictures
from sightline.report.page_parts import attention_script
from sightline.report.text_sections import MOST_SAMPLES, passage, samples

WORDS = "ROMEO:\nBut soft, what light through yonder window <breaks>?"


def begin(parent: Path, task: str = "language", name: str = "shakespeare-gpt") -> RunFolder:
    """A made-up run on text, without its readings."""
    folder = RunFolder.create(parent, name)
    folder.write("spec.yaml", f"name: {name}\ndata:\n  source: book.txt\nmodel:\n  name: gpt\nseed: 0\n")
    about = {"vocabulary_size": 65, "length": 64, "target_length": 0, "bytes_per_token": 1.25, "sentinels": []}
    shape: dict[str, Any] = {"kind": "text", "task": task, "input_shape": [64], "classes": [], "target": "label"}
    folder.write("schema.json", {**shape, "text": about})
    count = {"characters": 1254817, "bytes": 1254817, "lines": 4, "words": 9, "documents": 1, "unknown": 0}
    notes = [split_line(split, {**count, "tokens": n}) for split, n in (("train", 1003854), ("validation", 111540))]
    folder.write(
        "readings/data.json", {"what": "book.txt", "counts": {"train": 15684, "validation": 1742}, "notes": notes}
    )
    chance = np.random.default_rng(0)
    for step in range(50, 2001, 50):
        loss = 1.5 + 2.7 * math.exp(-step / 400) + 0.03 * chance.random()
        row = {"step": step, "epoch": step / 1307, "seconds": step / 25}
        folder.append_metrics({"kind": "train", **row, "loss": loss, "lr": 1e-3, "examples_per_second": 300.0})
        if step % 250 == 0:
            scores = {"perplexity": math.exp(loss), "bits_per_byte": loss / math.log(2) / 1.25, "accuracy": 0.45}
            folder.append_metrics({"kind": "validation", **row, "loss": loss, **scores})
    figures = {"perplexity": 5.9, "bits_per_byte": 2.05, "accuracy": 0.462}
    evaluation = {
        "split": "validation",
        "checkpoint": "step-000002000",
        "count": 1742,
        "loss": 1.775,
        "metrics": {n: {"value": v, "standard_error": v / 300, "unit": ""} for n, v in figures.items()},
        "classes": [],
        "mistakes": [{"index": 5, "target": "thou art", "predicted": "thee ant", "probability": 0.05, "loss": 3.1}],
    }
    folder.write("readings/evaluation-validation.json", evaluation)
    folder.set_status("completed", step=2000, seconds=80.0)
    return folder


def attention_of(source: str, target: str = "", depth: int = 2, heads: int = 4) -> dict[str, Any]:
    """Made-up maps: a head that looks back, one at itself, one at the first, the rest spread."""
    maps, figures = [], []

    def add(layer: str, rows: str, columns: str, n: int, m: int) -> None:
        weights = []
        for head in range(heads):
            i, j = np.mgrid[:n, :m]
            scores = [-2.0 * abs(i - j - 1), -3.0 * abs(i - j), -0.8 * j + 0.0 * i, np.sin(i * j / 3 + head)][head % 4]
            if rows == columns and (rows == "target" or not target):
                scores = np.where(j > i, -np.inf, scores)
            w = np.exp(scores - scores.max(1, keepdims=True))
            w /= w.sum(1, keepdims=True)
            weights.append(np.round(1000 * w).astype(int).tolist())
            entropy = float(-(w * np.log(np.maximum(w, 1e-12))).sum(1).mean())
            crosses = rows != columns
            told = {
                "distance": math.nan if crosses else float((w * abs(i - j)).sum(1).mean()),
                "first": float(w[:, 0].mean()),
                "itself": math.nan if crosses else float(np.diag(w).mean()),
                "previous": math.nan if crosses else float(np.diag(w, -1).mean()),
            }
            figures.append({"layer": layer, "head": head, "entropy": entropy, **told})
        maps.append({"layer": layer, "rows": rows, "columns": columns, "thousandths": weights})

    n, m = len(source), len(target)
    for block in range(depth):
        add(f"stack.blocks.{block}.attention", "source", "source", n, n)
    for block in range(depth if target else 0):
        add(f"decoder.blocks.{block}.attention", "target", "target", m, m)
        add(f"decoder.blocks.{block}.cross_attention", "target", "source", m, n)
    return {"source": list(source), "target": list(target), "maps": maps, "heads": figures}


def with_readings(folder: RunFolder, **attention: Any) -> RunFolder:
    """All that a language model's run leaves."""
    rows = [
        {"step": step, "prompt": "ROMEO:\n", "text": f"Wh{'at' * (step // 500)} <light> {step}\nthrough & through"}
        for step in range(250, 2001, 250)
    ]
    folder.write("samples/text.jsonl", "".join(to_json(row) + "\n" for row in rows))
    chance = np.random.default_rng(1)
    told = [
        {
            "index": 7 - i,
            "loss": 3.0 - i / 2,
            "before": "R",
            "pieces": list(WORDS[1:]),
            "nats": np.round(chance.exponential(1.6, len(WORDS) - 1), 3).tolist(),
        }
        for i in range(3)
    ]
    folder.write("readings/text.json", {"split": "validation", "passages": told, "translations": []})
    folder.write("readings/attention.json", attention_of(WORDS, **attention))
    return folder


def test_the_page_of_a_language_model(tmp_path: Path) -> None:
    html = render(with_readings(begin(tmp_path)))
    check_offline(html)
    page = Page(html)
    for words in (
        "gpt on book.txt, a language model", "vocabulary 65 1.25 bytes a predicted token",
        "tokens 1,115,394 1,003,854 to train on",
        "context 64 tokens", "validation perplexity 5.900 ± 0.020", "Loss, nats a token",
        "1 nat a token is 1.15 bits a byte",
        "What it writes", "2,000 updates", "<light> 2000 through & through", "Where it is surprised",
        "3 nats a token, no. 7", "Who looks at whom", f"on {len(WORDS)} tokens", "layer 2", "stack.blocks.1.attention",
        "Every head in numbers",
    ):  # fmt: skip
        assert words in page.words, words
    assert "Worst predictions" not in page.words  # the passages tell it
    assert "inputs" not in page.words.split("What it writes")[0]
    assert {"loss", "accuracy-f1", "lr"} <= page.charts.keys()
    assert not {"perplexity", "bits_per_byte"} & page.charts.keys()
    heads = [a for _, a in page.tags if a.get("class") == "head"]
    assert len(heads) == 8
    assert [i for i, a in enumerate(heads) if "data-chosen" in a] == [0]  # the surest that is not always at one place
    assert "sightline generate" in page.words
    assert "sightline features" in page.words
    assert "sightline predict" not in page.words
    assert heads[0]["aria-label"] == "layer 1, head 1: previous 78 %"
    assert json.loads(page.scripts["attention-tokens"])["source"][6:9] == ["↵", "B", "u"]
    shades = [a["class"] for _, a in page.tags if str(a.get("class")).startswith("tok s")]
    assert len(shades) == 7 + 3 * (len(WORDS) - 1)
    assert html == render(RunFolder.open(tmp_path / "shakespeare-gpt"))


def test_masks_translations_and_two_texts(tmp_path: Path) -> None:
    folder = begin(tmp_path, "sequence", "t")
    guesses = {"places": [1, 3], "guesses": ["x", "d"], "chances": [0.25, 0.9], "nats": [2.0, 0.1]}
    filled = {"index": 4, "loss": 1.05, "pieces": ["a", "<b>", "c", "d"], **guesses}
    translations = [{"source": "le chat", "target": "the cat", "model": "the <chat>"}]
    folder.write("readings/text.json", {"split": "test", "filled": [filled], "translations": translations})
    folder.write("readings/attention.json", attention_of("the cat", "le cha"))
    html = render(folder)
    check_offline(html)
    page = Page(html)
    for words in (
        "from one text to another", "1 of 2 right", "no. 4", "source le chat target the cat model the <chat>",
        "The text read looks at itself", "The text written looks at itself", "The text written looks at the text read",
    ):  # fmt: skip
        assert words in page.words, words
    assert [a["class"] for t, a in page.tags if t == "b" and a.get("title")] == ["miss", "hit"]
    sides = [(a["data-rows"], a["data-columns"]) for _, a in page.tags if a.get("class") == "head"]
    assert sides == [("source", "source")] * 8 + [("target", "target")] * 8 + [("target", "source")] * 8
    assert list(json.loads(page.scripts["attention-tokens"])) == ["source", "target"]


def test_a_page_without_text_has_nothing_of_it(tmp_path: Path) -> None:
    page = Page(render(begin(tmp_path)))
    assert "What it writes" not in page.words
    assert "attention-tokens" not in page.scripts
    assert "Worst predictions" in page.words


WILD = "a\0b\x1b[1mc\x01d\x85e\u202ef\u2067g\x7fh\ri\ud83dj"
TAMED = "a␀b␛[1mc␁d‹U+0085›e‹RLO›f‹RLI›g␡h␍i‹U+D83D›j"


def check_tame(folder: RunFolder, times: int) -> Page:
    """The written page can be read as UTF-8, and shows the wild text so often in its tame form."""
    html = write_report(folder).read_bytes().decode("utf-8")
    assert not set("\0\x1b\x01\x85\u202e\u2067\x7f\r\ud83d") & set(html)
    page = Page(html)
    assert page.words.count(TAMED) == times
    return page


def test_control_characters_turns_and_half_letters_are_seen(tmp_path: Path) -> None:
    folder = begin(tmp_path)
    passage = {"index": 1, "loss": 1.0, "before": WILD, "pieces": [WILD], "nats": [1.0]}
    hidden = {"pieces": [WILD, WILD], "places": [0, 1], "guesses": ["x", WILD], "chances": [0.5, 0.5], "nats": [1, 1]}
    texts = [{"source": WILD, "target": WILD, "model": WILD}]
    told = {"passages": [passage], "filled": [{"index": 1, "loss": 1.0, **hidden}], "translations": texts}
    folder.write("samples/text.jsonl", json.dumps({"step": 5, "prompt": WILD, "text": WILD}) + "\n")
    folder.write("readings/text.json", json.dumps(told))
    attention = attention_of("ab")
    attention["source"][0] = WILD
    folder.write("readings/attention.json", json.dumps(attention))
    page = check_tame(folder, times=2 + 2 + 2 + 3)
    assert json.loads(page.scripts["attention-tokens"])["source"] == [TAMED, "b"]


def test_wild_texts_among_the_mistakes_are_seen(tmp_path: Path) -> None:
    folder = begin(tmp_path)
    name = "readings/evaluation-validation.json"
    evaluation = json.loads(folder.text(name))
    evaluation["mistakes"][0] |= {"target": WILD, "predicted": WILD}
    folder.write(name, json.dumps(evaluation))
    check_tame(folder, times=2)


NODE = shutil.which("node")

NO_PICTURE_YET = """
const heard = {};
const element = {
  style: { getPropertyValue: () => "url(data:,)" }, dataset: {}, hidden: true, textContent: "{}",
  querySelector: () => element, querySelectorAll: () => [element], setAttribute() {},
  addEventListener: (what, act) => { heard[what] = act; },
  getBoundingClientRect: () => ({ top: 0, height: 9 }), getContext: () => { throw new Error("drawn"); },
};
globalThis.document = { getElementById: () => element, querySelectorAll: () => [element], documentElement: {} };
globalThis.Image = class {};  // never loaded
globalThis.matchMedia = () => ({ addEventListener: element.addEventListener });
globalThis.addEventListener = element.addEventListener;
"""


@pytest.mark.skipif(NODE is None, reason="runs the page's script in node")
@pytest.mark.parametrize("event", ["resize", "change", "pointermove"])
def test_events_before_the_first_picture_is_read(event: str) -> None:
    assert NODE is not None
    script = f"{NO_PICTURE_YET}\n{attention_script()}\nheard.{event}({{ clientY: 1 }});\nprocess.stdout.write('on')"
    done = subprocess.run([NODE, "-e", script], capture_output=True, text=True, timeout=60)
    assert (done.stdout, done.stderr) == ("on", "")


def test_a_shared_block_is_told_once_for_each_use(tmp_path: Path) -> None:
    folder = begin(tmp_path)
    told = attention_of("abcdef", depth=2, heads=4)
    for one in (*told["maps"], *told["heads"]):
        one["layer"] = "stack.blocks.0.attention"
    told["heads"][4]["previous"] = 0.61
    folder.write("readings/attention.json", told)
    page = Page(render(folder))
    labels = [str(a["aria-label"]) for _, a in page.tags if a.get("class") == "head"]
    assert labels[4] == "layer 2, head 1: previous 61 %"
    assert labels[0] == "layer 1, head 1: previous 80 %"


def test_large_maps_are_left_out_and_it_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert MOST_MAPS == 600_000
    monkeypatch.setattr("sightline.report.attention_section.MOST_MAPS", 5 * len(WORDS) ** 2)
    page = Page(render(with_readings(begin(tmp_path))))
    assert "1 more layers are left out" in page.words
    assert sum(a.get("class") == "head" for _, a in page.tags) == 4


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("samples/text.jsonl", '{"step": 1}\n'),
        ("samples/text.jsonl", "nonsense\n"),
        ("readings/text.json", '{"passages": [{"index": 1, "loss": 1, "before": "", "pieces": ["a"], "nats": []}]}'),
        ("readings/text.json", '{"filled": [{"index": 1, "loss": 1, "pieces": [], "places": [1]}]}'),
        ("readings/attention.json", '{"source": ["a"], "target": []}'),
        ("readings/attention.json", "[]"),
    ],
)
def test_a_damaged_file_is_named(tmp_path: Path, name: str, content: str) -> None:
    folder = begin(tmp_path)
    folder.write(name, content)
    with pytest.raises(RunFolderError, match=name):
        render(folder)


def test_maps_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    folder = begin(tmp_path)
    told = attention_of("abc")
    told["source"] = ["a", "b"]
    folder.write("readings/attention.json", told)
    with pytest.raises(RunFolderError, match="not 2 × 2"):
        render(folder)
    for bad in ([[[1, 2000]]], [[[1, -1]]], [[[1, 2], [3]]]):
        with pytest.raises(ValueError, match=r"attention weights|inhomogeneous"):
            head_pictures(bad)


def test_pictures_hold_the_square_roots_of_the_weights() -> None:
    weights = np.array([[[1000, 0, 250], [10, 40, 950]]])
    (uri,) = head_pictures(weights.tolist())
    with Image.open(BytesIO(b64decode(uri.removeprefix("data:image/png;base64,")))) as picture:
        opacity = np.asarray(picture)[..., 1]
    assert opacity.tolist() == [[255, 0, 128], [26, 51, 249]]


def test_the_chart_of_the_loss_has_an_axis_of_perplexities(tmp_path: Path) -> None:
    spec = Page(render(begin(tmp_path))).charts["loss"]
    assert spec["resolve"] == {"axis": {"y": "independent"}}
    axes = [layer["encoding"]["y"].get("axis") for layer in spec["layer"]]
    assert [axis and axis.get("orient", "left") for axis in axes] == ["left", None, "right"]
    told = [
        {one["as"]: one["calculate"] for one in layer.get("transform", ()) if "as" in one} for layer in spec["layer"]
    ]
    assert told[1] == {"perplexity": "exp(datum.value)", "bits": f"datum.value * {1 / math.log(2) / 1.25:.6g}"}


def test_a_torn_last_line_is_left_out(tmp_path: Path) -> None:
    folder = begin(tmp_path)
    folder.write("samples/text.jsonl", '{"step": 5, "prompt": "a", "text": "first"}\n{"step": 6, "pro')
    page = Page(render(folder))
    assert "first" in page.words
    assert "6 updates" not in page.words


def test_samples_are_thinned_and_cut() -> None:
    rows = [{"step": step, "prompt": "p", "text": "x" * 5000} for step in range(1, 101)]
    told = samples(rows)
    assert len(told) == MOST_SAMPLES
    assert (told[0]["step"], told[-1]["step"]) == (1, 100)
    assert [len(look["texts"][0]["text"]) for look in (told[0], told[-1])] == [701, 2101]


def test_shades_follow_the_nats() -> None:
    nats = [0.0, 0.99, 1.0, 5.5, 6.0, 40.0, math.inf]
    told = passage({"index": 0, "loss": 1.0, "before": "", "pieces": list("abcdefg"), "nats": nats})
    assert [token["shade"] for token in told["tokens"]] == [0, 0, 1, 5, 6, 6, 6]
    assert told["tokens"][2]["words"] == "1 nats, a chance of 36.8 %"
    assert told["tokens"][5]["words"].startswith("40 nats, a chance of 1 in ")


def test_the_loss_tells_perplexity_and_bits() -> None:
    row = {"kind": "validation", "step": 1, "loss": 2.0, "perplexity": 7.389, "bits_per_byte": 1.0}
    (panel, *rest) = panels([], [row])
    assert (panel.nats, panel.bits_per_nat) == (True, 0.5)
    assert rest == []
    for other in ({"step": 1, "loss": 2.0}, {**row, "loss": 2.2}):  # a smoothed loss is no logarithm of it
        plain = panels([], [other])[0]
        assert (plain.title, plain.nats, plain.bits_per_nat) == ("Loss", False, None)
