"""Layers that the network uses and does not know as its own: kept in a plain list, say."""

from sightline.diagnose.finding import Finding
from sightline.diagnose.reading import Reading, short
from sightline.diagnose.record import Look
from sightline.diagnose.rules.registry import RULES
from sightline.diagnose.tape_paths import LAYERS
from sightline.diagnose.tensor_facts import TensorFacts


def _weights(look: Look) -> dict[tuple[str, int], TensorFacts]:
    """Matrices that gradients flow to, that layers are given and that are no network's, by place and order of use."""
    found: dict[tuple[str, int], TensorFacts] = {}
    for call in look.tape.calls:
        if call.name not in (*LAYERS, "embedding") or not call.grad or not call.module:
            continue
        for operand in call.operands[1:]:
            if operand.producer is None and not operand.origin and operand.grad and operand.facts is not None:
                order = sum(site == call.site for site, _ in found)
                found[call.site, order] = operand.facts
    return found


@RULES.register("unregistered-parameters")
def unregistered_parameters(r: Reading) -> Finding | None:
    """Layers that the network uses and does not know as its own: kept in a plain list, say."""
    if len(r.looks) < 4 or r.record.steps < 5:
        return None
    first, last = _weights(r.looks[1]), _weights(r.looks[-1])
    still = [
        key for key, facts in last.items() if first.get(key) == facts and len(facts.shape) > 1 and not facts.constant
    ]
    if not still or not any(u.names for u in r.updates):
        return None
    return Finding(
        cause="unregistered-parameters",
        severity="error",
        certainty=0.93,
        title="Layers are used that the network does not know as its own",
        where=short(still[0][0]),
        evidence=(
            f"gradients flow to {len(still)} matrices that are no parameters of {r.network}, and that are the same "
            f"number for number after {r.record.steps:,} updates",
        ),
        why="parameters() does not list them: the optimiser never has them, and they are not saved.",
        fix="keep layers in nn.ModuleList or nn.ModuleDict, not in a list or dict; tensors as nn.Parameter",
        codes=("FRZ",),
        explains=("no-progress", "stopped-too-early", "rate-too-low"),
    )
