"""Walks, maps and reconstructions against loops over single images, and completions against what they are given."""

from typing import Any, TypeVar

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import sightline
from sightline.core.errors import ConfigurationError, DataError, InputError
from sightline.core.schema import Schema
from sightline.generate.completion import completed
from sightline.generate.interpolation import between_chances, between_images, interpolated, line
from sightline.generate.latent_coder import CODERS, reconstructed
from sightline.generate.latent_map import latent_map
from sightline.models.autoencoder import Autoencoder
from sightline.models.gan import GAN
from sightline.models.pixelcnn import PixelCNN
from sightline.models.variational_autoencoder import VAE
from sightline.objectives import Adversarial, EvidenceLowerBound, PixelPrediction, Reconstruction

Network = TypeVar("Network", bound=nn.Module)

GREY = Schema("image", "classification", (1, 4, 4), classes=("a", "b"), image_mean=(0.4,), image_std=(0.3,))
SMALL: dict[str, Any] = {"input_shape": (1, 4, 4), "latent": 3, "hidden": (8,)}


def pixels(count: int) -> Tensor:
    return torch.rand(count, 1, 4, 4, generator=torch.Generator().manual_seed(1))


def loud(model: Network) -> Network:
    """Weights large enough that codes differ from image to image."""
    torch.manual_seed(0)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(torch.randn_like(parameter))
    return model


def test_the_line_is_straight_and_leaves_the_sphere() -> None:
    first, last = torch.tensor([3.0, 0.0, 0.0]), torch.tensor([0.0, 3.0, 0.0])
    walk = line(first, last, 5)
    for place, share in enumerate((0.0, 0.25, 0.5, 0.75, 1.0)):
        assert torch.allclose(walk[place], (1 - share) * first + share * last)
    assert float(walk[2].norm()) == pytest.approx(3 / 2**0.5)
    assert float(interpolated(first, last, 5)[2].norm()) == pytest.approx(3.0)
    with pytest.raises(ConfigurationError, match="at least 2 steps"):
        line(first, last, 1)


def test_a_plain_autoencoder_is_walked_along_the_line() -> None:
    model, objective = loud(Autoencoder(**SMALL)), Reconstruction(GREY)
    first, last = pixels(2), pixels(2).flip(0)
    found = between_images(model, objective, first, last, steps=4)
    for row in range(2):
        ends = [model.features((images[row : row + 1] - 0.4) / 0.3)[0] for images in (first, last)]
        for step in range(4):
            latent = ends[0] + (ends[1] - ends[0]) * step / 3
            expected = (model.decode(latent[None])[0] * 0.3 + 0.4).clamp(0, 1)
            assert torch.allclose(found[row, step], expected, atol=1e-5)
    assert torch.allclose(found[:, 0], reconstructed(model, objective, first), atol=1e-6)


def test_walks_need_as_many_ends_as_beginnings(as_a_user_calls: None) -> None:
    with pytest.raises(InputError, match="alike in number"):
        between_images(Autoencoder(**SMALL), Reconstruction(GREY), pixels(2), pixels(1), steps=4)


@pytest.mark.parametrize("classes", [0, 2])
def test_a_variational_autoencoder_is_walked_along_the_arc(classes: int) -> None:
    model, objective = loud(VAE(**SMALL, num_classes=classes)), EvidenceLowerBound(GREY, pixels="grey")
    labels = torch.tensor([1, 0]) if classes else None
    first, last = pixels(2), pixels(2).flip(0)
    found = between_images(model, objective, first, last, steps=3, labels=labels)
    for row in range(2):
        own = None if labels is None else labels[row : row + 1]
        ends = [model.encode(images[row : row + 1], own).mean[0] for images in (first, last)]
        for step, latent in enumerate(interpolated(ends[0], ends[1], 3)):
            assert torch.allclose(found[row, step], model.decode(latent[None], own)[0].sigmoid(), atol=1e-5)


