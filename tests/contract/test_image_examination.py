"""Planted faults of image makers are found, healthy ones cry no wolf, and the figures are those of slow loops."""

import math
from collections.abc import Iterator
from typing import Any, ClassVar

import pytest
import torch
from torch import Tensor, nn

import sightline
from sightline.core.schema import Schema
from sightline.core.seeds import Seeds
from sightline.data import Batch, Data, Split
from sightline.data.split import Epoch
from sightline.data.standardise import unstandardise
from sightline.models.variational_autoencoder import VAE
from sightline.objectives import Adversarial, EvidenceLowerBound
from sightline.objectives.adversarial import Game
from sightline.objectives.diversity import pairwise_distance
from sightline.objectives.measure import Measure
from sightline.train import adversarial_examination, latent_examination
from sightline.train.evaluation import Evaluation, evaluate
from sightline.train.image_evaluation import measure_images
from sightline.train.latent_examination import examine_latent

LATENT = 4


@pytest.fixture(scope="module")
def data() -> Data:
    return sightline.load("digits")


def measured(model: nn.Module, objective: Any, data: Data) -> Evaluation:
    return evaluate(model, objective, data.test, data.schema, name="test", checkpoint="none")


def causes(evaluation: Evaluation) -> list[str]:
    return [finding.cause for finding in evaluation.findings]


def gaussian(schema: Schema) -> EvidenceLowerBound:
    return EvidenceLowerBound(schema, pixels="standardised")


@pytest.fixture(scope="module")
def healthy(data: Data) -> VAE:
    """A small network that was trained for two hundred updates."""
    torch.manual_seed(0)
    model, objective = VAE(input_shape=(1, 8, 8), latent=LATENT, hidden=(32,)), gaussian(data.schema)
    optimizer = torch.optim.Adam(model.parameters(), 5e-3)
    for step in range(200):
        rows = torch.arange(64) + 64 * (step % 15)
        batch = next(iter(data.train.batches(batch_size=64, order=rows)))
        loss = torch.stack(list(objective.parts(model, objective.prepare(batch)).values())).sum(0).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return model.eval()


def test_a_healthy_autoencoder_is_left_alone(healthy: VAE, data: Data) -> None:
    objective = gaussian(data.schema)
    found = measured(healthy, objective, data)
    assert causes(found) == []
    assert found["active_units"] == LATENT
    assert found["latent_worth"] > 5
    # in expectation it is nearer to −log p than the bound is
    assert found["importance_weighted"] < found["negative_elbo"] - 0.2
    batch = next(iter(data.test.batches(batch_size=len(data.test))))
    with torch.no_grad():
        posterior = healthy.encode(batch.inputs)
    use = found.details["latent_use"]
    by_unit = posterior.divergence_by_dimension().mean(0)
    for unit, told, variance in zip(use["unit"], use["divergence"], use["variance"], strict=True):
        assert told == pytest.approx(float(by_unit[unit]), abs=1e-4)
        assert variance == pytest.approx(float(posterior.mean[:, unit].var()), abs=1e-4)
    assert sum(use["divergence"]) == pytest.approx(found["divergence"], abs=1e-2)


@torch.no_grad()
def test_the_worth_of_a_latent_vector_is_a_loop_over_pairs(
    healthy: VAE, data: Data, monkeypatch: pytest.MonkeyPatch
) -> None:
    objective, size = gaussian(data.schema), 100
    monkeypatch.setattr(latent_examination, "NUMBERS", size * 64)
    monkeypatch.setattr(latent_examination, "DRAWS", 2)
    found = examine_latent(healthy, objective, data.test, {"divergence": Measure(1.0, 0.0)})
    worth = []
    for batch in data.test.batches(batch_size=size):
        means = healthy.encode(batch.inputs).mean
        for row in range(len(batch)):
            image = batch.inputs[row : row + 1]
            own, other = (
                objective.reconstruction(healthy.decode(means[place][None]), image) for place in (row, row - 1)
            )
            worth.append(float(other - own))
    assert found.metrics["latent_worth"].value == pytest.approx(sum(worth) / len(worth), rel=1e-4)


