"""Attention that puts all its weight on one key, for nearly every query."""

from statistics import median

from sightline.diagnose.attention_calls import attentions
from sightline.diagnose.attention_facts import AttentionFacts
from sightline.diagnose.finding import Finding
from sightline.diagnose.reading import Reading, short
from sightline.diagnose.record import Look
from sightline.diagnose.rules.registry import RULES


def _sharp(facts: AttentionFacts) -> bool:
    """Half of the queries have 98 % of their weight on one key."""
    return facts.peak > 0.98 and facts.entropy < 0.05


def _of(look: Look) -> list[AttentionFacts]:
    return [c.attention for c in attentions(look.tape) if c.grad and c.attention is not None]


@RULES.register("attention-collapse")
def attention_collapse(r: Reading) -> Finding | None:
    """Attention that puts all its weight on one key, for nearly every query."""
    t = r.training
    by_look = [facts for look in r.looks if (facts := _of(look))]
    if t is None or len(by_look) < 4 or (r.left is not None and r.left < 0.5):
        return None
    shares = [sum(_sharp(f) for f in facts) / len(facts) for facts in by_look]
    late = shares[-max(2, len(shares) // 3) :]
    early = shares[: max(2, len(shares) // 3)]
    always = median(early) >= 0.75 and median(late) >= 0.5
    broken = median(late) >= 0.75 and t.finite and t.end > 1.1 * t.best
    if not always and not broken:
        return None
    facts = by_look[0] if always else by_look[-1]
    return Finding(
        cause="attention-collapse",
        severity="warning",
        certainty=0.8,
        title="Attention looks at one key only",
        where=short(next(c.site for look in r.looks for c in attentions(look.tape) if c.grad)),
        evidence=(
            f"the greatest weight is {median(f.peak for f in facts):.1%} in the middle, the entropy "
            f"{median(f.entropy for f in facts):.1%} of that of equal weights, "
            + ("from the first updates on" if always else "at the end, and the loss has risen again"),
        ),
        why="a softmax with one weight near 1 is flat: queries and keys get no gradient and stay what they are.",
        fix="divide scores by √width; a smaller start of queries and keys, or normalise both; a longer warm-up",
        lecture=("U6", "U7", "T1"),
        codes=("MWA", "WCI", "HLR"),
        explains=("saturation", "no-progress", "unigram-level", "stopped-too-early"),
    )
