"""Objectives of networks that make images: values and gradients against closed forms."""

import math

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sightline.core.schema import Schema
from sightline.data.batch import Batch
from sightline.data.standardise import standardise, unstandardise
from sightline.generate.interpolation import interpolated
from sightline.generate.latent_sampling import decoded
from sightline.models.gan import GAN
from sightline.models.variational_autoencoder import VAE
from sightline.nn.latent_gaussian import LatentGaussian
from sightline.objectives import EvidenceLowerBound, Reconstruction, latent_use
from sightline.objectives.adversarial import Game, discriminator_loss, generator_loss, gradient_penalty
from sightline.objectives.denoising_diffusion import DenoisingDiffusion, process_of
from sightline.objectives.importance_weighting import importance_weighted_log_likelihood
from sightline.train.share import share_of, whole_terms

SCHEMA = Schema("image", "none", (1, 2, 3), image_mean=(0.4,), image_std=(0.25,))


def batch_of(count: int = 5) -> Batch:
    pixels = torch.rand(count, 1, 2, 3, generator=torch.Generator().manual_seed(0))
    return Batch(standardise(pixels, SCHEMA), torch.zeros(count), torch.arange(count), count)


def test_unstandardising_undoes_standardising() -> None:
    pixels = torch.rand(4, 3, 2, 2)
    schema = Schema("image", "none", (3, 2, 2), image_mean=(0.4, 0.5, 0.6), image_std=(0.25, 0.1, 0.3))
    torch.testing.assert_close(unstandardise(standardise(pixels, schema), schema), pixels)
    places = Schema("image", "none", (1, 1, 2), standardise="position", image_mean=(0.4, 0.5), image_std=(0.2, 0.1))
    torch.testing.assert_close(unstandardise(torch.ones(1, 1, 1, 2), places).flatten(), torch.tensor([0.6, 0.6]))


@pytest.mark.parametrize("game", ["minimax", "non-saturating", "least-squares"])
def test_both_players_losses_are_the_written_ones(game: Game) -> None:
    a, b = torch.randn(2, 7, dtype=torch.float64)
    if game == "least-squares":
        expected = (a - 1) ** 2 + b**2, (b - 1) ** 2
    else:
        real, made = a.sigmoid(), b.sigmoid()
        mine = (1 - made).log() if game == "minimax" else -made.log()
        expected = -real.log() - (1 - made).log(), mine
    torch.testing.assert_close(discriminator_loss(a, b, game), expected[0])
    torch.testing.assert_close(generator_loss(b, game), expected[1])


def test_a_sure_discriminator_stops_the_minimax_generator_alone() -> None:
    slopes = {}
    for game in ("minimax", "non-saturating"):
        b = torch.tensor([-20.0], dtype=torch.float64, requires_grad=True)
        (slope,) = torch.autograd.grad(generator_loss(b, game).sum(), b)
        slopes[game] = abs(slope.item())
    assert slopes["minimax"] < 1e-8
    assert slopes["non-saturating"] > 1 - 1e-8


def test_the_penalty_is_half_the_squared_slope() -> None:
    x = torch.randn(4, 1, 2, 3, dtype=torch.float64, requires_grad=True)
    weight = torch.randn(6, dtype=torch.float64)
    odds = (x.flatten(1).square() @ weight) / 2  # its slope is x ⊙ weight
    expected = 0.5 * (x.flatten(1) * weight).square().sum(1).mean()
    torch.testing.assert_close(gradient_penalty(odds, x), expected)


@pytest.mark.parametrize("covariance", ["diagonal", "full"])
def test_the_bound_is_reconstruction_and_divergence(covariance: str) -> None:
    vae = VAE(input_shape=(1, 2, 3), latent=2, hidden=(4,), covariance=covariance)  # type: ignore[arg-type]
    objective = EvidenceLowerBound(SCHEMA, pixels="grey", beta=3.0)
    batch = objective.prepare(batch_of())
    torch.manual_seed(1)
    parts = objective.parts(vae, batch)
    torch.manual_seed(1)
    outputs = vae(batch.inputs)
    p = outputs.restored.sigmoid()
    expected = -(batch.inputs * p.log() + (1 - batch.inputs) * (1 - p).log()).flatten(1).sum(1)
    torch.testing.assert_close(parts["elbo"], expected)
    torch.testing.assert_close(parts["divergence"], LatentGaussian(outputs.mean, outputs.factor).divergence())
    torch.manual_seed(1)
    loss = objective(vae, batch)
    torch.testing.assert_close(loss.total, (parts["elbo"] + 3 * parts["divergence"]).mean())
    own = share_of(loss, objective, batch, whole_terms(objective, batch, 1), 1)
    torch.testing.assert_close(own.own, loss.total.detach())  # what training logs is what validation measures
    torch.testing.assert_close(objective.figures(parts)["negative_elbo"], parts["elbo"] + parts["divergence"])


