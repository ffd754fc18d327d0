"""Layers one after the other with nothing non-linear between: together they are one."""

from sightline.diagnose.figures import loss_curve
from sightline.diagnose.finding import Finding
from sightline.diagnose.reading import Reading
from sightline.diagnose.rules.registry import RULES
from sightline.diagnose.rules.words import names
from sightline.diagnose.tape import Call
from sightline.diagnose.tape_paths import NON_LINEAR, ancestors, is_layer, straight_before, weights_of


def _narrow(a: Call, b: Call) -> bool:
    """Whether the numbers between are fewer than both before and after: a map of low rank, on purpose."""
    inside = _width(a.result.shape)
    return inside < min(_width(a.operands[0].shape), _width(b.result.shape))


def _elsewhere(r: Reading, a: Call, b: Call, layers: list[Call]) -> bool:
    """Whether the two are more than one map: either is used elsewhere, too, or what is between them grows."""
    own = set(weights_of(r.tape, b))
    again = [c for c in layers if c.index != b.index and own & set(weights_of(r.tape, c))]
    return any(straight_before(r.tape, c) is not a for c in again) or _goes_past(r, a) or _enlarged(a, b)


def _goes_past(r: Reading, a: Call) -> bool:
    """Whether what a layer makes is added further on, too, past the next one: a skip connection begins there."""
    tree = ancestors(r.tape, r.root)
    used = [c for c in r.tape.calls if c.index in tree and any(o.producer == a.index for o in c.operands)]
    return len(used) > 1 and any(c.name == "add" for c in used)


def _enlarged(a: Call, b: Call) -> bool:
    """Whether pictures grow between two convolutions: one layer could not do what the two do."""
    made, given = a.result.shape, b.operands[0].shape
    return len(made) == len(given) == 4 and given[2] > made[2]


def _width(shape: tuple[int, ...]) -> int:
    if len(shape) == 4:
        return shape[1]
    return shape[-1] if shape else 0


@RULES.register("missing-nonlinearity")
def missing_nonlinearity(r: Reading) -> Finding | None:
    """Layers one after the other with nothing non-linear between: together they are one."""
    tape = r.tape
    layers = r.layers
    if len(layers) < 2 or r.loss is None:
        return None
    tree = ancestors(tape, r.loss.call.index)
    layers = [c for c in layers if c.index in tree]
    pairs = [(before, c) for c in layers if (before := straight_before(tape, c)) is not None]
    pairs = [(a, b) for a, b in pairs if not _narrow(a, b) and a.option("groups", 6, 1) in (1, None)]
    pairs = [(a, b) for a, b in pairs if not _elsewhere(r, a, b, layers)]
    others = [
        c
        for c in tape.calls
        if c.index in tree
        and (c.name in NON_LINEAR or (c.name in ("mul", "bmm", "matmul") and not is_layer(tape, c)))
        and c.grad
    ]
    inner = [
        c
        for c in others
        if c not in r.end
        and c.name
        not in ("cross_entropy", "dropout", "max_pool2d", "max_pool1d", "clamp", "log", "softmax", "log_softmax")
    ]
    whole = not [c for c in inner if c.index < layers[-1].index] if layers else False
    if not pairs:
        return None
    lines = [f"{a.module or a.site} and {b.module or b.site}" for a, b in pairs]
    return Finding(
        cause="missing-nonlinearity",
        severity="warning",
        certainty=0.9 if whole else 0.75,
        title="The network is linear" if whole else "Layers follow each other with no activation between",
        where=names(lines),
        evidence=(
            f"{len(pairs)} of {len(layers)} layers follow another with nothing non-linear between: {names(lines)}",
        ),
        why=(
            "two linear maps one after the other are one linear map: the second layer adds nothing "
            "that can be represented."
        ),
        fix="put an activation (ReLU, GELU) between them",
        codes=("ACH", "LRM", "LAD"),
        figure=loss_curve(r),
    )
