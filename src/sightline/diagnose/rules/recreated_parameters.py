"""Layers that are made anew in every forward pass, or optimisers again and again."""

from sightline.diagnose.finding import Finding
from sightline.diagnose.reading import Reading, short
from sightline.diagnose.rules.registry import RULES
from sightline.diagnose.tape import Call
from sightline.diagnose.tape_paths import fresh_weight


@RULES.register("recreated-parameters")
def recreated_parameters(r: Reading) -> Finding | None:
    """Layers that are made anew in every forward pass, or an optimiser in every pass over the data."""
    if r.record.steps < 3 or len(r.looks) < 3:
        return None
    return _layers(r) or _drawn_anew(r) or _optimiser(r)


def _drawn_anew(r: Reading) -> Finding | None:
    """Matrices that are given new random numbers while the same optimiser trains them."""
    again = r.record.redrawn
    if not again or r.record.replaced or len({u.optimizer for u in r.record.updates}) > 1:
        return None  # a new fold begins with an optimiser of its own
    return Finding(
        cause="recreated-parameters",
        severity="error",
        certainty=0.85,
        title="Layers are drawn at random again while they are trained",
        where=r.network,
        evidence=(f"{again} times after the first update a matrix was given new random numbers",),
        why="what was learned until then is gone.",
        fix="call reset_parameters() and init functions before the loop, once",
        codes=("OCH", "FRZ"),
        explains=("stopped-too-early", "unigram-level", "wrong-labels", "no-progress", "rate-too-low"),
    )


def _optimiser(r: Reading) -> Finding | None:
    """An optimiser with a memory, which is made anew again and again."""
    made, kind = r.record.replaced, r.record.groups[0].optimizer if r.record.groups else ""
    remembers = "Ada" in kind or "RMS" in kind or any(g.settings.get("momentum") for g in r.record.groups)
    every = r.record.steps / (made + 1)
    if made < 4 or every > 60 or not remembers:
        return None
    return Finding(
        cause="recreated-parameters",
        severity="warning",
        certainty=0.8,
        title="The optimiser is made anew again and again",
        where="the optimiser",
        evidence=(
            f"{made + 1:,} times a new {kind} took over the same parameters: one for every {every:,.0f} updates",
        ),
        why="its running means of gradients and their squares start from 0 each time.",
        fix="make the optimiser once, before the loop",
        codes=("OCH", "HLR"),
        explains=("rate-too-high", "stopped-too-early", "rate-too-low"),
    )


def _layers(r: Reading) -> Finding | None:
    """Layers that are drawn anew."""
    looks = r.looks[1:]  # a lazy layer draws its numbers once
    made: list[list[Call]] = [[c for c in look.tape.calls if fresh_weight(look.tape, c) is not None] for look in looks]
    if not all(made):
        return None
    call = made[0][0]
    return Finding(
        cause="recreated-parameters",
        severity="error",
        certainty=0.95,
        title="A layer is made anew in every forward pass",
        where=short(call.site),
        evidence=(f"at each of {len(made)} steps looked at, the matrix of {call.name} was drawn at random, then used",),
        why="what one update teaches it is gone in the next: it is random for ever, and the rest learns against it.",
        fix="make the layer once, in __init__, and keep it as an attribute",
        codes=("FRZ", "OCH"),
        explains=(
            "no-progress",
            "stopped-too-early",
            "rate-too-low",
            "unregistered-parameters",
            "collapsed-outputs",
            "unstable-loss",
        ),
    )
