"""Gradients that fade on their way back through the layers."""

from math import inf

from sightline.diagnose.figures import gradient_by_layer
from sightline.diagnose.finding import Finding
from sightline.diagnose.reading import Reading
from sightline.diagnose.rules.registry import RULES
from sightline.diagnose.rules.words import gradient_by_depth


@RULES.register("vanishing-gradients")
def vanishing_gradients(r: Reading) -> Finding | None:
    """Gradients that fade on their way back through the layers."""
    layers = gradient_by_depth(r)
    if len(layers) < 3 or r.two_players:
        return None
    first, last = layers[0][1], layers[-1][1]
    squashing = sorted(
        {
            c.name
            for c in r.tape.calls
            if c.name in ("sigmoid", "tanh", "hardsigmoid", "softsign") and c.module and c.grad and not r.is_output(c)
        }
    )
    slow = r.left is None or r.left > 0.3
    bound = 0.02 if len(squashing) and slow else 1e-3
    if not 0 < last < inf or not first < inf or first / last > bound or (r.learned and not (squashing and slow)):
        return None
    return Finding(
        cause="vanishing-gradients",
        severity="warning",
        certainty=0.8,
        title="Gradients vanish on their way back",
        where=f"{layers[0][0]} … {layers[-1][0]}",
        evidence=(
            f"gradient over weight is {first:.1e} in {layers[0][0]} and {last:.1e} in {layers[-1][0]}, "
            f"{len(layers)} layers apart",
            *((f"between them {', '.join(squashing)} are used",) if squashing else ()),
        ),
        why="the early layers stand still, whatever the rate; what they throw away is lost.",
        fix=(
            "use ReLU (or GELU) instead of " + ", ".join(squashing)
            if squashing
            else "use He's start, normalisation and residual connections"
        ),
        codes=("ACH", "WCI", "LRM") if squashing else ("WCI", "LRM", "MWA"),
        explains=("no-progress", "stopped-too-early", "rate-too-low"),
        figure=gradient_by_layer(r),
    )
