"""Diagnoses programs one after the other, each in a fork of this process: `python healthy.py loop.py …` tells JSON.

A process of its own, in which no gradient was computed before: forks of one that has cannot compute any.
"""

import json
import os
import subprocess
import sys
from functools import partial
from pathlib import Path

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
SOURCES = Path(__file__).parents[1] / "src"


def said(scripts: list[Path], data: str = "") -> dict[str, tuple[str, list[str]]]:
    """By name of a program: how it ended, if not well, and what a diagnosis warns of."""
    paths = os.pathsep.join(str(path) for path in (BENCHMARKS, BENCHMARKS / "faulty_programs", SOURCES))
    run = subprocess.run(
        [sys.executable, __file__, *map(str, scripts)],
        env={**os.environ, "PYTHONPATH": paths, "OMP_NUM_THREADS": "1", "SIGHTLINE_DATA": data},
        capture_output=True,
        text=True,
        check=True,
    )
    return {name: (stopped, alarms) for name, (stopped, alarms) in json.loads(run.stdout).items()}


def _one(script: Path) -> tuple[str, list[str]]:
    from sightline.diagnose import findings, watch_script

    record = watch_script(script)
    return record.stopped, [f"{f.cause}: {'; '.join(f.evidence)}" for f in findings(record).alarms]


def _main() -> None:
    import sightline.diagnose
    from forked import run_all, warm_up

    assert sightline.diagnose
    warm_up()
    jobs = {Path(name).stem: partial(_one, Path(name)) for name in sys.argv[1:]}
    outcomes = run_all(jobs, workers=1, cpu_seconds=240)
    print(json.dumps({name: outcome.value or (outcome.error, []) for name, outcome in outcomes}))


if __name__ == "__main__":
    _main()
