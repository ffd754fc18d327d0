"""Layers kept in a plain list or dict: the network uses them, but its parameters() do not hold them."""

from sightline.diagnose.finding import Finding
from sightline.diagnose.reading import Reading, short
from sightline.diagnose.rules.registry import RULES
from sightline.diagnose.tape_paths import LAYERS


@RULES.register("unregistered-layers")
def unregistered_layers(r: Reading) -> Finding | None:
    """Layers in a plain list or dict, which the network uses and parameters() does not know."""
    if any(group.foreign for group in r.record.groups) or not r.record.groups:
        return None  # an optimiser has tensors of its own: they may be these
    found = [
        (call, operand)
        for call in r.tape.calls
        if call.name in LAYERS and call.module and call.grad
        for operand in call.operands[1:]
        if operand.producer is None and not operand.origin and operand.grad and len(operand.shape) > 1
    ]
    if not found:
        return None
    call, operand = found[0]
    return Finding(
        cause="parameters-not-in-optimizer",
        severity="error",
        certainty=0.85,
        title="The network uses weights that its parameters() do not hold",
        where=short(call.site) if call.site else call.module,
        evidence=(
            f"{len(found)} products in {call.module} take a trainable weight, the first of shape {operand.shape}, "
            "that is no parameter of the network, and no optimiser has it",
        ),
        why="layers in a plain list or dict are not registered: they are not trained, moved, or saved.",
        fix="keep layers in nn.ModuleList or nn.ModuleDict (parameters in nn.ParameterList)",
        codes=("FRZ", "OCH"),
        explains=("no-progress", "rate-too-low", "stopped-too-early"),
    )
