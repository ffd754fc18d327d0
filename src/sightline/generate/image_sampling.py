"""New images from a trained network, whatever its kind: the one entrance to all samplers of images."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from sightline.core.errors import ConfigurationError
from sightline.core.registry import Registry
from sightline.core.seeds import Seeds
from sightline.generate.generation import evaluating
from sightline.objectives.image_objective import ImageObjective

MOST = 65_536
"""Images that are made in one call at most: they are held in memory."""


@dataclass(frozen=True)
class SampledImages:
    """Images that a network made.

    Args:
        pixels: values in [0, 1], (count, channels, height, width).
        labels: the class that each was asked to be of; none where there is no condition.
    """

    pixels: Float[Tensor, "count channels height width"]
    labels: Int[Tensor, " count"] | None = None


@dataclass(frozen=True)
class Request:
    """What a sampler is asked for.

    Args:
        count: images.
        device: where the network is.
        labels: the class of each, there; none: the network has no condition.
        generator: where chance comes from, on the CPU.
        steps: updates of a sampler that goes step by step; none: as many as it is meant to take.
        guidance: how far a conditional sampler moves away from what it would make without the condition.
    """

    count: int
    device: torch.device
    labels: Int[Tensor, " count"] | None
    generator: torch.Generator
    steps: int | None = None
    guidance: float | None = None


Sampler = Callable[[nn.Module, ImageObjective, Request], Float[Tensor, "count channels height width"]]
"""Makes pixel values; it may leave [0, 1] a little."""

SAMPLERS: Registry[Sampler] = Registry("sampler")
"""By the objective's name."""


def sample_images(
    model: nn.Module,
    objective: ImageObjective,
    count: int,
    *,
    label: int | None = None,
    seed: int = 0,
    batch_size: int = 256,
    steps: int | None = None,
    guidance: float | None = None,
) -> SampledImages:
    """Let a network make images.

    The same seed and batch size give the same images: each batch draws from a stream of its own.

    Args:
        model: in evaluation mode while it samples, and back afterwards.
        objective: what it was trained with; it says how its outputs become images.
        count: images.
        label: the class all are to be of; none: a conditional network makes every class in turn.
        seed: decides every random draw.
        batch_size: images made side by side.
        steps: of a sampler that goes step by step.
        guidance: of a conditional sampler that has it.

    Returns:
        The images, on the CPU, and what each was asked to be.

    Raises:
        ConfigurationError: for numbers out of range, or a label where the network has no condition.

    Lecture: X1, X7

    Example:
        >>> from sightline.core.schema import Schema
        >>> from sightline.generate import sample_images
        >>> from sightline.models.variational_autoencoder import VAE
        >>> from sightline.objectives.evidence_lower_bound import EvidenceLowerBound
        >>> schema = Schema("image", "none", (1, 4, 4), standardise="none", image_mean=(0.0,), image_std=(1.0,))
        >>> vae = VAE(input_shape=(1, 4, 4), latent=2, hidden=(8,))
        >>> sample_images(vae, EvidenceLowerBound(schema), 3).pixels.shape
        torch.Size([3, 1, 4, 4])
    """
    require_numbers(count=count, label=label, seed=seed, batch_size=batch_size, steps=steps)
    for name, value in (("steps", steps), ("guidance", guidance)):
        if value is not None and objective.quick_steps is None:
            raise ConfigurationError(
                expected=f"no {name}: this network makes its images without",
                found=f"{name} = {value}",
                do="leave it out; networks of diffusion have it (sightline train unet)",
            )
    if guidance is not None and not -1 <= guidance <= 100:
        raise ConfigurationError(
            expected="guidance from −1 (as if without a class) to 100", found=f"{guidance:g}", do="use 0 to 4"
        )
    objective.require_kind(model)
    labels, device = _labels(model, count, label), next(model.parameters()).device
    sampler = SAMPLERS[objective.name]
    made: list[Tensor] = []
    with torch.no_grad(), evaluating(model):
        for start in range(0, count, batch_size):
            rows = slice(start, min(start + batch_size, count))
            generator = torch.Generator().manual_seed(Seeds(seed).number("sample", start))
            own = None if labels is None else labels[rows].to(device)
            request = Request(rows.stop - rows.start, device, own, generator, steps, guidance)
            made.append(sampler(model, objective, request).float().cpu())
    return SampledImages(torch.cat(made).clamp(0, 1), labels)


def require_numbers(*, count: int, label: int | None, seed: int, batch_size: int, steps: int | None) -> None:
    """What every maker of images is told: whole numbers, in range.

    Raises:
        ConfigurationError: for any that is not.

    Example:
        >>> require_numbers(count=1, label=None, seed=0, batch_size=1, steps=None)
    """
    whole = {"count": count, "label": label, "seed": seed, "batch_size": batch_size, "steps": steps}
    for name, number in whole.items():
        if number is not None and (not isinstance(number, int) or isinstance(number, bool)):
            raise ConfigurationError(
                expected=f"a whole number as {name}",
                found=f"{number!r}",
                do="give a number; classes are numbered from 0",
            )
    if seed < 0:
        raise ConfigurationError(expected="a seed of 0 or more", found=f"{seed}", do="give another, such as 0")
    if not 1 <= count <= MOST:
        raise ConfigurationError(
            expected=f"1 to {MOST:,} images", found=f"{count:,}", do="ask for fewer, or at least 1"
        )
    if batch_size < 1:
        raise ConfigurationError(expected="batch_size of at least 1", found=str(batch_size), do="use 256")


def _labels(model: nn.Module, count: int, label: int | None) -> Int[Tensor, " count"] | None:
    """The class of each image asked for."""
    classes = getattr(model, "num_classes", 0)
    if classes:
        return classes_asked_for(classes, count, label)
    if label is not None:
        raise ConfigurationError(
            expected="no label: this network was trained without a condition",
            found=f"label {label}",
            do="leave it out, or train with --model.conditional true",
        )
    return None


def classes_asked_for(classes: int, count: int, label: int | None) -> Int[Tensor, " count"]:
    """One class for all images, or every class in turn.

    Raises:
        ConfigurationError: for a label that is no class.

    Example:
        >>> classes_asked_for(2, 3, None).tolist()
        [0, 1, 0]
    """
    if label is None:
        return torch.arange(count) % classes
    if not 0 <= label < classes:
        raise ConfigurationError(
            expected=f"a class from 0 to {classes - 1}", found=f"label {label}", do="choose one of those"
        )
    return torch.full((count,), label)
