"""The evidence lower bound: how well an image is coded by a latent vector and restored from it, in nats.

Legend: x image, z latent vector, q(z|x) the encoder's Gaussian, p(x|z) the decoder's distribution, p(z) = N(0, I).
"""

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, ClassVar, Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from sightline.core.config import Option, check
from sightline.core.schema import Schema
from sightline.data.batch import Batch
from sightline.data.standardise import standardise, unstandardise
from sightline.nn.latent_gaussian import LatentGaussian
from sightline.objectives.image_objective import ImageObjective
from sightline.objectives.pixel_likelihood import bits_per_dimension
from sightline.objectives.registry import OBJECTIVES

Pixels = Literal["binarised", "grey", "standardised"]

PIXELS = Option(
    "binarised: black or white, drawn anew from each pixel's value; grey: values in [0, 1], which makes no likelihood;"
    " standardised: Gaussian around the decoder's output"
)
BETA = Option("what the divergence counts beside the reconstruction; 1: the evidence lower bound", minimum=0)
ANNEAL = Option("share of the run over which the divergence's weight grows from 0", minimum=0, maximum=1)
DEVIATION = Option("σ of a standardised pixel given the latent vector", above=0)


@OBJECTIVES.register("elbo")
class EvidenceLowerBound(ImageObjective):
    """−E_q[log p(x|z)] + β KL(q(z|x) ‖ p(z)): at β = 1 an upper bound of −log p(x), which the encoder makes tight.

    One z is drawn for each image and look. "Binarised" pixels are drawn with the probability that is the pixel's value,
    anew at every look; "grey" ones are scored as if they were probabilities, as is often done; "standardised" ones
    are Gaussian with deviation σ. The whole run through, or as it grows (``anneal``), β trades sharp images for a
    latent space without holes: too large a divergence term and the latent vectors tell nothing (posterior collapse).

    Args:
        schema: the data set's.
        pixels: how pixels are distributed given the latent vector.
        beta: β.
        anneal: share of the updates over which β grows from 0 to its value, linearly.
        deviation: σ of standardised pixels.

    Raises:
        ConfigurationError: for data that are no images, a number out of its range, or pixels in [0, 1] asked of a
            standardisation that can't be undone.

    Source: Kingma & Welling 2014, equation (10); Higgins et al. 2017, "β-VAE"; Bowman et al. 2016, §3.1 (annealing)

    Lecture: X5

    Example:
        >>> schema = Schema("image", "none", (1, 2, 2), standardise="none", image_mean=(0.0,), image_std=(1.0,))
        >>> EvidenceLowerBound(schema, beta=4.0, anneal=0.5).weight("divergence")
        4.0
    """

    name = "elbo"
    suits = "variational autoencoder"
    units: ClassVar = {
        "negative_elbo": "nats",
        "reconstruction": "nats",
        "divergence": "nats",
        "bits_per_dimension": "bits",
    }

    def __init__(
        self,
        schema: Schema,
        *,
        pixels: Annotated[Pixels, PIXELS] = "binarised",
        beta: Annotated[float, BETA] = 1.0,
        anneal: Annotated[float, ANNEAL] = 0.0,
        deviation: Annotated[float, DEVIATION] = 1.0,
    ) -> None:
        super().__init__(schema)
        self.pixels: Pixels = check(pixels, Pixels, PIXELS, None, "pixels")
        self.beta: float = check(beta, float, BETA, None, "beta")
        self.anneal: float = check(anneal, float, ANNEAL, None, "anneal")
        self.deviation: float = check(deviation, float, DEVIATION, None, "deviation")

    def prepare(self, batch: Batch) -> Batch:
        """The pixels as the model is to see and to restore them."""
        if self.pixels == "standardised":
            return batch
        values = unstandardise(batch.inputs, self.schema).clamp(0, 1)
        return replace(batch, inputs=torch.bernoulli(values.contiguous()) if self.pixels == "binarised" else values)

    def weight(self, part: str) -> float:
        """β of the divergence, as far as it has grown."""
        if part != "divergence":
            return 1.0
        return self.beta * min(1.0, self.progress / self.anneal) if self.anneal else self.beta

    def parts(self, model: nn.Module, batch: Batch) -> Mapping[str, Float[Tensor, " batch"]]:
        """−log p(x|z) and the divergence, each in nats an image."""
        outputs = model(batch.inputs, labels=self.labels(batch))
        restored = self.reconstruction(outputs.restored.float(), batch.inputs)
        return {
            self.name: restored,
            "divergence": LatentGaussian(outputs.mean.float(), outputs.factor.float()).divergence(),
        }

    def reconstruction(
        self,
        outputs: Float[Tensor, "batch channels height width"],
        images: Float[Tensor, "batch channels height width"],
    ) -> Float[Tensor, " batch"]:
        """−log p(x|z): Bernoulli from the decoder's logits, or Gaussian around its outputs.

        Args:
            outputs: of the decoder.
            images: prepared.
        """
        if self.pixels == "standardised":
            scaled = (images - outputs) / self.deviation
            constant = math.log(self.deviation) + 0.5 * math.log(2 * math.pi)
            return (0.5 * scaled.square() + constant).flatten(1).sum(1)
        return F.binary_cross_entropy_with_logits(outputs, images, reduction="none").flatten(1).sum(1)

    def picture(
        self, outputs: Float[Tensor, "batch channels height width"]
    ) -> Float[Tensor, "batch channels height width"]:
        """The decoder's outputs as pixel values: each pixel's mean."""
        return unstandardise(outputs, self.schema) if self.pixels == "standardised" else outputs.sigmoid()

    def seen(
        self, pixels: Float[Tensor, "batch channels height width"]
    ) -> Float[Tensor, "batch channels height width"]:
        """Pixel values as the encoder sees images, without chance."""
        return standardise(pixels.clamp(0, 1), self.schema) if self.pixels == "standardised" else pixels

    def figures(self, parts: Mapping[str, Float[Tensor, " batch"]]) -> Mapping[str, Float[Tensor, " batch"]]:
        """The negative evidence lower bound (β = 1), its two parts, and the bound as bits a number."""
        whole = parts[self.name] + parts["divergence"]
        return {
            "negative_elbo": whole,
            "reconstruction": parts[self.name],
            "divergence": parts["divergence"],
            "bits_per_dimension": bits_per_dimension(whole, num_dimensions=math.prod(self.schema.input_shape)),
        }

    def figure_names(self) -> tuple[str, ...]:
        """See :meth:`figures`."""
        return ("negative_elbo", "reconstruction", "divergence", "bits_per_dimension")
