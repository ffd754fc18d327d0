"""Faults planted in healthy programs: the tables, the edits, and the rule that drew half of the first ones apart.

A fault is one or more textual edits of a program of `faulty_programs/`; each must match exactly once.
"""

import hashlib
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).parent / "faulty_programs"
SEED = 7


@dataclass(frozen=True)
class Truth:
    """One thing that is wrong: the names any of which says it, and its fault codes."""

    causes: frozenset[str]
    codes: frozenset[str]


@dataclass(frozen=True)
class Fault:
    """A faulty program: which one, what was changed, what is right to say of it."""

    name: str
    program: str
    group: str
    kind: str  # "worse": it scores worse or NaN; "method": what it reports, or costs, is wrong
    truths: tuple[Truth, ...]
    why: str
    edits: tuple[tuple[str, str], ...]


def _truths(entry: dict[str, object]) -> tuple[Truth, ...]:
    several = entry.get("truths", [entry])
    assert isinstance(several, list)
    return tuple(Truth(frozenset(each["causes"]), frozenset(each["codes"])) for each in several)


def load_faults(table: Path) -> list[Fault]:
    """The faults of a table."""
    entries = tomllib.loads(table.read_text(encoding="utf-8")).get("fault", [])
    return [
        Fault(
            name=entry["name"],
            program=entry["program"],
            group=entry["group"],
            kind=entry["kind"],
            truths=_truths(entry),
            why=entry["why"],
            edits=tuple((edit["find"], edit["replace"]) for edit in entry["edits"]),
        )
        for entry in entries
    ]


def known_causes() -> dict[str, dict[str, object]]:
    """Name → group, words and fault codes of every cause that the tables use."""
    return tomllib.loads((FOLDER / "causes.toml").read_text(encoding="utf-8"))


def program_source(program: str) -> str:
    """The healthy program's text; `published/x` is a port of a published one."""
    folder = FOLDER if "/" in program else FOLDER / "programs"
    return (folder / f"{program}.py").read_text(encoding="utf-8")


def apply_edits(source: str, edits: Iterable[tuple[str, str]], name: str) -> str:
    """The text with each edit made; ValueError where one matches not exactly once."""
    for find, replace in edits:
        if source.count(find) != 1:
            raise ValueError(f"{name}: {find!r} occurs {source.count(find)} times, not once")
        source = source.replace(find, replace)
    return source


def faulty_source(fault: Fault) -> str:
    """The faulty program's text."""
    return apply_edits(program_source(fault.program), fault.edits, fault.name)


def write_program(source: str, folder: Path) -> Path:
    """`train.py` beside its `data.py` in a folder of its own, which tells nothing of what was changed."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "data.py").write_text((FOLDER / "data.py").read_text(encoding="utf-8"), encoding="utf-8")
    script = folder / "train.py"
    script.write_text(source, encoding="utf-8")
    return script


def split(faults: Iterable[Fault]) -> tuple[list[Fault], list[Fault]]:
    """(tuned, set aside at first): by group, in the order of a hash of seed and name, one by one in turn.

    A group of odd size gives its last fault to the half that has fewer so far, the tuned one on a tie.
    """
    halves: tuple[list[Fault], list[Fault]] = ([], [])
    faults = sorted(faults, key=lambda fault: fault.name)
    for group in sorted({fault.group for fault in faults}):
        members = [fault for fault in faults if fault.group == group]
        members.sort(key=lambda fault: hashlib.sha256(f"{SEED}:{fault.name}".encode()).hexdigest())
        first = 0 if len(halves[0]) <= len(halves[1]) else 1
        for place, fault in enumerate(members):
            halves[(first + place) % 2].append(fault)
    return tuple(sorted(half, key=lambda fault: fault.name) for half in halves)  # type: ignore[return-value]
