"""How good is a diagnosis? Faulty and healthy programs, several seeds, scored as the published tools were.

    python benchmarks/diagnosis.py [--part tuned] [--seeds 5] [--only mlp] [--json results.json]
    python benchmarks/diagnosis.py --diagnoser my_module:my_function

Parts: `tuned`, `opened`, `opened-later` and `set-aside` (faults planted in ten healthy programs: those that rules were
tuned on from the start, two tables set aside at first and opened after one scoring each, and those planted last and set
aside since), `published`
(ports of 21 published faulty programs), `healthy` (those ten and the published ones as repaired).
Results of single set-aside programs are neither shown nor written unless `--part set-aside` asks for them.
SIGHTLINE_DATA names the folder of data sets. The diagnoser is called as `diagnose(path, arguments)` and gives findings
with `cause`, `codes` and `severity`; one with `edit = (find, replace)` is repaired so and retrained. With `--try-fix`
the diagnosis tries its fixes itself; the first finding whose fix helped there is repaired so, from outside, and the
whole program retrained for its score.
The scores are those of `diagnosis_score.py`; a false alarm is a warning or an error on a healthy run.
"""

import argparse
import importlib
import io
import json
import statistics
import tempfile
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import redirect_stdout
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from diagnosis_score import (
    Said,
    Score,
    closes_half,
    loud,
    mean_score,
    score_by_code,
    score_by_name,
    wilson,
)
from forked import Outcome, run_all, warm_up
from measure_faults import is_worse, programs, read_rows, run_for_score, score_of, scores_by_name
from planted import FOLDER, Fault, apply_edits, faulty_source, load_faults, write_program

FAULTY = ("tuned", "opened", "opened-later", "set-aside", "published")
Diagnoser = Callable[[Path, list[str]], Iterable[Any]]
Repair = tuple[str, str] | Mapping[str, Any]
"""(text to find, text to put there), or a change that a watch makes from outside."""

TRYING = "sightline.diagnose:diagnose_and_try"


@dataclass(frozen=True)
class Run:
    """One program under one seed, and what was said of it."""

    program: str
    fault: str  # empty: healthy
    group: str
    seed: int
    findings: tuple[Said, ...]
    edit: Repair | None  # the change the first loud finding proposes
    verified: bool | None  # does that change close half of the gap? None: none proposed
    error: str
    seconds: float
    trials: tuple[str, ...] = ()  # what came of the fixes that the diagnosis tried itself


def diagnoser_named(name: str) -> Callable[[], Diagnoser]:
    """`module:function`, imported where it is called."""
    module, function = name.split(":")
    return lambda: getattr(importlib.import_module(module), function)


def diagnose_source(
    source: str, seed: int, diagnoser: Callable[[], Diagnoser]
) -> tuple[tuple[Said, ...], Repair | None, tuple[str, ...]]:
    """The findings on a program, the repair that is proposed, and what came of fixes tried on the way.

    The repair is the first loud finding's edit, or the first change that helped where changes were tried.
    """
    with tempfile.TemporaryDirectory() as folder:
        found = list(diagnoser()(write_program(source, Path(folder)), ["--seed", str(seed)]))
    said = tuple(Said(str(each.cause), tuple(each.codes), str(each.severity)) for each in found)
    edits = [getattr(each, "edit", None) for each, words in zip(found, said, strict=True) if loud([words])]
    tried = [(each, each.tried.outcome) for each in found if getattr(each, "tried", None) is not None]
    changes = [dict(each.change) for each, outcome in tried if outcome == "helped"]
    proposed = next((repair for repair in [*edits[:1], *changes] if repair), None)
    return said, proposed, tuple(outcome for _, outcome in tried)


def score_repaired(source: str, repair: Repair, seed: int) -> float:
    """The score of a program with a proposed repair made; one that does not fit raises, and so verifies nothing."""
    if isinstance(repair, Mapping):
        return score_changed(source, repair, seed)
    return run_for_score(apply_edits(source, [repair], "proposed edit"), seed)


def score_changed(source: str, change: Mapping[str, Any], seed: int) -> float:
    """The score of a program that runs to its end with a change made from outside."""
    from sightline.diagnose import ChangedWatch, watch_script

    written = io.StringIO()
    with tempfile.TemporaryDirectory() as folder, redirect_stdout(written):
        script = write_program(source, Path(folder))
        if "site" in change:  # it was found in another folder
            change = {**change, "site": f"{script}:{change['site'].rpartition(':')[2]}"}
        watch_script(script, ["--seed", str(seed)], watch=ChangedWatch(change))
    return score_of(written.getvalue())


