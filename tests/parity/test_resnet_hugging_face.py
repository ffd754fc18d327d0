"""ResNet against the one in transformers, at tiny size, from the same random weights and running statistics."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from sightline.core.errors import CheckpointError
from sightline.models.hugging_face.resnet import MODEL, MODEL_TYPE, convert
from sightline.models.pretrained import from_pretrained

SIZES: dict[str, Any] = {"num_channels": 2, "embedding_size": 6, "hidden_sizes": [6, 8, 12], "depths": [2, 1, 2]}


def theirs(**options: Any) -> Any:
    """Their model with nothing left at its first value: weights, γ, β and running statistics all random."""
    from transformers import ResNetConfig, ResNetForImageClassification

    torch.manual_seed(0)
    model = ResNetForImageClassification(ResNetConfig(**{**SIZES, "num_labels": 5, **options}))
    with torch.no_grad():
        for name, value in model.state_dict().items():
            if name.endswith("running_var"):
                value.uniform_(0.5, 2)
            elif name.endswith("normalization.weight"):
                value.uniform_(0.5, 1.5)
            elif value.is_floating_point() and "convolution" not in name:
                value.normal_(std=0.3)
    return model


def ours(model: Any) -> torch.nn.Module:
    arguments, weights = convert(model.config.to_dict(), model.state_dict())
    predictor = MODEL(**arguments, num_outputs=5)
    predictor.load_state_dict(weights, strict=True)
    return predictor


def outputs_and_gradient(model: torch.nn.Module, x: Tensor) -> tuple[Tensor, Tensor]:
    x = x.clone().requires_grad_()
    outputs = model(x)
    logits = outputs if isinstance(outputs, Tensor) else outputs.logits
    (gradient,) = torch.autograd.grad((logits * torch.arange(1.0, 6)).sum(), x)
    return logits.detach(), gradient


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("downsample_in_first_stage", [False, True])
@pytest.mark.parametrize(
    "block",
    [
        {"layer_type": "basic"},
        {"layer_type": "bottleneck"},
        {"layer_type": "bottleneck", "downsample_in_bottleneck": True},
    ],
    ids=["basic", "bottleneck", "bottleneck-1x1-stride"],
)
def test_equal_logits_and_gradients(block: dict[str, Any], downsample_in_first_stage: bool, training: bool) -> None:
    reference = theirs(**block, downsample_in_first_stage=downsample_in_first_stage).train(training)
    model = ours(reference).train(training)
    x = torch.randn(4, 2, 37, 32, generator=torch.Generator().manual_seed(1))
    expected, expected_gradient = outputs_and_gradient(reference, x)
    found, gradient = outputs_and_gradient(model, x)
    assert expected.std() > 0.1
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(gradient, expected_gradient, rtol=1e-4, atol=1e-4 * expected_gradient.abs().max().item())
    if training:  # the running statistics moved alike
        _, moved = convert(reference.config.to_dict(), reference.state_dict())
        state = model.state_dict()
        assert all(torch.allclose(state[name], value, atol=1e-5) for name, value in moved.items())


def test_a_backbone_gives_all_but_the_head() -> None:
    reference = theirs()
    arguments, whole = convert(reference.config.to_dict(), reference.state_dict())
    _, bare = convert(reference.config.to_dict(), reference.resnet.state_dict())
    assert set(whole) - set(bare) == {"head.weight", "head.bias"}
    assert set(MODEL(**arguments, num_outputs=5).state_dict()) == set(whole)


def test_counts_of_batches_may_be_missing() -> None:
    reference = theirs(layer_type="basic")
    arguments, whole = convert(reference.config.to_dict(), reference.state_dict())
    fewer = {name: weight for name, weight in reference.state_dict().items() if "num_batches" not in name}
    _, filled = convert(reference.config.to_dict(), fewer)
    assert {name: w.shape for name, w in filled.items()} == {name: w.shape for name, w in whole.items()}
    MODEL(**arguments, num_outputs=5).load_state_dict(filled)


@pytest.mark.parametrize("layer_type", ["basic", "bottleneck"])
def test_a_saved_checkpoint_is_read_from_its_folder(layer_type: str, tmp_path: Path) -> None:
    reference = theirs(layer_type=layer_type).eval()
    reference.save_pretrained(tmp_path)
    x = torch.randn(2, 2, 33, 40, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(from_pretrained(tmp_path)(x), reference(x).logits, rtol=1e-5, atol=1e-5)


def test_what_the_configuration_leaves_out_is_resnet_50() -> None:
    assert MODEL_TYPE == "resnet"
    with torch.device("meta"):
        network = MODEL(**convert({}, {})[0], num_outputs=1000)
        assert sum(p.numel() for p in network.parameters()) == 25_557_032


@pytest.mark.parametrize("config", [{"hidden_act": "gelu"}, {"layer_type": "wide"}, {"depths": [0]}])
def test_what_our_resnet_does_not_have_is_refused(config: dict[str, Any]) -> None:
    with pytest.raises(CheckpointError, match=next(iter(config))):
        convert(config, {})


def test_unknown_names_stay_for_the_loader_to_refuse() -> None:
    name = "resnet.encoder.stages.0.layers.0.attention.weight"
    assert convert({}, {name: torch.zeros(1)})[1].keys() == {name}
