"""The optimiser steps while its gradients are gone: set to zero after backward, or not yet computed."""

from statistics import median

from sightline.diagnose.figures import gradient_norm
from sightline.diagnose.finding import Finding
from sightline.diagnose.reading import Reading, short
from sightline.diagnose.rules.registry import RULES, tells


def _of_the_input(r: Reading) -> bool:
    """Whether a leaf that is no parameter gets gradients: an attack is computed, its other gradients are not meant."""
    calls = (call for look in r.looks[:3] for call in look.tape.calls)
    return any(o.grad and not o.origin and o.producer is None for call in calls if call.grad for o in call.operands)


def _thrown_away(r: Reading) -> Finding | None:
    """Gradients that are cleared before every backward pass, though a step comes after several."""
    passes = [len(look.backwards) for look in r.looks]
    if r.two_players or len(passes) < 3 or median(passes) < 3 or r.record.steps < 3:
        return None
    if r.record.wasted_backwards < 0.9 * sum(n - 1 for n in passes) or 2 * r.record.put_gradients > len(passes):
        return None
    if _of_the_input(r):
        return None
    return Finding(
        cause="zero-grad-misplaced",
        severity="error",
        certainty=0.9,
        title="Most gradients are thrown away",
        where=short(r.record.backward_site),
        evidence=(
            f"{median(passes):g} backward passes come before an update, and each finds the gradients cleared: only the "
            "last one's are used",
        ),
        why="of the batches that should be gathered all but one teach nothing.",
        fix="call zero_grad() right after step(), not before every backward pass",
        codes=("NZG",),
        explains=("rate-too-low", "stopped-too-early", "accumulation-averaged-twice"),
        figure=gradient_norm(r),
    )


@RULES.register("zero-grad-misplaced")
@tells(
    "zero-grad-misplaced",
    "An optimiser that steps while its gradients are gone: set to zero after the backward pass, or before every one of "
    "several.",
)
@tells("step-before-backward", "An optimiser that steps before the backward pass, on gradients that are not there yet.")
def zero_grad_misplaced(r: Reading) -> Finding | None:
    """The optimiser steps while its gradients are gone: set to zero after backward, or not yet computed."""
    if (wasted := _thrown_away(r)) is not None:
        return wasted
    updates = [u for u in r.record.updates if u.optimizer == 0]
    without = [u for u in updates if u.zero or (not u.names and u.without)]
    if len(updates) < 2 or len(without) < 0.8 * len(updates) or r.record.live_backwards < 0.5 * len(updates):
        return None
    early = r.record.early_steps > 0
    return Finding(
        cause="step-before-backward" if early else "zero-grad-misplaced",
        severity="error",
        certainty=0.95,
        title="Updates are made without gradients",
        where=short(r.record.backward_site),
        evidence=(
            f"{r.record.backwards:,} backward passes were made, but at {len(without)} of "
            f"{len(updates)} updates looked at "
            "every gradient was missing or exactly 0, though it was not right after the backward pass"
            + ("; the first update came before any backward pass" if early else ""),
        ),
        why=(
            "step() comes before backward(), and what backward() computes is cleared before the next step: "
            "nothing is learned."
            if early
            else "gradients are cleared between backward() and step(): nothing is learned."
        ),
        fix="keep the order zero_grad(), backward(), step()",
        codes=("NZG",),
        explains=("rate-too-low", "detached", "no-progress", "stopped-too-early"),
        figure=gradient_norm(r),
    )
