"""Generator and discriminator: two networks that learn from each other, held together as one model.

Legend: z latent vector of k numbers, y class, G generator, D discriminator.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Annotated, ClassVar

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.parametrizations import spectral_norm

from sightline.core.config import Option
from sightline.core.errors import InputError
from sightline.core.schema import Schema
from sightline.models.coders import Latent, halved, require_sizes
from sightline.models.fitness import Conditional, require_pictures
from sightline.models.predictor import Predictor
from sightline.models.registry import model


class ConvolutionalGenerator(nn.Module):
    """A linear layer, then transposed convolutions of 4 × 4 that double each side, normalised by batch; then tanh.

    Shapes:
        z (batch, num_inputs) → (batch, channels, height, width) in [−1, 1]

    Args:
        num_inputs: numbers in a vector, a class's among them.
        output_shape: (channels, height, width).
        widths: maps before each doubling, the last first.

    Raises:
        ConfigurationError: for sides that can't be halved so often.

    Source: Radford et al. 2016, "Unsupervised Representation Learning with DCGANs", §3

    Lecture: X4

    Example:
        >>> ConvolutionalGenerator(3, (1, 8, 8), widths=(4, 8))(torch.zeros(2, 3)).shape
        torch.Size([2, 1, 8, 8])
    """

    def __init__(self, num_inputs: int, output_shape: Sequence[int], *, widths: Sequence[int] = (64, 128)) -> None:
        super().__init__()
        require_sizes(widths, "widths")
        height, width = halved(output_shape, len(widths))
        self.first_shape = (widths[-1], height, width)
        self.linear = nn.Linear(num_inputs, widths[-1] * height * width, bias=False)
        layers: list[nn.Module] = [nn.BatchNorm2d(widths[-1]), nn.ReLU()]
        down = list(widths[::-1])
        for before, after in pairwise(down):
            layers += [
                nn.ConvTranspose2d(before, after, 4, stride=2, padding=1, bias=False),
                nn.BatchNorm2d(after),
                nn.ReLU(),
            ]
        self.layers = nn.Sequential(*layers, nn.ConvTranspose2d(down[-1], output_shape[0], 4, stride=2, padding=1))

    def forward(self, z: Float[Tensor, "batch num_inputs"]) -> Float[Tensor, "batch channels height width"]:
        """Images, before they are scaled to the data's range."""
        images: Tensor = self.layers(self.linear(z).reshape(len(z), *self.first_shape)).tanh()
        return images


class ConvolutionalDiscriminator(nn.Sequential):
    """Convolutions of 4 × 4 that halve each side, leaky ReLU of slope 0.2 between them.

    Shapes:
        x (batch, channels, height, width) → (batch, widths[-1]·h·w)

    Args:
        input_shape: (channels, height, width).
        widths: maps after each halving.
        spectral: divide each weight by its largest singular value (Miyato et al. 2018) instead of normalising by batch.

    Raises:
        ConfigurationError: for sides that can't be halved so often.

    Source: Radford et al. 2016, §3

    Lecture: X4

    Example:
        >>> ConvolutionalDiscriminator((1, 8, 8), widths=(4, 8))(torch.zeros(2, 1, 8, 8)).shape
        torch.Size([2, 32])
    """

    def __init__(
        self, input_shape: Sequence[int], *, widths: Sequence[int] = (64, 128), spectral: bool = False
    ) -> None:
        require_sizes(widths, "widths")
        height, width = halved(input_shape, len(widths))
        channels = [input_shape[0], *widths]
        layers: list[nn.Module] = []
        for number, (before, after) in enumerate(pairwise(channels)):
            normalised = number > 0 and not spectral
            convolution = nn.Conv2d(before, after, 4, stride=2, padding=1, bias=not normalised)
            _start(convolution)  # before its largest singular value is sought
            layers.append(spectral_norm(convolution) if spectral else convolution)
            layers += [nn.BatchNorm2d(after)] if normalised else []
            layers.append(nn.LeakyReLU(0.2))
        super().__init__(*layers, nn.Flatten())
        self.num_features = widths[-1] * height * width


