"""The trace by random signs, against the dense Hessian; its standard error against the exact variance."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sightline.core.errors import ConfigurationError
from sightline.understand.hessian_trace import hessian_trace
from sightline.understand.loss_surface import LossSurface


def prepared() -> tuple[LossSurface, Tensor]:
    torch.manual_seed(0)
    model, x, y = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2)).double(), torch.randn(9, 3), torch.ones(9)
    batch = x.double(), y.long()
    surface = LossSurface(model, [batch], lambda batch: F.cross_entropy(model(batch[0]), batch[1]))
    return surface, torch.stack([surface.product(v) for v in torch.eye(surface.num_parameters).double()])


def test_it_is_the_dense_trace() -> None:
    """1,000 probes; within 4 standard errors, which are √(2 Σ_{i≠j} H_ij² / 1,000) to 10 %."""
    surface, H = prepared()
    found = hessian_trace(surface, probes=1000)
    assert abs(found.trace - float(H.trace())) < 4 * found.standard_error
    apart = H - torch.diag(H.diag())
    assert found.standard_error == pytest.approx(float((2 * apart.square().sum() / 1000).sqrt()), rel=0.1)
    assert found.standard_error < 0.1 * float(H.trace())


def test_one_probe_has_no_error_to_tell() -> None:
    surface, _ = prepared()
    assert hessian_trace(surface, probes=1).standard_error == float("inf")
    with pytest.raises(ConfigurationError, match="one probe"):
        hessian_trace(surface, probes=0)