def faults_that_count(part: str) -> list[Fault]:
    """A part's faults, without those that were measured to do no harm."""
    name = part.replace("-", "_")
    healthy = scores_by_name(read_rows(FOLDER / "measured_healthy.csv"))
    faulty = scores_by_name(read_rows(FOLDER / f"measured_{name}.csv"))
    return [
        fault
        for fault in load_faults(FOLDER / f"planted_{name}.toml")
        if fault.kind == "method" or is_worse(healthy.get(fault.program, []), faulty.get(fault.name, []))
    ]


def run_part(part: str, only: str, seeds: int, diagnoser: Callable[[], Diagnoser], workers: int) -> list[Run]:
    """Diagnoses every program of a part, then retrains those for which an edit was proposed."""
    if part == "healthy":
        faults = {name: Fault(name, name, "healthy", "healthy", (), "", ()) for name in programs()}
    else:
        faults = {fault.name: fault for fault in faults_that_count(part)}
    faults = {name: fault for name, fault in faults.items() if name.startswith(only)}
    sources = {name: faulty_source(fault) for name, fault in faults.items()}
    jobs = {
        f"{name}\t{seed}": partial(diagnose_source, sources[name], seed, diagnoser)
        for seed in range(seeds)
        for name in faults
    }
    outcomes = dict(run_all(jobs, workers=workers))
    repaired = {
        name: partial(score_repaired, sources[name.split("\t")[0]], outcome.value[1], int(name.split("\t")[1]))
        for name, outcome in outcomes.items()
        if part != "healthy" and outcome.value and outcome.value[1]
    }
    retrained = dict(run_all(repaired, workers=workers))
    return [_run(part, faults[name.split("\t")[0]], name, outcomes[name], retrained.get(name)) for name in jobs]


def _run(part: str, fault: Fault, name: str, outcome: Outcome, retrained: Outcome | None) -> Run:
    findings, edit, trials = outcome.value or ((), None, ())
    verified = None
    if retrained is not None:
        healthy = scores_by_name(read_rows(FOLDER / "measured_healthy.csv"))[fault.program]
        faulty = scores_by_name(read_rows(FOLDER / f"measured_{part.replace('-', '_')}.csv"))[fault.name]
        score = float("nan") if retrained.value is None else retrained.value
        verified = closes_half(statistics.fmean(healthy), statistics.fmean(faulty), score)
    told = "" if part == "healthy" else fault.name
    seed = int(name.split("\t")[1])
    return Run(fault.program, told, fault.group, seed, findings, edit, verified, outcome.error, outcome.seconds, trials)


@dataclass(frozen=True)
class Summary:
    """A part's line of the table."""

    programs: int
    runs: int
    by_name: Score
    by_code: Score | None
    diagnosed_programs: int  # by name, in most seeds
    silent: int  # runs without a warning or an error
    broken: int  # runs in which the diagnoser failed
    verified: tuple[int, int]  # of the proposed repairs, how many won back half of the score
    trials: dict[str, int]  # what came of the fixes that the diagnosis tried itself, by outcome
    seconds: float  # a run, median


def summarise(runs: Sequence[Run], faults: Iterable[Fault]) -> Summary:
    """Scores: mean over a program's seeds, then over programs."""
    truths = {fault.name: fault.truths for fault in faults}
    by_name: dict[str, list[Score]] = defaultdict(list)
    by_code: dict[str, list[Score]] = defaultdict(list)
    for run in runs:
        by_name[run.fault].append(score_by_name(run.findings, truths[run.fault]))
        coded = score_by_code(run.findings, truths[run.fault])
        if coded is not None:
            by_code[run.fault].append(coded)
    means = [mean_score(scores) for scores in by_name.values()]
    edits = [run.verified for run in runs if run.verified is not None]
    return Summary(
        programs=len(by_name),
        runs=len(runs),
        by_name=mean_score(means),
        by_code=mean_score([mean_score(scores) for scores in by_code.values()]) if by_code else None,
        diagnosed_programs=sum(mean.diagnosed > 0.5 for mean in means),
        silent=sum(not loud(run.findings) for run in runs),
        broken=sum(bool(run.error) for run in runs),
        verified=(sum(edits), len(edits)),
        trials=dict(Counter(outcome for run in runs for outcome in run.trials)),
        seconds=statistics.median(run.seconds for run in runs),
    )


def false_alarms(runs: Sequence[Run]) -> dict[str, tuple[int, int]]:
    """(alarms, of how many) by run, and by program: one with an alarm under any seed."""
    alarmed = [run.program for run in runs if loud(run.findings)]
    return {"runs": (len(alarmed), len(runs)), "programs": (len(set(alarmed)), len({run.program for run in runs}))}


