"""So few examples that they are learned by heart."""

from math import prod
from statistics import median

from sightline.diagnose.figures import loss_curve
from sightline.diagnose.finding import Finding
from sightline.diagnose.reading import Reading
from sightline.diagnose.rules.overfitting import overfitting
from sightline.diagnose.rules.registry import RULES

FEW = 100
PASSES = 20
"""Times that each of few examples is drawn, from which on they can be known by heart."""


@RULES.register("too-little-data")
def too_little_data(r: Reading) -> Finding | None:
    """So few examples that they are learned by heart."""
    told = overfitting(r)
    if r.two_players or r.training is None or not r.training.finite or (told is not None and told.severity != "advice"):
        return None
    return _hardly_read(r) or _short_text(r) or _by_heart(r) or _fewer_than_evaluated(r)


def _fewer_than_evaluated(r: Reading) -> Finding | None:
    """A few examples are trained on, and many more evaluated, badly."""
    few, others = r.few_examples, r.record.distinct_evaluated
    losses = [loss for _, loss, _ in r.validation_passes]
    if not 1 < few <= 2 * FEW or others < 3 * few or r.record.shared_examples or r.guess is None or r.loss is None:
        return None
    if not losses or losses[-1] < 0.6 * r.guess or r.tokens:
        return None
    return _finding(
        r,
        0.65,
        "Far fewer examples are trained on than evaluated",
        (
            f"{few:,} are trained on and {others:,} evaluated; validation loss ends at {losses[-1] / r.guess:.0%} of a "
            "constant guess's",
        ),
        "train on all of the training data: a subset for quick checks may have stayed in",
    )


def _short_text(r: Reading) -> Finding | None:
    """A text that is read over and over, with far more weights than tokens, and others are evaluated."""
    x = r.entry.inputs[0] if r.entry is not None and r.entry.inputs else None
    if x is None or x.floating or len(x.shape) != 2 or r.record.targets.ahead < 0.95:
        return None
    tokens, size = r.data_size, sum(p.size for p in r.record.parameters)
    read = r.record.trained_examples * x.shape[1] / max(1, tokens)
    other = r.record.text.evaluated >= 30 and r.record.text.shared < 0.02 * r.record.text.evaluated
    if not 0 < tokens <= 20_000 or size < 10 * tokens or read < PASSES or not other:
        return None
    return _finding(
        r,
        0.7,
        "There is too little text to learn from",
        (f"{tokens:,} tokens are read, each about {read:,.0f} times; the network has {size:,} parameters",),
        "train on more text: ten tokens a parameter are not too many",
    )


def _hardly_read(r: Reading) -> Finding | None:
    """Of many rows the loop only ever reads a few."""
    rows, (first, last) = r.rows_read
    read, trained = last - first + 1, r.record.trained_examples
    few, known = r.record.distinct_examples, r.data_size
    if r.tokens and not rows and 1 < few <= 2 * FEW and known >= 20 * few and trained >= PASSES * few:
        return _finding(
            r,
            0.75,
            "Only a few of the examples are ever read",
            (f"of data of {known:,} places only {few:,} examples are drawn, each about {trained / few:,.0f} times",),
            "draw places from all of the training data",
        )
    # with as many draws as there are rows it would have come to the others
    if not rows or read > min(rows / 5, 2 * FEW) or trained < max(rows, PASSES * read):
        return None
    return _finding(
        r,
        0.8,
        "Only a few of the examples are ever read",
        (f"of {rows:,} rows only {first:,} to {last:,} are drawn, each about {trained / read:,.0f} times",),
        "draw indices from all of the training examples: torch.randperm(len(x))",
    )


def _by_heart(r: Reading) -> Finding | None:
    """Few examples, drawn often, and what is learned of them does not hold for others."""
    record, end = r.record, r.training.end if r.training is not None else 0.0
    few = r.few_examples
    if not 1 < few <= FEW or record.trained_examples < PASSES * few:
        return None
    if record.shared_examples > 0.5 * record.distinct_evaluated:
        return None  # a graph, say, of which some nodes have no target
    times = f"{few:,} examples are trained on, each about {record.trained_examples / few:,.0f} times"
    size = sum(p.size for p in record.parameters)
    losses = [loss for step, loss, _ in r.validation_passes[-3:] if step >= record.steps / 2]
    wrong = r.guess if r.guess is not None else r.training.start if r.training is not None else 0.0
    if losses:
        if not median(losses) > max(3 * end, 0.3 * wrong) > 0:
            return None
        evidence = f"training loss is {end:.3g}, that of validation {median(losses):.3g}"
        sure = 0.75
    else:
        x = r.entry.inputs[0] if r.entry is not None and r.entry.inputs else None
        known = x is not None and prod(x.shape[1:]) >= 64 and size >= 10 * few
        if not known or record.distinct_evaluated < 4 * few or r.left is None or r.left > 0.3:
            return None
        evidence = f"{record.distinct_evaluated:,} are evaluated; training loss is {r.left:.0%} of a constant guess's"
        sure = 0.6
    return _finding(
        r,
        sure,
        "There are too few examples to learn from",
        (times, f"{evidence}; {size:,} parameters"),
        "train on more examples; else a smaller network, augmentation, weights trained on other data",
    )


def _finding(r: Reading, sure: float, title: str, evidence: tuple[str, ...], fix: str) -> Finding:
    return Finding(
        cause="too-little-data",
        severity="warning",
        certainty=sure,
        title=title,
        where="the data",
        evidence=evidence,
        why="the network can know each of them by heart, and need not learn what they have in common.",
        fix=fix,
        codes=("TRD", "IDS"),
        figure=loss_curve(r),
    )
