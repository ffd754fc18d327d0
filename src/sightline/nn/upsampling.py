"""Up-sampling by a whole factor: nearest neighbour and bilinear, as one matrix for rows and one for columns.

    y = A x Bᵀ

The module is ``torch.nn.Upsample(scale_factor=…, mode=…)``; the matrices say what it computes, and their transposes
are its backward pass. No weight is learned: a transposed convolution is the up-sampling that learns.
"""

from typing import Literal, get_args

import torch
from jaxtyping import Float
from torch import Tensor

from sightline.core.errors import ConfigurationError
from sightline.core.words import one_of

Mode = Literal["nearest", "bilinear"]
Maps = Float[Tensor, "batch channels height width"]


def interpolation_matrix(size: int, factor: int, mode: Mode = "bilinear") -> Float[Tensor, "wide size"]:
    """A[i, j], the part of input j in output i, whose centre lies at u = (i + ½)/factor − ½ in input positions.

    Nearest: 1 for the j nearest to u, so each value is repeated ``factor`` times. Bilinear: max(0, 1 − |u − j|), the
    tent over the two neighbours, with u kept in [0, size − 1]. Rows sum to 1.

    Shapes:
        → (factor · size, size), float64

    Args:
        size: input positions, 1 or more.
        factor: how many times as many there will be, 1 or more.
        mode: "nearest" or "bilinear".

    Raises:
        ConfigurationError: for a size or factor below 1, or another mode.

    Source: Long et al. 2015, "Fully Convolutional Networks for Semantic Segmentation", §3.3; centres as in
    ``torch.nn.Upsample`` with ``align_corners=False``

    Lecture: N3

    Example:
        >>> interpolation_matrix(2, 2)
        tensor([[1.0000, 0.0000],
                [0.7500, 0.2500],
                [0.2500, 0.7500],
                [0.0000, 1.0000]], dtype=torch.float64)
    """
    if size < 1 or factor < 1:
        raise ConfigurationError(
            expected="a size and a factor of 1 or more", found=f"size = {size}, factor = {factor}", do="use factor 2"
        )
    one_of(mode, get_args(Mode), "mode")
    centre = (torch.arange(factor * size, dtype=torch.float64) + 0.5) / factor - 0.5
    if mode == "nearest":
        centre = centre.round()
    return (1 - (centre.clamp(0, size - 1)[:, None] - torch.arange(size)).abs()).clamp(min=0)


def upsample(x: Maps, factor: int, mode: Mode = "bilinear") -> Float[Tensor, "batch channels tall wide"]:
    """y = A x Bᵀ for every channel, by :func:`interpolation_matrix`; values and gradients of ``torch.nn.Upsample``.

    Shapes:
        x (batch, channels, height, width) → (batch, channels, factor · height, factor · width)

    Args:
        x: maps.
        factor: 1 or more.
        mode: "nearest" or "bilinear".

    Raises:
        ConfigurationError: for a factor below 1, or another mode.

    Source: as :func:`interpolation_matrix`

    Lecture: N3

    Example:
        >>> upsample(torch.tensor([[[[1.0, 2.0]]]]), 2, mode="nearest")[0, 0]
        tensor([[1., 1., 2., 2.],
                [1., 1., 2., 2.]])
    """
    rows, columns = (interpolation_matrix(n, factor, mode).to(x) for n in x.shape[2:])
    return rows @ x @ columns.T


def upsample_backward(
    gradient: Float[Tensor, "batch channels tall wide"], factor: int, mode: Mode = "bilinear"
) -> Maps:
    """∂L/∂x = Aᵀ g B: each input collects the gradient of every output it had a part in, by that part.

    Shapes:
        gradient (batch, channels, factor · height, factor · width) → (batch, channels, height, width)

    Args:
        gradient: g = ∂L/∂y.
        factor: as in the forward pass.
        mode: as in the forward pass.

    Raises:
        ConfigurationError: for a factor below 1, or one that does not divide the gradient's height and width,
            or another mode.

    Source: as :func:`interpolation_matrix`

    Lecture: N3

    Example:
        >>> upsample_backward(torch.ones(1, 1, 2, 2), 2, mode="nearest").item()
        4.0
    """
    if factor < 1 or any(n % factor for n in gradient.shape[2:]):
        raise ConfigurationError(
            expected=f"a factor that divides {tuple(gradient.shape[2:])}", found=f"factor = {factor}", do="check it"
        )
    rows, columns = (interpolation_matrix(n // factor, factor, mode).to(gradient) for n in gradient.shape[2:])
    return rows.T @ gradient @ columns
