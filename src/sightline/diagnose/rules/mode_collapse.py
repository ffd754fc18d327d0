"""A generator that makes the same few examples again and again."""

from collections.abc import Sequence
from statistics import median

from sightline.diagnose.finding import Finding
from sightline.diagnose.reading import Reading, short
from sightline.diagnose.row_facts import RowFacts
from sightline.diagnose.rules.registry import RULES
from sightline.diagnose.tape import Call
from sightline.diagnose.two_players import games

Pair = tuple[RowFacts, RowFacts]

COMPARING = frozenset(["sub", "l1_loss", "mse_loss", "smooth_l1_loss", "huber_loss"])


def _ratios(pairs: Sequence[Pair]) -> tuple[float, float]:
    """Spread and number of directions of the made ones over those of the real ones, medians."""
    return (
        median(made.spread / real.spread for made, real in pairs),
        median(made.directions / real.directions for made, real in pairs),
    )


def _of_the_mean(r: Reading) -> Finding | None:
    """A generator of noise alone that is also asked for one certain example: the mean of all is cheapest."""
    for look in r.looks[:8]:
        tape = look.tape
        for game in games(look):
            made = game.maker.output_producer
            source = game.maker.producers[0] if game.maker.producers else None
            if (
                made is None
                or source is None
                or tape.calls[source].name not in ("randn", "rand", "randn_like", "normal")
            ):
                continue
            shape = game.maker.output.shape if game.maker.output is not None else ()
            for call in tape.calls:
                if call.name in COMPARING and _made_beside_data(call, made, shape):
                    return _asked(short(call.site), game.maker.network)
    return None


def _made_beside_data(call: Call, made: int, shape: tuple[int, ...]) -> bool:
    """Whether a call is given what the generator made, in this step or just before it, and data of the same shape."""
    if len(call.operands) != 2 or any(o.origin or o.shape != shape for o in call.operands):
        return False
    from_noise = [o.producer == made or (o.producer is None and o.grad) for o in call.operands]
    return sum(from_noise) == 1 and not call.operands[from_noise.index(False)].grad and call.grad


def _same_noise(r: Reading) -> Finding | None:
    """A generator that is given the same numbers at every step."""
    seen = [game.maker.inputs[0] for look in r.looks for game in games(look) if game.maker.inputs]
    whole = [x for x in seen if seen and x.shape == seen[0].shape]
    if len(whole) < 6 or not whole[0].floating or len({(x.minimum, x.maximum, x.mean) for x in whole}) > 1:
        return None
    return Finding(
        cause="mode-collapse",
        severity="error",
        certainty=0.85,
        title="The generator is given the same noise at every step",
        where=r.network,
        evidence=(f"at {len(whole)} steps looked at it was given the same {whole[0].shape[0]} codes",),
        why="it learns what to make of these, and of no others.",
        fix="draw new noise at every step; keep one for pictures of the progress",
        lecture=("U7", "X4"),
        codes=("IDS", "TRD"),
        explains=("collapsed-outputs",),
    )


def _asked(site: str, name: str) -> Finding:
    return Finding(
        cause="mode-collapse",
        severity="warning",
        certainty=0.7,
        title="The generator is asked for examples that its noise says nothing of",
        where=site,
        evidence=(f"what {name} makes of noise alone is compared with data number by number",),
        why="the best answer to every noise is then one and the same: the mean, or the median, of all examples.",
        fix="leave that term out, or give the generator the example's own code or input as well",
        lecture=("U7", "X4"),
        codes=("LCH",),
        explains=("collapsed-outputs",),
    )


@RULES.register("mode-collapse")
def mode_collapse(r: Reading) -> Finding | None:
    """A generator that makes the same few examples again and again."""
    if not r.two_players:
        return None
    if (asked := _of_the_mean(r) or _same_noise(r)) is not None:
        return asked
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
