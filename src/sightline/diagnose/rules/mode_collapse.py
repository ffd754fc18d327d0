"""A generator that makes the same few examples again and again."""

from collections.abc import Sequence
from statistics import median

from sightline.diagnose.finding import Finding
from sightline.diagnose.reading import Reading
from sightline.diagnose.row_facts import RowFacts
from sightline.diagnose.rules.registry import RULES
from sightline.diagnose.two_players import games

Pair = tuple[RowFacts, RowFacts]


def _ratios(pairs: Sequence[Pair]) -> tuple[float, float]:
    """Spread and number of directions of the made ones over those of the real ones, medians."""
    return (
        median(made.spread / real.spread for made, real in pairs),
        median(made.directions / real.directions for made, real in pairs),
    )


@RULES.register("mode-collapse")
def mode_collapse(r: Reading) -> Finding | None:
    """A generator that makes the same few examples again and again."""
    if not r.two_players:
        return None
    seen = [game for look in r.looks for game in games(look)]
    real = [max((e.given for e in g.real if e.given is not None), key=lambda x: x.directions) for g in seen]
    pairs = [(g.maker.made, x) for g, x in zip(seen, real, strict=True) if g.maker.made and x.spread > 0 < x.directions]
    if len(pairs) < 8:
        return None
    late, before = pairs[-max(4, len(pairs) // 4) :], pairs[: len(pairs) // 2]
    (spread, ways), (_, ways_before) = _ratios(late), _ratios(before)
    widest = max(made.spread / real.spread for made, real in before)
    narrow = spread < 0.02 or spread < min(0.2, 0.5 * widest)
    if not narrow and not ways < min(0.3, 1.2 * ways_before):
        return None
    name = seen[-1].maker.network
    return Finding(
        cause="mode-collapse",
        severity="warning",
        certainty=0.8,
        title="The generator makes the same few examples",
        where=name,
        evidence=(
            f"what {name} makes differs by {spread:.0%} of what real examples differ by, and in {ways:.0%} of the "
            f"directions that they differ in (medians over the last {len(late)} looks)",
        ),
        why="one example that deceives the discriminator pays for every noise: the generator follows it from one such "
        "example to the next.",
        fix="a lower rate for the generator, or a discriminator twice as fast; R1, batch statistics shown to the "
        "discriminator, instance noise",
        lecture=("U7", "X4"),
        codes=("HLR", "MWA"),
        explains=("collapsed-outputs",),
    )
