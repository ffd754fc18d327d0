"""Mixing pairs of examples: mixup blends two images, CutMix pastes a part of one into the other."""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from sightline.data.augment.draws import Draws
from sightline.data.augment.erasing import box


def mixup(
    images: Float[Tensor, "batch channels height width"],
    partner: Int[Tensor, " batch"],
    share: Float[Tensor, " batch"],
) -> Float[Tensor, "batch channels height width"]:
    """λx_i + (1 − λ)x_j.

    Shapes:
        images (batch, channels, height, width), partner and share (batch,) → as images

    Args:
        images: the x.
        partner: j, rows of the same batch.
        share: λ in [0, 1], of the image's own.

    Source: Zhang et al. 2018, eq. 1

    Lecture: O9

    Example:
        >>> mixup(torch.tensor([0.0, 1.0]).reshape(2, 1, 1, 1), torch.tensor([1, 0]), torch.tensor([0.75, 1])).flatten()
        tensor([0.2500, 1.0000])
    """
    own = share.to(images)[:, None, None, None]
    # not lerp: with λ = 1 the image stays to the last bit
    return own * images + (1 - own) * images.index_select(0, partner.to(images.device))


def cut_boxes(draws: Draws, share: Float[Tensor, " batch"], height: int, width: int) -> Bool[Tensor, "batch 1 h w"]:
    """Boxes of the image's proportions with the area 1 − λ, anywhere; what lies outside is cut off.

    Shapes:
        share (batch,) → (batch, 1, height, width)

    Args:
        draws: gives the boxes' middles.
        share: λ in [0, 1].
        height: of the images.
        width: of the images.

    Source: Yun et al. 2019, eq. 2

    Lecture: O9

    Example:
        >>> cut_boxes(Draws(0), torch.tensor([1.0]), 4, 4).any().item()
        False
    """
    count = len(share)
    root = (1 - share).sqrt()
    sides = torch.stack([(root * height).round(), (root * width).round()], 1).long()
    down, right = draws.integers(0, height - 1, count), draws.integers(0, width - 1, count)
    return box(down, right, sides, height, width)


def share_kept(boxes: Bool[Tensor, "batch 1 height width"]) -> Float[Tensor, " batch"]:
    """The share of each image's area outside its box, counted in pixels.

    Shapes:
        (batch, 1, height, width) → (batch,)

    Lecture: O9

    Example:
        >>> share_kept(torch.tensor([True, False, False, False]).reshape(1, 1, 2, 2)).item()
        0.75
    """
    return (~boxes).sum((1, 2, 3)).float() / boxes[0].numel() if len(boxes) else boxes.new_zeros(0).float()


def cutmix(
    images: Float[Tensor, "batch channels height width"],
    partner: Int[Tensor, " batch"],
    boxes: Bool[Tensor, "batch 1 height width"],
) -> Float[Tensor, "batch channels height width"]:
    """x_j inside the box, x_i outside.

    Shapes:
        images (batch, channels, height, width), partner (batch,), boxes (batch, 1, height, width) → as images

    Args:
        images: the x.
        partner: j, rows of the same batch.
        boxes: from :func:`cut_boxes`.

    Source: Yun et al. 2019, eq. 1

    Lecture: O9

    Example:
        >>> boxes = torch.tensor([[[[True, False]]], [[[False, False]]]])
        >>> cutmix(torch.tensor([[[[1.0, 1]]], [[[2.0, 2]]]]), torch.tensor([1, 0]), boxes).flatten().tolist()
        [2.0, 1.0, 2.0, 2.0]
    """
    return torch.where(boxes.to(images.device), images.index_select(0, partner.to(images.device)), images)
