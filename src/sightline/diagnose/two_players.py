"""A game of two networks in one step: who makes, who judges, and what is real."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import prod

from sightline.diagnose.record import Entry, Look
from sightline.diagnose.tape_paths import ancestors


@dataclass(frozen=True)
class Game:
    """One step of a game.

    Attributes:
        maker: the generator's call.
        judge: the discriminator's call on what was made.
        real: its calls on data of the same size.
    """

    maker: Entry
    judge: Entry
    real: tuple[Entry, ...]


def games(look: Look) -> Iterator[Game]:
    """The game of a step, if there is one: a network's output enters another, which is shown data as well."""
    makers = {e.output_producer: e for e in look.entries if e.output_producer is not None}
    for judge in look.entries:
        inside = ancestors(look.tape, judge.producers[0] if judge.producers else None)
        for maker in (makers[i] for i in inside & makers.keys() if makers[i].network != judge.network):
            shown = (e for e in look.entries if e.network == judge.network)
            real = tuple(e for e in shown if _data(look, e, maker, makers))
            if real:
                yield Game(maker, judge, real)
                return


def _data(look: Look, e: Entry, maker: Entry, makers: Mapping[int, Entry]) -> bool:
    """Whether a discriminator is shown data: examples of the made ones' size that come from no network."""
    if not e.inputs or maker.output is None or prod(e.inputs[0].shape[1:]) != prod(maker.output.shape[1:]):
        return False
    before = ancestors(look.tape, e.producers[0])
    flows = any(o.grad for i in before for o in look.tape.calls[i].operands)
    return e.given is not None and not flows and not before & makers.keys()
