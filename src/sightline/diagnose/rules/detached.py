"""Trainable parameters in the optimiser that never get a gradient: cut off, or not used."""

from sightline.diagnose.figures import gradient_by_layer
from sightline.diagnose.finding import Finding
from sightline.diagnose.reading import Reading, short
from sightline.diagnose.rules.registry import RULES, tells
from sightline.diagnose.rules.words import names
from sightline.diagnose.tape import Call
from sightline.diagnose.tape_paths import ancestors, weights_of


def _no_way_back(r: Reading) -> Finding | None:
    """A loss that leads back to no parameter at all."""
    record = r.record
    if record.live_backwards or len(record.updates) < 3 or record.early_steps or record.backwards < record.steps:
        return None
    if any(u.names for u in record.updates) or not all(u.without for u in record.updates):
        return None
    return Finding(
        cause="detached",
        severity="error",
        certainty=0.93,
        title="The loss leads back to no parameter",
        where=short(record.backward_site),
        evidence=(f"after {record.backwards:,} backward passes no parameter of {r.network} had a gradient",),
        why="a number that was taken out of the graph, and made a tensor again, knows nothing of the network.",
        fix="call backward() on the loss itself: no .item(), .detach(), .data, argmax, round, or torch.tensor(loss)",
        codes=("FRZ", "NZG"),
        explains=("no-progress", "rate-too-low", "stopped-too-early", "wrong-labels", "zero-grad-misplaced"),
        figure=gradient_by_layer(r),
    )


def _moved(r: Reading) -> set[str]:
    """Parameters that the loop moves by itself: an average that follows the trained ones, say."""
    pairs = ((p, r.record.end.get(p.name)) for p in r.record.parameters)
    return {
        p.name for p, end in pairs if end is not None and (end.mean, end.deviation) != (p.facts.mean, p.facts.deviation)
    }


def _used(r: Reading) -> set[str]:
    return {name for call in r.tape.calls for name in weights_of(r.tape, call)}


def _known_by(r: Reading, sample: Call) -> bool:
    """Whether a sample teaches what it was drawn from by another way, or is a word that is fed back.

    Such ways are its likelihood, of which the gradient is taken, and a gradient that is passed straight through.
    """
    same = {sample.index}
    for call in r.tape.calls[sample.index + 1 :]:
        given = [o for o in call.operands if o.producer in same]
        if not given:
            continue
        beside = [o for o in call.operands if o.producer not in same and o.grad and not o.origin]
        if call.name == "embedding" or (beside and not weights_of(r.tape, call)):
            return True
        if not call.grad or not any(o.grad for o in call.operands):
            same.add(call.index)
    return False


def _drawn_without(r: Reading) -> Finding | None:
    """A code that is drawn with no way back, within a network, and goes on through its layers."""
    tape = r.tape
    for call in tape.calls:
        if call.name != "normal" or call.grad or not call.module or r.two_players:
            continue
        sources = [o for o in call.operands if o.grad or (o.producer is not None and tape.calls[o.producer].grad)]
        later = [c for c in r.layers if c.index > call.index and call.index in ancestors(tape, c.index)]
        if not sources or not later or r.owner(later[0].module) != r.owner(call.module) or _known_by(r, call):
            continue
        return Finding(
            cause="detached",
            severity="warning",
            certainty=0.75,
            title="A sample inside the network lets no gradient through",
            where=short(call.site),
            evidence=(
                f"{call.name} draws from what {call.module} computes, without gradients, and {later[0].module} goes on "
                "from there",
            ),
            why="what is before the sample never learns what the layers after it need.",
            fix="rsample() in place of sample(): mean + deviation · noise (the reparametrisation)",
            codes=("FRZ",),
            explains=("posterior-collapse", "no-progress", "collapsed-outputs"),
            figure=gradient_by_layer(r),
        )
    return None