def test_a_decoder_that_ignores_its_vector_is_found(healthy: VAE, data: Data) -> None:
    model = VAE(input_shape=(1, 8, 8), latent=LATENT, hidden=(32,)).eval()
    model.load_state_dict(healthy.state_dict())
    first = next(module for module in model.head.modules() if isinstance(module, nn.Linear))
    with torch.no_grad():
        first.weight.zero_()
    found = measured(model, gaussian(data.schema), data)
    assert causes(found) == ["posterior collapse"]
    assert found["latent_worth"] == pytest.approx(0, abs=1e-3)
    assert found["active_units"] == LATENT  # the encoder alone would not tell


def test_an_encoder_that_tells_nothing_is_found_and_its_likelihood_is_exact(healthy: VAE, data: Data) -> None:
    """Where q = p and the decoder ignores z, all weights are equal: −log p is the reconstruction's cost."""
    model = VAE(input_shape=(1, 8, 8), latent=LATENT, hidden=(32,)).eval()
    model.load_state_dict(healthy.state_dict())
    with torch.no_grad():
        for half, place in ((model.encoder, -1), (model.head, 0)):
            layer = [module for module in half.modules() if isinstance(module, nn.Linear)][place]
            layer.weight.zero_()
            if place == -1:
                layer.bias.zero_()
    found = measured(model, gaussian(data.schema), data)
    assert causes(found) == ["posterior collapse"]
    assert f"0 of {LATENT} latent numbers" in found.findings[0].evidence
    assert found["active_units"] == 0
    assert found["importance_weighted"] == pytest.approx(found["reconstruction"], rel=1e-5)
    error = found.metrics["importance_weighted"].standard_error
    assert error == pytest.approx(found.metrics["reconstruction"].standard_error, rel=1e-4)
    assert "posterior collapse" in str(found)


def test_grey_pixels_are_told_no_likelihood(healthy: VAE, data: Data) -> None:
    assert "importance_weighted" not in measured(healthy, EvidenceLowerBound(data.schema, pixels="grey"), data).metrics


def test_one_image_is_measured_without_error_bars(healthy: VAE, data: Data) -> None:
    figures = measure_images(healthy, gaussian(data.schema), _First(data.test), seed=0, worst=0)
    assert math.isnan(figures.metrics["negative_elbo"].standard_error)
    assert "active_units" not in figures.metrics
    assert "nan" not in str(figures.metrics["negative_elbo"])
    assert "too few examples for an error bar" in str(figures.metrics["negative_elbo"])


class _First(Split):
    """The first example of a split."""

    def __init__(self, split: Split) -> None:
        super().__init__(split.name, split.target[:1])
        self.whole = split

    def cut(self, epoch: Epoch, device: torch.device) -> Iterator[Batch]:
        yield from self.whole.batches(batch_size=1, order=torch.tensor([0]), device=device)


class Players(nn.Module):
    """A generator that scales one direction by chance, or noise; a discriminator that looks at the mean brightness.

    Args:
        spread: deviation of what is made around the middle.
        slope: of the discriminator's log-odds in brightness.
        border: brightness where it changes its mind.
        sure: log-odds it saturates at.
    """

    makes_images: ClassVar[str] = "adversarial pair"
    latent, num_classes = 64, 0

    def __init__(self, *, spread: float, slope: float = 0.0, border: float = 0.0, sure: float = 20.0) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))
        self.spread, self.slope, self.border, self.sure = spread, slope, border, sure

    def forward(
        self, x: Tensor | None = None, *, labels: Tensor | None = None, latents: Tensor | None = None
    ) -> Tensor:
        if latents is not None:
            return (-0.9 + self.spread * latents.reshape(-1, 1, 8, 8)).clamp(-1, 1)
        assert x is not None
        return self.sure * torch.tanh(self.slope * (x.flatten(1).mean(1, keepdim=True) - self.border))


