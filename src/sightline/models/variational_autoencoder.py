"""The variational autoencoder: an encoder that gives a Gaussian over latent vectors, and a decoder of its draws.

Legend: x image, z latent vector of k numbers, y class.
"""

from collections.abc import Sequence
from typing import Annotated, ClassVar, Literal, NamedTuple, get_args

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from sightline.core.config import Option
from sightline.core.errors import InputError
from sightline.core.schema import Schema
from sightline.core.words import one_of
from sightline.models.coders import (
    ConvolutionalDecoder,
    ConvolutionalEncoder,
    DenseDecoder,
    DenseEncoder,
    Hidden,
    Latent,
    Widths,
)
from sightline.models.fitness import Conditional, require_pictures
from sightline.models.predictor import Predictor
from sightline.models.registry import model
from sightline.nn.latent_gaussian import LatentGaussian

Covariance = Literal["diagonal", "full"]


class LatentOutputs(NamedTuple):
    """What a variational autoencoder gives.

    Args:
        restored: the decoder's outputs, (batch, channels, height, width).
        mean: μ(x), (batch, latent).
        factor: L(x): (batch, latent) of a diagonal covariance, (batch, latent, latent) of a full one.
    """

    restored: Tensor
    mean: Tensor
    factor: Tensor


class VAE(Predictor):
    """q(z|x) = N(μ(x), L(x)L(x)ᵀ), z = μ + Lε, outputs decoder(z): an autoencoder with chance in its middle.

    Its features are μ(x), its head the decoder. With classes, each image's class is handed to both: the encoder adds
    its embedding to x, the decoder gets it beside z. Decoder and N(0, I) alone then make new images.

    Shapes:
        x (batch, channels, height, width) → ``LatentOutputs``

    Args:
        input_shape: (channels, height, width).
        latent: k.
        hidden: units of the dense layers of the encoder; the decoder has them in reverse.
        widths: maps of a convolutional encoder instead, one a halving.
        covariance: "diagonal" or "full".
        num_classes: of the condition; 0: none.

    Raises:
        ConfigurationError: for an unknown covariance, or sides that can't be halved so often.
        InputError: when a conditional one is called without classes, or the other way round.

    Source: Kingma & Welling 2014, "Auto-Encoding Variational Bayes"; Sohn et al. 2015 (conditional)

    Lecture: X5

    Example:
        >>> vae = VAE(input_shape=(1, 4, 4), latent=2, hidden=(8,))
        >>> vae(torch.zeros(3, 1, 4, 4)).restored.shape, vae.decode(torch.zeros(5, 2)).shape
        (torch.Size([3, 1, 4, 4]), torch.Size([5, 1, 4, 4]))
    """

    makes_images: ClassVar[str] = "variational autoencoder"

    def __init__(
        self,
        *,
        input_shape: Sequence[int],
        latent: int = 32,
        hidden: Sequence[int] = (500, 500),
        widths: Sequence[int] | None = None,
        covariance: Covariance = "diagonal",
        num_classes: int = 0,
    ) -> None:
        super().__init__()
        self.input_shape, self.latent, self.num_classes = tuple(input_shape), latent, num_classes
        self.covariance: Covariance = one_of(covariance, get_args(Covariance), "covariance")
        numbers = 2 * latent if covariance == "diagonal" else latent + latent * (latent + 1) // 2
        channels, height, width = self.input_shape
        seen = (channels + bool(num_classes), height, width)
        self.class_map = nn.Embedding(num_classes, height * width) if num_classes else None
        if widths is None:
            self.encoder: nn.Module = DenseEncoder(seen, numbers, hidden=hidden)
            self.head: nn.Module = DenseDecoder(latent + num_classes, input_shape, hidden=tuple(reversed(hidden)))
        else:
            self.encoder = ConvolutionalEncoder(seen, numbers, widths=widths)
            self.head = ConvolutionalDecoder(latent + num_classes, input_shape, widths=widths)

    def encode(
        self, x: Float[Tensor, "batch channels height width"], labels: Int[Tensor, " batch"] | None = None
    ) -> LatentGaussian:
        """q(z|x), or q(z|x, y).

        Args:
            x: images.
            labels: y.
        """
        self._require(labels)
        if self.class_map is not None:
            x = torch.cat([x, self.class_map(labels).reshape(len(x), 1, *x.shape[2:]).to(x)], 1)
        mean, rest = self.encoder(x).split([self.latent, self._numbers()], 1)
        if self.covariance == "diagonal":
            return LatentGaussian(mean, (0.5 * rest).exp())  # the rest is log σ²
        factor = rest.new_zeros(len(rest), self.latent, self.latent)
        rows, columns = torch.tril_indices(self.latent, self.latent, device=rest.device)
        factor[:, rows, columns] = rest
        return LatentGaussian(mean, factor.tril(-1) + torch.diag_embed((0.5 * factor.diagonal(dim1=1, dim2=2)).exp()))

    def decode(
        self, latents: Float[Tensor, "batch latent"], labels: Int[Tensor, " batch"] | None = None
    ) -> Float[Tensor, "batch channels height width"]:
        """The decoder's outputs for latent vectors.

        Args:
            latents: z.
            labels: y.
        """
        self._require(labels)
        if labels is not None and self.num_classes:
            latents = torch.cat([latents, F.one_hot(labels, self.num_classes).to(latents)], 1)
        restored: Tensor = self.head(latents)
        return restored

    def features(self, x: Float[Tensor, "batch ..."]) -> Float[Tensor, "batch latent"]:
        """μ(x), of a network without classes."""
        return self.encode(x).mean

    def forward(  # type: ignore[override]  # a draw has a mean and a deviation beside it
        self, x: Float[Tensor, "batch channels height width"], *, labels: Int[Tensor, " batch"] | None = None
    ) -> LatentOutputs:
        """Encode, draw, decode; the draw comes from torch's global generator.

        Args:
            x: images.
            labels: their classes; only a conditional network takes notice.
        """
        given = labels if self.num_classes else None
        gaussian = self.encode(x, given)
        return LatentOutputs(self.decode(gaussian.draw(), given), gaussian.mean, gaussian.factor)

    def _numbers(self) -> int:
        """Numbers of a covariance."""
        return self.latent if self.covariance == "diagonal" else self.latent * (self.latent + 1) // 2

    def _require(self, labels: Tensor | None) -> None:
        if self.num_classes and labels is None:
            raise InputError(
                expected=f"the class of each image, for a VAE with {self.num_classes} classes",
                found="labels = None",
                do="give labels",
            )
        if not self.num_classes and labels is not None:
            raise InputError(
                expected="no labels, for a VAE without classes",
                found="labels",
                do="leave them out, or build it with some",
            )


@model("vae")
def vae(
    schema: Schema,
    *,
    latent: Latent = 32,
    hidden: Hidden = (500, 500),
    widths: Widths = None,
    covariance: Annotated[Covariance, Option("of a latent vector given its image")] = "diagonal",
    conditional: Conditional = False,
) -> VAE:
    """Variational autoencoder: images coded as draws from a Gaussian; its decoder makes new ones.

    Raises:
        ConfigurationError: for options that don't fit the images.
        DataError: for data that are no images, or a condition without classes.

    Lecture: X5
    """
    return VAE(
        input_shape=require_pictures(schema, "vae", conditional=conditional),
        latent=latent,
        hidden=hidden,
        widths=widths,
        covariance=covariance,
        num_classes=len(schema.classes) if conditional else 0,
    )
