"""ConvNeXt against ``transformers``, whose random checkpoints are written to a folder and loaded here."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from sightline.models.convnext import ConvNeXt
from sightline.models.pretrained import from_pretrained
from sightline.nn.stochastic_depth import StochasticDepth

Make = Callable[..., Any]


@pytest.fixture(scope="module")
def make() -> Make:
    """A reference network with random biases, norms and layer scales, in evaluation mode."""
    from transformers import ConvNextConfig, ConvNextForImageClassification

    def build(**options: Any) -> Any:
        torch.manual_seed(0)
        reference: Any = ConvNextForImageClassification(ConvNextConfig(**options))
        reference.eval()
        with torch.no_grad():
            for name, parameter in reference.named_parameters():
                spread = 0.5 if parameter.dim() == 1 else 0.2
                parameter.copy_(torch.randn_like(parameter) * spread + float("norm.weight" in name))
        return reference

    return build


CASES: dict[str, tuple[dict[str, Any], tuple[int, int, int]]] = {
    "one stage": ({"depths": [2], "hidden_sizes": [6], "patch_size": 1, "num_labels": 3}, (3, 5, 5)),
    "odd sizes": ({"depths": [1, 2], "hidden_sizes": [4, 6], "patch_size": 2, "num_labels": 5}, (3, 15, 11)),
    "equal widths": (
        {"depths": [1, 1, 1], "hidden_sizes": [6, 6, 8], "patch_size": [4, 4], "num_channels": 1, "num_labels": 2},
        (1, 33, 18),
    ),
    "no layer scale": (
        {"depths": [1, 2], "hidden_sizes": [4, 8], "patch_size": 2, "num_labels": 4, "layer_scale_init_value": 0.0},
        (3, 8, 8),
    ),
}
for options, _ in CASES.values():
    options["num_stages"] = len(options["depths"])


@pytest.mark.parametrize("case", CASES)
def test_equal_logits_features_maps_and_gradients(case: str, make: Make, tmp_path: Path) -> None:
    options, shape = CASES[case]
    reference = make(**options)
    reference.save_pretrained(tmp_path)
    model = from_pretrained(tmp_path)
    assert isinstance(model, ConvNeXt)
    assert not model.training
    x = torch.randn(4, *shape)
    theirs, ours = x.clone().requires_grad_(), x.clone().requires_grad_()
    expected = reference(theirs, output_hidden_states=True)
    logits = model(ours)
    assert expected.logits.std() > 0.05
    torch.testing.assert_close(logits, expected.logits, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(model.features(x), reference.convnext(x).pooler_output, rtol=1e-5, atol=1e-5)
    maps = x
    assert len(expected.hidden_states) == len(options["depths"]) + 1  # the stem's, then each stage's
    for stage, hidden in zip(list(model.stages)[:-1], expected.hidden_states, strict=True):
        maps = stage(maps)
        torch.testing.assert_close(maps, hidden, rtol=1e-4, atol=1e-4)
    weights = torch.randn_like(logits)
    (expected.logits * weights).sum().backward()
    (logits * weights).sum().backward()
    assert theirs.grad is not None
    torch.testing.assert_close(ours.grad, theirs.grad, rtol=1e-4, atol=1e-4 * theirs.grad.abs().max().item())


def test_gradients_of_the_weights(make: Make, tmp_path: Path) -> None:
    """Where γ meets the weights instead of the outputs, the gradients are still the reference's."""
    reference = make(depths=[1, 1], hidden_sizes=[4, 6], patch_size=2, num_labels=3, num_stages=2).train()
    reference.save_pretrained(tmp_path)
    model = from_pretrained(tmp_path).train()
    assert isinstance(model, ConvNeXt)
    x, weights = torch.randn(3, 3, 9, 8), torch.randn(3, 3)
    (reference(x).logits * weights).sum().backward()
    (model(x) * weights).sum().backward()
    theirs = {"layer_scale_parameter": "scale", "pwconv2.weight": "weight", "pwconv2.bias": "bias"}
    for stage in range(2):
        block = model.stages.get_submodule(f"stage{stage + 1}.block1.contract")
        for name, ours in theirs.items():
            expected = reference.convnext.encoder.stages[stage].layers[0].get_parameter(name).grad
            found = block.get_parameter(ours).grad
            torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)


def test_the_norm_before_the_head_has_its_own_eps(make: Make, tmp_path: Path) -> None:
    reference = make(
        depths=[1], hidden_sizes=[4], patch_size=1, num_labels=2, num_channels=1, num_stages=1, layer_norm_eps=0.5
    )
    reference.save_pretrained(tmp_path)
    x = torch.randn(3, 1, 4, 4)
    torch.testing.assert_close(from_pretrained(tmp_path)(x), reference(x).logits, rtol=1e-5, atol=1e-5)


def test_stochastic_depth_is_the_checkpoints_and_acts_in_training_only(make: Make, tmp_path: Path) -> None:
    reference = make(depths=[2, 3], hidden_sizes=[4, 6], patch_size=2, num_labels=3, num_stages=2, drop_path_rate=0.6)
    reference.save_pretrained(tmp_path)
    model = from_pretrained(tmp_path)
    expected = [
        getattr(layer.drop_path, "drop_prob", 0.0)
        for stage in reference.convnext.encoder.stages
        for layer in stage.layers
    ]
    found = [layer.drop_probability for layer in model.modules() if isinstance(layer, StochasticDepth)]
    assert found == pytest.approx(expected)
    assert found == pytest.approx([0, 0.15, 0.3, 0.45, 0.6])
    x = torch.randn(1, 3, 8, 8).expand(64, -1, -1, -1)
    torch.testing.assert_close(model(x), reference(x).logits, rtol=1e-5, atol=1e-5)
    dropped: Tensor = model.train()(x)
    assert len(dropped.detach().round(decimals=3).unique(dim=0)) > 4  # examples that were equal no longer are
