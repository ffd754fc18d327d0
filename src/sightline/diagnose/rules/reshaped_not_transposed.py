"""Axes that are joined or split by a reshape where they would have to be exchanged."""

from collections.abc import Sequence
from itertools import accumulate, pairwise
from operator import mul

from sightline.diagnose.finding import Finding
from sightline.diagnose.reading import Reading, short
from sightline.diagnose.rules.registry import RULES, tells
from sightline.diagnose.tape import Call
from sightline.diagnose.tape_paths import ancestors

RESHAPES = frozenset(["view", "reshape", "view_as", "reshape_as", "unflatten"])


def exchanges(before: Sequence[int], after: Sequence[int]) -> bool:
    """Whether a reshape between two shapes would have to exchange axes to mean what it says.

    True for the same axes in another order; for a head split off in front of another axis, or joined from there; and
    where a row of the result cuts across rows of what was there: products of the last axes of which none divides the
    other.

    Example:
        >>> (
        ...     exchanges((64, 32, 32, 3), (64, 3, 32, 32)),
        ...     exchanges((8, 29, 12), (96, 29)),
        ...     exchanges((8, 12, 29), (96, 29)),
        ... )
        (True, True, False)
    """
    a, b = [n for n in before if n != 1], [n for n in after if n != 1]
    if a == b or 0 in a or len(a) < 2:
        return False
    if sorted(a) == sorted(b):
        return True
    longer, shorter = (b, a) if len(b) > len(a) else (a, b)
    heads = len(longer) == 4 and len(shorter) == 3 and longer[0] == shorter[0] and longer[2] == shorter[1]
    if heads and longer[1] * longer[3] == shorter[2] and longer[1] != longer[2]:
        return True
    ends = sorted({*accumulate(reversed(a), mul), *accumulate(reversed(b), mul)})
    return any(large % small for small, large in pairwise(ends))


def _cut(r: Reading, call: Call) -> bool:
    return (
        call.name in RESHAPES
        and bool(call.operands)
        and not call.operands[0].origin
        and call.result.floating
        and exchanges(call.operands[0].shape, call.result.shape)
    )


@RULES.register("reshaped-not-transposed")
@tells("wrong-layout")
@tells("shape-scrambled", "Outputs reshaped so that they meet the targets of others.")
def reshaped_not_transposed(r: Reading) -> Finding | None:
    """Axes that are joined or split by a reshape where they would have to be exchanged."""
    tree = ancestors(r.tape, r.root)
    call = next((c for c in r.tape.calls if c.index in tree and _cut(r, c)), None)
    if call is None:
        return None
    before, after = call.operands[0].shape, call.result.shape
    pictures = len(before) == len(after) == 4 and before[3] in (1, 3, 4) and after[1] == before[3]
    outputs = call in r.end
    return Finding(
        cause="shape-scrambled" if outputs else "wrong-layout",
        severity="error",
        certainty=0.95 if pictures else 0.85,
        title="Pictures are reshaped where their axes should be exchanged"
        if pictures
        else "Outputs are reshaped where their axes should be exchanged"
        if outputs
        else "Axes are reshaped where they should be exchanged",
        where=short(call.site),
        evidence=(f"{call.name} from {before} to {after} keeps the numbers in memory order: rows of both are mixed",),
        why="the outputs of one example or place meet the targets of others."
        if outputs
        else "what belongs together is torn apart: neighbouring pixels, features of one example or place.",
        fix="use permute(0, 3, 1, 2)" if pictures else "use transpose or permute first, then reshape",
        codes=("IWS", "IWF") if outputs else ("IWF", "IWS", "CPP"),
        explains=("no-progress", "stopped-too-early", "unigram-level", "wrong-labels"),
    )
