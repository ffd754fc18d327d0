"""ViT against ``transformers``, whose random checkpoints are written to a folder and loaded here."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from sightline.models.pretrained import from_pretrained
from sightline.models.vit import ViT
from sightline.nn.attention import Attention

Make = Callable[..., Any]


@pytest.fixture(scope="module")
def make() -> Make:
    """A reference network with random biases, norms, positions and class token, in evaluation mode."""
    from transformers import ViTConfig, ViTForImageClassification

    def build(**options: Any) -> Any:
        torch.manual_seed(0)
        reference: Any = ViTForImageClassification(ViTConfig(**options))
        reference.eval()
        with torch.no_grad():
            for name, parameter in reference.named_parameters():
                parameter.copy_(torch.randn_like(parameter) * 0.3 + float("layernorm" in name and "weight" in name))
        return reference

    return build


def options(**changes: Any) -> dict[str, Any]:
    small = {
        "hidden_size": 8,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "intermediate_size": 20,
        "image_size": 8,
        "patch_size": 4,
        "num_labels": 3,
    }
    return {**small, **changes}


CASES: dict[str, tuple[dict[str, Any], tuple[int, int, int]]] = {
    "two heads": (options(), (3, 8, 8)),
    "one head, one block": (options(num_hidden_layers=1, num_attention_heads=1), (3, 8, 8)),
    "four heads, three blocks": (options(num_hidden_layers=3, num_attention_heads=4, num_channels=1), (1, 8, 8)),
    "not square": (options(image_size=[6, 10], patch_size=[2, 2], num_labels=7), (3, 6, 10)),
    "no biases": (options(qkv_bias=False, layer_norm_eps=0.1), (3, 8, 8)),
}


@pytest.mark.parametrize("case", CASES)
def test_equal_logits_features_tokens_and_gradients(case: str, make: Make, tmp_path: Path) -> None:
    config, shape = CASES[case]
    reference = make(**config)
    reference.save_pretrained(tmp_path)
    model = from_pretrained(tmp_path)
    assert isinstance(model, ViT)
    assert not model.training
    x = torch.randn(4, *shape)
    theirs, ours = x.clone().requires_grad_(), x.clone().requires_grad_()
    expected = reference(theirs, output_hidden_states=True)
    logits = model(ours)
    assert expected.logits.std() > 0.1
    torch.testing.assert_close(logits, expected.logits, rtol=1e-5, atol=1e-5)
    normed = reference.vit(x).last_hidden_state
    torch.testing.assert_close(model.features(x), normed[:, 0], rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(model.stages(x), normed, rtol=1e-5, atol=1e-5)
    tokens = x
    assert len(expected.hidden_states) == config["num_hidden_layers"] + 1  # the embedding's, then each block's
    for stage, hidden in zip(list(model.stages)[:-1], expected.hidden_states, strict=True):
        tokens = stage(tokens)
        torch.testing.assert_close(tokens, hidden, rtol=1e-5, atol=1e-5)
    weights = torch.randn_like(logits)
    (expected.logits * weights).sum().backward()
    (logits * weights).sum().backward()
    assert theirs.grad is not None
    torch.testing.assert_close(ours.grad, theirs.grad, rtol=1e-4, atol=1e-4 * theirs.grad.abs().max().item())


@pytest.mark.parametrize("size", [(8, 8), (12, 12), (16, 8), (4, 4)])
def test_interpolated_positions(size: tuple[int, int], make: Make, tmp_path: Path) -> None:
    reference = make(**options())
    reference.save_pretrained(tmp_path)
    model = from_pretrained(tmp_path)
    assert isinstance(model, ViT)
    x = torch.randn(2, 3, *size)
    expected = reference(x, interpolate_pos_encoding=True).logits
    resized = model.for_image_size(size)
    torch.testing.assert_close(resized(x), expected, rtol=1e-5, atol=1e-5)
    assert not resized.training
    resized.save_pretrained(tmp_path / "ours")
    assert torch.equal(ViT.from_pretrained(tmp_path / "ours")(x), resized(x))


def test_dropout_is_the_checkpoints_and_acts_in_training_only(make: Make, tmp_path: Path) -> None:
    reference = make(**options(hidden_dropout_prob=0.25, attention_probs_dropout_prob=0.125))
    reference.save_pretrained(tmp_path)
    model = from_pretrained(tmp_path)
    assert {layer.p for layer in model.modules() if isinstance(layer, nn.Dropout)} == {0.25}
    assert {layer.dropout for layer in model.modules() if isinstance(layer, Attention)} == {0.125}
    x = torch.randn(2, 3, 8, 8)
    torch.testing.assert_close(model(x), reference(x).logits, rtol=1e-5, atol=1e-5)
    model.train()
    assert not torch.equal(model(x), model(x))
