"""A deep plain network without normalisation or skip connections that does not learn."""

from sightline.diagnose.figures import gradient_by_layer
from sightline.diagnose.finding import Finding
from sightline.diagnose.reading import Reading
from sightline.diagnose.rules.registry import RULES
from sightline.diagnose.tape_paths import weights_of


@RULES.register("missing-normalisation")
def missing_normalisation(r: Reading) -> Finding | None:
    """A deep plain network without normalisation or skip connections that does not learn."""
    used = {name for c in r.layers for name in weights_of(r.tape, c)}  # one that is called often is one
    layers = len(used & r.matrices)
    norms = sum(c.name in ("batch_norm", "layer_norm", "group_norm", "rms_norm", "instance_norm") for c in r.tape.calls)
    if layers < 12 or norms or r.learned or r.two_players:
        return None
    return Finding(
        cause="missing-normalisation",
        severity="warning",
        certainty=0.65,
        title="A deep network without normalisation",
        where=r.network,
        evidence=(f"{layers} layers with weights, no normalisation; the loss fell by {r.fallen:.0%}",),
        why="at such depth the signal's size, and the gradient's, drift by chance from layer to layer.",
        fix="add BatchNorm or LayerNorm after each layer, and residual connections",
        codes=("LRM", "MWA"),
        explains=("no-progress", "stopped-too-early", "vanishing-gradients", "exploding-gradients"),
        figure=gradient_by_layer(r),
    )
