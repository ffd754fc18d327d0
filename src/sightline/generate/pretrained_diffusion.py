"""Somebody else's diffusion model: the network, its schedule of noise and its target, ready to be sampled from.

Legend: t time, counted from 1 here and from 0 in the layout of diffusers; ω frequency of the network's clock.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from sightline.core.errors import CheckpointError, ConfigurationError
from sightline.core.schema import Schema
from sightline.models.hugging_face.config import number, require, whole
from sightline.models.hugging_face.diffusers import SCHEDULER, load_unet
from sightline.models.unet import UNet
from sightline.nn.positions import frequencies
from sightline.objectives.denoising_diffusion import DenoisingDiffusion
from sightline.objectives.diffusion_target import Target
from sightline.objectives.noise_schedule import NoiseSchedule, cosine_schedule, linear_schedule

SCHEDULERS = ("DDPMScheduler", "DDIMScheduler")
TARGETS: Mapping[str, Target] = {"epsilon": "noise", "sample": "clean", "v_prediction": "velocity"}
COURSES = ("linear", "squaredcos_cap_v2")
_ONLY: Mapping[str, Any] = {"trained_betas": None, "thresholding": False, "rescale_betas_zero_snr": False}


@dataclass(frozen=True)
class PretrainedDiffusion:
    """A denoiser with all that sampling needs.

    Args:
        network: it takes times from 1 to T.
        process: the noise that it was trained with.
        target: what it predicts.
        clip: the range that clean images are kept in; none: as predicted.
        image_size: (height, width) of its images; none where the checkpoint does not say.
    """

    network: UNet
    process: NoiseSchedule
    target: Target
    clip: tuple[float, float] | None
    image_size: tuple[int, int] | None

    def objective(self, image_size: tuple[int, int] | None = None) -> DenoisingDiffusion:
        """What it was trained with, for :func:`~sightline.generate.sample_images`: pixels standardised to [−1, 1].

        Args:
            image_size: (height, width) of the images to make; none: the checkpoint's.

        Raises:
            ConfigurationError: where neither says how large images are.
        """
        size = image_size or self.image_size
        if size is None:
            raise ConfigurationError(
                expected="the height and width of the images to make",
                found="none, and the checkpoint has no sample_size",
                do="give image_size=(height, width)",
            )
        channels = self.network.stem.in_channels
        schema = Schema(
            "image", "none", (channels, *size), target="", image_mean=(0.5,) * channels, image_std=(0.5,) * channels
        )
        objective = DenoisingDiffusion(schema, target=self.target, steps=self.process.num_steps)
        objective.process, objective.clip = self.process, self.clip
        return objective


def load_diffusion(source: str | Path, *, revision: str | None = None) -> PretrainedDiffusion:
    """A ``DDPMPipeline`` or ``DDIMPipeline`` of ``diffusers``; or a ``UNet2DModel``, scheduler_config.json beside it.

    The network is turned to count times from 1, as everything here does: the columns that read its clock are rotated by
    one step, which changes no output. ``sightline.from_pretrained`` gives it as it is in the file, counting from 0.
    Which steps a sampler visits is the sampler's choice, not the checkpoint's (``timestep_spacing``): DDIM here visits
    ⌊iT/S⌋, which is called "trailing" there.

    Args:
        source: a folder, or ``"hf:owner/name"``.
        revision: branch, tag or commit on the Hub.

    Raises:
        CheckpointError: when a file is missing or damaged, a weight does not fit, or the network or the scheduler has
            a setting that ours has no counterpart of.
        ConfigurationError: for a revision of a folder.

    Source: the clock Ho et al. 2020, "Denoising Diffusion Probabilistic Models", appendix B

    Lecture: X6

    Example:
        >>> load_diffusion("no/such/folder")
        Traceback (most recent call last):
        sightline.core.errors.CheckpointError: expected: a folder ...
    """
    found = load_unet(source, revision)
    if found.scheduler is None:
        raise CheckpointError(
            expected=f"{SCHEDULER} in {source}: how the denoiser was trained",
            found="none",
            do="give a pipeline's folder, or load the network alone by sightline.from_pretrained",
        )
    scheduler = found.scheduler
    count_from_one(found.network)
    clip = number(scheduler, "clip_sample_range", 1.0, SCHEDULER)
    return PretrainedDiffusion(
        network=found.network,
        process=process_of_scheduler(scheduler),
        target=TARGETS[_one_of(scheduler, "prediction_type", tuple(TARGETS))],
        clip=(-clip, clip) if scheduler.get("clip_sample", True) else None,
        image_size=_image_size(found.config.get("sample_size")),
    )


def process_of_scheduler(scheduler: Mapping[str, Any]) -> NoiseSchedule:
    """The schedule that scheduler_config.json describes.

    Args:
        scheduler: the file's fields; those left out have their usual values.

    Raises:
        CheckpointError: for another scheduler, course of the noise or prediction than ours, or a number out of range.

    Lecture: X6

    Example:
        >>> process_of_scheduler({"num_train_timesteps": 100, "beta_end": 0.2}).beta[[1, 100]].tolist()
        [0.0001, 0.2]
    """
    _one_of(scheduler, "_class_name", SCHEDULERS)
    course = _one_of(scheduler, "beta_schedule", COURSES)
    for name, only in _ONLY.items():
        require(scheduler, name, only, SCHEDULER)
    steps = whole(scheduler, "num_train_timesteps", 1000, SCHEDULER)
    if course == "squaredcos_cap_v2":
        return cosine_schedule(steps)
    first, last = number(scheduler, "beta_start", 1e-4, SCHEDULER), number(scheduler, "beta_end", 0.02, SCHEDULER)
    try:
        return linear_schedule(steps, first=first, last=last)
    except ConfigurationError as error:
        raise CheckpointError(
            expected=f"beta_start and beta_end in {SCHEDULER} above 0 and below 1",
            found=f"{first:g} and {last:g}",
            do="choose another checkpoint",
        ) from error


def count_from_one(network: UNet) -> None:
    """Turn a network that counts times from 0 into one that counts them from 1, with the same answers.

    sin ω(t − 1) = cos ω · sin ωt − sin ω · cos ωt, and cos ω(t − 1) = cos ω · cos ωt + sin ω · sin ωt.

    Args:
        network: it is changed in place.

    Lecture: X6
    """
    first = network.time.first
    weight = first.weight.detach().double()
    omega = frequencies(network.time.width, base=network.time.base).double().to(weight.device)
    sines, cosines = weight[:, 0::2], weight[:, 1::2]
    turned: list[Tensor] = [
        sines * omega.cos() + cosines * omega.sin(),
        cosines * omega.cos() - sines * omega.sin(),
    ]
    with torch.no_grad():
        first.weight.copy_(torch.stack(turned, 2).flatten(1))


def _one_of(scheduler: Mapping[str, Any], name: str, known: tuple[str, ...]) -> str:
    """A field with one of a few values; the first where it is left out."""
    value = scheduler.get(name, known[0])
    if not isinstance(value, str) or value not in known:
        raise CheckpointError(
            expected=f"{name} in {SCHEDULER}, one of: {', '.join(known)}",
            found=f"{value!r}",
            do="choose another checkpoint, or train one here",
        )
    return value


def _image_size(told: Any) -> tuple[int, int] | None:
    """(height, width) from one number or two."""
    if told is None:
        return None
    if isinstance(told, list | tuple) and len(told) == 2:
        return whole({"sample_size": told[0]}, "sample_size", 1), whole({"sample_size": told[1]}, "sample_size", 1)
    side = whole({"sample_size": told}, "sample_size", 1)
    return side, side
