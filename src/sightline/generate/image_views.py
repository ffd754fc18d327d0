"""Pictures of what a network that makes images has learnt, each kind of network by views of its own."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from sightline.core.registry import Registry
from sightline.data import Batch, Split
from sightline.data.standardise import unstandardise
from sightline.generate.completion import completed
from sightline.generate.diffused_images import denoiser_of, sampler_of
from sightline.generate.diffusion_chain import forward_chain, reverse_chain
from sightline.generate.generation import evaluating
from sightline.generate.image_sampling import Request
from sightline.generate.interpolation import between_chances, between_images
from sightline.generate.latent_coder import reconstructed
from sightline.models.gan import GAN
from sightline.models.pixel_predictor import PixelPredictor
from sightline.models.unet import UNet
from sightline.models.variational_autoencoder import VAE
from sightline.objectives.adversarial import Adversarial
from sightline.objectives.denoising_diffusion import DenoisingDiffusion
from sightline.objectives.evidence_lower_bound import EvidenceLowerBound
from sightline.objectives.image_objective import ImageObjective
from sightline.objectives.pixel_prediction import PixelPrediction
from sightline.objectives.reconstruction import Reconstruction

ACROSS = 10
"""Images in a row."""

WALKS = 4
CHAINS = 3
CHAIN_STEPS = 50
"""Most steps of the sampler whose path is shown."""


@dataclass(frozen=True)
class View:
    """One picture of many images, with its words.

    Args:
        name: short, of letters and hyphens; the file is called so.
        title: what it shows, in a few words.
        caption: how to read it, in a sentence.
        pixels: the images in [0, 1], row by row.
        columns: images in a row.
    """

    name: str
    title: str
    caption: str
    pixels: Float[Tensor, "count channels height width"]
    columns: int


Viewer = Callable[[nn.Module, ImageObjective, Batch, torch.Generator], list[View]]
"""From a network, its objective and some real images, standardised, to views."""

VIEWERS: Registry[Viewer] = Registry("viewer")
"""By the objective's name."""


@torch.no_grad()
def image_views(model: nn.Module, objective: ImageObjective, split: Split, *, seed: int = 0) -> list[View]:
    """What there is to be seen of a network; nothing of one for whose objective no views are known.

    Some of the pictures begin with real images, taken evenly from the split. The cost is that of sampling some forty
    images. Chance comes from the seed and from torch's global generator.

    Args:
        model: in evaluation mode meanwhile.
        objective: what it was trained with.
        split: of real images.
        seed: of the draws.

    Lecture: X4, X5, X6

    Example:
        >>> import sightline
        >>> from sightline.models.autoencoder import Autoencoder
        >>> data = sightline.load("digits")
        >>> small = Autoencoder(input_shape=(1, 8, 8), latent=3, hidden=(8,))
        >>> [view.name for view in image_views(small, Reconstruction(data.schema), data.test)]
        ['reconstructions', 'interpolation']
    """
    objective.require_kind(model)
    if objective.name not in VIEWERS or not len(split):
        return []
    rows = torch.linspace(0, len(split) - 1, min(ACROSS, len(split))).long()
    batch = next(iter(split.batches(batch_size=ACROSS, order=rows, device=next(model.parameters()).device)))
    with evaluating(model):
        return VIEWERS[objective.name](model, objective, batch, torch.Generator().manual_seed(seed))


@VIEWERS.register("reconstruction")
def autoencoder_views(
    model: nn.Module, objective: ImageObjective, batch: Batch, generator: torch.Generator
) -> list[View]:
    """Reconstructions, also of corrupted images, and walks along straight lines.

    Lecture: A2
    """
    assert isinstance(objective, Reconstruction)
    real = _pixels(objective, batch)
    if objective.corruption == "none":
        rows = [real, reconstructed(model, objective, real)]
        caption = "Real images, and below each what the decoder makes of its code."
    else:
        seen = objective.prepare(batch).inputs
        rows = [real, objective.picture(seen), objective.picture(model(seen))]
        caption = "Real images; below each what the network is given of it, and what it restores."
    return [
        _stacked("reconstructions", "Reconstructions", caption, rows),
        *_walks(model, objective, batch, "the straight line between their codes: nothing is known of the codes' shape"),
    ]


@VIEWERS.register("elbo")
def variational_views(
    model: nn.Module, objective: ImageObjective, batch: Batch, generator: torch.Generator
) -> list[View]:
    """Reconstructions, walks along arcs, and draws that are coded and decoded again.

    Lecture: X5
    """
    assert isinstance(model, VAE)
    assert isinstance(objective, EvidenceLowerBound)
    real, labels = _pixels(objective, batch), _labels(model, objective, batch)
    drawn = torch.randn(len(real), model.latent, generator=generator).to(real.device)
    first = objective.picture(model.decode(drawn, labels)).clamp(0, 1)
    again = [reconstructed(model, objective, first, labels, rounds=rounds) for rounds in (1, 3)]
    return [
        _stacked(
            "reconstructions",
            "Reconstructions",
            "Real images, and below each what the decoder makes of its posterior mean.",
            [real, reconstructed(model, objective, real, labels)],
        ),
        *_walks(
            model,
            objective,
            batch,
            "the arc between their posterior means: Gaussian vectors of one length, as in training",
        ),
        _stacked(
            "rounds",
            "Decode, encode, decode",
            "Latent vectors drawn by chance, decoded; below, coded and decoded again once, and three times: pulled to"
            " images that the encoder knows.",
            [first, *again],
        ),
    ]


