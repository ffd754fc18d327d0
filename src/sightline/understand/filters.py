"""A convolution's filters and what they find, as tensors ready to draw."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from sightline.core.errors import ConfigurationError, InputError, near
from sightline.understand.projections import layer_output

CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)


def filters(model: nn.Module, layer: str | None = None) -> Float[Tensor, "outputs inputs *kernel"]:
    """A copy of one convolution's weights; a filter for each of its outputs.

    Args:
        model: any module.
        layer: the convolution's name; none: the first one's.

    Raises:
        ConfigurationError: for a name that is no convolution's, or a network without one.

    Lecture: U6

    Example:
        >>> filters(nn.Sequential(nn.Conv2d(3, 8, 5))).shape
        torch.Size([8, 3, 5, 5])
    """
    found = {name: module for name, module in model.named_modules() if isinstance(module, CONVOLUTIONS)}
    name = next(iter(found), None) if layer is None else layer
    if name not in found or name is None:
        raise ConfigurationError(expected="the name of a convolution", found=repr(layer), do=near(layer or "", found))
    return found[name].weight.detach().clone()


def feature_maps(model: nn.Module, x: Float[Tensor, "N ..."], layer: str) -> Float[Tensor, "N channels *space"]:
    """What one module gives for images (or sequences with channels first): a map for each channel.

    Costs a forward pass in evaluation mode; the network is as before after.

    Args:
        model: any module.
        x: inputs.
        layer: the module's name.

    Raises:
        ConfigurationError: for a name that no module has.
        InputError: for a module that is not used or gives no maps.

    Lecture: U6

    Example:
        >>> feature_maps(nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU()), torch.zeros(2, 1, 8, 8), "1").shape
        torch.Size([2, 4, 6, 6])
    """
    found = layer_output(model, x, layer)
    if found.dim() < 3:
        raise InputError(
            expected=f"maps (N, channels, …) from '{layer}'",
            found=f"shape {tuple(found.shape)}",
            do="name a convolution, or a layer between convolutions",
        )
    return found


def drawable(maps: Float[Tensor, "N channels *space"], *, signed: bool) -> Float[Tensor, "N channels *space"]:
    """Numbers from 0 to 1, scaled for each of N and its channels alike.

    Args:
        maps: filters or feature maps.
        signed: 0 becomes ½, and the largest size 0 or 1: for filters, where the sign tells. Else the smallest becomes
            0 and the largest 1. What is constant becomes ½.

    Lecture: U6

    Example:
        >>> drawable(torch.tensor([[[-1.0, 0.0, 2.0]]]), signed=True).tolist()
        [[[0.25, 0.5, 1.0]]]
    """
    flat = maps.flatten(1)
    low, high = flat.amin(1, keepdim=True), flat.amax(1, keepdim=True)
    if signed:
        high = torch.maximum(low.abs(), high.abs())
        low = -high
    scaled = torch.where(high > low, (flat - low) / (high - low), 0.5)
    return scaled.view_as(maps)
