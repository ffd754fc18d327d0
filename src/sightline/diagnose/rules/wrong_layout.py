"""Pictures given as (height, width, channels) to layers that want channels first."""

from sightline.diagnose.finding import Finding
from sightline.diagnose.reading import Reading, short
from sightline.diagnose.rules.registry import RULES


@RULES.register("wrong-layout")
def wrong_layout(r: Reading) -> Finding | None:
    """Pictures given as (height, width, channels) to layers that want channels first."""
    for call in r.tape.calls:
        if call.name == "conv2d" and call.operands and len(call.operands[0].shape) == 4:
            _, c, h, w = call.operands[0].shape
            if w in (1, 3, 4) and c > 8 and h > 8:
                return Finding(
                    cause="wrong-layout",
                    severity="warning",
                    certainty=0.85,
                    title="Pictures come with their channels last",
                    where=short(call.site),
                    evidence=(
                        f"the first convolution is given {call.operands[0].shape} and takes {c} channels of {h} × {w}",
                    ),
                    why="the kernel slides over rows and colours instead of rows and columns.",
                    fix="x.permute(0, 3, 1, 2) before the network, and as many input channels as colours",
                    codes=("IWF", "IWS", "CPP"),
                    explains=("no-progress", "stopped-too-early"),
                )
            if c == h and c > 8 and w <= 4:
                return None
        if call.name == "conv2d":
            return None
    return None
