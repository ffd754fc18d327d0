"""Examining a variational autoencoder: its likelihood, and whether the latent vector is used at all."""

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from sightline.core.progress import progress
from sightline.data import Split
from sightline.models.variational_autoencoder import VAE
from sightline.objectives.active_units import LatentUse, latent_use_of
from sightline.objectives.evidence_lower_bound import EvidenceLowerBound
from sightline.objectives.importance_weighting import importance_weighted_log_likelihood
from sightline.objectives.measure import Measure
from sightline.objectives.standard_error import mean
from sightline.train.image_examination import Examination, Finding

DRAWS = 100
"""Latent vectors drawn for each image: the estimate is mostly within a nat of what thousands give."""

MOST_IMAGES = 10_000
NUMBERS = 8_000_000
"""Numbers of images that are decoded side by side, about 30 MB a layer."""

FEW = 0.05
"""Share of active units up to which the rest is worth a word."""

NEGLIGIBLE = 0.1
"""Nats that the right latent vector is worth, below which the decoder does not use it."""


def examine_latent(
    model: VAE, objective: EvidenceLowerBound, split: Split, measured: Mapping[str, Measure]
) -> Examination:
    """Importance-weighted −log p(x), active units, what the right latent vector is worth, KL by dimension.

    The worth of the vector is E[−log p(x|z′) + log p(x|z)], z the image's own posterior mean, z′ another image's: 0
    where the decoder ignores it, whatever the encoder does. It costs about a hundred decodings of the split, of 10,000
    images at most (taken evenly); grey pixels make no likelihood, so without them two.

    Args:
        model: in evaluation mode.
        objective: what it was trained with.
        split: the images.
        measured: the objective's own figures.

    Source: Burda et al. 2016, "Importance Weighted Autoencoders", §5.2 and equation (8); Bowman et al. 2016 (collapse)

    Lecture: X5
    """
    rows = torch.linspace(0, len(split) - 1, min(MOST_IMAGES, len(split))).long()
    numbers = math.prod(objective.schema.input_shape)
    size = max(2, min(512, NUMBERS // numbers))
    at_once = max(1, NUMBERS // (size * numbers))
    found: dict[str, list[Tensor]] = {name: [] for name in ("means", "divergences", "worth", "weighted")}
    with torch.no_grad(), progress(f"examining {split.name}", len(rows), "images") as bar:
        for batch in split.batches(batch_size=size, order=rows, device=next(model.parameters()).device):
            images = objective.prepare(batch).inputs
            labels = objective.labels(batch) if model.num_classes else None
            posterior = model.encode(images, labels)
            found["means"].append(posterior.mean.cpu())
            found["divergences"].append(posterior.divergence_by_dimension().cpu())
            if len(batch) > 1:
                own, others = (
                    objective.reconstruction(model.decode(latents, labels), images)
                    for latents in (posterior.mean, posterior.mean.roll(1, 0))
                )
                found["worth"].append((others - own).double().cpu())
            if objective.pixels != "grey":
                weighted = importance_weighted_log_likelihood(
                    model, objective, images, draws=DRAWS, labels=labels, at_once=at_once
                )
                found["weighted"].append(-weighted.double().cpu())
            bar.advance(len(batch))
    together = {name: torch.cat(parts) for name, parts in found.items() if parts}
    metrics = {}
    if "weighted" in together:
        metrics["importance_weighted"] = Measure(*mean(together["weighted"]), "nats")
    if len(rows) < 2:
        return Examination(metrics)
    use = latent_use_of(together["means"], together["divergences"])
    metrics["active_units"] = Measure(*use.count, f"of {model.latent}")
    metrics["latent_worth"] = Measure(*mean(together["worth"]), "nats")
    errors = together["divergences"].std(0) / math.sqrt(len(rows))
    return Examination(
        metrics,
        latent_findings(use, measured["divergence"].value, metrics["latent_worth"].value),
        {"latent_use": _plain(use, errors)},
    )


def latent_findings(use: LatentUse, divergence: float, worth: float) -> list[Finding]:
    """Collapse, whole or nearly; nothing where the latent vector is used.

    Args:
        use: unit by unit.
        divergence: mean KL of an image, in nats.
        worth: of the right latent vector, in nats.
    """
    count, latent = int(use.count.value), len(use.active)
    told = (
        f"{count} of {latent} latent numbers are used, KL {divergence:.2f} nats; an image's own latent vector is worth"
        f" {worth:.2f} nats to the decoder"
    )
    fix = (
        "let β grow more slowly (--objective.anneal 0.5), lower it (--objective.beta 0.5), or take a weaker decoder"
        " (--model.hidden 200)"
    )
    if use.collapsed or worth < NEGLIGIBLE:
        why = "The decoder works without its input: every latent vector gives about the same image."
        return [Finding("posterior collapse", told, why, fix)]
    if count <= FEW * latent:
        why = "Nearly all latent numbers follow N(0, 1) whatever the image is, and tell nothing of it."
        return [Finding("few latent numbers are used", told, why, fix + "; or fewer numbers (--model.latent)", "note")]
    return []


def _plain(use: LatentUse, errors: Tensor) -> dict[str, Any]:
    """For JSON: unit by unit, those of the largest divergence first."""
    order = use.divergence.argsort(descending=True, stable=True)
    return {
        "unit": order.tolist(),
        "divergence": [round(value, 5) for value in use.divergence[order].tolist()],
        "standard_error": [round(value, 5) for value in errors[order].tolist()],
        "variance": [round(value, 5) for value in use.variance[order].tolist()],
        "active": use.active[order].tolist(),
    }
