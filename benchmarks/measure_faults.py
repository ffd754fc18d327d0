"""Is each faulty program really worse than the healthy one? Scores by seed, kept in a table beside the faults.

    python benchmarks/measure_faults.py tuned [--seeds 5] [--workers 2] [--only mlp]

Tables: healthy, tuned, opened, opened_later, practice, set_aside, published. A run already in the table is not
repeated unless its program's text has changed since. SIGHTLINE_DATA names the folder of data sets. A fault of kind
"worse" counts if its mean score lies below the healthy program's by more than three standard errors of the difference
(Welch) and by more than twice the healthy programs' standard deviation over seeds, or if most of its runs end in NaN.
"""

import argparse
import csv
import hashlib
import math
import statistics
import tempfile
from collections import defaultdict
from functools import partial
from pathlib import Path

from forked import run_all, run_script, warm_up
from planted import FOLDER, Fault, faulty_source, load_faults, program_source, write_program

HEADER = ["program", "fault", "seed", "score", "seconds", "text", "error"]
Row = dict[str, str]


def score_of(output: str) -> float:
    """The number of the last line, `score=…`."""
    return float(output.strip().splitlines()[-1].removeprefix("score="))


def run_for_score(source: str, seed: int) -> float:
    """The score of one run of a program."""
    with tempfile.TemporaryDirectory() as folder:
        return score_of(run_script(write_program(source, Path(folder)), ["--seed", str(seed)]))


def read_rows(table: Path) -> list[Row]:
    """What was measured; nothing where there is no table yet."""
    if not table.exists():
        return []
    with table.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def programs() -> list[str]:
    """All healthy programs."""
    ours = [path.stem for path in sorted((FOLDER / "programs").glob("*.py"))]
    return ours + [f"published/{path.stem}" for path in sorted((FOLDER / "published").glob("*.py"))]


def measure(sources: dict[tuple[str, str], str], table: Path, seeds: range, workers: int) -> None:
    """Runs what the table lacks: program and fault (empty for healthy) → text."""
    texts = {key: hashlib.sha256(source.encode()).hexdigest()[:12] for key, source in sources.items()}
    rows = [row for row in read_rows(table) if texts.get((row["program"], row["fault"]), row["text"]) == row["text"]]
    have = {(row["program"], row["fault"], int(row["seed"])) for row in rows}
    wanted = [(*key, seed) for seed in seeds for key in sources if (*key, seed) not in have]
    jobs = {
        f"{program}\t{fault}\t{seed}": partial(run_for_score, sources[program, fault], seed)
        for program, fault, seed in wanted
    }
    for name, outcome in run_all(jobs, workers=workers):
        program, fault, seed_text = name.split("\t")
        score, seconds = "" if outcome.value is None else f"{outcome.value:.6g}", f"{outcome.seconds:.2f}"
        values = [program, fault, seed_text, score, seconds, texts[program, fault], outcome.error[:200]]
        rows.append(dict(zip(HEADER, values, strict=True)))
        print(*values, flush=True)
        rows.sort(key=lambda row: (row["program"], row["fault"], int(row["seed"])))
        with table.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, HEADER, lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)


def scores_by_name(rows: list[Row]) -> dict[str, list[float]]:
    """Fault (or program, where healthy) → scores in the order of seeds; a run that crashed counts as NaN."""
    scores: dict[str, list[float]] = defaultdict(list)
    for row in sorted(rows, key=lambda row: int(row["seed"])):
        scores[row["fault"] or row["program"]].append(float(row["score"] or "nan"))
    return dict(scores)


def is_worse(healthy: list[float], faulty: list[float]) -> bool:
    """Does the fault count, by the rule above?"""
    broken = sum(not math.isfinite(score) for score in faulty)
    if 2 * broken > len(faulty):
        return True
    faulty = [score for score in faulty if math.isfinite(score)]
    if not faulty or len(healthy) < 2:
        return False
    gap, spread = statistics.fmean(healthy) - statistics.fmean(faulty), statistics.variance(healthy)
    of_faulty = statistics.variance(faulty) if len(faulty) > 1 else spread  # of one run the healthy runs' must serve
    error = math.sqrt(spread / len(healthy) + of_faulty / len(faulty))
    return gap > 3 * error and gap > 2 * math.sqrt(spread)


def verdict(fault: Fault, healthy: list[float], faulty: list[float]) -> str:
    """One line: mean scores, and whether the fault counts."""
    shown = [f"{statistics.fmean(scores):9.4f}" for scores in (healthy, faulty)]
    counts = "method" if fault.kind == "method" else "counts" if is_worse(healthy, faulty) else "NOT WORSE"
    return f"{fault.name:32s} {shown[0]} {shown[1]}  {counts}"


def main() -> None:
    """Measure, then say which faults count."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "table", choices=["healthy", "tuned", "opened", "opened_later", "practice", "set_aside", "published"]
    )
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--only", default="", help="faults and programs whose name begins so")
    options = parser.parse_args()
    warm_up()
    table = FOLDER / f"measured_{options.table}.csv"
    if options.table == "healthy":
        sources = {(name, ""): program_source(name) for name in programs() if name.startswith(options.only)}
        measure(sources, table, range(options.seeds), options.workers)
        return
    faults = [
        fault for fault in load_faults(FOLDER / f"planted_{options.table}.toml") if fault.name.startswith(options.only)
    ]
    measure(
        {(fault.program, fault.name): faulty_source(fault) for fault in faults},
        table,
        range(options.seeds),
        options.workers,
    )
    healthy = scores_by_name(read_rows(FOLDER / "measured_healthy.csv"))
    scores = scores_by_name(read_rows(table))
    for fault in faults:
        print(verdict(fault, healthy[fault.program], scores[fault.name]))


if __name__ == "__main__":
    main()
