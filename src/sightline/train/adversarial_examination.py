"""Examining two players: whether the discriminator is too good to learn from, and whether the images are all alike."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from sightline.data import Batch, Split
from sightline.data.standardise import unstandardise
from sightline.objectives.adversarial import Adversarial, generator_loss
from sightline.objectives.diversity import distance_within_classes, diversity, pairwise_distance
from sightline.objectives.measure import Measure
from sightline.objectives.standard_error import Estimate, mean
from sightline.train.image_examination import Examination, Finding

MOST_IMAGES = 1000
BATCH = 250

TOO_GOOD = 0.99
"""Accuracy of a discriminator that is hardly ever deceived."""

FLAT = 0.1
"""Nats that the generator's loss could fall by, below which there is next to nothing to learn."""

ALIKE = 0.5
"""Diversity below which images have collapsed."""


def examine_players(
    model: nn.Module, objective: Adversarial, split: Split, measured: Mapping[str, Measure]
) -> Examination:
    """Diversity of made images, of a conditional generator within classes too, and the gradient it learns from.

    Diversity is the mean distance between two made images over that between two real ones, in pixel values. The
    gradient is E‖∇_x ℓ_G(D(x))‖ at made images x, times the mean distance of two real images: what the generator's
    loss would fall by, if it kept that slope, over the way from one image to another. It costs two passes over 1,000
    images at most.

    Args:
        model: in evaluation mode.
        objective: the game.
        split: real images.
        measured: the objective's own figures.

    Source: Arjovsky & Bottou 2017, "Towards Principled Methods for Training GANs", §2.2 (gradients vanish)

    Lecture: X4
    """
    if len(split) < 2:
        return Examination()
    rows = torch.linspace(0, len(split) - 1, min(MOST_IMAGES, len(split))).long()
    kinds: dict[str, list[Tensor]] = {"real": [], "made": [], "slopes": [], "labels": []}
    for batch in split.batches(batch_size=BATCH, order=rows, device=next(model.parameters()).device):
        with torch.no_grad():
            made = objective.make(model, batch)
        kinds["slopes"].append(_slopes(model, objective, made, batch))
        kinds["real"].append(batch.inputs.cpu())
        kinds["made"].append(made.cpu())
        labels = objective.condition(model, batch)
        if labels is not None:
            kinds["labels"].append(labels.cpu())
    both = {name: torch.cat(parts) for name, parts in kinds.items() if parts}
    apart = pairwise_distance(both["real"]).value
    slope = mean(both["slopes"])
    real, made = (unstandardise(both[name], objective.schema).clamp(0, 1) for name in ("real", "made"))
    ratios = {"diversity": diversity(pairwise_distance(made), pairwise_distance(real))}
    if "labels" in both and int(both["labels"].bincount().max()) > 1:
        within = (distance_within_classes(images, both["labels"]) for images in (made, real))
        ratios["diversity_within_classes"] = diversity(*within)
    metrics = {name: Measure(*ratio) for name, ratio in ratios.items()}
    gradient = Estimate(slope.value * apart, slope.standard_error * apart)
    metrics["generator_gradient"] = Measure(*gradient, "nats")
    return Examination(metrics, player_findings({**measured, **metrics}))


def player_findings(figures: Mapping[str, Measure]) -> list[Finding]:
    """A discriminator too good, and collapse; nothing where the game is balanced.

    Args:
        figures: all of one split, by name.
    """
    found = []
    accuracy, gradient = figures["discriminator_accuracy"].value, figures["generator_gradient"].value
    if accuracy > TOO_GOOD and gradient < FLAT:
        found.append(
            Finding(
                "the discriminator is too good",
                f"it is right on {100 * accuracy:.1f} % of held-out real and made images; the generator's loss would"
                f" fall by {gradient:.2g} nats over the way from one image to another",
                "Where the discriminator is sure of everything, its slope is about 0: the generator learns nothing.",
                "play the non-saturating game (--objective.game non-saturating), penalise the discriminator's slope"
                " (--objective.penalty 1), put noise on what it sees (--objective.noise 0.3), or lower its rate"
                " (--objective.discriminator-rate 0.5)",
            )
        )
    told = {"diversity": "", "diversity_within_classes": " of the same class"}
    small = {name: words for name, words in told.items() if name in figures and figures[name].value < ALIKE}
    if small:
        evidence = "; ".join(
            f"two made images{words} differ {figures[name].value:.2f} times as much as two real ones"
            for name, words in small.items()
        )
        found.append(
            Finding(
                "collapse to few images",
                evidence,
                "The generator makes a few images over and over, whatever its latent vector is.",
                "train longer first; then penalise the discriminator's slope (--objective.penalty 1), normalise it"
                " (--model.spectral true), or give it more updates (--objective.discriminator-steps 2)",
            )
        )
    return found


def _slopes(model: nn.Module, objective: Adversarial, made: Tensor, batch: Batch) -> Tensor:
    """‖∇_x ℓ_G(D(x))‖ of each made image, standardised."""
    with torch.enable_grad():
        images = made.detach().requires_grad_()
        loss = generator_loss(objective.judge(model, images, batch), objective.game).sum()
        (gradient,) = torch.autograd.grad(loss, images)
    slopes: Tensor = gradient.flatten(1).norm(dim=1).double().cpu()
    return slopes
