"""Trainable parameters that get gradients and that no optimiser has."""

from sightline.diagnose.figures import update_by_layer
from sightline.diagnose.finding import Finding
from sightline.diagnose.reading import Reading
from sightline.diagnose.rules.registry import RULES, tells
from sightline.diagnose.rules.words import names


@RULES.register("parameters-not-in-optimizer")
@tells("parameters-not-in-optimizer")
@tells(
    "recreated-parameters",
    "An optimiser that has tensors which the network no longer uses: made before the network was whole.",
)
def parameters_not_in_optimizer(r: Reading) -> Finding | None:
    """Trainable parameters that get gradients and that no optimiser has."""
    if not r.record.groups:
        return None
    own = [p for p in r.record.parameters if p.trained and r.trained_network(p.name)]
    out = [p for p in own if not p.in_optimizer]
    foreign = sum(group.foreign for group in r.record.groups)
    if not own or not out or (len(out) == len(own) and not foreign):
        return None
    lost, all_of = sum(p.size for p in out), sum(p.size for p in own)
    evidence = [f"{lost:,} of {all_of:,} trainable numbers are in no optimiser: {names(p.name for p in out)}"]
    if foreign:
        evidence.append(f"the optimiser has {foreign} tensors that are not the network's")
    made_again = foreign > 0
    return Finding(
        cause="recreated-parameters" if made_again else "parameters-not-in-optimizer",
        severity="error" if lost > 0.2 * all_of or made_again else "warning",
        certainty=0.9,
        title="The optimiser trains tensors that the network does not use"
        if made_again
        else "Part of the network is left out of the optimiser",
        where=names(p.name for p in out),
        evidence=tuple(evidence),
        why="these weights stay as they were drawn, whatever the loss says.",
        fix="make the optimiser after the network is whole: torch.optim.X(model.parameters(), ...)",
        codes=("FRZ", "OCH"),
        change={"train": ", ".join(p.name for p in out)},
        explains=("discriminator-too-strong", "no-progress", "rate-too-low", "stopped-too-early", "detached"),
        figure=update_by_layer(r),
    )
