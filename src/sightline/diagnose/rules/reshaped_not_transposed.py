"""Axes that are joined by a reshape where they would have to be exchanged."""

from sightline.diagnose.finding import Finding
from sightline.diagnose.reading import Reading, short
from sightline.diagnose.rules.registry import RULES, tells
from sightline.diagnose.tape import Operand
from sightline.diagnose.tape_paths import back


@RULES.register("reshaped-not-transposed")
@tells("wrong-layout")
def reshaped_not_transposed(r: Reading) -> Finding | None:
    """Axes that are joined by a reshape where they would have to be exchanged."""
    entry = r.entry
    if entry is None or not entry.producers or entry.producers[0] is None:
        return None
    for call in back(r.tape, Operand(entry.producers[0], "", (), False)):
        if call.name in ("view", "reshape") and call.operands:
            a, b = call.operands[0].shape, call.result.shape
            if (
                len(a) == len(b) == 4
                and a[0] == b[0]
                and a[3] in (1, 3, 4)
                and a[3] > 1
                and b[1] == a[3]
                and a[1:3] == b[2:]
            ):
                return Finding(
                    cause="wrong-layout",
                    severity="error",
                    certainty=0.95,
                    title="Pictures are reshaped where their axes should be exchanged",
                    where=short(call.site),
                    evidence=(
                        f"{call.name} from {a} to {b} keeps the numbers in memory order: rows and colours are mixed",
                    ),
                    why="neighbouring pixels are torn apart.",
                    fix="use permute(0, 3, 1, 2)",
                    codes=("IWF", "IWS", "CPP"),
                )
    return None
