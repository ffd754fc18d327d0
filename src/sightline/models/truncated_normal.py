"""The first weights of transformers and of ConvNeXt."""

from torch import nn


def start_truncated_normal(network: nn.Module, deviation: float = 0.02) -> None:
    """Weights of convolutions and linear layers normal with mean 0 and one deviation, whatever the fan-in; biases 0.

    They are cut off at ±2, as in the authors' code: at this deviation that never acts. The layers' norms make up
    for the scale.

    Args:
        network: all of the layers; others than these two kinds stay as they are.
        deviation: standard deviation.

    Source: Liu et al. 2022, "A ConvNet for the 2020s", appendix A.1; Touvron et al. 2021, "Training data-efficient
        image transformers", §6

    Lecture: F13

    Example:
        >>> import torch
        >>> _ = torch.manual_seed(0)
        >>> layer = nn.Linear(400, 100)
        >>> start_truncated_normal(layer)
        >>> round(layer.weight.std().item(), 3), layer.bias.any().item()
        (0.02, False)
    """
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            nn.init.trunc_normal_(layer.weight, std=deviation)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
