"""A hidden layer too narrow for what has to pass."""

from sightline.diagnose.figures import loss_curve
from sightline.diagnose.finding import Finding
from sightline.diagnose.reading import Reading
from sightline.diagnose.rules.registry import RULES
from sightline.diagnose.tape_paths import ancestors


@RULES.register("bottleneck")
def bottleneck(r: Reading) -> Finding | None:
    """A hidden layer too narrow for what has to pass."""
    loss = r.loss
    if loss is None or (r.left is not None and r.left < 0.35):
        return None
    if loss.kind in ("cross_entropy", "nll_loss", "cross-entropy"):
        wanted = len(r.record.targets.classes) or r.width
        if wanted < 4 or r.width > 500:
            return None
    elif r.width >= 16:
        wanted = 4  # as many numbers come out as go in, about
    else:
        return None
    classes, width = wanted, r.width
    on_the_way = ancestors(r.tape, loss.prediction.producer if loss.prediction is not None else None)
    narrow = [
        c
        for c in r.layers
        if c.name == "linear"
        and c.index in on_the_way
        and c.result.shape
        and c.result.shape[-1] <= max(1 if classes == 4 else 2, classes // 4)
        and c.result.shape[-1] < width
        and c.operands[0].shape[-1] > 2 * c.result.shape[-1]
    ]
    if not narrow:
        return None
    c = narrow[0]
    return Finding(
        cause="bottleneck",
        severity="warning",
        certainty=0.7,
        title="A hidden layer is too narrow",
        where=c.module,
        evidence=(
            f"{c.operands[0].shape[-1]} numbers go through {c.result.shape[-1]} on their way to {width} outputs",
        ),
        why="what does not fit through the narrow layer is lost to all that follow.",
        fix=f"make it at least {max(16, 2 * classes)} wide",
        codes=("LCN", "MWA"),
        explains=("no-progress", "stopped-too-early", "rate-too-low"),
        figure=loss_curve(r),
    )
