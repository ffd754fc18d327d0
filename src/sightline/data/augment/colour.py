"""Changes of pixel values, each image by its own amount; values stay in [0, 1]."""

import torch
from jaxtyping import Float, Int
from torch import Tensor

Pixels = Float[Tensor, "batch channels height width"]
Amounts = Float[Tensor, " batch"]


def brightness(images: Pixels, factor: Amounts) -> Pixels:
    """x ← clip(f·x): 0 is black, 1 changes nothing.

    Shapes:
        images (batch, channels, height, width), factor (batch,) → as images

    Args:
        images: values in [0, 1].
        factor: f ≥ 0.

    Lecture: O9

    Example:
        >>> brightness(torch.full((1, 1, 1, 1), 0.5), torch.tensor([1.5])).item()
        0.75
    """
    return (images * _each(factor, images)).clamp_(0, 1)


def contrast(images: Pixels, factor: Amounts) -> Pixels:
    """x ← clip(m + f·(x − m)) with m the mean of the grey image: 0 is grey, 1 changes nothing.

    Shapes:
        images (batch, channels, height, width), factor (batch,) → as images

    Args:
        images: values in [0, 1].
        factor: f ≥ 0.

    Lecture: O9

    Example:
        >>> contrast(torch.tensor([[[[0.25, 0.75]]]]), torch.tensor([0.0])).flatten().tolist()
        [0.5, 0.5]
    """
    from kornia.enhance import adjust_contrast_with_mean_subtraction

    changed: Tensor = adjust_contrast_with_mean_subtraction(images, factor.to(images))
    return changed


def saturation(images: Pixels, factor: Amounts) -> Pixels:
    """x ← clip(g + f·(x − g)) with g the grey image: 0 has no colour, 1 changes nothing. Grey images stay.

    Shapes:
        images (batch, 1 or 3, height, width), factor (batch,) → as images

    Args:
        images: values in [0, 1].
        factor: f ≥ 0.

    Lecture: O9

    Example:
        >>> red = torch.tensor([1.0, 0.0, 0.0]).reshape(1, 3, 1, 1)
        >>> [round(v, 3) for v in saturation(red, torch.tensor([0.0])).flatten().tolist()]
        [0.299, 0.299, 0.299]
    """
    from kornia.enhance import adjust_saturation_with_gray_subtraction

    changed: Tensor = adjust_saturation_with_gray_subtraction(images, factor.to(images))
    return changed


def sharpness(images: Pixels, factor: Amounts) -> Pixels:
    """x ← clip(s + f·(x − s)) with s smoothed over 3 × 3 pixels, the middle one five-fold: 1 changes nothing.

    The pixels at the border stay; so do images of fewer than 3 pixels a side, which have no others.

    Shapes:
        images (batch, channels, height, width), factor (batch,) → as images

    Args:
        images: values in [0, 1].
        factor: f ≥ 0; above 1 sharpens.

    Lecture: O9

    Example:
        >>> point = torch.zeros(1, 1, 3, 3).index_fill(2, torch.tensor(1), 1.0)
        >>> round(sharpness(point, torch.tensor([0.0]))[0, 0, 1, 1].item(), 4) == round(7 / 13, 4)
        True
    """
    from kornia.enhance import sharpness as blend

    if min(images.shape[2:]) < 3:
        return images
    changed: Tensor = blend(images, factor.to(images))
    return changed


def autocontrast(images: Pixels) -> Pixels:
    """x ← (x − min)/(max − min) of each channel; one that is flat stays.

    Shapes:
        (batch, channels, height, width) → the same

    Args:
        images: values in [0, 1].

    Lecture: O9

    Example:
        >>> autocontrast(torch.tensor([[[[0.25, 0.5, 0.75]]]])).flatten().tolist()
        [0.0, 0.5, 1.0]
    """
    low, high = images.amin((2, 3), keepdim=True), images.amax((2, 3), keepdim=True)
    flat = low == high
    return ((images - low.masked_fill(flat, 0)) / (high - low).masked_fill(flat, 1)).clamp_(0, 1)


def posterise(images: Pixels, bits: Int[Tensor, " batch"]) -> Pixels:
    """The first ``bits`` of each value's 8 bits, the others 0.

    Shapes:
        images (batch, channels, height, width), bits (batch,) → as images

    Args:
        images: values in [0, 1].
        bits: 1 to 8.

    Lecture: O9

    Example:
        >>> (posterise(torch.full((1, 1, 1, 1), 255 / 255), torch.tensor([1])) * 255).item()
        128.0
    """
    step = _each(2.0 ** (8 - bits), images)
    # 8-bit values that have been through float arithmetic may lie a little below their whole number
    return (((images * 255 + 1e-3) / step).floor_() * step).div_(255)


def solarise(images: Pixels, threshold: Amounts) -> Pixels:
    """x ← 1 − x where x ≥ threshold.

    Shapes:
        images (batch, channels, height, width), threshold (batch,) → as images

    Args:
        images: values in [0, 1].
        threshold: above 1 changes nothing.

    Lecture: O9

    Example:
        >>> solarise(torch.tensor([[[[0.25, 0.75]]]]), torch.tensor([0.5])).flatten().tolist()
        [0.25, 0.25]
    """
    return torch.where(images < _each(threshold, images), images, 1 - images)


def equalise(images: Pixels) -> Pixels:
    """Each channel's values spread so that its histogram of 256 values is as even as a lookup can make it.

    v ↦ ⌊(N_{<v} + s/2)/s⌋ with N_{<v} pixels below v and s = ⌊(N − pixels of the largest value)/255⌋; where
    s = 0 (few pixels, or one value) nothing changes.

    Shapes:
        (batch, channels, height, width) → the same

    Args:
        images: values in [0, 1].

    Lecture: O9

    Example:
        >>> (equalise(torch.arange(256.0).reshape(1, 1, 16, 16) / 510) * 255).round().flatten()[-1].item()
        255.0
    """
    batch, channels, height, width = images.shape
    values = (images * 255).round().long().reshape(batch * channels, height * width)
    counts = torch.zeros(batch * channels, 256, dtype=torch.long, device=images.device)
    counts.scatter_add_(1, values, torch.ones_like(values))
    last = counts.gather(1, values.amax(1, keepdim=True))
    step = torch.div(height * width - last, 255, rounding_mode="floor")
    below = counts.cumsum(1) - counts
    spread = torch.div(below + torch.div(step, 2, rounding_mode="floor"), step.clamp(min=1), rounding_mode="floor")
    lookup = torch.where(step > 0, spread.clamp_(max=255), torch.arange(256, device=images.device))
    return (lookup.gather(1, values).to(images.dtype) / 255).view_as(images)


def _each(amounts: Tensor, images: Tensor) -> Tensor:
    """One amount an image, ready to be broadcast."""
    return amounts.to(images)[:, None, None, None]
