"""A folder that ``diffusers`` wrote: the same outputs, the same schedule of noise, the same samples from one noise."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

import sightline
from sightline.core.errors import CheckpointError, ConfigurationError
from sightline.generate import DDIM, load_diffusion, sample_images
from sightline.generate.pretrained_diffusion import process_of_scheduler
from sightline.models.unet import UNet

SMALL: dict[str, Any] = {
    "sample_size": 8,
    "in_channels": 2,
    "out_channels": 2,
    "block_out_channels": (8, 16),
    "down_block_types": ("DownBlock2D", "AttnDownBlock2D"),
    "up_block_types": ("AttnUpBlock2D", "UpBlock2D"),
    "norm_num_groups": 4,
    "attention_head_dim": 4,
    "layers_per_block": 1,
}
Make = Callable[..., Any]


@pytest.fixture(scope="module")
def diffusers() -> Any:
    return pytest.importorskip("diffusers")


@pytest.fixture
def make(diffusers: Any, tmp_path: Path) -> Make:
    """Their pipeline with random weights, saved as they save it."""

    def build(**scheduler: Any) -> Any:
        torch.manual_seed(0)
        network = diffusers.UNet2DModel(**SMALL).eval()
        with torch.no_grad():
            for parameter in network.parameters():
                parameter.add_(torch.randn_like(parameter), alpha=0.05)
        pipeline = diffusers.DDPMPipeline(network, diffusers.DDPMScheduler(**scheduler))
        pipeline.save_pretrained(tmp_path / "pipeline")
        return pipeline

    return build


def test_the_network_alone_and_within_a_pipeline(make: Make, tmp_path: Path) -> None:
    theirs = make().unet
    theirs.save_pretrained(tmp_path / "alone")
    x, t = torch.randn(3, 2, 8, 8), torch.tensor([0, 37, 999])
    with torch.no_grad():
        expected = theirs(x, t).sample
        for folder in ("alone", "pipeline"):
            ours = sightline.from_pretrained(tmp_path / folder)
            assert isinstance(ours, UNet)
            assert not ours.training
            torch.testing.assert_close(ours(x, t), expected, rtol=1e-5, atol=1e-5)
    assert expected.std() > 0.1


@pytest.mark.parametrize(
    ("scheduler", "target"),
    [
        ({}, "noise"),
        ({"num_train_timesteps": 100, "beta_end": 0.05, "clip_sample": False}, "noise"),
        (
            {"beta_schedule": "squaredcos_cap_v2", "prediction_type": "v_prediction", "clip_sample_range": 2.0},
            "velocity",
        ),
        ({"prediction_type": "sample", "beta_start": 0.001}, "clean"),
    ],
    ids=["as it is", "few steps", "cosine, v", "clean"],
)
def test_samples_from_the_same_noise(
    make: Make, diffusers: Any, tmp_path: Path, scheduler: dict[str, Any], target: str
) -> None:
    theirs = make(**scheduler)
    found = load_diffusion(tmp_path / "pipeline")
    assert found.target == target
    assert found.image_size == (8, 8)
    steps = scheduler.get("num_train_timesteps", 1000)
    reference = theirs.scheduler.alphas_cumprod.double()
    torch.testing.assert_close(found.process.alpha_bar[1:], reference, rtol=1e-4, atol=1e-7)
    x = torch.randn(3, 2, 8, 8)
    with torch.no_grad():
        for t in (1, 37, steps):
            time = torch.full((3,), t)
            torch.testing.assert_close(found.network(x, time), theirs.unet(x, time - 1).sample, rtol=1e-4, atol=1e-4)
        walk = diffusers.DDIMScheduler.from_config(theirs.scheduler.config, timestep_spacing="trailing")
        walk.set_timesteps(10)
        expected = x
        for t in walk.timesteps:
            expected = walk.step(
                theirs.unet(expected, t).sample, t, expected, use_clipped_model_output=True
            ).prev_sample
    ours = DDIM(schedule=found.process, target=found.target, clip=found.clip, num_steps=10)
    torch.testing.assert_close(ours.sample(found.network, x), expected, rtol=1e-4, atol=1e-4)
    assert expected.std() > 0.1


def test_it_is_sampled_from_like_our_own(make: Make, tmp_path: Path) -> None:
    make(num_train_timesteps=20, beta_end=0.5)
    found = load_diffusion(tmp_path / "pipeline")
    assert sample_images(found.network, found.objective(), 2, steps=3).pixels.shape == (2, 2, 8, 8)
    assert found.objective((4, 6)).schema.input_shape == (2, 4, 6)


def change(path: Path, **fields: Any) -> None:
    content = json.loads(path.read_text())
    path.write_text(json.dumps({**content, **fields}))


@pytest.mark.parametrize(
    ("file", "fields", "match"),
    [
        ("scheduler/scheduler_config.json", {"beta_schedule": "sigmoid"}, "beta_schedule"),
        ("scheduler/scheduler_config.json", {"prediction_type": "flow"}, "prediction_type"),
        ("scheduler/scheduler_config.json", {"_class_name": "EulerDiscreteScheduler"}, "DDPMScheduler"),
        ("scheduler/scheduler_config.json", {"trained_betas": [0.1]}, "trained_betas in scheduler_config.json"),
        ("scheduler/scheduler_config.json", {"rescale_betas_zero_snr": True}, "rescale_betas_zero_snr"),
        ("scheduler/scheduler_config.json", {"beta_start": 0.0}, "beta_start and beta_end"),
        ("scheduler/scheduler_config.json", {"num_train_timesteps": 0}, "num_train_timesteps in scheduler_config.json"),
        ("unet/config.json", {"_class_name": "UNet2DConditionModel"}, "UNet2DConditionModel"),
        ("unet/config.json", {"act_fn": "gelu"}, "act_fn"),
        ("unet/config.json", {"sample_size": -8}, "sample_size"),
        ("unet/config.json", {"sample_size": "8"}, "sample_size"),
        ("unet/config.json", {"layers_per_block": 2}, "diffusion|weights of the UNet"),
        ("unet/config.json", {"num_class_embeds": 5}, "no classes.weight"),
        ("model_index.json", {"vqvae": ["diffusers", "VQModel"]}, "scheduler, unet, vqvae"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_what_has_no_counterpart_is_named(
    make: Make, tmp_path: Path, file: str, fields: dict[str, Any], match: str
) -> None:
    make()
    change(tmp_path / "pipeline" / file, **fields)
    with pytest.raises(CheckpointError, match=match):
        load_diffusion(tmp_path / "pipeline")


def test_files_that_are_missing_are_named(make: Make, tmp_path: Path) -> None:
    make()
    place = tmp_path / "pipeline"
    with pytest.raises(ConfigurationError, match="a denoiser"):
        sightline.from_pretrained(place, num_outputs=3)
    (place / "scheduler" / "scheduler_config.json").unlink()
    assert isinstance(sightline.from_pretrained(place), UNet)
    with pytest.raises(CheckpointError, match="how the denoiser was trained"):
        load_diffusion(place)
    weights = place / "unet" / "diffusion_pytorch_model.safetensors"
    weights.rename(weights.with_suffix(".bin"))
    with pytest.raises(CheckpointError, match=r"pickle[\s\S]*diffusers"):
        load_diffusion(place)
    (place / "unet" / "config.json").unlink()
    with pytest.raises(CheckpointError, match=r"config.json in .*unet"):
        load_diffusion(place)


def test_fields_left_out_have_their_usual_values(diffusers: Any) -> None:
    expected = diffusers.DDPMScheduler().alphas_cumprod.double()
    torch.testing.assert_close(process_of_scheduler({}).alpha_bar[1:], expected, rtol=1e-4, atol=1e-7)
