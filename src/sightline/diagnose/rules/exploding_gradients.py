"""Gradients that grow without bound."""

from math import isfinite
from statistics import median

from sightline.diagnose.figures import gradient_norm
from sightline.diagnose.finding import Finding
from sightline.diagnose.reading import Reading
from sightline.diagnose.rules.registry import RULES


@RULES.register("exploding-gradients")
def exploding_gradients(r: Reading) -> Finding | None:
    """Gradients that grow without bound."""
    norms = [u.gradient_norm for u in r.updates if u.names]
    if len(norms) < 3 or r.two_players:
        return None
    broken = any(not isfinite(n) for n in norms)
    finite = [n for n in norms if isfinite(n)]
    if not finite or r.learned:
        return None
    if not broken and max(finite) < 100 * max(median(finite), 1e-12) and max(finite) < 1e4:
        return None
    return Finding(
        cause="exploding-gradients",
        severity="warning",
        certainty=0.6,
        title="Gradients explode",
        where=r.network,
        evidence=(
            f"the gradient's norm went from {finite[0]:.3g} to "
            + ("NaN or infinity" if broken else f"{max(finite):.3g}"),
        ),
        why="one such step throws the weights far from where they were.",
        fix="lower the rate, clip the norm at about 1, or warm the rate up",
        codes=("HLR", "WCI", "CPP"),
        change={"clip_norm": 1.0},
        explains=("no-progress", "stopped-too-early"),
        figure=gradient_norm(r),
    )
