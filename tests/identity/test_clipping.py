"""Gradient clipping: the norm it reports, the length and direction it leaves."""

import pytest
import torch
from torch import nn

from sightline.core.errors import ConfigurationError
from sightline.optim import clip_by_norm, clip_by_value


def parameters() -> list[nn.Parameter]:
    generator = torch.Generator().manual_seed(0)
    found = []
    for shape in ((3, 4), (5,), (2, 2, 2)):
        parameter = nn.Parameter(torch.zeros(shape))
        parameter.grad = torch.randn(shape, generator=generator)
        found.append(parameter)
    return [*found, nn.Parameter(torch.zeros(7))]  # the last has no gradient


def flat(some: list[nn.Parameter]) -> torch.Tensor:
    return torch.cat([p.grad.flatten() for p in some if p.grad is not None])


@pytest.mark.parametrize("max_norm", [0.1, 1.0, 100.0])
def test_by_norm(max_norm: float) -> None:
    some = parameters()
    before = flat(some).clone()
    norm = clip_by_norm(some, max_norm)
    assert norm.item() == pytest.approx(before.norm().item())
    assert flat(some).norm().item() == pytest.approx(min(max_norm, before.norm().item()), rel=1e-5)
    torch.testing.assert_close(flat(some) / flat(some).norm(), before / before.norm())
    assert some[-1].grad is None


def test_an_infinite_limit_only_measures() -> None:
    some = parameters()
    before = flat(some).clone()
    assert clip_by_norm(some, float("inf")).item() == pytest.approx(before.norm().item())
    assert torch.equal(flat(some), before)


def test_by_value() -> None:
    some = parameters()
    before = flat(some).clone()
    clip_by_value(some, 0.5)
    assert torch.equal(flat(some), before.clamp(-0.5, 0.5))
    assert not torch.equal(flat(some), before)


def test_a_generator_of_parameters_is_enough() -> None:
    some = parameters()
    clip_by_norm((p for p in some), 0.1)
    assert flat(some).norm().item() == pytest.approx(0.1, rel=1e-4)


def test_no_gradient_at_all_has_norm_0() -> None:
    assert clip_by_norm([nn.Parameter(torch.zeros(2))], 1.0).item() == 0


def test_a_gradient_that_is_not_finite_is_reported_and_not_hidden() -> None:
    some = parameters()
    assert some[0].grad is not None
    some[0].grad[0, 0] = float("nan")
    assert torch.isnan(clip_by_norm(some, 1.0))
    assert torch.isnan(flat(some)).any()


@pytest.mark.parametrize("limit", [0.0, -1.0, float("nan")])
def test_limits_out_of_range_are_refused(limit: float) -> None:
    with pytest.raises(ConfigurationError, match="clip_norm"):
        clip_by_norm(parameters(), limit)
    with pytest.raises(ConfigurationError, match="clip_value"):
        clip_by_value(parameters(), limit)
