"""Small autoregressive networks of images for tests, in float64 and with weights away from their first values."""

from collections.abc import Callable
from itertools import product

import torch
from torch import Tensor

from sightline.models.gated_pixelcnn import GatedPixelCNN
from sightline.models.image_transformer import ImageTransformer
from sightline.models.pixel_predictor import PixelPredictor
from sightline.models.pixelcnn import PixelCNN
from sightline.objectives.pixel_likelihood import pixel_negative_log_likelihood

Size = tuple[int, int]
Make = Callable[..., PixelPredictor]


def plain(size: Size, **options: int) -> PixelPredictor:
    return PixelCNN(width=24, depth=2, kernel_size=5, **options)


def gated(size: Size, **options: int) -> PixelPredictor:
    return GatedPixelCNN(width=12, depth=3, kernel_size=5, block_kernel_size=5, head_width=24, **options)


def pixels(size: Size, **options: int) -> PixelPredictor:
    return ImageTransformer(image_size=size, depth=2, width=8, num_heads=2, **options)


def patches(size: Size, **options: int) -> PixelPredictor:
    return ImageTransformer(image_size=size, patch_size=2, depth=2, width=8, num_heads=2, head_width=6, **options)


KINDS: dict[str, Make] = {"plain": plain, "gated": gated, "pixels": pixels, "patches": patches}


def make(kind: str, size: Size, *, strength: float = 0.3, **options: int) -> PixelPredictor:
    """A network of one kind in evaluation mode."""
    torch.manual_seed(0)
    model = KINDS[kind](size, **options).double().eval()
    with torch.no_grad():
        for parameter in model.parameters():
            inputs = parameter[0].numel() if parameter.ndim > 1 else 1
            parameter.add_(torch.randn_like(parameter), alpha=strength * min(1.0, 3 / inputs**0.5))
    return model


def all_images(levels: int, channels: int, size: Size) -> Tensor:
    """Every image there is, (levels^(C·H·W), C, H, W)."""
    numbers = list(product(range(levels), repeat=channels * size[0] * size[1]))
    return torch.tensor(numbers).reshape(-1, channels, *size)


def log_probabilities(
    model: PixelPredictor, images: Tensor, *, label: int | None = None, temperature: float = 1.0
) -> Tensor:
    """log p(x) of each image."""
    labels = None if label is None else torch.full((len(images),), label)
    with torch.no_grad():
        logits: Tensor = model(images, labels=labels)
    return -pixel_negative_log_likelihood(logits / temperature, images)