@VIEWERS.register("adversarial")
def generator_views(
    model: nn.Module, objective: ImageObjective, batch: Batch, generator: torch.Generator
) -> list[View]:
    """Walks between latent vectors drawn by chance.

    Lecture: X4
    """
    assert isinstance(model, GAN)
    assert isinstance(objective, Adversarial)
    device = batch.inputs.device
    latents = torch.randn(WALKS + 1, model.latent, generator=generator).to(device)
    labels = torch.arange(WALKS, device=device) % model.num_classes if model.num_classes else None
    walks = between_chances(model, objective, latents, steps=ACROSS, labels=labels)
    caption = (
        "From one latent vector drawn by chance (left) to another (right) on the arc, which keeps the length that"
        " Gaussian vectors have; each row goes on from the end of the one above"
        + (", of another class." if labels is not None else ".")
    )
    return [View("interpolation", "Interpolation", caption, walks.flatten(0, 1).cpu(), ACROSS)]


@VIEWERS.register("denoising-diffusion")
def diffusion_views(
    model: nn.Module, objective: ImageObjective, batch: Batch, generator: torch.Generator
) -> list[View]:
    """The forward chain of real images, the reverse chain of new ones.

    Lecture: X6
    """
    assert isinstance(model, UNet)
    assert isinstance(objective, DenoisingDiffusion)
    last, device = objective.steps, batch.inputs.device
    times = sorted({place * last // (ACROSS - 1) for place in range(ACROSS)})
    moments = forward_chain(objective.process, batch.inputs[:CHAINS], times, generator=generator)
    steps = min(CHAIN_STEPS, last)
    labels = torch.arange(CHAINS, device=device) % model.num_classes if model.num_classes else None
    start = torch.randn(CHAINS, *objective.schema.input_shape, generator=generator).to(device)
    back = reverse_chain(
        sampler_of(objective, steps),
        denoiser_of(model, Request(CHAINS, device, labels, generator)),
        start,
        moments=ACROSS,
        generator=generator,
    )
    both = torch.stack([back.x, back.clean], 2).permute(1, 2, 0, 3, 4, 5)  # chain, x or x̂, moment
    return [
        View(
            "forward-chain",
            "From image to noise",
            f"Real images on their way through the forward process, at the times {_listed(times)} of {last}.",
            _shown(objective, moments.transpose(0, 1).flatten(0, 1)),
            len(times),
        ),
        View(
            "reverse-chain",
            "From noise to image",
            f"The way of DDIM in {steps} steps, at the times {_listed(back.times)}; below each the clean image that the"
            " network sees under the noise.",
            _shown(objective, both.flatten(0, 2)),
            len(back.times),
        ),
    ]


@VIEWERS.register("pixel-prediction")
def completion_views(
    model: nn.Module, objective: ImageObjective, batch: Batch, generator: torch.Generator
) -> list[View]:
    """Real images whose lower half the network draws, twice.

    Lecture: X2
    """
    assert isinstance(model, PixelPredictor)
    assert isinstance(objective, PixelPrediction)
    real, labels = _pixels(objective, batch), _labels(model, objective, batch)
    rows = _whole_rows(model, *real.shape[2:])
    if not rows:
        return []
    height = real.shape[2]
    given = objective.picture(objective.as_levels(real))  # black or white once, the same for both draws
    drawn = [completed(model, objective, given, rows=rows, labels=labels, generator=generator) for _ in range(2)]
    covered = given.clone()
    covered[:, :, rows:] = 0.5
    caption = (
        f"Real images; their upper {rows} of {height} rows, which the network is given; two draws of the rest, pixel by"
        " pixel from left to right and down."
    )
    return [_stacked("completions", "Lower halves drawn", caption, [given, covered, *drawn])]


def _walks(model: nn.Module, objective: ImageObjective, batch: Batch, path: str) -> list[View]:
    """Rows from one real image to another, both ends the real ones."""
    real, labels = _pixels(objective, batch), _labels(model, objective, batch)
    half = min(WALKS, len(real) // 2)
    if not half:
        return []
    first, last = real[:half], real[-half:]
    between = between_images(
        model, objective, first, last, steps=ACROSS - 2, labels=None if labels is None else labels[:half]
    )
    rows = torch.cat([first[:, None], between, last[:, None]], 1)
    caption = f"Between two real images (left and right): decoded vectors on {path}."
    return [View("interpolation", "Interpolation", caption, rows.flatten(0, 1).clamp(0, 1).cpu(), ACROSS)]


def _whole_rows(model: PixelPredictor, height: int, width: int) -> int:
    """Upper rows, half of them at most, that come first in the network's order: whole patches."""
    order = model.pixel_order(height=height, width=width)
    fitting = (n for n in range(height // 2, 0, -1) if all(row < n for row, _ in order[: n * width]))
    return next(fitting, 0)


def _stacked(name: str, title: str, caption: str, rows: Sequence[Tensor]) -> View:
    """Images below one another that belong together."""
    return View(name, title, caption, torch.cat(list(rows)).clamp(0, 1).cpu(), len(rows[0]))


def _shown(objective: ImageObjective, images: Tensor) -> Tensor:
    """Standardised images as pixel values."""
    return unstandardise(images, objective.schema).clamp(0, 1).cpu()


def _pixels(objective: ImageObjective, batch: Batch) -> Tensor:
    return unstandardise(batch.inputs, objective.schema).clamp(0, 1)


def _labels(model: nn.Module, objective: ImageObjective, batch: Batch) -> Tensor | None:
    return objective.labels(batch) if getattr(model, "num_classes", 0) else None


def _listed(times: Sequence[int]) -> str:
    return ", ".join(map(str, times))
