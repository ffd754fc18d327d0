"""Probabilities where the loss wants scores: softmax or sigmoid done twice."""

from math import e, log

from sightline.diagnose.figures import loss_curve
from sightline.diagnose.finding import Finding
from sightline.diagnose.reading import Reading, short
from sightline.diagnose.rules.registry import RULES, tells
from sightline.diagnose.rules.words import left_out

SQUASHING = ("softmax", "sigmoid", "softsign", "hardsigmoid", "tanh", "relu", "relu6")
COMPARING = ("cdist", "pairwise_distance", "cosine_similarity", "norm", "matmul", "mm", "bmm", "einsum")
"""Calls that compare embeddings: their answers are the scores, whatever the embeddings went through before."""


@RULES.register("probabilities-into-logits-loss")
@tells("probabilities-into-logits-loss")
@tells("output-cannot-reach-targets", "A rectifier between the last layer and a loss that wants scores of either sign.")
def probabilities_into_logits_loss(r: Reading) -> Finding | None:
    """Probabilities where the loss wants scores: softmax or sigmoid done twice."""
    loss = r.loss
    if loss is None or loss.kind not in ("cross_entropy", "binary_cross_entropy_with_logits", "multi_margin_loss"):
        return None
    if any(c.name in ("log", "log_softmax", "logsigmoid") for c in r.end):
        return None  # the logarithm of a softmax is a score like any other
    apart = next((i for i, c in enumerate(r.end) if c.name in COMPARING), len(r.end))
    squash = next((c for c in r.end[:apart] if c.name in SQUASHING), None)
    if squash is None:
        return None
    twice = squash.name in ("softmax", "sigmoid")
    wants = "softmax" if loss.kind == "cross_entropy" else "sigmoid"
    limits = {"softmax": "between 0 and 1", "sigmoid": "between 0 and 1", "hardsigmoid": "between 0 and 1"}
    between = limits.get(squash.name, "between −1 and 1" if squash.name in ("softsign", "tanh") else "at 0 or above")
    rectified = squash.name in ("relu", "relu6")
    evidence = [f"the outputs go through {squash.name} ({short(squash.site)}) and then into {loss.kind}"]
    if loss.kind == "cross_entropy" and twice and loss.prediction is not None and len(loss.prediction.shape) > 1:
        classes = loss.prediction.shape[1]
        floor = log(1 + (classes - 1) / e)
        evidence.append(f"with scores {between} the loss of {classes} classes can't fall below {floor:.2f}")
    return Finding(
        cause="output-cannot-reach-targets" if rectified else "probabilities-into-logits-loss",
        severity="error" if twice else "warning",
        certainty=0.95 if twice else 0.8,
        title=f"The outputs go through {squash.name} before a loss that wants plain scores",
        where=short(squash.site),
        evidence=tuple(evidence),
        why=(
            f"{loss.kind} applies {wants} itself: scores that are already {between} leave it nearly "
            "flat, and gradients small."
        ),
        fix=f"give {loss.kind} the last linear layer's outputs; use {squash.name} only to read probabilities off",
        codes=("ACH", "LCH"),
        change=left_out(r, squash),
        explains=(
            "collapsed-outputs",
            "mode-collapse",
            "rate-too-low",
            "no-progress",
            "stopped-too-early",
            "vanishing-gradients",
            "dead-units",
        ),
        figure=loss_curve(r),
    )
