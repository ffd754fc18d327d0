"""What the terminal says at the end of a run: figures, checkpoint, report."""

from rich.console import Console
from rich.table import Table

from sightline.core.run_folder import RunFolder
from sightline.report import write_report
from sightline.train import Run


def tell_ending(run: Run, *, quiet: bool = False) -> int:
    """Write the report and print where everything is."""
    report = write_report(run.folder)
    if not quiet:
        console = Console(highlight=False)
        console.print(figures(run.folder))
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
    for name in next(iter(readings.values()), {"metrics": {}})["metrics"]:
        cells = []
        for reading in readings.values():
            measure = reading["metrics"][name]
            unit = f" {measure['unit']}" if measure["unit"] else ""
            cells.append(f"{measure['value']:.4f} ± {measure['standard_error']:.4f}{unit}")
        table.add_row(name, *cells)
    table.add_row("loss", *(f"{reading['loss']:.4f}" for reading in readings.values()))
    return table
