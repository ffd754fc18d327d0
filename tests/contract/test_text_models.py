"""Every registered network for text, on what all have in common: outputs, gradients, saving, seeds, names."""

from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file
from torch import Tensor

from sightline.models import MODELS, TextPredictor, for_task
from small_models import SMALL_TEXT
from text_models import VOCABULARY, schema, words

NORMED = {"query_norm": True}

every_model = pytest.mark.parametrize("name", sorted(SMALL_TEXT))


def make(name: str, seed: int = 0) -> TextPredictor:
    model = MODELS[name](schema(), seed=seed, **SMALL_TEXT[name])
    assert isinstance(model, TextPredictor)
    return model.eval()


def outputs(model: Any, tokens: Tensor) -> Tensor:
    beside = {"decoder_tokens": tokens[:, :8]} if model.text_task == "encoder-decoder" else {}
    found: Tensor = model(tokens, **beside)
    return found


@every_model
def test_outputs_are_scores_of_the_vocabulary(name: str) -> None:
    model, tokens = make(name), words(3)
    found = outputs(model, tokens)
    length = 8 if model.text_task == "encoder-decoder" else 12
    assert found.shape == (3, length, VOCABULARY)
    assert torch.isfinite(found).all()
    assert model.choice is not None
    assert model.choice.name == name


@every_model
def test_every_parameter_gets_a_gradient(name: str) -> None:
    model, tokens = make(name), words(8)
    found = outputs(model, tokens)
    F.cross_entropy(found.flatten(0, 1), tokens[:, : found.shape[1]].flatten()).backward()
    for key, parameter in model.named_parameters():
        if "pooler" in key:
            continue  # no class asked for
        assert parameter.grad is not None, key
        assert torch.isfinite(parameter.grad).all(), key
        assert parameter.grad.abs().sum() > 0, key


@every_model
def test_saves_and_loads(name: str, tmp_path: Path) -> None:
    model, tokens = make(name), words(2)
    model.save_pretrained(tmp_path)
    assert torch.equal(outputs(type(model).from_pretrained(tmp_path), tokens), outputs(model, tokens))


@every_model
def test_the_seed_decides_the_weights(name: str) -> None:
    first, again, other = (make(name, seed).state_dict() for seed in (0, 0, 1))
    assert all(torch.equal(first[key], again[key]) for key in first)
    assert not torch.equal(first["embedding.weight"], other["embedding.weight"])


@pytest.mark.parametrize("name", ["bert", "gpt"])
def test_the_body_serves_another_task(name: str) -> None:
    model = make(name)
    classifier: Any = for_task(model, "classification", num_outputs=3)
    assert classifier(words(2)).shape == (2, 3)
    assert torch.equal(classifier.embedding.weight, model.embedding.weight)


@every_model
def test_weights_that_hold_a_tied_one_twice_are_read_too(name: str, tmp_path: Path) -> None:
    """A run's checkpoint has every name of the state; ``save_pretrained`` writes a tied weight once."""
    model, tokens = make(name), words(2)
    model.save_pretrained(tmp_path)
    once = load_file(tmp_path / "model.safetensors")
    save_file({key: value.clone() for key, value in model.state_dict().items()}, tmp_path / "model.safetensors")
    assert len(load_file(tmp_path / "model.safetensors")) >= len(once)
    again = type(model).from_pretrained(tmp_path)
    assert torch.equal(outputs(again, tokens), outputs(model, tokens))
    assert len(list(again.parameters())) == len(list(model.parameters()))


@pytest.mark.parametrize("mode", ["autocast", "dtype"])
@pytest.mark.parametrize(("name", "options"), [*((name, {}) for name in sorted(SMALL_TEXT)), ("gpt", NORMED)])
def test_sixteen_bits_are_near_to_thirty_two(name: str, options: dict[str, Any], mode: str) -> None:
    """Without a warning of torch either: warnings are errors here."""
    model, tokens = MODELS[name](schema(), seed=0, **{**SMALL_TEXT[name], **options}).eval(), words(3)
    exact = outputs(model, tokens).detach()
    if mode == "dtype":
        model.bfloat16()
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=mode == "autocast"):
        found = outputs(model, tokens)
    assert found.dtype == torch.bfloat16
    assert (found.detach().float() - exact).norm() < 0.02 * exact.norm()
    F.cross_entropy(found.float().flatten(0, 1), tokens[:, : found.shape[1]].flatten()).backward()
    for key, parameter in model.named_parameters():
        assert "pooler" in key or (parameter.grad is not None and parameter.grad.isfinite().all()), key
