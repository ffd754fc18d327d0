"""Momentum or Adam's β so close to 1 that steps from long ago rule."""

from sightline.diagnose.figures import loss_curve
from sightline.diagnose.finding import Finding
from sightline.diagnose.reading import Reading
from sightline.diagnose.rules.registry import RULES


def _lost(r: Reading) -> bool:
    """Whether the run came to nothing: no better than a constant guess, or than it was before."""
    t = r.training
    if t is None or not t.finite:
        return True
    return not r.learned and (t.end > 1.5 * t.best or (r.left is not None and r.left > 0.9))


@RULES.register("momentum-out-of-range")
def momentum_out_of_range(r: Reading) -> Finding | None:
    """Momentum or Adam's β out of sense, or batch normalisation's own momentum."""
    for group in r.record.groups:
        momentum = group.settings.get("momentum")
        betas = str(group.settings.get("betas", ""))
        numbers = [float(b) for b in betas.strip("()").split(",") if b.strip()] if betas else []
        heavy = isinstance(momentum, (int, float)) and momentum >= (0.98 if _lost(r) else 0.995)
        first = bool(numbers) and numbers[0] >= 0.995
        second = len(numbers) > 1 and numbers[1] < 0.5 and numbers[1] < numbers[0]
        if heavy or first or second:
            said = f"momentum = {momentum}" if heavy else f"betas = {betas}"
            return Finding(
                cause="momentum-out-of-range",
                severity="warning",
                certainty=0.8,
                title="Momentum is out of its sensible range",
                where="the optimiser",
                evidence=(f"{group.optimizer} with {said}",),
                why="an average over hundreds of steps points where the loss fell long ago, and swings past the lowest "
                "point; a second moment shorter than the first divides by chance.",
                fix="momentum = 0.9; betas = (0.9, 0.999)",
                codes=("OCH", "HLR", "HAE"),
                change={"momentum": 0.9} if heavy else {"betas": "(0.9, 0.999)"},
                explains=("rate-too-high", "no-progress", "stopped-too-early", "exploding-gradients"),
                figure=loss_curve(r),
            )
    return _running_means(r)


def _running_means(r: Reading) -> Finding | None:
    """Batch normalisation whose running means never move, or are those of the last batch."""
    for module in r.record.modules:
        momentum = module.settings.get("momentum")
        if not module.kind.startswith("BatchNorm") or not isinstance(momentum, (int, float)):
            continue
        if 1e-3 < momentum < 0.9 or not any(not training for _, training, _ in r.record.entries):
            continue
        return Finding(
            cause="momentum-out-of-range",
            severity="warning",
            certainty=0.8,
            title="The momentum of batch normalisation is out of its sensible range",
            where=module.name,
            evidence=(f"{module.kind} with momentum = {momentum:g}: the weight of the newest batch in torch",),
            why="evaluation uses running means that "
            + ("never left their start." if momentum <= 1e-3 else "are those of the last batch alone."),
            fix="momentum = 0.1 (what other libraries call 0.9)",
            codes=("OCH", "LCN"),
            explains=("wrong-labels", "overfitting", "training-mode-in-evaluation"),
            figure=loss_curve(r),
        )
    return None
