"""Places at the end of series that hold nothing but zeros: padding that every example has."""

import torch
from torch import Tensor

from sightline.diagnose.readable import readable


@torch.no_grad()
def blank_tail(x: Tensor) -> float:
    """Share of the places of series (examples, places, features) that are 0 in every example up to the end.

    Returns:
        0 for other shapes, fewer than 8 examples, and series that are 0 throughout.

    Example:
        >>> blank_tail(torch.cat([torch.ones(8, 3, 2), torch.zeros(8, 1, 2)], 1))
        0.25
    """
    if not readable(x) or x.dim() != 3 or len(x) < 8 or not x.is_floating_point() or not x.numel():
        return 0.0
    used = (x.detach() != 0).amax((0, 2)).nonzero()
    return 1 - (int(used[-1]) + 1) / x.shape[1] if len(used) else 0.0
