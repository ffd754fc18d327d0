"""Options that make each registered model small enough to be tried often."""

from typing import Any

SMALL: dict[str, dict[str, Any]] = {
    "alexnet": {"width_factor": 0.1},
    "convnext": {"width": 4},
    "early-exits": {"backbone": "resnet width=4"},
    "googlenet": {"width_factor": 0.1},
    "lenet": {},
    "mlp": {"width": 8},
    "ode-net": {"width": 4},
    "plain": {"width": 4},
    "resnet": {"width": 4},
    "resnet101": {"width": 4},
    "resnet152": {"width": 4},
    "resnet18": {"width": 4},
    "resnet34": {"width": 4},
    "resnet50": {"width": 4},
    "vgg": {"depth": 11, "width_factor": 0.1},
    "vit": {"depth": 2, "width": 12, "heads": 3, "patch": 8},
    "whitening-net": {"width": 4},
}
"""Networks for images and tables."""

SMALL_TEXT: dict[str, dict[str, Any]] = {
    "bart": {"depth": 1, "num_heads": 2, "width": 8},
    "bert": {"depth": 2, "num_heads": 2, "width": 8},
    "gpt": {"depth": 2, "num_heads": 2, "width": 8},
    "t5": {"depth": 1, "num_heads": 2, "width": 8},
    "transformer": {"depth": 1, "num_heads": 2, "width": 8},
}
"""Networks for text."""

SMALL_IMAGES: dict[str, dict[str, Any]] = {
    "autoencoder": {"latent": 3, "hidden": (8,)},
    "gated-pixelcnn": {"width": 6, "depth": 2, "kernel_size": 3},
    "image-transformer": {"depth": 1, "width": 8, "num_heads": 2, "patch": 2},
    "pixelcnn": {"width": 6, "depth": 1, "kernel_size": 3},
    "unet": {"widths": (4, 6), "num_groups": 2},
    "gan": {"latent": 3, "widths": (4, 6)},
    "vae": {"latent": 3, "hidden": (8,)},
}
"""Networks that make images."""
