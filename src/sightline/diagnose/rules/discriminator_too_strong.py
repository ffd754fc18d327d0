"""A discriminator that is always right: the generator learns nothing from it."""

from sightline.diagnose.figures import loss_curve
from sightline.diagnose.finding import Finding
from sightline.diagnose.reading import Reading
from sightline.diagnose.rules.registry import RULES


@RULES.register("discriminator-too-strong")
def discriminator_too_strong(r: Reading) -> Finding | None:
    """A discriminator that is always right: the generator learns nothing from it."""
    if not r.two_players:
        return None
    scores = [loss for loss in r.record.losses if loss.function.startswith("binary_cross_entropy") and loss.grad]
    tail = scores[-max(6, len(scores) // 3) :]
    if len(tail) < 6:
        return None
    low = [loss.value for loss in tail if loss.value < 0.05]
    high = [loss.value for loss in tail if loss.value > 3.5]
    if len(low) < 0.5 * len(tail) or len(high) < 0.2 * len(tail):
        return None
    return Finding(
        cause="discriminator-too-strong",
        severity="warning",
        certainty=0.8,
        title="The discriminator is too good",
        where="the game",
        evidence=(
            f"its losses are below 0.05 in {len(low)} of the last {len(tail)} looks, the generator's "
            f"above 3.5 in {len(high)}",
        ),
        why=(
            "where real and made images are told apart for sure, the discriminator is flat: the "
            "generator's gradient says nothing."
        ),
        lecture=("U7", "X4"),
        fix="a lower rate or fewer steps for the discriminator, R1 or spectral normalisation, instance noise",
        codes=("HLR", "MWA"),
        figure=loss_curve(r),
    )
