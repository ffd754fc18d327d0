"""Embeddings that are the same for every example, where a loss compares examples."""

from statistics import median

from sightline.diagnose.finding import Finding
from sightline.diagnose.reading import Reading, short
from sightline.diagnose.record import Look
from sightline.diagnose.row_facts import RowFacts
from sightline.diagnose.rules.registry import RULES
from sightline.diagnose.tape import Call, Operand
from sightline.diagnose.tape_paths import ancestors, back, weights_of

PRODUCTS = ("matmul", "mm", "einsum", "bmm")
MARGINS = ("triplet_margin_loss", "cosine_embedding_loss", "margin_ranking_loss", "hinge_embedding_loss")


def _rows(look: Look, operand: Operand) -> RowFacts | None:
    """How the rows differ that an operand was made of."""
    return next((c.rows for c in back(look.tape, operand, 8) if c.rows is not None), None)


def _comparisons(look: Look) -> list[tuple[Call, RowFacts]]:
    """Calls in the loss that compare embeddings of examples, and how these differ."""
    root = next((b.producer for b in look.backwards if b.producer is not None), None)
    found = []
    for index in sorted(ancestors(look.tape, root)):
        call = look.tape.calls[index]
        operands = [o for o in call.operands if len(o.shape) > 1]
        every = call.name in PRODUCTS and len(operands) == 2 and not weights_of(look.tape, call)
        every = every and len(call.result.shape) == 2 and all(o.producer is not None for o in operands)
        if not (every or call.name == "cosine_similarity" or call.name in MARGINS) or not any(o.grad for o in operands):
            continue
        rows = next((rows for o in operands if o.grad and (rows := _rows(look, o)) is not None), None)
        if rows is not None and (not every or call.result.shape[0] >= 8):
            found.append((call, rows))
    return found


def _told_apart(r: Reading, call: Call) -> bool:
    """Whether the loss says that examples are told apart; cosines alone do not say it."""
    if call.name in PRODUCTS:
        return r.left is None or r.left < 0.9
    return call.name in MARGINS and r.learned


@RULES.register("contrastive-collapse")
def contrastive_collapse(r: Reading) -> Finding | None:
    """Embeddings that are the same for every example, where a loss compares examples."""
    if len(r.looks) < 4 or r.record.steps < 20:
        return None
    seen = [pair for look in r.looks[-max(3, len(r.looks) // 4) :] for pair in _comparisons(look)[:2]]
    if len(seen) < 3:
        return None
    call, alike = seen[-1][0], median(rows.alike for _, rows in seen)
    classes = r.loss is not None and r.loss.kind in ("cross_entropy", "nll_loss", "cross-entropy")
    if alike < (0.95 if classes else 0.99) or _told_apart(r, call):
        return None
    t = r.training
    return Finding(
        cause="contrastive-collapse",
        severity="warning",
        certainty=0.8,
        title="Every example gets the same embedding",
        where=short(call.site),
        evidence=(
            f"the mean cosine between embeddings of different examples is {alike:.3f} at the end",
            *(
                (f"the loss is {t.end:.3g}; without telling examples apart it is {r.guess:.3g}",)
                if r.left and t
                else ()
            ),
        ),
        why="one answer for all is a way out of the loss: it holds nothing of the input.",
        fix="InfoNCE: a temperature of 0.05 to 0.5 and a lower rate; without negatives: no gradient through the second "
        "branch (detach it), and a predictor before the first",
        lecture=("U7", "A5"),
        codes=("MWA", "HLR"),
        explains=("collapsed-outputs", "no-progress", "stopped-too-early"),
    )
