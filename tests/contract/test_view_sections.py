"""The page's sections of image makers: views, latent space, findings, curves of one value; damaged files are named."""

from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from sightline.core.errors import RunFolderError
from sightline.core.run_folder import RunFolder
from sightline.report import render
from sightline.report.curves import panels

USE = {
    "unit": [1, 0],
    "divergence": [2.0, 0.001],
    "standard_error": [0.1, 0.0001],
    "variance": [0.9, 0.0001],
    "active": [True, False],
}
FINDING = {
    "cause": "posterior collapse",
    "severity": "warning",
    "evidence": "0 of 40 latent numbers are used",
    "why": "The decoder works without its input.",
    "fix": "lower β",
}
MAP: dict[str, Any] = {
    "points": [[0.0, 1.0], [2.0, -1.0], [0.5, 0.5]],
    "labels": [0, 1, 1],
    "classes": ["cat", "<dog>"],
    "explained": [0.6, 0.3],
    "split": "test",
}
VIEW = {"name": "rounds", "title": "Decode & code", "caption": "Again.", "file": "samples/views/rounds.png"}


def evaluation(count: int = 3) -> dict[str, Any]:
    return {
        "split": "test",
        "checkpoint": "step-000000001",
        "count": count,
        "loss": 0.5,
        "metrics": {"negative_elbo": {"value": 90.0, "standard_error": "NaN" if count == 1 else 0.5, "unit": "nats"}},
        "findings": [FINDING],
        "details": {"latent_use": USE},
    }


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    made = RunFolder.create(tmp_path, "run")
    made.write("spec.yaml", "name: run\n")
    made.write("schema.json", {"kind": "image", "task": "none", "input_shape": [1, 8, 8]})
    made.write("readings/evaluation-test.json", evaluation())
    made.write("readings/latent-map.json", MAP)
    made.write("readings/image-views.json", [VIEW])
    buffer = BytesIO()
    Image.new("L", (80, 24), 90).save(buffer, "PNG")
    made.write("samples/views/rounds.png", buffer.getvalue())
    made.append_metrics({"kind": "train", "step": 1, "loss": 1.25})
    made.set_status("completed", step=1)
    return made


def test_the_page_shows_all_of_it(folder: RunFolder) -> None:
    page = render(folder)
    assert page.index("posterior collapse") < page.index('id="learning"') < page.index('id="latent"')
    assert page.index('id="latent"') < page.index('id="view-rounds"')
    assert "Decode &amp; code" in page
    assert "1 of 2 are used" in page
    assert "90 % of the variance" in page
    assert "<dog>" not in page  # in the charts' JSON it is escaped
    assert page == render(folder)


def test_names_that_look_like_templates_stay_as_they_are(folder: RunFolder) -> None:
    folder.write("readings/latent-map.json", {**MAP, "classes": ["{{ 7 * 7 }}", "{% raise %}"]})
    folder.write("readings/image-views.json", [{**VIEW, "title": "{{ 7 * 7 }}"}])
    page = render(folder)
    assert "{{ 7 * 7 }}" in page.partition("<script")[0]
    assert '"{{ 7 * 7 }}"' in page
    assert ">49<" not in page


def test_a_single_value_is_told_and_not_drawn(folder: RunFolder) -> None:
    page = render(folder)
    assert "One value so far, no curve yet: training 1.25 at update 1." in page
    assert 'data-chart="loss"' not in page
    folder.append_metrics({"kind": "train", "step": 2, "loss": 1.0})
    assert 'data-chart="loss"' in render(folder)


def test_one_example_has_no_error_bar(folder: RunFolder) -> None:
    assert "± is one standard error" in render(folder)
    folder.write("readings/evaluation-test.json", evaluation(count=1))
    page = render(folder)
    assert "One example: no error bar." in page
    assert "NaN" not in page.partition("<script")[0]


def test_a_run_without_them_has_no_such_sections(folder: RunFolder) -> None:
    for name in ("readings/latent-map.json", "readings/image-views.json", "readings/evaluation-test.json"):
        (folder.path / name).unlink()
    page = render(folder)
    assert all(f'id="{part}"' not in page for part in ("latent", "views", "findings"))


def test_a_view_whose_picture_is_gone_is_left_out(folder: RunFolder) -> None:
    (folder.path / VIEW["file"]).unlink()
    assert 'id="views"' not in render(folder)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("readings/image-views.json", [{"name": "rounds"}]),
        ("readings/image-views.json", {"views": 3}),
        ("readings/latent-map.json", {**MAP, "labels": [0, 1, 7]}),
        ("readings/latent-map.json", {**MAP, "points": [[1.0]]}),
        ("readings/evaluation-test.json", {**evaluation(), "findings": [3]}),
        ("readings/evaluation-test.json", {**evaluation(), "details": {"latent_use": {**USE, "unit": [1]}}}),
    ],
)
def test_a_damaged_file_is_named(folder: RunFolder, name: str, content: Any) -> None:
    folder.write(name, content)
    with pytest.raises(RunFolderError) as caught:
        render(folder)
    assert name in caught.value.expected + caught.value.found


def test_a_picture_outside_the_run_is_refused(folder: RunFolder) -> None:
    (folder.path.parent / "other.png").write_bytes((folder.path / VIEW["file"]).read_bytes())
    folder.write("readings/image-views.json", [{**VIEW, "file": "../other.png"}])
    with pytest.raises(RunFolderError, match="outside the run folder"):
        render(folder)


def test_the_balance_of_two_players_is_drawn() -> None:
    training = [
        {"step": step, "loss": 1.0, "generator_loss": 0.7, "real_score": 2.0, "made_score": -1.0} for step in (1, 2)
    ]
    validation = [{"step": 2, "loss": 1.0, "real_score": 1.0, "made_score": -2.0, "discriminator_accuracy": 0.8}]
    found = {panel.id: panel for panel in panels(training, validation)}
    assert [one.name for one in found["players"].drawn] == ["discriminator", "generator"]
    assert [one.points[0]["value"] for one in found["scores"].drawn] == [2.0, -1.0]
    assert [one.points[0]["value"] for one in found["real_score-made_score"].drawn] == [1.0, -2.0]
    assert found["discriminator_accuracy"].percent
    assert "players" not in {panel.id for panel in panels([{"step": 1, "loss": 1.0}], [])}
