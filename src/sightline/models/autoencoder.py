"""The autoencoder: an image made small and large again, fully connected or convolutional."""

from collections.abc import Sequence
from typing import ClassVar

from jaxtyping import Float
from torch import Tensor, nn

from sightline.core.schema import Schema
from sightline.models.coders import (
    ConvolutionalDecoder,
    ConvolutionalEncoder,
    DenseDecoder,
    DenseEncoder,
    Hidden,
    Latent,
    Widths,
)
from sightline.models.fitness import require_pictures
from sightline.models.predictor import Predictor
from sightline.models.registry import model


class Autoencoder(Predictor):
    """x̂ = decoder(encoder(x)): its features are the latent vector, its head is the decoder.

    Shapes:
        x (batch, channels, height, width) → the same; features (batch, latent)

    Args:
        input_shape: (channels, height, width).
        latent: k, numbers in a latent vector.
        hidden: units of the dense layers of the encoder; the decoder has them in reverse.
        widths: maps of a convolutional encoder instead, one a halving; the decoder's convolutions are transposed.

    Raises:
        ConfigurationError: for sides that can't be halved so often.

    Source: the lecture notes, lecture 15, §15.3

    Lecture: A2, A3

    Example:
        >>> import torch
        >>> small = Autoencoder(input_shape=(1, 4, 4), latent=2, hidden=(8,))
        >>> x = torch.zeros(3, 1, 4, 4)
        >>> small.features(x).shape, small(x).shape
        (torch.Size([3, 2]), torch.Size([3, 1, 4, 4]))
    """

    makes_images: ClassVar[str] = "autoencoder"

    def __init__(
        self,
        *,
        input_shape: Sequence[int],
        latent: int = 32,
        hidden: Sequence[int] = (500, 500),
        widths: Sequence[int] | None = None,
    ) -> None:
        super().__init__()
        self.latent = latent
        if widths is None:
            self.encoder: nn.Module = DenseEncoder(input_shape, latent, hidden=hidden)
            self.head: nn.Module = DenseDecoder(latent, input_shape, hidden=tuple(reversed(hidden)))
        else:
            self.encoder = ConvolutionalEncoder(input_shape, latent, widths=widths)
            self.head = ConvolutionalDecoder(latent, input_shape, widths=widths)

    def features(self, x: Float[Tensor, "batch ..."]) -> Float[Tensor, "batch latent"]:
        """The latent vector."""
        latents: Tensor = self.encoder(x)
        return latents

    def decode(self, latents: Float[Tensor, "batch latent"]) -> Float[Tensor, "batch channels height width"]:
        """Images of latent vectors, standardised."""
        restored: Tensor = self.head(latents)
        return restored


@model("autoencoder")
def autoencoder(
    schema: Schema,
    *,
    latent: Latent = 32,
    hidden: Hidden = (500, 500),
    widths: Widths = None,
) -> Autoencoder:
    """Autoencoder: images through a bottleneck and back; plain, from noise or from parts, as the objective says.

    Raises:
        ConfigurationError: for options that don't fit the images.
        DataError: for data that are no images.

    Lecture: A2, A3
    """
    return Autoencoder(input_shape=require_pictures(schema, "autoencoder"), latent=latent, hidden=hidden, widths=widths)
