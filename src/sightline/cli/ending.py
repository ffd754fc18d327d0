"""What the terminal says at the end of a run: figures, checkpoint, report."""

from typing import Any

from rich.console import Console
from rich.table import Table

from sightline.core.run_folder import RunFolder
from sightline.objectives.measure import Measure
from sightline.report import write_report
from sightline.train import Run


def tell_ending(run: Run, *, quiet: bool = False) -> int:
    """Write the report and print where everything is."""
    report = write_report(run.folder)
    if not quiet:
        console = Console(highlight=False)
        console.print(figures(run.folder))
        for finding in findings(run.folder):
            console.print(finding, markup=False)
        console.print(f"checkpoint  {run.checkpoint}", soft_wrap=True)
        console.print(f"report      {report}", soft_wrap=True)
    return 0


def figures(folder: RunFolder) -> Table:
    """Validation and test figures with their standard errors."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("")
    readings = {
        split: folder.read(f"readings/evaluation-{split}.json")
        for split in ("validation", "test")
        if folder.has(f"readings/evaluation-{split}.json")
    }
    for split, reading in readings.items():
        table.add_column(f"{split} ({reading['count']:,})", justify="right")
    for name in dict.fromkeys(name for reading in readings.values() for name in reading["metrics"]):
        told = (reading["metrics"].get(name) for reading in readings.values())
        table.add_row(name, *("—" if measure is None else str(Measure(**measure)) for measure in told))
    table.add_row("loss", *(f"{reading['loss']:.4f}" for reading in readings.values()))
    return table


def findings(folder: RunFolder) -> list[str]:
    """The diagnosis where there is harm; what is amiss on the test split, or on validation where there is no test."""
    diagnosis: dict[str, Any] = folder.read("findings.json") if folder.has("findings.json") else {"findings": []}
    harm = any(found["severity"] != "advice" for found in diagnosis["findings"])
    names = [f"readings/evaluation-{split}.json" for split in ("test", "validation")]
    reading: dict[str, Any] = next((folder.read(name) for name in names if folder.has(name)), {})
    amiss = [f"{found['cause']}: {found['evidence']}\n  try: {found['fix']}" for found in reading.get("findings", [])]
    return [f"diagnosis   {diagnosis['verdict']}", *amiss] if harm else amiss
