"""U-Net against ``diffusers``: equal outputs and input gradients with equal weights."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from sightline.core.errors import CheckpointError
from sightline.models.hugging_face.unet import convert
from sightline.models.unet import UNet

Make = Callable[..., Any]


@pytest.fixture(scope="module")
def make() -> Make:
    """A reference network with random weights of moderate size, in evaluation mode."""
    diffusers = pytest.importorskip("diffusers")

    def build(**options: Any) -> Any:
        torch.manual_seed(0)
        reference: Any = diffusers.UNet2DModel(**options).eval()
        with torch.no_grad():
            for name, parameter in reference.named_parameters():
                scale = 0.3 if parameter.dim() < 2 else 1.2 / parameter[0].numel() ** 0.5
                parameter.copy_(torch.randn_like(parameter) * scale + float("norm" in name and "weight" in name))
        return reference

    return build


def options(flags: str, **changes: Any) -> dict[str, Any]:
    """Levels from the first down; "a" has attention and "-" has none."""
    small = {
        "in_channels": 2,
        "out_channels": 2,
        "block_out_channels": [8, 16, 24][: len(flags)],
        "down_block_types": ["AttnDownBlock2D" if flag == "a" else "DownBlock2D" for flag in flags],
        "up_block_types": ["AttnUpBlock2D" if flag == "a" else "UpBlock2D" for flag in flags[::-1]],
        "norm_num_groups": 4,
        "attention_head_dim": 4,
        "layers_per_block": 1,
    }
    return {**small, **changes}


CASES: dict[str, tuple[dict[str, Any], tuple[int, int]]] = {
    "one level": (options("-"), (8, 8)),
    "attention at the lowest of two": (options("-a"), (8, 8)),
    "three levels, two blocks, not square": (options("-a-", layers_per_block=2), (12, 8)),
    "attention everywhere, one head": (options("aa", attention_head_dim=None), (6, 8)),
    "classes": (options("-a", num_class_embeds=5), (8, 8)),
    "sines first, frequencies to the end": (options("-a", flip_sin_to_cos=False, freq_shift=1), (8, 8)),
    "another number of channels out, another ε": (options("-a", out_channels=3, norm_eps=0.01), (8, 8)),
}


def both(case: str, make: Make) -> tuple[Any, UNet]:
    config = CASES[case][0]
    reference = make(**config)
    arguments, weights = convert(dict(reference.config), reference.state_dict())
    ours = UNet(**arguments)
    ours.load_state_dict(weights)
    return reference, ours.eval()


@pytest.mark.parametrize("case", CASES)
def test_equal_outputs_and_gradients(case: str, make: Make) -> None:
    reference, ours = both(case, make)
    x = torch.randn(3, 2, *CASES[case][1])
    t = torch.tensor([1, 37, 1000])
    labels = torch.tensor([0, 4, 2]) if "num_class_embeds" in CASES[case][0] else None
    theirs, mine = x.clone().requires_grad_(), x.clone().requires_grad_()
    expected: Tensor = reference(theirs, t, class_labels=labels).sample
    found = ours(mine, t, labels)
    assert expected.std() > 0.1
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)
    weights = torch.randn_like(found)
    (expected * weights).sum().backward()
    (found * weights).sum().backward()
    assert theirs.grad is not None
    torch.testing.assert_close(mine.grad, theirs.grad, rtol=1e-4, atol=1e-4 * float(theirs.grad.abs().max()))
    assert sum(p.numel() for p in ours.parameters()) == sum(p.numel() for p in reference.parameters())


def test_its_defaults_are_ours(make: Make) -> None:
    """What config.json leaves out has their default: same shapes, without the memory."""
    with torch.device("meta"):
        reference = pytest.importorskip("diffusers").UNet2DModel()
        arguments, _ = convert({}, {})
        ours = UNet(**arguments)
    assert sum(p.numel() for p in ours.parameters()) == sum(p.numel() for p in reference.parameters())


@pytest.mark.parametrize(
    "change",
    [
        {"downsample_padding": 0},
        {"center_input_sample": True},
        {"time_embedding_type": "fourier"},
        {"resnet_time_scale_shift": "scale_shift"},
        {"act_fn": "gelu"},
        {"add_attention": False},
        {"class_embed_type": "timestep"},
        {"num_class_embeds": 1},
        {"freq_shift": 4},
        {"down_block_types": ["DownBlock2D", "SkipDownBlock2D"]},
        {"up_block_types": ["UpBlock2D", "AttnUpBlock2D"]},
        {"up_block_types": ["AttnUpBlock2D"]},
    ],
    ids=repr,
)
def test_what_has_no_counterpart_is_refused(change: dict[str, Any]) -> None:
    assert convert(options("-a", act_fn="swish"), {})[0]["attention"] == [False, True]
    with pytest.raises(CheckpointError):
        convert(options("-a", **change), {})


def test_parts_of_an_attention_that_are_missing_are_told() -> None:
    weights = {f"mid_block.attentions.0.to_{part}.weight": torch.zeros(16, 16) for part in "qk"}
    with pytest.raises(CheckpointError, match="query, key and value"):
        convert(options("-a"), weights)
    _, kept = convert(options("-a"), {"something.else": torch.zeros(1)})
    assert list(kept) == ["something.else"]
