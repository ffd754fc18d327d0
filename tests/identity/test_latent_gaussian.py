"""Gaussians over latent vectors: densities, divergences and draws beside torch.distributions."""

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.distributions import Independent, MultivariateNormal, Normal, kl_divergence

from sightline.nn.latent_gaussian import LatentGaussian, log_density_standard


def example(full: bool) -> LatentGaussian:
    generator = torch.Generator().manual_seed(3)
    mean = torch.randn(4, 3, generator=generator, dtype=torch.float64)
    if not full:
        return LatentGaussian(mean, torch.rand(4, 3, generator=generator, dtype=torch.float64) + 0.2)
    factor = torch.randn(4, 3, 3, generator=generator, dtype=torch.float64).tril()
    return LatentGaussian(mean, factor - torch.diag_embed(factor.diagonal(dim1=1, dim2=2) - 0.7))


def reference(gaussian: LatentGaussian) -> Any:
    if gaussian.factor.ndim == 2:
        return Independent(Normal(gaussian.mean, gaussian.factor), 1)
    return MultivariateNormal(gaussian.mean, scale_tril=gaussian.factor)


@pytest.mark.parametrize("full", [False, True])
def test_densities_and_divergences_are_those_of_torch(full: bool) -> None:
    gaussian = example(full)
    latents = torch.randn(5, 4, 3, dtype=torch.float64)
    prior: Any = Independent(Normal(torch.zeros_like(gaussian.mean), torch.ones_like(gaussian.mean)), 1)
    if full:
        prior = MultivariateNormal(torch.zeros(4, 3).double(), torch.eye(3).double().expand(4, 3, 3))
    torch.testing.assert_close(gaussian.log_density(latents), reference(gaussian).log_prob(latents))
    torch.testing.assert_close(gaussian.divergence(), kl_divergence(reference(gaussian), prior))
    standard: Any = Independent(Normal(torch.zeros(3).double(), torch.ones(3).double()), 1)
    torch.testing.assert_close(log_density_standard(latents), standard.log_prob(latents))


def test_a_diagonal_one_is_a_full_one_with_a_diagonal_factor() -> None:
    gaussian = example(full=False)
    full = LatentGaussian(gaussian.mean, torch.diag_embed(gaussian.factor))
    noise = torch.randn(2, 4, 3, dtype=torch.float64)
    torch.testing.assert_close(gaussian.at(noise), full.at(noise))
    torch.testing.assert_close(gaussian.divergence(), full.divergence())
    torch.testing.assert_close(gaussian.divergence_by_dimension(), full.divergence_by_dimension())
    torch.testing.assert_close(gaussian.divergence_by_dimension().sum(1), gaussian.divergence())


def test_the_marginals_of_a_full_one_have_the_diagonal_of_its_covariance() -> None:
    gaussian = example(full=True)
    covariance = gaussian.factor @ gaussian.factor.mT
    deviations = covariance.diagonal(dim1=1, dim2=2).sqrt()
    marginal = LatentGaussian(gaussian.mean, deviations)
    torch.testing.assert_close(gaussian.divergence_by_dimension(), marginal.divergence_by_dimension())


@pytest.mark.parametrize("full", [False, True])
def test_closed_form_and_monte_carlo_agree(full: bool) -> None:
    gaussian = example(full)
    estimate, error = gaussian.estimated_divergence(40_000, torch.Generator().manual_seed(0))
    assert ((estimate - gaussian.divergence()).abs() < 4 * error).all()
    assert (error < 0.05).all()


@pytest.mark.parametrize("full", [False, True])
def test_draws_have_the_mean_and_the_covariance(full: bool) -> None:
    gaussian = example(full)
    draws = gaussian.at(torch.randn(60_000, 4, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64))
    centred = draws - gaussian.mean
    covariance = torch.einsum("nbi,nbj->bij", centred, centred) / len(draws)
    factor = gaussian.factor if full else torch.diag_embed(gaussian.factor)
    expected = factor @ factor.mT
    variances = expected.diagonal(dim1=1, dim2=2)
    errors = ((variances[:, :, None] * variances[:, None] + expected.square()) / len(draws)).sqrt()
    assert ((covariance - expected).abs() < 5 * errors).all()
    assert (centred.mean(0).abs() < 5 * (variances / len(draws)).sqrt()).all()


def test_gradients_pass_through_a_draw() -> None:
    def drawn(mean: Tensor, factor: Tensor) -> Tensor:
        return LatentGaussian(mean, factor).at(torch.ones(2, 3, dtype=torch.float64))

    mean = torch.randn(2, 3, dtype=torch.float64, requires_grad=True)
    factor = torch.randn(2, 3, 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(drawn, (mean, factor))