def test_the_divergence_grows_in_over_the_run() -> None:
    objective = EvidenceLowerBound(SCHEMA, beta=2.0, anneal=0.5)
    weights = []
    for progress in (0.0, 0.25, 0.5, 1.0):
        objective.progress = progress
        weights.append(objective.weight("divergence"))
    assert weights == [0.0, 1.0, 2.0, 2.0]


def test_gaussian_pixels_have_their_density() -> None:
    objective = EvidenceLowerBound(SCHEMA, pixels="standardised", deviation=0.3)
    outputs, images = torch.randn(2, 4, 1, 2, 3)
    expected = -torch.distributions.Normal(outputs, 0.3).log_prob(images).flatten(1).sum(1)
    torch.testing.assert_close(objective.reconstruction(outputs, images), expected)


def test_binarised_pixels_come_as_often_as_their_value_says() -> None:
    objective = EvidenceLowerBound(SCHEMA)
    batch = batch_of(1)
    values = unstandardise(batch.inputs, SCHEMA)
    torch.manual_seed(0)
    drawn = torch.stack([objective.prepare(batch).inputs for _ in range(4000)]).mean(0)
    assert ((drawn - values).abs() < 5 * (values * (1 - values) / 4000).sqrt() + 1e-6).all()


class LinearVAE(VAE):
    """p(x|z) = N(Wz, σ²I), q(z|x) a Gaussian beside the true posterior: log p(x) is known."""

    def __init__(self, weight: Tensor, slack: float) -> None:
        super().__init__(input_shape=(1, 2, 3), latent=2, hidden=(4,))
        self.weight, self.slack = weight, slack

    def encode(self, x: Tensor, labels: Tensor | None = None) -> LatentGaussian:
        precision = torch.eye(2).double() + self.weight.T @ self.weight / 0.25
        covariance = torch.linalg.inv(precision)
        mean = x.flatten(1) @ self.weight @ covariance / 0.25
        factor = torch.linalg.cholesky(covariance) * self.slack
        return LatentGaussian(mean, factor.expand(len(x), 2, 2))

    def decode(self, latents: Tensor, labels: Tensor | None = None) -> Tensor:
        return (latents @ self.weight.T).reshape(-1, 1, 2, 3)


