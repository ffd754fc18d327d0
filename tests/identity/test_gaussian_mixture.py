"""The best denoiser of a mixture, and the coverage of modes, against slow and independent ways to them."""

import math

import numpy as np
import pytest
import torch
from scipy.integrate import quad
from torch import Tensor

from sightline.core.errors import ConfigurationError, DataError
from sightline.linear.gaussian_mixture import GaussianMixture
from sightline.linear.ring_of_gaussians import mode_coverage, ring_of_gaussians

LINE = GaussianMixture(torch.tensor([[-1.0], [0.4], [2.0]], dtype=torch.float64), 0.3)


def density(mixture: GaussianMixture, x: Tensor) -> Tensor:
    """log p(x), written out."""
    d = x.shape[1]
    squares = (x[:, None] - mixture.centres).square().sum(2)
    each = -squares / (2 * mixture.deviation**2) - d * math.log(mixture.deviation * math.sqrt(2 * math.pi))
    return each.logsumexp(1) - math.log(len(mixture.centres))


@pytest.mark.parametrize(("signal", "noise"), [(1.0, 0.2), (0.6, 0.8), (0.05, 1.0), (-0.5, 0.5)])
def test_the_mean_under_noise_is_bayes_rule_integrated(signal: float, noise: float) -> None:
    for x in (-1.5, 0.0, 0.7, 3.0):

        def weight(x_0: float, x: float = x) -> float:
            prior = np.mean([math.exp(-((x_0 - mu) ** 2) / (2 * 0.09)) for mu in (-1.0, 0.4, 2.0)])
            return float(prior) * math.exp(-((x - signal * x_0) ** 2) / (2 * noise**2))

        edges = {"points": [-1.0, 0.4, 2.0], "limit": 400, "epsabs": 1e-14, "epsrel": 1e-12}
        whole = quad(weight, -4, 6, **edges)[0]
        mean = quad(lambda x_0: x_0 * weight(x_0), -4, 6, **edges)[0] / whole
        found = LINE.denoise(torch.tensor([[x]], dtype=torch.float64), signal=signal, noise=noise)
        assert found.item() == pytest.approx(mean, rel=1e-8, abs=1e-10)


@pytest.mark.parametrize(("signal", "noise"), [(1.0, 0.2), (0.6, 0.8), (0.05, 1.0)])
def test_it_is_tweedies_formula(signal: float, noise: float) -> None:
    ring = ring_of_gaussians(5, radius=1.4, deviation=0.1)
    x = torch.randn(40, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0)).requires_grad_()
    (score,) = torch.autograd.grad(density(ring.seen(signal=signal, noise=noise), x).sum(), x)
    expected = (x + noise**2 * score) / signal
    torch.testing.assert_close(
        ring.denoise(x.detach(), signal=signal, noise=noise), expected.detach(), rtol=1e-9, atol=1e-10
    )


def test_points_of_no_width_are_a_data_set() -> None:
    rows = torch.randn(6, 3, dtype=torch.float64)
    data = GaussianMixture(rows, 0.0)
    torch.testing.assert_close(data.denoise(0.9 * rows + 1e-9, signal=0.9, noise=1e-3), rows)
    far = data.denoise(torch.zeros(1, 3, dtype=torch.float64), signal=1e-6, noise=1.0)
    torch.testing.assert_close(far, rows.mean(0, keepdim=True), rtol=1e-4, atol=1e-5)
    assert data.variance == pytest.approx(float(rows.var(0, correction=0).sum()))


def test_noise_in_two_parts_is_noise_at_once() -> None:
    once = LINE.seen(signal=0.48, noise=math.hypot(0.8 * 0.5, 0.6))
    twice = LINE.seen(signal=0.6, noise=0.5).seen(signal=0.8, noise=0.6)
    torch.testing.assert_close(once.centres, twice.centres)
    assert once.deviation == pytest.approx(twice.deviation, rel=1e-12)


def test_draws_have_the_mixtures_mean_variance_and_modes() -> None:
    """20,000 draws; each figure within 4.5 standard errors."""
    count, ring = 20_000, ring_of_gaussians()
    drawn = ring.draw(count, generator=torch.Generator().manual_seed(1))
    assert float(drawn.mean(0).abs().max()) < 4.5 * math.sqrt(ring.variance / 2 / count)
    found = mode_coverage(drawn, ring)
    assert found.covered == 8
    own = 1 - math.exp(-4.5)
    assert abs(found.near - own) < 4.5 * math.sqrt(own * (1 - own) / count)
    share = own / 8
    assert float((found.shares - share).abs().max()) < 4.5 * math.sqrt(share * (1 - share) / count)
    squares = drawn.square().sum(1)
    assert abs(float(squares.mean()) - ring.variance) < 4.5 * float(squares.std()) / math.sqrt(count)
    assert abs(found.variance - 1) < 0.02
    inside = 1 - 4.5 * math.exp(-4.5) / own  # E[r²/2 | r < 3] of two standard normal numbers
    assert abs(found.within - inside) < 4.5 / math.sqrt(count)


def test_a_mode_is_covered_from_a_fifth_of_its_share_on() -> None:
    ring = ring_of_gaussians(4, radius=1.0, deviation=0.1)
    near, far = ring.centres[:1] + torch.tensor([[0.2999, 0.0]]), ring.centres[1:2] + torch.tensor([[0.0, 0.3001]])
    for count, covered in ((4, 1), (5, 2)):  # of 100 points a fair share is 25, and a fifth of it 5
        rows = [near] * (100 - count - 10) + [ring.centres[2:3]] * count + [far] * 10
        found = mode_coverage(torch.cat(rows), ring)
        assert found.covered == covered
        assert found.near == pytest.approx(0.9)
        torch.testing.assert_close(found.shares, torch.tensor([0.9 - count / 100, 0, count / 100, 0]).double())
        assert found.within == pytest.approx(0.0, abs=1e-20)
    pair = ring.centres[:1] + torch.tensor([[0.05, 0.0], [0.25, 0.0], [9.0, 0.0]])
    assert mode_coverage(pair, ring).within == pytest.approx(0.1**2 / 2 / 0.1**2)
    assert mode_coverage(ring.centres[:1].expand(5, 2), ring).variance == pytest.approx(0.0, abs=1e-30)


def test_what_does_not_fit_is_refused(as_a_user_calls: None) -> None:
    ring = ring_of_gaussians()
    for call in (
        lambda: ring_of_gaussians(1),
        lambda: ring_of_gaussians(deviation=0.0),
        lambda: ring_of_gaussians(radius=math.nan),
        lambda: GaussianMixture(ring.centres, -1.0),
        lambda: ring.draw(0),
        lambda: mode_coverage(ring.centres, GaussianMixture(ring.centres, 0.0)),
        lambda: ring.denoise(ring.centres, signal=1.0, noise=-1.0),
        lambda: GaussianMixture(ring.centres, 0.0).denoise(ring.centres, signal=1.0, noise=0.0),
    ):
        with pytest.raises(ConfigurationError):
            call()
    for call in (
        lambda: GaussianMixture(torch.zeros(0, 2), 0.1),
        lambda: mode_coverage(torch.zeros(0, 2), ring),
        lambda: mode_coverage(torch.full((2, 2), math.nan), ring),
        lambda: mode_coverage(torch.zeros(3, 3), ring),
        lambda: ring.denoise(torch.zeros(3, 3), signal=1.0, noise=1.0),
    ):
        with pytest.raises(DataError):
            call()