class GAN(Predictor):
    """G(z) makes images, D(x) tells real ones from made ones: D is the predictor, its head gives the log-odds of real.

    With classes, G gets y beside z, and D adds the product of y's embedding with its features (a projection), so that
    it judges whether an image is real and of its class.

    Shapes:
        x (batch, channels, height, width) → (batch, 1); latents (batch, latent) → images in [−1, 1]

    Args:
        input_shape: (channels, height, width).
        latent: k.
        widths: maps of D after each halving; G's are the same, in reverse.
        spectral: D's weights are divided by their largest singular value, instead of normalisation by batch.
        num_classes: of the condition; 0: none.

    Raises:
        ConfigurationError: for sides that can't be halved so often.
        InputError: when a conditional one is called without classes, or the other way round.

    Source: Goodfellow et al. 2014, "Generative Adversarial Nets"; Radford et al. 2016 (DCGAN); Miyato & Koyama 2018,
        "cGANs with Projection Discriminator"

    Lecture: X4

    Example:
        >>> gan = GAN(input_shape=(1, 8, 8), latent=3, widths=(4, 8))
        >>> gan(torch.zeros(2, 1, 8, 8)).shape, gan(latents=torch.zeros(2, 3)).shape
        (torch.Size([2, 1]), torch.Size([2, 1, 8, 8]))
    """

    makes_images: ClassVar[str] = "adversarial pair"

    def __init__(
        self,
        *,
        input_shape: Sequence[int],
        latent: int = 64,
        widths: Sequence[int] = (64, 128),
        spectral: bool = False,
        num_classes: int = 0,
    ) -> None:
        super().__init__()
        self.latent, self.num_classes = latent, num_classes
        self.generator = ConvolutionalGenerator(latent + num_classes, input_shape, widths=widths)
        self.discriminator = ConvolutionalDiscriminator(input_shape, widths=widths, spectral=spectral)
        features = self.discriminator.num_features
        self.class_vectors = nn.Embedding(num_classes, features) if num_classes else None
        head = nn.Linear(features, 1)
        _start(head)
        self.head: nn.Module = spectral_norm(head) if spectral else head
        self.generator.apply(_start)
        for module in self.discriminator:
            if isinstance(module, nn.BatchNorm2d):
                _start(module)

    def judges(self) -> list[nn.Parameter]:
        """The parameters of the discriminator."""
        own = {id(p) for p in self.generator.parameters()}
        return [p for p in self.parameters() if id(p) not in own]

    def features(self, x: Float[Tensor, "batch ..."]) -> Float[Tensor, "batch num_features"]:
        """What the discriminator's head sees."""
        features: Tensor = self.discriminator(x)
        return features

    def forward(
        self,
        x: Float[Tensor, "batch channels height width"] | None = None,
        *,
        labels: Int[Tensor, " batch"] | None = None,
        latents: Float[Tensor, "batch latent"] | None = None,
    ) -> Float[Tensor, "batch ..."]:
        """The log-odds that images are real, or images of latent vectors in [−1, 1].

        Args:
            x: images; none where ``latents`` are given.
            labels: y.
            latents: z.

        Raises:
            InputError: for both or neither of the two, or classes that don't fit.
        """
        if (x is None) == (latents is None):
            raise InputError(expected="images or latent vectors", found="both or neither", do="give one of the two")
        if bool(self.num_classes) != (labels is not None):
            raise InputError(
                expected="the class of each image" if self.num_classes else "no labels, for a GAN without classes",
                found="labels = None" if labels is None else "labels",
                do="give labels" if self.num_classes else "leave them out",
            )
        if latents is not None:
            if labels is not None:
                latents = torch.cat([latents, F.one_hot(labels, self.num_classes).to(latents)], 1)
            images: Tensor = self.generator(latents)
            return images
        assert x is not None
        features = self.features(x)
        odds: Tensor = self.head(features)
        if self.class_vectors is not None:
            odds = odds + (self.class_vectors(labels) * features).sum(1, keepdim=True)
        return odds


def _start(module: nn.Module) -> None:
    """Weights normal with deviation 0.02, as published; γ of a batch normalisation around 1."""
    if isinstance(module, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
        nn.init.normal_(module.weight, std=0.02)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
    elif isinstance(module, nn.BatchNorm2d):
        nn.init.normal_(module.weight, 1.0, 0.02)


@model("gan")
def gan(
    schema: Schema,
    *,
    latent: Latent = 64,
    widths: Annotated[tuple[int, ...], Option("the discriminator's maps, one for each halving of the sides")] = (
        64,
        128,
    ),
    spectral: Annotated[
        bool, Option("the discriminator's weights are divided by their largest singular value")
    ] = False,
    conditional: Conditional = False,
) -> GAN:
    """Generative adversarial network: one network makes images, the other tells them from real ones (DCGAN).

    Raises:
        ConfigurationError: for options that don't fit the images.
        DataError: for data that are no images, or a condition without classes.

    Lecture: X4
    """
    return GAN(
        input_shape=require_pictures(schema, "gan", conditional=conditional),
        latent=latent,
        widths=widths,
        spectral=spectral,
        num_classes=len(schema.classes) if conditional else 0,
    )
