"""A hidden layer too narrow for what has to pass."""

from math import prod

from sightline.diagnose.figures import loss_curve
from sightline.diagnose.finding import Finding
from sightline.diagnose.reading import Reading
from sightline.diagnose.rules.registry import RULES
from sightline.diagnose.tape import RECTIFIERS, Call
from sightline.diagnose.tape_paths import ancestors, weights_of

RECURRENT = ("lstm", "gru", "rnn_tanh", "rnn_relu")


def _widths(call: Call) -> tuple[int, int]:
    """Numbers of one place that a layer is given and makes; of a convolution, those of the whole example."""
    given, made = call.operands[0].shape, call.result.shape
    if call.name in ("linear", "lstm", "gru", "rnn_tanh", "rnn_relu") and given and made:
        return given[-1], made[-1]
    if call.name in ("conv1d", "conv2d", "conv3d") and len(made) > 2:
        return prod(given[1:]), prod(made[1:])
    if call.name == "embedding" and len(call.operands) > 1 and len(call.operands[1].shape) == 2:
        words, width = call.operands[1].shape
        return (words, width) if width <= 4 else (0, 0)  # several stand beside each other, as a rule
    return 0, 0


def _outputs(r: Reading) -> int:
    """Numbers that the network gives an example: of pictures all pixels."""
    last = r.end[-1] if r.end else None
    if last is not None and last.name.startswith("conv") and r.loss is not None and "cross" not in r.loss.kind:
        return prod(last.result.shape[1:])
    return r.width


def _goes_round(r: Reading, narrow: set[int]) -> bool:
    """Whether another way leads past narrow layers: a skip connection, or a gate."""
    before = {i for i in ancestors(r.tape, min(narrow)) if r.tape.calls[i].module and r.tape.calls[i].grad}
    waiting = [r.loss.prediction.producer] if r.loss is not None and r.loss.prediction is not None else []
    seen: set[int | None] = {None, *narrow}
    while waiting:
        at = waiting.pop()
        if at is None or at in seen:
            continue
        seen.add(at)
        waiting += [o.producer for o in r.tape.calls[at].operands]
    return bool(before & seen - narrow)


def _few_units(r: Reading, call: Call, classes: int, width: int) -> tuple[int, int] | None:
    """(units given, units made) of a layer that a rectifier cuts further, or of one or two maps of a convolution."""
    index = call.index
    rectified = any(c.name in RECTIFIERS and any(o.producer == index for o in c.operands) for c in r.tape.calls)
    if not rectified or r.left is None:
        return None
    given, made = call.operands[0].shape, call.result.shape
    axis = 1 if call.name.startswith("conv") else -1
    few = max(2, classes // 4) if axis == -1 and r.left < 0.7 else 4 if axis == -1 else 2
    wide = len(given) > 1 and given[axis] >= 4 * made[axis] and width > 2 * made[axis]
    return (given[axis], made[axis]) if wide and made[axis] <= few else None


def _narrow(r: Reading, end: int | None, classes: int, width: int) -> list[tuple[Call, int, int]]:
    """(layer, numbers given, numbers made) of the layers on the way to the outputs that let too little through."""
    on_the_way = ancestors(r.tape, end)
    layers = [(c, *_widths(c)) for c in r.tape.calls if c.grad and c.index in on_the_way and weights_of(r.tape, c)]
    memories = [
        (c, given, made)
        for c, given, made in layers
        if c.name in RECURRENT and made <= 2 <= given // 2 and (r.left is None or r.left > 0.25)
    ]
    if not classes:
        return memories
    most = 1 if classes == 4 else classes // 2 if r.left is not None and r.left > 0.5 else max(2, classes // 4)
    narrow = [
        (c, given, made)
        for c, given, made in layers
        if 0 < made <= most and made < width and given > 2 * made and not (r.left is not None and r.left < 0.35)
    ]
    few = [(c, *found) for c, *_ in layers if (found := _few_units(r, c, classes, width)) is not None]
    return narrow or memories or few


@RULES.register("bottleneck")
def bottleneck(r: Reading) -> Finding | None:
    """A hidden layer too narrow for what has to pass."""
    loss = r.loss
    if loss is None or (r.left is not None and r.left < 0.15):
        return None
    if loss.kind in ("cross_entropy", "nll_loss", "cross-entropy"):
        wanted = len(r.record.targets.classes) or r.width
        if wanted < 4 or r.width > 500:
            return None
    elif _outputs(r) >= 16:
        wanted = 4  # as many numbers come out as go in, about
    elif _outputs(r) >= 4:
        wanted = 0  # only of what remembers a series
    else:
        return None
    classes, width = wanted, _outputs(r)
    narrow = _narrow(r, loss.prediction.producer if loss.prediction is not None else None, classes, width)
    if not narrow or _goes_round(r, {c.index for c, _, _ in narrow}):
        return None
    c, given, made = narrow[0]
    return Finding(
        cause="bottleneck",
        severity="warning",
        certainty=0.7,
        title="A hidden layer is too narrow",
        where=c.module,
        evidence=(f"{given:,} numbers go through {made} on their way to {width} outputs",),
        why="what does not fit through the narrow layer is lost to all that follow.",
        fix=f"make it at least {max(16, 2 * classes)} wide",
        codes=("LCN", "MWA"),
        explains=("no-progress", "stopped-too-early", "rate-too-low"),
        figure=loss_curve(r),
    )
