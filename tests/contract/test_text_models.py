"""Every registered network for text, on what all have in common: outputs, gradients, saving, seeds, names."""

from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from sightline.models import MODELS, TextPredictor, for_task
from small_models import SMALL_TEXT
from text_models import VOCABULARY, schema, words

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
        if "segments" in key or "pooler" in key:
            continue  # one sentence, and no class asked for
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
