"""Images from denoisers that give means alone, in one shot or in stages: two roads that fail, kept to be compared."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from sightline.generate.diffused_images import denoiser_of
from sightline.generate.diffusion_sampling import Denoiser
from sightline.generate.image_sampling import SAMPLERS, Request
from sightline.models.unet import UNet
from sightline.objectives.denoiser_objective import DenoiserObjective
from sightline.objectives.image_objective import ImageObjective


@SAMPLERS.register("one-shot-denoising")
@SAMPLERS.register("staged-denoising")
def sample_by_means(
    model: nn.Module, objective: ImageObjective, request: Request
) -> Float[Tensor, "count channels height width"]:
    """Stages T … 1 of noise x_T ~ N(0, I); in one shot T is 1.

    Lecture: X6
    """
    assert isinstance(model, UNet)
    assert isinstance(objective, DenoiserObjective)
    start = torch.randn(request.count, *objective.schema.input_shape, generator=request.generator).to(request.device)
    return objective.picture(means_only(denoiser_of(model, request), start, objective.process.num_steps))


def means_only(denoiser: Denoiser, start: Float[Tensor, "batch ..."], steps: int) -> Float[Tensor, "batch ..."]:
    """x_{t−1} = f(x_t, t) for t = T … 1, each output the next one's input, nothing added.

    Args:
        denoiser: f, which guesses x_{t−1}.
        start: x_T, standard normal.
        steps: T.

    Source: the lecture notes, lecture 26, §26.3.2

    Lecture: X6

    Example:
        >>> means_only(lambda x, t: x / 2, torch.ones(1, 1), 3).item()
        0.125
    """
    x = start
    for t in range(steps, 0, -1):
        x = denoiser(x, torch.full((len(x),), t, device=x.device))
    return x