def test_importance_weights_give_the_likelihood_of_a_linear_model() -> None:
    weight = torch.randn(6, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    images = torch.randn(3, 1, 2, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(3))
    covariance = weight @ weight.T + 0.25 * torch.eye(6).double()
    exact = torch.distributions.MultivariateNormal(torch.zeros(6).double(), covariance).log_prob(images.flatten(1))
    objective = EvidenceLowerBound(SCHEMA, pixels="standardised", deviation=0.5)
    torch.manual_seed(0)
    sure = importance_weighted_log_likelihood(LinearVAE(weight, 1.0), objective, images, draws=3)
    torch.testing.assert_close(sure, exact)  # from the true posterior every weight is p(x)
    bounds = [
        torch.stack(
            [
                importance_weighted_log_likelihood(LinearVAE(weight, 1.5), objective, images, draws=draws)
                for _ in range(200)
            ]
        ).mean(0)
        for draws in (1, 10, 300)
    ]
    assert (bounds[0] < bounds[1] - 0.05).all()
    assert (bounds[1] < bounds[2]).all()
    torch.testing.assert_close(bounds[2], exact, atol=0.03, rtol=0)


def test_collapse_is_seen_number_by_number() -> None:
    mean = torch.tensor([[1.0, 0.0, 0.05], [-1.0, 0.0, -0.05]])
    use = latent_use(LatentGaussian(mean, torch.tensor([[0.1, 1.0, 1.0]] * 2)))
    assert use.active.tolist() == [True, False, False]
    assert not use.collapsed
    assert use.divergence[1].item() == 0
    assert latent_use(LatentGaussian(torch.zeros(4, 2), torch.ones(4, 2))).collapsed


def test_a_decoded_image_is_coded_and_decoded_again() -> None:
    vae = VAE(input_shape=(1, 2, 3), latent=2, hidden=(4,))
    objective = EvidenceLowerBound(SCHEMA, pixels="grey")
    z = torch.randn(3, 2)
    once = vae.decode(z).sigmoid()
    torch.testing.assert_close(decoded(vae, objective, z), once)
    torch.testing.assert_close(decoded(vae, objective, z, rounds=1), vae.decode(vae.encode(once).mean).sigmoid())


def test_an_arc_keeps_to_the_sphere_and_its_ends() -> None:
    first, last = torch.tensor([3.0, 0.0, 0.0]), torch.tensor([0.0, 0.0, 3.0])
    walk = interpolated(first, last, 5)
    torch.testing.assert_close(walk.norm(dim=1), torch.full((5,), 3.0))
    torch.testing.assert_close(walk[[0, -1]], torch.stack([first, last]))
    steps = (walk[1:] - walk[:-1]).norm(dim=1)
    torch.testing.assert_close(steps, steps[:1].expand(4))
    opposite = interpolated(first, -first, 3)
    torch.testing.assert_close(opposite[1], torch.zeros(3))


@pytest.mark.parametrize("corruption", ["none", "noise", "mask"])
def test_what_is_restored_is_the_whole_image(corruption: str) -> None:
    objective = Reconstruction(SCHEMA, corruption=corruption, deviation=0.3, masked=0.25)  # type: ignore[arg-type]
    batch = batch_of(400)
    torch.manual_seed(0)
    prepared = objective.prepare(batch)
    assert torch.equal(prepared.target, batch.inputs)
    change = prepared.inputs - batch.inputs
    if corruption == "none":
        assert not change.any()
    elif corruption == "noise":
        assert abs(change.std().item() - 0.3) < 0.02
    else:
        gone = prepared.inputs == 0
        assert abs(gone.float().mean().item() - 0.25) < 0.03
        torch.testing.assert_close(prepared.inputs[~gone], batch.inputs[~gone] / 0.75)


class Perfect(nn.Module):
    """Guesses the noise of a data set of one point, 0."""

    num_classes = None
    makes_images = "denoiser"

    def __init__(self, noise_of_time: Tensor) -> None:
        super().__init__()
        self.register_buffer("deviation", noise_of_time)

    def forward(self, x: Tensor, t: Tensor) -> Tensor:
        deviation: Tensor = self.deviation[t].reshape(-1, 1, 1, 1)  # type: ignore[index]
        return x / deviation.to(x)


def test_a_perfect_denoiser_has_no_loss_and_a_blind_one_the_noise() -> None:
    objective = DenoisingDiffusion(SCHEMA, steps=50)
    batch = Batch(torch.zeros(2000, 1, 2, 3), torch.zeros(2000), torch.arange(2000), 2000)
    assert objective(Perfect(objective.process.noise), batch).total.item() < 1e-9
    blind = Perfect(torch.full((51,), math.inf))
    assert abs(objective(blind, batch).total.item() - 1) < 5 * math.sqrt(2 / 12_000)


def test_short_linear_schedules_end_in_noise_too() -> None:
    for steps in (2, 10, 100, 1000):
        assert process_of("linear", steps).alpha_bar[-1] < 0.02
    assert DenoisingDiffusion(SCHEMA, steps=10).quick_steps == 10


def test_spectral_normalisation_holds_from_the_start() -> None:
    gan = GAN(input_shape=(1, 8, 8), latent=3, widths=(4, 6), spectral=True).eval()
    for layer in gan.discriminator:
        if isinstance(layer, nn.Conv2d):
            largest = torch.linalg.matrix_norm(layer.weight.flatten(1), 2)
            assert abs(largest.item() - 1) < 0.1
    head = gan.head
    assert isinstance(head, nn.Linear)
    assert abs(F.normalize(head.weight).norm().item() - head.weight.norm().item()) < 0.1
