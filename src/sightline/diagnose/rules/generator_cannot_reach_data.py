"""A generator whose last function has a range that does not hold the data."""

from sightline.diagnose.finding import Finding
from sightline.diagnose.reading import Reading, short
from sightline.diagnose.rules.registry import RULES
from sightline.diagnose.tape import Operand
from sightline.diagnose.tape_paths import SHAPE_ONLY, back
from sightline.diagnose.two_players import games

RANGES = {"sigmoid": (0.0, 1.0), "softmax": (0.0, 1.0), "tanh": (-1.0, 1.0), "relu": (0.0, float("inf"))}


@RULES.register("generator-cannot-reach-data")
def generator_cannot_reach_data(r: Reading) -> Finding | None:
    """A generator whose last function has a range that does not hold the data."""
    seen = [(look, game) for look in r.looks for game in games(look)] if r.two_players else []
    if len(seen) < 2:
        return None
    look, game = seen[1]
    made = back(look.tape, Operand(game.maker.output_producer, "", (), True), 8)
    last = next((c for c in made if c.name not in SHAPE_ONLY), None)
    data = [e.inputs[0] for _, g in seen for e in g.real]
    low, high = min(x.minimum for x in data), max(x.maximum for x in data)
    if last is None or last.name not in RANGES or not all(x.finite for x in data):
        return None
    least, most = RANGES[last.name]
    if low >= least - 0.1 * (high - low) and high <= most + 0.1 * (high - low):
        return None
    return Finding(
        cause="generator-cannot-reach-data",
        severity="error",
        certainty=0.92,
        title="The generator can't make what is real",
        where=short(last.site),
        evidence=(f"{last.name} gives {least:g} to {most:g}; real examples lie between {low:.3g} and {high:.3g}",),
        why="the discriminator needs only to look for numbers that the generator can't make: it is always right.",
        fix="scale the data to the range (−1 to 1 for tanh, 0 to 1 for sigmoid), or change the last function",
        lecture=("U7", "X4"),
        codes=("ACH", "CPP"),
        explains=(
            "discriminator-too-strong",
            "mode-collapse",
            "collapsed-outputs",
            "output-cannot-reach-targets",
            "not-standardised",
        ),
    )
