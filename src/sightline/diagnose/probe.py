"""Some places of a gradient that is not 0: 0 or gone again once gradients were cleared."""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.optim import Optimizer

PLACES = 256
PROBES = 2


@dataclass(frozen=True)
class Probe:
    """Every ``stride``-th number of a parameter's gradient, of which some were not 0."""

    parameter: Tensor
    stride: int

    @property
    def alive(self) -> bool:
        """Whether any of them is not 0 now."""
        gradient = self.parameter.grad
        return gradient is not None and bool(gradient.reshape(-1)[:: self.stride].any())


def probe(parameter: Tensor) -> Probe | None:
    """Of a parameter whose gradient is not 0 everywhere; all of it is searched only where few places tell nothing.

    Example:
        >>> p = torch.ones(2, requires_grad=True)
        >>> probe(p) is None
        True
        >>> p.grad = torch.tensor([0.0, 3.0])
        >>> probe(p).alive
        True
    """
    gradient = parameter.grad
    if gradient is None or gradient.layout is not torch.strided:
        return None
    few = Probe(parameter, max(1, gradient.numel() // PLACES) | 1)
    if gradient.is_contiguous() and few.alive:
        return few
    return Probe(parameter, 1) if bool(gradient.any()) else None


def flows(parameter: Tensor) -> bool:
    """Whether a parameter has a gradient that is not 0 everywhere, of any layout."""
    gradient = parameter.grad
    if gradient is None or gradient.layout is torch.strided:
        return probe(parameter) is not None
    return bool(gradient.any())


def probes(optimizer: Optimizer) -> list[Probe]:
    """A few, of parameters spread over the optimiser's."""
    every = [p for group in optimizer.param_groups for p in group["params"] if p.grad is not None]
    found: list[Probe] = []
    for p in every[:: max(1, len(every) // 8)]:
        probed = probe(p)
        if probed is not None:
            found.append(probed)
        if len(found) == PROBES:
            break
    return found
