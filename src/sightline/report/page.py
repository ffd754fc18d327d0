"""The page of a run: one offline file, made from the run folder alone."""

from math import isfinite
from pathlib import Path

from sightline.core.run_folder import RunFolder
from sightline.report import charts, page_parts, sections
from sightline.report.changed_section import changed_part
from sightline.report.curves import Panel, panels
from sightline.report.diagnosis_section import diagnosis, layer_drawings
from sightline.report.figures import accuracy_by_compute
from sightline.report.image_section import made_images
from sightline.report.judgement_section import read_judgement
from sightline.report.latent_section import latent_space
from sightline.report.network_section import network_part
from sightline.report.read import EXITS, FINDINGS, WATCH, Evaluation, RunRecord, read_run, reading
from sightline.report.text_sections import read_text_parts
from sightline.report.vega import Spec
from sightline.report.verdict import verdict
from sightline.report.view_section import shown_views

MOST_SCATTERED = 1500
MOST_CLASSES = 150
"""With more classes than this the confusion matrix is told by its most confused pairs only."""


def write_report(folder: RunFolder | Path | str) -> Path:
    """Write ``report.html`` into a run folder, whole or not at all.

    Args:
        folder: the run.

    Returns:
        The page's path.

    Raises:
        RunFolderError: when the folder is no run folder, can't be written, or holds a damaged file.

    Lecture: E1
    """
    opened = _open(folder)
    return opened.write("report.html", render(opened))


def render(folder: RunFolder | Path | str) -> str:
    """The page as text: the same run folder always gives the same text.

    Raises:
        RunFolderError: when the folder is no run folder or holds a damaged file.
    """
    run = read_run(_open(folder))
    shown = run.shown
    learning = panels(run.training, run.validation)
    with reading(run.folder, "readings/data.json"):
        data, balance = sections.data(run.data), sections.balance(run.data)
    with reading(run.folder, "schema.json"):
        headline = sections.headline(run)
    with reading(run.folder, "environment.json"):
        facts = sections.facts(run)
    with reading(run.folder, f"readings/evaluation-{shown.split if shown else ''}.json"):
        per_class = sections.per_class(shown) if shown else []
        mistakes = sections.mistakes(shown, run.folder) if shown else []
    text_parts = read_text_parts(run.folder)
    judged = read_judgement(run.folder)
    latent = latent_space(run.folder, shown)
    with reading(run.folder, FINDINGS):
        found = run.diagnosis.found if run.diagnosis is not None else {"verdict": "", "trained": True}
        told = diagnosis({**found, "findings": run.findings}, {})
    with reading(run.folder, WATCH):
        layers = layer_drawings(run.diagnosis.watched, told.charts) if run.diagnosis is not None else []
        said = verdict(run, told)
    network, changed = network_part(run), changed_part(run.folder)
    drawn = {
        **_charts(run, learning, balance),
        **latent.charts,
        **told.charts,
        **network.charts,
        **changed.charts,
    }
    if judged is not None and judged.chart is not None:
        drawn["judged-classes"] = judged.chart
    page = page_parts.environment().get_template("page.html")
    return page.render(
        run=run,
        shown=shown,
        title=str(run.spec.get("name") or run.folder.name),
        headline=headline,
        facts=facts,
        figures=sections.figures(run),
        learning=learning,
        confused=sections.confused(shown) if shown else [],
        most_classes=MOST_CLASSES,
        per_class=per_class,
        mistakes=mistakes,
        gallery=sections.gallery(run.folder),
        text_parts=text_parts,
        made=made_images(run.folder),
        judged=judged,
        views=shown_views(run.folder),
        latent=latent,
        told=told,
        verdict=said,
        layers=layers,
        network=network,
        changed=changed,
        data=data,
        configuration=sections.grouped(run.spec),
        machine=sections.flat(run.environment),
        commands=sections.commands(run),
        charts=drawn,
        script=page_parts.script(),
        attention_script=page_parts.attention_script() if text_parts.attention else "",
        style=page_parts.style(),
        library=page_parts.library() if drawn else "",
    )


def _open(folder: RunFolder | Path | str) -> RunFolder:
    return RunFolder.open(folder.path if isinstance(folder, RunFolder) else folder)


def _charts(run: RunRecord, learning: list[Panel], balance: dict[str, dict[str, int]]) -> dict[str, Spec]:
    """Every chart of the page that has something to draw, by its id."""
    specs = {
        panel.id: charts.curve(
            panel.drawn,
            log=panel.log,
            percent=panel.percent,
            first_colour=panel.first_colour,
            nats=panel.nats,
            bits_per_nat=panel.bits_per_nat,
        )
        for panel in learning
        if panel.has_curve
    }
    if run.shown is not None:
        specs.update(_evaluation_charts(run.shown, str(run.schema.get("target", ""))))
    if balance:
        specs["balance"] = charts.balance(balance)
    if run.exits:
        with reading(run.folder, EXITS):
            parts = ("compute", "accuracy", "exit_compute", "exit_accuracy", "thresholds")
            specs["exits"] = accuracy_by_compute(*(run.exits[part] for part in parts))
    return specs


def _evaluation_charts(shown: Evaluation, target: str) -> dict[str, Spec]:
    specs = {}
    if shown.confusion and len(shown.classes) <= MOST_CLASSES:
        specs["confusion"] = charts.confusion(shown.classes, shown.confusion)
    pairs = [(t, p) for t, p in shown.scatter if isfinite(t) and isfinite(p)]
    if pairs:
        every = -(-len(pairs) // MOST_SCATTERED)
        specs["scatter"] = charts.scatter(pairs[::every], target)
    return specs
