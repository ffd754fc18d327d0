"""Descent on all examples sharpens the loss up to the limit of its rate, whatever the rate, and no further."""

import pytest
import torch
from torch import nn

from sightline.understand.loss_surface import LossSurface
from sightline.understand.sharpness import sharpness
from sightline.understand.stability_limit import stability_limit


@pytest.mark.parametrize(("lr", "steps"), [(0.4, 2000), (0.2, 2000), (0.1, 2500)])
def test_sharpness_ends_at_two_over_the_rate(lr: float, steps: int) -> None:
    """One run for each of three rates, on T₄ at 20 places: λη/2 in 0.95 to 1.15 (Cohen et al. 2021, figure 1)."""
    torch.manual_seed(0)
    x = torch.linspace(-1, 1, 20)[:, None]
    y = torch.cos(4 * torch.acos(x))
    model = nn.Sequential(nn.Linear(1, 32), nn.Tanh(), nn.Linear(32, 32), nn.Tanh(), nn.Linear(32, 1))
    surface = LossSurface(model, [x], lambda x: (model(x) - y).square().mean() / 2)
    limit, start = stability_limit(lr), sharpness(surface, tolerance=1e-3)
    surface.forget()
    parameters: list[torch.Tensor] = list(model.parameters())
    for _ in range(steps):
        gradients = torch.autograd.grad(surface.loss(x), parameters)
        with torch.no_grad():
            torch._foreach_add_(parameters, gradients, alpha=-lr)
    end = sharpness(surface, tolerance=1e-3)
    assert 0.95 < end.largest / limit < 1.15
    assert end.loss < start.loss / 10
    assert not 0.95 < start.largest / limit < 1.15
