"""How likely images are to a network that predicts them pixel by pixel: in nats an image, in bits a dimension."""

import math

import torch
import torch.nn.functional as F
from jaxtyping import Float, Integer
from torch import Tensor

from sightline.core.errors import ConfigurationError, InputError
from sightline.models.pixel_predictor import require_levels
from sightline.objectives.objective import widened


def pixel_negative_log_likelihood(
    logits: Float[Tensor, "batch levels channels height width"], images: Integer[Tensor, "batch channels height width"]
) -> Float[Tensor, " batch"]:
    """−log p(x) = −Σ_t log softmax(z_t)[x_t] in nats an image, t over all pixels and channels.

    It is the image's likelihood where z_t depends on x_1 … x_{t−1} alone. Logits of reduced precision are widened.

    Args:
        logits: z.
        images: x, levels from 0 to levels − 1.

    Raises:
        InputError: for images of another shape, not in whole numbers, or with a level that there are no logits for.

    Source: van den Oord et al. 2016, "Pixel Recurrent Neural Networks", eq. (1)

    Lecture: X2

    Example:
        >>> images = torch.zeros(3, 1, 2, 2, dtype=torch.int64)
        >>> [round(nats, 4) for nats in pixel_negative_log_likelihood(torch.zeros(3, 2, 1, 2, 2), images).tolist()]
        [2.7726, 2.7726, 2.7726]
    """
    if logits.ndim != 5 or images.shape != (len(logits), *logits.shape[2:]):
        raise InputError(
            expected="logits (batch, levels, channels, height, width) and images (batch, channels, height, width)",
            found=f"shapes {tuple(logits.shape)} and {tuple(images.shape)}",
            do="give the network's outputs for these images",
        )
    require_levels(images, logits.shape[1], look=images.is_cpu and not torch.compiler.is_compiling())
    losses = F.cross_entropy(widened(logits), images.long(), reduction="none")
    return losses.flatten(1).sum(1)


def bits_per_dimension(nats: Float[Tensor, "*batch"], *, num_dimensions: int) -> Float[Tensor, "*batch"]:
    """−log₂ p(x) / d: nats divided by d log 2. Images of L levels, all alike likely, have log₂ L of them.

    Args:
        nats: −log p(x) of each image.
        num_dimensions: d, channels × height × width.

    Raises:
        ConfigurationError: for d below 1.

    Lecture: X2

    Example:
        >>> round(bits_per_dimension(torch.tensor(4 * math.log(256)), num_dimensions=4).item(), 4)
        8.0
    """
    if num_dimensions < 1:
        raise ConfigurationError(
            expected="num_dimensions of at least 1",
            found=f"num_dimensions = {num_dimensions}",
            do="use channels × height × width",
        )
    return nats / (num_dimensions * math.log(2))
