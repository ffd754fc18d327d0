"""Images from a denoiser: DDPM over all its steps, or DDIM in fewer, guided by a class where one likes."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from sightline.core.errors import ConfigurationError
from sightline.generate.ddim import DDIM
from sightline.generate.ddpm import DDPM
from sightline.generate.diffusion_sampling import Denoiser, DiffusionSampler
from sightline.generate.guidance import Guided
from sightline.generate.image_sampling import SAMPLERS, Request
from sightline.models.unet import UNet
from sightline.objectives.denoising_diffusion import DenoisingDiffusion
from sightline.objectives.image_objective import ImageObjective


@SAMPLERS.register("denoising-diffusion")
def sample_diffusion(
    model: nn.Module, objective: ImageObjective, request: Request
) -> Float[Tensor, "count channels height width"]:
    """x_T standard normal, then back: all T steps of DDPM, or as many of DDIM as were asked for (with η = 0).

    The clean image of each step is kept within the range of pixels, or as the objective's ``clip`` says.

    Lecture: X6
    """
    assert isinstance(model, UNet)
    assert isinstance(objective, DenoisingDiffusion)
    start = torch.randn(request.count, *objective.schema.input_shape, generator=request.generator).to(request.device)
    images = sampler_of(objective, request.steps).sample(
        denoiser_of(model, request), start, generator=request.generator
    )
    return objective.picture(images)


def sampler_of(objective: DenoisingDiffusion, steps: int | None) -> DiffusionSampler:
    """DDPM, or DDIM of so many steps.

    Raises:
        ConfigurationError: for more steps than the process has.
    """
    if steps is None:
        return DDPM(schedule=objective.process, target=objective.target, clip=objective.clip)
    return DDIM(schedule=objective.process, target=objective.target, clip=objective.clip, num_steps=steps)


def denoiser_of(model: UNet, request: Request) -> Denoiser:
    """The network as the sampler calls it, told and guided as the request says.

    Raises:
        ConfigurationError: for guidance without classes.
    """
    if request.labels is None:
        if request.guidance is not None:
            raise ConfigurationError(
                expected="guidance of a network that is told classes",
                found=f"guidance {request.guidance:g} without a class",
                do="leave it out, or train with --model.conditional true",
            )
        return model
    labels = request.labels
    if not request.guidance:
        return lambda x, t: model(x, t, labels)
    return Guided(model, labels, none=model.none, weight=request.guidance)
