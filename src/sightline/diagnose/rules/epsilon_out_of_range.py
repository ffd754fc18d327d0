"""An ε in Adam that is larger than the gradients it stands beside."""

from statistics import median

from sightline.diagnose.figures import update_by_layer
from sightline.diagnose.finding import Finding
from sightline.diagnose.reading import Reading
from sightline.diagnose.rules.registry import RULES


@RULES.register("epsilon-out-of-range")
def epsilon_out_of_range(r: Reading) -> Finding | None:
    """An ε in Adam that is larger than the gradients it stands beside."""
    for group in r.record.groups:
        eps = group.settings.get("eps")
        if not isinstance(eps, (int, float)) or eps < 1e-5 or "betas" not in group.settings or not r.updates:
            continue
        sizes = []
        for update in r.updates:
            numbers = sum(p.size for p in r.record.parameters if p.name in set(update.names))
            if numbers:
                sizes.append(update.gradient_norm / numbers**0.5)
        if not sizes or eps < 3 * median(sizes):
            continue
        return Finding(
            cause="epsilon-out-of-range",
            severity="warning",
            certainty=0.85,
            title="Adam's ε is larger than the gradients",
            where="the optimiser",
            evidence=(f"eps = {eps:g}; a gradient has {median(sizes):.1e} a weight",),
            why="the division by √v̂ + ε no longer evens out the gradients: this is plain descent with a tiny rate.",
            fix="eps = 1e-8",
            codes=("HAE", "HLR"),
            change={"eps": 1e-8},
            explains=("vanishing-gradients", "rate-too-low", "no-progress", "stopped-too-early"),
            figure=update_by_layer(r),
        )
    return None