def share(count: int, total: int) -> str:
    """A share in per cent with its Wilson interval."""
    low, high = wilson(count, total)
    return f"{count}/{total} = {100 * count / max(1, total):.1f} % [{100 * low:.1f}, {100 * high:.1f}]"


def summary_lines(part: str, summary: Summary) -> list[str]:
    """A part's figures in words."""
    lines = [
        f"{part}: {summary.programs} programs, {summary.runs} runs, {summary.seconds:.1f} s of processor time a run",
        f"  diagnosed by name in most seeds: {share(summary.diagnosed_programs, summary.programs)}",
    ]
    for kind, score in (("name", summary.by_name), ("code", summary.by_code)):
        if score is not None:
            figures = f"recall {score.recall:.3f}  precision {score.precision:.3f}  F3 {score.f3:.3f}"
            lines.append(f"  by {kind}: diagnosed {100 * score.diagnosed:5.1f} %  {figures}")
    lines.append(f"  verified fixes: {share(*summary.verified)}  silent {summary.silent}  broken {summary.broken}")
    if summary.trials:
        every = sum(summary.trials.values())
        made = every - summary.trials.get("by hand", 0)
        lines.append(f"  findings of harm with a fix that was tried: {share(made, every)}")
        lines.append(f"  helped, by the loss of the run that tried it: {share(summary.trials.get('helped', 0), made)}")
        lines.append(f"  others: { ({k: n for k, n in sorted(summary.trials.items()) if k != 'helped'}) }")
    return lines


def detail_lines(runs: Sequence[Run], faults: Iterable[Fault]) -> list[str]:
    """By group, by seed, then each program with what was said of it."""
    faults = list(faults)
    lines = []
    for kind in ("group", "seed"):
        for value in sorted({getattr(run, kind) for run in runs}):
            score = summarise([run for run in runs if getattr(run, kind) == value], faults).by_name
            lines.append(f"  {kind} {value}: diagnosed {100 * score.diagnosed:5.1f} %  F3 {score.f3:.3f}")
    for fault in faults:
        of_fault = [run for run in runs if run.fault == fault.name]
        if of_fault:
            score = mean_score([score_by_name(run.findings, fault.truths) for run in of_fault])
            said = sorted({finding.cause for run in of_fault for finding in loud(run.findings)})
            errors = sorted({run.error[:80] for run in of_fault if run.error})
            words = f"{', '.join(said) or '-'} {errors or ''}".strip()
            lines.append(f"    {fault.name:20s} {100 * score.diagnosed:5.1f} %  {words}")
    return lines


def evaluate(
    parts: Sequence[str], only: str, seeds: int, diagnoser: Callable[[], Diagnoser], workers: int = 2
) -> dict[str, Any]:
    """Runs, prints and returns everything but single set-aside results, unless these alone were asked for."""
    results: dict[str, Any] = {}
    for part in parts:
        runs = run_part(part, only, seeds, diagnoser, workers)
        if not runs:
            continue
        hidden = part == "set-aside" and len(parts) > 1
        results[part] = {"runs": [] if hidden else [asdict(run) for run in runs]}
        if part == "healthy":
            alarms = false_alarms(runs)
            results[part]["false_alarms"] = alarms
            lines = [f"healthy: false alarms by {kind}: {share(*counted)}" for kind, counted in alarms.items()]
            lines += [
                f"    {run.program} seed {run.seed}: {', '.join(each.cause for each in loud(run.findings))} {run.error}"
                for run in runs
                if loud(run.findings) or run.error
            ]
        else:
            faults = load_faults(FOLDER / f"planted_{part.replace('-', '_')}.toml")
            summary = summarise(runs, faults)
            results[part]["summary"] = asdict(summary)
            lines = summary_lines(part, summary) + ([] if hidden else detail_lines(runs, faults))
        print("\n".join(lines), flush=True)
    return results


def main() -> None:
    """Parse, run, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--part", choices=[*FAULTY, "healthy", "all"], default="all")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--only", default="", help="programs and faults whose name begins so")
    parser.add_argument("--diagnoser", default="sightline.diagnose:diagnose")
    parser.add_argument("--try-fix", action="store_true", help=f"the same as --diagnoser {TRYING}")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    if options.part == "all" and options.only:
        parser.error("--only would show single set-aside results: say which --part")
    if options.try_fix:
        options.diagnoser = TRYING
    warm_up()
    parts = [*FAULTY, "healthy"] if options.part == "all" else [options.part]
    results = evaluate(parts, options.only, options.seeds, diagnoser_named(options.diagnoser), options.workers)
    if options.json:
        options.json.write_text(json.dumps(results, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
