"""Autoregressive networks of images: saved and read again, gradients everywhere, what is no image is refused."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from pixel_models import KINDS, make
from sightline.core.errors import ConfigurationError, InputError, SightlineError
from sightline.generate.raster_scan import sample_pixels, sample_pixels_by_full_passes
from sightline.models.gated_pixelcnn import GatedPixelCNN
from sightline.models.image_transformer import ImageTransformer
from sightline.models.pixel_predictor import CentredLevels
from sightline.models.pixelcnn import PixelCNN
from sightline.objectives.pixel_likelihood import bits_per_dimension, pixel_negative_log_likelihood

SIZE = (2, 4)


def some(channels: int = 2, levels: int = 3) -> Tensor:
    return torch.arange(2 * channels * 8).remainder(levels).reshape(2, channels, *SIZE)


@pytest.mark.parametrize("kind", KINDS)
def test_it_is_read_as_it_was_saved(kind: str, tmp_path: Path) -> None:
    model = make(kind, SIZE, levels=3, in_channels=2, num_classes=4).float()
    model.save_pretrained(tmp_path)
    read = type(model).from_pretrained(tmp_path)
    labels = torch.tensor([3, 0])
    assert torch.equal(read(some(), labels=labels), model(some(), labels=labels))


@pytest.mark.parametrize("kind", KINDS)
def test_every_parameter_has_a_gradient_and_modes_stay(kind: str) -> None:
    model = make(kind, SIZE, levels=3, in_channels=2, num_classes=4).train()
    pixel_negative_log_likelihood(model(some(), labels=torch.tensor([3, 0])), some()).mean().backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert bool(parameter.grad.isfinite().all()), name
        assert bool((parameter.grad != 0).any()), name
    sample_pixels(model, count=1, image_size=SIZE, labels=torch.tensor([1]))
    assert all(module.training for module in model.modules())
    assert model.state_dict().keys() == dict(model.named_parameters()).keys()  # masks are not saved


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.usefixtures("as_a_user_calls")
def test_bytes_are_levels_too(kind: str) -> None:
    model = make(kind, SIZE, levels=3, in_channels=2)
    assert torch.equal(model(some().to(torch.uint8)), model(some()))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.usefixtures("as_a_user_calls")
def test_what_is_no_image_is_refused(kind: str) -> None:
    model = make(kind, SIZE, levels=3, in_channels=2)
    wrong: list[tuple[Any, str]] = [
        (some().float(), "torch.float32"),
        (some() > 0, "torch.bool"),
        (some() + 1, "found:      3"),
        (some() - 1, "found:      -1"),
        (some(channels=3), "3, 2, 4|2, 3, 2, 4"),
        (some()[0], "shape"),
        (some()[:0], "shape"),
    ]
    for images, told in wrong:
        with pytest.raises(InputError, match=told):
            model(images)
    with pytest.raises(InputError, match="no classes"):
        model(some(), labels=torch.tensor([0, 1]))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.usefixtures("as_a_user_calls")
def test_what_is_no_label_is_refused(kind: str) -> None:
    model = make(kind, SIZE, num_classes=2)
    images = some(channels=1, levels=2)
    for labels, told in [
        (None, "pass labels="),
        (torch.tensor([0, 2]), "class numbers from 0 to 1"),
        (torch.tensor([-1, 0]), "-1"),
        (torch.tensor([0]), "2 labels"),
        (torch.tensor([0.0, 1.0]), "float32"),
    ]:
        with pytest.raises(InputError, match=told):
            model(images, labels=labels)


@pytest.mark.parametrize(
    ("build", "told"),
    [
        (lambda: PixelCNN(levels=1), "levels of at least 2"),
        (lambda: PixelCNN(in_channels=0), "in_channels of at least 1"),
        (lambda: GatedPixelCNN(num_classes=0), "num_classes of at least 1"),
        (lambda: PixelCNN(depth=0), "depth of at least 1"),
        (lambda: PixelCNN(kernel_size=4), "odd kernel_size"),
        (lambda: PixelCNN(width=9, in_channels=3), "twice a multiple"),
        (lambda: GatedPixelCNN(width=8, in_channels=3), "channels divide"),
        (lambda: GatedPixelCNN(block_kernel_size=1), "at least 3"),
        (lambda: ImageTransformer(image_size=(4, 6), patch_size=4), "cover the image"),
        (lambda: ImageTransformer(image_size=(4, 6, 8)), "cover the image"),
        (lambda: ImageTransformer(image_size=4, width=10, num_heads=4), "number of heads divides"),
        (lambda: ImageTransformer(image_size=4, dropout=1.0), "dropout in"),
    ],
)
def test_what_can_not_be_built_is_refused(build: Any, told: str) -> None:
    with pytest.raises(ConfigurationError, match=told):
        build()


def test_a_transformer_has_one_size() -> None:
    model = make("pixels", SIZE)
    with pytest.raises(InputError, match="images of 2 × 4 pixels"):
        model(torch.zeros(1, 1, 4, 2, dtype=torch.int64))
    with pytest.raises(InputError, match="images of 2 × 4 pixels"):
        model.new_cache(height=4, width=2)
    cache = make("patches", SIZE).new_cache(height=2, width=4)
    cache.move(0, 0)
    for place in [(1, 0), (0, 2), (0, -1), (2, 0)]:
        with pytest.raises(InputError, match="pixel_order"):
            cache.move(*place)


@pytest.mark.parametrize("sample", [sample_pixels, sample_pixels_by_full_passes])
@pytest.mark.usefixtures("as_a_user_calls")
def test_what_can_not_be_sampled_is_refused(sample: Any) -> None:
    model = make("patches", (4, 4), num_classes=3)
    good: dict[str, Any] = {"count": 2, "image_size": 4, "labels": torch.tensor([0, 1])}
    black = torch.zeros(2, 1, 2, 4, dtype=torch.int64)
    wrong: list[tuple[dict[str, Any], type[SightlineError], str]] = [
        ({"count": 0}, ConfigurationError, "at least 1 image"),
        ({"image_size": (4, 0)}, ConfigurationError, "at least 1 pixel"),
        ({"image_size": 6}, InputError, "images of 4 × 4"),
        ({"temperature": 0.0}, ConfigurationError, "finite temperature"),
        ({"labels": None}, InputError, "pass labels="),
        ({"count": 3}, InputError, "3 labels"),
        ({"given": black[:1]}, InputError, "given rows"),
        ({"given": black[:, :, :, :3]}, InputError, "given rows"),
        ({"given": black[:, :, :1]}, ConfigurationError, "multiple of the patch's side"),
        ({"given": black.repeat(1, 1, 3, 1)}, InputError, "at most 4"),
        ({"given": black + 2}, InputError, "levels from 0 to 1"),
        ({"given": black.float()}, InputError, "torch.float32"),
    ]
    for options, kind, told in wrong:
        with pytest.raises(kind, match=told):
            sample(model, **{**good, **options})
    with torch.no_grad():
        next(model.parameters()).fill_(torch.nan)
    with pytest.raises(InputError, match="finite logits"):
        sample(model, **good)


def test_likelihood_is_the_sum_of_log_probabilities() -> None:
    """Against a loop over every pixel, and by hand: two levels of equal probability have one bit a dimension."""
    torch.manual_seed(0)
    logits, images = torch.randn(2, 3, 2, 2, 4, dtype=torch.float64), some()
    nats = pixel_negative_log_likelihood(logits, images)
    for one in range(2):
        total = 0.0
        for place in torch.cartesian_prod(torch.arange(2), torch.arange(2), torch.arange(4)).tolist():
            chances = logits[one, :, *place].exp()
            total -= float((chances[images[one, *place]] / chances.sum()).log())
        torch.testing.assert_close(nats[one].item(), total, rtol=1e-12, atol=0)
    even = pixel_negative_log_likelihood(torch.zeros(1, 2, 1, 2, 4), torch.ones(1, 1, 2, 4, dtype=torch.uint8))
    torch.testing.assert_close(bits_per_dimension(even, num_dimensions=8), torch.ones(1))
    assert pixel_negative_log_likelihood(logits.bfloat16(), images).dtype == torch.float32
    nothing = pixel_negative_log_likelihood(logits * torch.nan, images)
    assert bool(nothing.isnan().all())  # a failed network is not hidden


@pytest.mark.usefixtures("as_a_user_calls")
def test_likelihood_refuses_what_does_not_fit() -> None:
    logits, images = torch.zeros(2, 3, 2, 2, 4), some()
    for x, told in [
        (images[:, :1], "shapes"),
        (images[:1], "shapes"),
        (images + 1, "levels from 0 to 2"),
        (images.float(), "float32"),
    ]:
        with pytest.raises(InputError, match=told):
            pixel_negative_log_likelihood(logits, x)
    with pytest.raises(InputError, match="shapes"):
        pixel_negative_log_likelihood(logits[0], images)
    with pytest.raises(ConfigurationError, match="num_dimensions"):
        bits_per_dimension(torch.zeros(1), num_dimensions=0)


def test_levels_are_centred() -> None:
    scaled = CentredLevels(levels=256)(torch.tensor([0, 51, 255], dtype=torch.uint8), torch.float64)
    torch.testing.assert_close(scaled, torch.tensor([-1, -0.6, 1], dtype=torch.float64), rtol=0, atol=1e-15)