def test_a_generator_is_walked_from_each_vector_to_the_next() -> None:
    schema = Schema("image", "none", (1, 8, 8), image_mean=(0.4,), image_std=(0.3,))
    model = loud(GAN(input_shape=(1, 8, 8), latent=3, widths=(4, 6))).eval()
    latents = torch.randn(3, 3)
    found = between_chances(model, Adversarial(schema), latents, steps=3)
    for row in range(2):
        for step, latent in enumerate(interpolated(latents[row], latents[row + 1], 3)):
            assert torch.allclose(found[row, step], ((model(latents=latent[None])[0] + 1) / 2).detach(), atol=1e-5)
    with pytest.raises(InputError, match="two latent vectors"):
        between_chances(model, Adversarial(schema), latents[:1], steps=3)


def test_rounds_are_reconstructions_of_reconstructions() -> None:
    model, objective = loud(VAE(**SMALL)), EvidenceLowerBound(GREY, pixels="grey")
    once = reconstructed(model, objective, pixels(3))
    assert torch.equal(
        reconstructed(model, objective, once, rounds=2), reconstructed(model, objective, pixels(3), rounds=3)
    )
    assert not torch.equal(once, reconstructed(model, objective, once))
    with pytest.raises(ConfigurationError, match="at least 1 round"):
        reconstructed(model, objective, once, rounds=0)


def test_a_network_without_an_encoder_is_refused() -> None:
    schema = Schema("image", "none", (1, 8, 8), image_mean=(0.4,), image_std=(0.3,))
    gan = GAN(input_shape=(1, 8, 8), latent=3, widths=(4, 6))
    with pytest.raises(ConfigurationError, match="network that codes images"):
        reconstructed(gan, Adversarial(schema), torch.zeros(1, 1, 8, 8))
    assert sorted(CODERS) == ["elbo", "reconstruction"]


def test_the_map_is_numpys_principal_plane() -> None:
    data = sightline.load("digits")
    model, objective = loud(Autoencoder(input_shape=(1, 8, 8), latent=4, hidden=(8,))), Reconstruction(data.schema)
    found = latent_map(model, objective, data.test, most=60)
    rows = torch.linspace(0, len(data.test) - 1, 60).long()
    batch = next(iter(data.test.batches(batch_size=60, order=rows)))
    codes = model.features(batch.inputs).detach().double().numpy()
    values, vectors = np.linalg.eigh(np.cov(codes.T))
    expected = (codes - codes.mean(0)) @ vectors[:, ::-1][:, :2]
    for axis in range(2):  # either direction of an axis will do
        sign = np.sign(expected[:, axis] @ found.points[:, axis].numpy())
        assert np.allclose(found.points[:, axis].numpy(), sign * expected[:, axis], atol=1e-3)
    assert np.allclose(found.explained.numpy(), values[::-1][:2] / values.sum(), atol=1e-4)
    assert found.labels is not None
    assert torch.equal(found.labels, batch.target)


def test_a_latent_vector_of_one_number_has_a_flat_map() -> None:
    data = sightline.load("digits")
    model = loud(Autoencoder(input_shape=(1, 8, 8), latent=1, hidden=(8,)))
    found = latent_map(model, Reconstruction(data.schema), data.test, most=5)
    assert found.points[:, 1].tolist() == [0.0] * 5
    assert found.explained.tolist() == pytest.approx([1.0, 0.0])
    with pytest.raises(DataError, match="two images"):
        latent_map(model, Reconstruction(data.schema), data.test, most=1)


def test_a_completion_keeps_what_is_given_and_looks_at_nothing_below() -> None:
    schema = Schema("image", "none", (1, 4, 4), image_mean=(0.4,), image_std=(0.3,))
    model, objective = loud(PixelCNN(width=6, depth=1, levels=4)), PixelPrediction(schema, levels=4)
    whole = torch.randint(0, 4, (5, 1, 4, 4)).float() / 3
    other = whole.clone()
    other[:, :, 2:] = 1 - other[:, :, 2:]
    first, second = (
        completed(model, objective, images, rows=2, generator=torch.Generator().manual_seed(3))
        for images in (whole, other)
    )
    assert torch.equal(first, second)
    assert torch.allclose(first[:, :, :2], whole[:, :, :2])
    assert not torch.allclose(first[:, :, 2:], whole[:, :, 2:])
    for rows in (0, 4):
        with pytest.raises(ConfigurationError, match="from 1 to 3 rows"):
            completed(model, objective, whole, rows=rows)
