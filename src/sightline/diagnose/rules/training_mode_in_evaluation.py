"""Evaluation with dropout on, or with batch statistics."""

from sightline.diagnose.figures import loss_curve
from sightline.diagnose.finding import Finding
from sightline.diagnose.reading import Reading, short
from sightline.diagnose.rules.registry import RULES

DROPOUT = frozenset(["dropout", "dropout1d", "dropout2d", "dropout3d", "alpha_dropout", "feature_alpha_dropout"])
FUSED = "scaled_dot_product_attention"
RANDOM = frozenset(
    [
        "rand",
        "randn",
        "rand_like",
        "randn_like",
        "randint",
        "randint_like",
        "randperm",
        "bernoulli",
        "normal",
        "uniform",
    ]
) | {"multinomial", "rrelu", "gumbel_softmax", "poisson", "exponential", "log_normal"}
"""Functions other than dropout that draw random numbers."""


def _dropped(r: Reading) -> Finding | None:
    """Dropout by a function that is not told the mode: it drops in evaluation, too."""
    own = {m.name for m in r.record.modules if "Dropout" in m.kind}  # switched on by hand: to see how sure an answer is
    inside = [c for c in r.tape.calls if c.module and c.grad and c.module not in own]
    drops = [
        c
        for c in inside
        if (c.name in DROPOUT and c.option("p", 1, 0.5)) or (c.name == FUSED and c.option("dropout_p", 4, 0.0))
    ]
    if not drops or any(c.name in RANDOM for c in inside) or not r.record.drew_in_evaluation:
        return None
    call = drops[0]
    return Finding(
        cause="training-mode-in-evaluation",
        severity="warning",
        certainty=0.9,
        title="Dropout stays on in evaluation",
        where=short(call.site),
        evidence=(
            f"{r.record.drew_in_evaluation} forward passes in evaluation mode drew random numbers; {call.module} calls "
            f"{call.name} as a function",
        ),
        why="a function does not know of model.eval(): part of the signal is dropped whenever the network is used.",
        fix="pass training=self.training (dropout_p=p if self.training else 0.0), or use nn.Dropout",
        codes=("VRM", "PMC", "RCD"),
        figure=loss_curve(r),
    )


def _evaluations(r: Reading) -> int:
    """Forward passes in training mode without gradients that may be an evaluation.

    None are those of a network that is never trained itself and works within the updates (a teacher that follows), or
    is evaluated in evaluation mode later (an average whose batch statistics are computed anew). Of draws of an answer
    to the same batch, one after the other, only the first counts: dropout is left on to see how sure the answers are.
    """
    entries = r.record.entries
    found = 0
    for (name, training, grad), count in entries.items():
        if training and not grad:
            follows = not entries.get((name, True, True)) and not entries.get((name, False, True))
            at_work = count >= 0.5 * r.record.steps > 0 or entries.get((name, False, False))
            found += 0 if follows and at_work else count
    return found - r.record.drawn_again


@RULES.register("training-mode-in-evaluation")
def training_mode_in_evaluation(r: Reading) -> Finding | None:
    """Evaluation with dropout on, or with batch statistics."""
    calls = _evaluations(r)
    right = sum(n for (_, training, grad), n in r.record.entries.items() if not training and not grad)
    if right and not r.two_players and (dropped := _dropped(r)) is not None:
        return dropped
    if not r.modal or calls < 1 or right > calls or r.two_players:
        return None
    kinds = ", ".join(r.modal)
    return Finding(
        cause="training-mode-in-evaluation",
        severity="warning",
        certainty=0.85,
        title="The network is evaluated in training mode",
        where=r.network,
        evidence=(
            f"{calls:,} forward passes without gradients ran in training mode, {right:,} in evaluation "
            f"mode; it has {kinds}",
        ),
        why="dropout stays on and batch normalisation uses the batch's own statistics (and goes on learning them), so "
        "the figures are not those of the network that will be used.",
        fix="call model.eval() before evaluation and model.train() after it",
        codes=("VRM", "PMC"),
        figure=loss_curve(r),
        change={"mode": "evaluation"},
    )
