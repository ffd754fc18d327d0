"""Views of diffusion: images on their way to noise, and noise on its way to images."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from sightline.data import Batch
from sightline.generate.diffused_images import denoiser_of, sampler_of
from sightline.generate.diffusion_chain import forward_chain, reverse_chain
from sightline.generate.image_sampling import Request
from sightline.generate.image_views import ACROSS, VIEWERS, View
from sightline.models.unet import UNet
from sightline.objectives.denoiser_objective import DenoiserObjective
from sightline.objectives.denoising_diffusion import DenoisingDiffusion
from sightline.objectives.image_objective import ImageObjective

CHAINS = 3
CHAIN_STEPS = 50
"""Most steps of the sampler whose path is shown."""


@VIEWERS.register("denoising-diffusion")
def diffusion_views(
    model: nn.Module, objective: ImageObjective, batch: Batch, generator: torch.Generator
) -> list[View]:
    """The forward chain of real images, the reverse chain of new ones.

    Lecture: X6
    """
    assert isinstance(model, UNet)
    assert isinstance(objective, DenoisingDiffusion)
    last, device = objective.steps, batch.inputs.device
    times = sorted({place * last // (ACROSS - 1) for place in range(ACROSS)})
    moments = forward_chain(objective.process, batch.inputs[:CHAINS], times, generator=generator)
    steps = min(CHAIN_STEPS, last)
    labels = torch.arange(CHAINS, device=device) % model.num_classes if model.num_classes else None
    start = torch.randn(CHAINS, *objective.schema.input_shape, generator=generator).to(device)
    back = reverse_chain(
        sampler_of(objective, steps),
        denoiser_of(model, Request(CHAINS, device, labels, generator)),
        start,
        moments=ACROSS,
        generator=generator,
    )
    both = torch.stack([back.x, back.clean], 2).permute(1, 2, 0, 3, 4, 5)  # chain, x or x̂, moment
    return [
        View(
            "forward-chain",
            "From image to noise",
            f"Real images on their way through the forward process, at the times {_listed(times)} of {last}.",
            _shown(objective, moments.transpose(0, 1).flatten(0, 1)),
            len(times),
        ),
        View(
            "reverse-chain",
            "From noise to image",
            f"The way of DDIM in {steps} steps, at the times {_listed(back.times)}; below each the clean image that the"
            " network sees under the noise.",
            _shown(objective, both.flatten(0, 2)),
            len(back.times),
        ),
    ]


@VIEWERS.register("one-shot-denoising")
@VIEWERS.register("staged-denoising")
def means_views(model: nn.Module, objective: ImageObjective, batch: Batch, generator: torch.Generator) -> list[View]:
    """From noise to image by means alone, stage by stage.

    Lecture: X6
    """
    assert isinstance(model, UNet)
    assert isinstance(objective, DenoiserObjective)
    steps, device = objective.process.num_steps, batch.inputs.device
    labels = torch.arange(CHAINS, device=device) % model.num_classes if model.num_classes else None
    denoiser = denoiser_of(model, Request(CHAINS, device, labels, generator))
    path = [torch.randn(CHAINS, *objective.schema.input_shape, generator=generator).to(device)]
    for t in range(steps, 0, -1):
        path.append(denoiser(path[-1], torch.full((CHAINS,), t, device=device)))
    times = sorted({place * steps // (ACROSS - 1) for place in range(ACROSS)}, reverse=True)
    shown = torch.stack([path[steps - time] for time in times], 1)
    return [
        View(
            "reverse-chain",
            "From noise to image, by means",
            f"Each stage gives the mean of what could have been there before, and nothing is added: stages"
            f" {_listed(times)}.",
            _shown(objective, shown.flatten(0, 1)),
            len(times),
        )
    ]


def _shown(objective: DenoiserObjective, images: Tensor) -> Tensor:
    """Standardised images as pixel values."""
    return objective.picture(images).clamp(0, 1).cpu()


def _listed(times: Sequence[int]) -> str:
    return ", ".join(map(str, times))