def test_a_balanced_game_is_left_alone(data: Data) -> None:
    found = measured(Players(spread=0.8, slope=0.02), Adversarial(data.schema), data)
    assert causes(found) == []
    assert found["diversity"] > 0.5
    assert found["generator_gradient"] > 0.1
    assert found["discriminator_accuracy"] < 0.99


@pytest.mark.parametrize("game", ["minimax", "non-saturating"])
def test_a_perfect_discriminator_is_found_where_nothing_is_left_to_learn(data: Data, game: Game) -> None:
    """Made images are dark: brightness tells them apart. Where tanh is flat, no game has a slope."""
    model = Players(spread=0.4, slope=1e3, border=-0.35)
    found = measured(model, Adversarial(data.schema, game=game), data)
    assert found["discriminator_accuracy"] > 0.99
    assert found["generator_gradient"] < 0.1
    assert "the discriminator is too good" in causes(found)
    assert "%" in found.findings[0].evidence


def test_a_sure_discriminator_with_a_slope_still_teaches_the_non_saturating_game(data: Data) -> None:
    model = Players(spread=0.4, slope=1.0, border=-0.35, sure=60.0)
    flat, steep = (measured(model, Adversarial(data.schema, game=game), data) for game in ("minimax", "non-saturating"))
    assert steep["generator_gradient"] > 100 * flat["generator_gradient"]
    assert "the discriminator is too good" not in causes(steep)


def test_a_generator_of_one_image_is_found(data: Data) -> None:
    found = measured(Players(spread=0.0, slope=0.02), Adversarial(data.schema), data)
    assert causes(found) == ["collapse to few images"]
    assert found["diversity"] == pytest.approx(0, abs=1e-6)


class PlayersOfClasses(Players):
    """A generator that makes one image of each class."""

    num_classes = 10

    def forward(
        self, x: Tensor | None = None, *, labels: Tensor | None = None, latents: Tensor | None = None
    ) -> Tensor:
        assert labels is not None
        if latents is None:
            return super().forward(x)
        generator = torch.Generator().manual_seed(0)
        return (torch.rand(10, 1, 8, 8, generator=generator) * 2 - 1)[labels]


def test_one_image_a_class_is_a_collapse_within_classes(data: Data) -> None:
    found = measured(PlayersOfClasses(spread=0.0, slope=0.02), Adversarial(data.schema), data)
    assert found["diversity"] > 0.5
    assert found["diversity_within_classes"] == pytest.approx(0, abs=1e-6)
    assert causes(found) == ["collapse to few images"]
    assert "of the same class" in found.findings[0].evidence


def test_figures_of_the_players_are_those_worked_out_by_hand(data: Data, monkeypatch: pytest.MonkeyPatch) -> None:
    """b = s·tanh(c(m − border)), m the mean of 64 pixels: ‖∂ softplus(−b)/∂x‖ = σ(−b)·s·(1 − tanh²)·c/8."""
    monkeypatch.setattr(adversarial_examination, "BATCH", 1000)
    model, objective = Players(spread=0.8, slope=0.3, sure=2.0), Adversarial(data.schema)
    found = measured(model, objective, data)
    batch = next(iter(data.test.batches(batch_size=1000)))
    with Seeds(0).scope("evaluate", 1), torch.no_grad():
        made = objective.make(model, batch)
    bent = torch.tanh(0.3 * made.flatten(1).mean(1))
    slopes = torch.sigmoid(-2.0 * bent) * 2.0 * (1 - bent.square()) * 0.3 / 8
    apart = pairwise_distance(batch.inputs).value
    assert found["generator_gradient"] == pytest.approx(float(slopes.mean()) * apart, rel=1e-5)
    pixels = [unstandardise(images, data.schema).clamp(0, 1) for images in (made, batch.inputs)]
    ratio = pairwise_distance(pixels[0]).value / pairwise_distance(pixels[1]).value
    assert found["diversity"] == pytest.approx(ratio, rel=1e-6)
