"""The trace of a loss's Hessian: the mean curvature over all directions, by random probes."""

from dataclasses import dataclass
from math import inf, sqrt

import torch

from sightline.core.errors import ConfigurationError
from sightline.understand.loss_surface import LossSurface


@dataclass(frozen=True)
class TraceEstimate:
    """A mean over probes.

    Attributes:
        trace: in units of loss over squared weight.
        standard_error: of it; infinite for one probe.
        probes: products with the Hessian.
    """

    trace: float
    standard_error: float
    probes: int


def hessian_trace(surface: LossSurface, *, probes: int = 30, seed: int = 0) -> TraceEstimate:
    """tr H = E vᵀ H v for signs v drawn at random (Hutchinson), with variance 2 Σ_{i≠j} H_ij².

    Costs a product with the Hessian a probe, about four forward passes over the batches.

    Args:
        surface: the loss.
        probes: how many; the standard error falls with their root.
        seed: of the signs.

    Raises:
        ConfigurationError: for fewer than 1 probe.

    Source: Hutchinson 1990, "A Stochastic Estimator of the Trace of the Influence Matrix"

    Lecture: U3

    Example:
        >>> from torch import nn
        >>> model, x = nn.Linear(1, 1, bias=False), torch.tensor([[1.0], [3.0]])
        >>> surface = LossSurface(model, [x], lambda x: model(x).square().mean())
        >>> hessian_trace(surface, probes=2)
        TraceEstimate(trace=10.0, standard_error=0.0, probes=2)
    """
    if probes < 1:
        raise ConfigurationError(expected="at least one probe", found=f"probes = {probes}", do="use probes=30")
    first = next(iter(surface.parameters.values()))
    generator = torch.Generator().manual_seed(seed)
    found = []
    for _ in range(probes):
        signs = torch.randint(0, 2, (surface.num_parameters,), generator=generator) * 2 - 1
        v = signs.to(first)
        found.append(float(v.double() @ surface.product(v).double()))
    values = torch.tensor(found, dtype=torch.float64)
    error = float(values.std()) / sqrt(probes) if probes > 1 else inf
    return TraceEstimate(float(values.mean()), error, probes)