def _not_of_the_inputs(r: Reading) -> Finding | None:
    """Outputs that nothing leads to from what the network was given."""
    entry, loss = r.entry, r.loss
    if entry is None or not entry.inputs or loss is None or loss.prediction is None or r.two_players or r.tape.full:
        return None
    shape, producer = entry.inputs[0].shape, entry.producers[0]

    def reads(call: Call) -> bool:
        return any(
            o.shape == shape
            and not o.origin
            and (o.producer == producer if producer is not None else o.producer is None)
            for o in call.operands
        )

    before = [r.tape.calls[i] for i in ancestors(r.tape, loss.prediction.producer)]
    used = [c for c in r.layers if reads(c)]
    own = {r.owner(c.module) for c in before if weights_of(r.tape, c)}
    if not used or any(reads(c) for c in before) or entry.network not in own or len(shape) < 2:
        return None
    drawn = next(
        (c for c in before if c.name in ("randn_like", "randn", "normal", "rand_like", "rand") and c.module), None
    )
    if drawn is None:
        return None
    return Finding(
        cause="posterior-collapse",
        severity="error",
        certainty=0.85,
        title="The outputs do not depend on the inputs",
        where=short(drawn.site),
        evidence=(
            f"{used[0].module} is given the input, but what the loss compares comes from {drawn.name} alone: nothing "
            "that is computed of the input enters it",
        ),
        why="pure noise is decoded: the best answer is the same for every example, and the encoder learns nothing.",
        lecture=("U7", "X5"),
        fix="mean + deviation · noise in training; noise alone only to draw new examples",
        codes=("FRZ", "LCH"),
        explains=("wrong-labels", "no-progress", "collapsed-outputs", "detached", "stopped-too-early"),
        figure=gradient_by_layer(r),
    )


@RULES.register("detached")
@tells("posterior-collapse", "Noise alone that is decoded: outputs that do not depend on the inputs.")
@tells("detached", "Trainable parameters that never get a gradient, or not the one they need: cut off, or not used.")
def detached(r: Reading) -> Finding | None:
    """Trainable parameters in the optimiser that never get a gradient: cut off, or not used."""
    if (whole := _not_of_the_inputs(r) or _no_way_back(r) or _drawn_without(r)) is not None:
        return whole
    always: set[str] = set()
    for number in {u.optimizer for u in r.record.updates}:
        updates = [u for u in r.record.updates if u.optimizer == number]
        if len(updates) >= 2 and (any(u.names for u in updates) or r.two_players):
            always |= set(updates[0].without).intersection(*(u.without for u in updates[1:]))
    always = {name for name in always if not name.startswith("a tensor")}
    if not always or not any(u.names for u in r.record.updates):
        return None
    cut = sorted(always & _used(r) - _moved(r))
    if not cut:
        return None
    tape = r.tape
    last = max((c.index for c in tape.calls if set(weights_of(tape, c)) & set(cut)), default=0)
    breaks = [
        c for c in tape.calls if c.index > last and c.name in ("detach", "data", "argmax", "round", "tensor", "sign")
    ]
    how = f" by {breaks[0].name} at {short(breaks[0].site)}" if breaks else ""
    return Finding(
        cause="detached",
        severity="error",
        certainty=0.9,
        title="Part of the network is cut off from the loss",
        where=short(breaks[0].site) if breaks else names(cut),
        evidence=(f"{names(cut)} take part in the forward pass and never get a gradient; the way back is cut{how}",),
        why="no gradient flows through what is detached, computed under no_grad, or not differentiable.",
        fix=(
            "keep the way from these layers to the loss in torch operations, without detach(), .data, "
            ".item() or no_grad()"
        ),
        codes=("FRZ",),
        explains=(
            "vanishing-gradients",
            "no-progress",
            "rate-too-low",
            "stopped-too-early",
            "discriminator-too-strong",
            "mode-collapse",
            "collapsed-outputs",
        ),
        figure=gradient_by_layer(r),
    )
