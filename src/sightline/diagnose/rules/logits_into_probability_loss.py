"""Plain scores where the loss wants (log-)probabilities."""

from sightline.diagnose.figures import loss_curve
from sightline.diagnose.finding import Finding
from sightline.diagnose.reading import Reading, short
from sightline.diagnose.rules.registry import RULES


def _log_probabilities(maximum: float) -> bool:
    return maximum <= 1e-3


@RULES.register("logits-into-probability-loss")
def logits_into_probability_loss(r: Reading) -> Finding | None:
    """Plain scores where the loss wants (log-)probabilities."""
    loss = r.loss
    if loss is None or loss.prediction is None:
        return None
    names = [c.name for c in r.end]
    facts = r.facts(loss.prediction)
    if facts is None:
        return None
    if loss.kind == "cross_entropy":
        bad = "log" in names and not {"softmax", "sigmoid", "exp", "hardsigmoid"} & set(names)
        wants, cure = (
            "probabilities in its logarithm",
            "give cross_entropy the last linear layer's outputs, without log",
        )
    elif loss.kind == "nll_loss":
        bad = not {"log_softmax", "log", "logsigmoid"} & set(names) and not _log_probabilities(facts.maximum)
        wants, cure = "log-probabilities", "use cross_entropy, or end the network with log_softmax(dim=1)"
    elif loss.kind == "binary_cross_entropy":
        bad = not {"sigmoid", "softmax", "clamp", "hardsigmoid", "exp"} & set(names)
        wants, cure = "probabilities", "use binary_cross_entropy_with_logits, or end the network with sigmoid"
    elif loss.kind == "kl_div":
        bad = not {"log_softmax", "log", "logsigmoid"} & set(names)
        wants, cure = "log-probabilities as its first argument", "take log_softmax of the outputs"
    elif loss.kind == "cross-entropy" and loss.call.name == "log":
        squashed = {"softmax", "sigmoid", "exp", "hardsigmoid"} & set(names)
        bad = not squashed
        wants, cure = "probabilities", "end the network with softmax (sigmoid for one output), or use cross_entropy"
    else:
        return None
    if not bad:
        return None
    return Finding(
        cause="logits-into-probability-loss",
        severity="error",
        certainty=0.9,
        title=f"The loss wants {wants} and is given plain scores",
        where=short(loss.call.site),
        evidence=(
            f"from the last layer to the loss the outputs go through: {', '.join(reversed(names)) or 'nothing'}; "
            f"they lie between {facts.minimum:.3g} and {facts.maximum:.3g}",
        ),
        why=(
            "without normalisation a network lowers this loss by making all outputs larger, or meets "
            "logarithms of what is no probability."
        ),
        fix=cure,
        codes=("ACH", "LCH"),
        explains=(
            "no-progress",
            "stopped-too-early",
            "rate-too-high",
            "unstable-loss",
            "dead-units",
            "exploding-gradients",
            "wrong-labels",
            "collapsed-outputs",
            "label-range",
            "weight-decay-too-strong",
        ),
        figure=loss_curve(r),
    )
