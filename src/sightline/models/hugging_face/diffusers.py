"""Denoisers in the layout of ``diffusers``: a folder of a network, or of a pipeline with its schedule of noise."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sightline.core.errors import CheckpointError
from sightline.models.hugging_face.fit import building, require_fit
from sightline.models.hugging_face.load import Source
from sightline.models.hugging_face.unet import CLASS_NAME, convert
from sightline.models.unet import UNet

WEIGHTS = "diffusion_pytorch_model.safetensors"
PIPELINE = "model_index.json"
SCHEDULER = "scheduler_config.json"
PARTS = frozenset(("unet", "scheduler"))
"""What a pipeline that denoises pixels consists of. One with more works elsewhere, on latent maps for one."""


@dataclass(frozen=True)
class PretrainedUNet:
    """A denoiser and what its checkpoint says beside the weights.

    Args:
        network: in evaluation mode; it counts times from 0, as it was trained.
        config: its config.json.
        scheduler: what scheduler_config.json says; none where there is none.
    """

    network: UNet
    config: Mapping[str, Any]
    scheduler: Mapping[str, Any] | None


def is_diffusers(files: Source) -> bool:
    """Whether a checkpoint is laid out as ``diffusers`` does it.

    Raises:
        CheckpointError: for a damaged file.
    """
    config = files.read_json("config.json")
    return "_class_name" in config if config is not None else files.find(PIPELINE) is not None


def load_unet(name: str | Path, revision: str | None = None) -> PretrainedUNet:
    """The U-Net of a folder, or on the Hub, as ``save_pretrained`` of a ``UNet2DModel`` or a ``DDPMPipeline`` left it.

    Args:
        name: a folder, or ``"hf:owner/name"``.
        revision: branch, tag or commit on the Hub.

    Raises:
        CheckpointError: when a file is missing or damaged, a weight is missing or left over, the network or the
            pipeline is another, or has a field that ours has no counterpart of.
        ConfigurationError: for a revision of a folder.

    Lecture: X6
    """
    whole = Source(name, revision)
    pipeline = whole.read_json(PIPELINE)
    if pipeline is not None:
        _require_parts(pipeline, whole.name)
    files = Source(name, revision, weights_name=WEIGHTS, part="unet" if pipeline is not None else "")
    config = files.config()
    if config.get("_class_name") != CLASS_NAME:
        raise CheckpointError(
            expected=f"the network {CLASS_NAME} in {whole.name}",
            found=f"{config.get('_class_name')!r}",
            do="choose a checkpoint of that network: one that denoises pixels, without a text",
        )
    with building(UNet, whole.name):
        arguments, weights = convert(config, files.weights())
        network = UNet(**arguments)
    require_fit(network, weights, whole.name)
    network.load_state_dict(weights)
    beside = Source(name, revision, part="scheduler" if pipeline is not None else "")
    return PretrainedUNet(network.eval(), config, beside.read_json(SCHEDULER))


def _require_parts(pipeline: Mapping[str, Any], name: str) -> None:
    """Refuse a pipeline that does more than to take noise out of pixels."""
    parts = {part for part, kind in pipeline.items() if isinstance(kind, list) and any(kind)}
    if parts != PARTS:
        raise CheckpointError(
            expected=f"a pipeline of a unet and a scheduler in {PIPELINE} of {name}",
            found=", ".join(sorted(parts)) or "neither",
            do="choose one that denoises pixels, DDPMPipeline or DDIMPipeline",
        )
