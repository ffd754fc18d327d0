"""Values of the wrong Python type in the public functions on text: our error, in three parts, by name."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import sightline
from sightline.core.checkpoint import read_mark
from sightline.core.errors import CheckpointError, ConfigurationError, InputError, SightlineError
from sightline.data.train_tokenizer import train_tokenizer
from sightline.generate import Beam, FewShot, NoRepeatedNgram, Sample, generate, generate_text
from sightline.models.gpt import GPT
from sightline.understand import attention_maps, mix_layers, pool_tokens

LETTERS = train_tokenizer("characters", ["abc"], vocabulary_size=None)
STATES = [torch.randn(2, 3, 4), torch.randn(2, 3, 4)]


def gpt() -> Any:
    torch.manual_seed(0)
    return GPT(vocabulary_size=LETTERS.vocabulary_size, context_length=8, depth=1, width=8, num_heads=2)


def text(prompts: Any = ("a",), *, model: Any = None, tokenizer: Any = LETTERS, **options: Any) -> Any:
    return generate_text(
        gpt() if model is None else model, tokenizer, prompts, **{"max_new_tokens": 2, "seed": 1, **options}
    )


def tokens(prompts: Any, **options: Any) -> Any:
    return generate(gpt(), prompts, **{"max_new_tokens": 2, **options})


ASK: Any = FewShot("{text}", {"a": "a", "b": "b"})
WRONG: list[tuple[Callable[[], Any], type[SightlineError], str]] = [
    (lambda: text("abc"), InputError, "prompts: texts in a list"),
    (lambda: text(5), InputError, "of type int"),
    (lambda: text(None), InputError, "found:      None"),
    (lambda: text(["a", 5]), InputError, "prompt 1: text"),
    (lambda: text(torch.zeros(1, 2).long()), InputError, "of type Tensor"),
    (lambda: text(model="gpt"), InputError, "a network of next tokens"),
    (lambda: text(tokenizer="words"), InputError, "tokenizer: Tokenizer"),
    (lambda: text(max_new_tokens="2"), ConfigurationError, "max_new_tokens: a whole number"),
    (lambda: text(max_new_tokens=2.5), ConfigurationError, "2.5, of type float"),
    (lambda: text(max_new_tokens=True), ConfigurationError, "True, of type bool"),
    (lambda: text(max_new_tokens=None), ConfigurationError, "max_new_tokens"),
    (lambda: text(min_new_tokens="1"), ConfigurationError, "min_new_tokens: a whole number"),
    (lambda: text(seed="x"), ConfigurationError, "seed: a whole number"),
    (lambda: text(batch_size="x"), ConfigurationError, "batch_size: a whole number"),
    (lambda: text(batch_size=0), ConfigurationError, "batch_size = 0"),
    (lambda: text(method="beam"), ConfigurationError, "Beam"),
    (lambda: text(rules=NoRepeatedNgram(2)), ConfigurationError, "rules in a list"),
    (lambda: text(rules=["x"]), ConfigurationError, "can't be called"),
    (lambda: text(stream="x"), ConfigurationError, "stream as a function"),
    (lambda: tokens([[1]], stream="x"), ConfigurationError, "stream as a function"),
    (lambda: text(end="x"), ConfigurationError, "end: numbers of tokens"),
    (lambda: text(end=[1, 2.5]), ConfigurationError, "end: numbers of tokens"),
    (lambda: text(before="x"), ConfigurationError, "before: numbers of tokens"),
    (lambda: text(before=["x"]), ConfigurationError, "before: numbers of tokens"),
    (lambda: text(top_k=3), ConfigurationError, "method=Sample"),
    (lambda: text(max_tokens=3), ConfigurationError, "max_new_tokens"),
    (lambda: generate_text(gpt(), LETTERS, ["a"]), ConfigurationError, "expected:   max_new_tokens"),
    (lambda: tokens(5), InputError, "lists of numbers"),
    (lambda: tokens([5]), InputError, "prompt 0: lists of numbers"),
    (lambda: tokens(["ab"]), InputError, "prompt 0: lists of numbers"),
    (lambda: tokens([[1], [1.5]]), InputError, "prompt 1: lists of numbers"),
    (lambda: tokens(torch.ones(1, 2)), InputError, "1.0, of type float"),
    (lambda: Sample(temperature="1"), ConfigurationError, "temperature: a number"),  # type: ignore[arg-type]
    (lambda: Sample(top_k=2.5), ConfigurationError, "top_k: a whole number"),  # type: ignore[arg-type]
    (lambda: Sample(top_p="x"), ConfigurationError, "top_p: a number"),  # type: ignore[arg-type]
    (lambda: Beam("4"), ConfigurationError, "width: a whole number"),  # type: ignore[arg-type]
    (lambda: Beam(4, length_penalty=None), ConfigurationError, "length_penalty: a number"),  # type: ignore[arg-type]
    (lambda: Beam(4, num_results=1.0), ConfigurationError, "num_results: a whole number"),  # type: ignore[arg-type]
    (lambda: FewShot(5, {}), ConfigurationError, "template: text"),  # type: ignore[arg-type]
    (lambda: FewShot("{text}", ["a"]), ConfigurationError, "labels: a word a class"),  # type: ignore[arg-type]
    (lambda: FewShot("{text}", {"a": "a", "b": "b"}, shots="1"), ConfigurationError, "shots"),  # type: ignore[arg-type]
    (lambda: FewShot("{text}", {"a": "a", "b": "b"}, seed=2**62), ConfigurationError, "2⁶²"),
    (lambda: ASK.ask(gpt(), LETTERS, ["x"], classes=["a"]), SightlineError, "examples: texts by field"),
    (lambda: attention_maps("x", torch.zeros(1, 2)), InputError, "model: a network"),  # type: ignore[arg-type]
    (lambda: attention_maps(gpt()), InputError, "an input"),
    (lambda: attention_maps(gpt(), "abc"), InputError, "token numbers"),
    (lambda: attention_maps(gpt(), [[1, 2]]), InputError, "a list"),
    (lambda: mix_layers(None, "last"), InputError, "states: hidden states"),  # type: ignore[arg-type]
    (lambda: mix_layers(STATES[0], "last"), InputError, "of type Tensor"),  # type: ignore[arg-type]
    (lambda: mix_layers(["a", "b"], "last"), InputError, "'a', of type str"),  # type: ignore[list-item]
    (lambda: mix_layers([], "last"), ConfigurationError, "a layer"),
    (lambda: mix_layers(STATES, None), ConfigurationError, "mix"),  # type: ignore[arg-type]
    (lambda: mix_layers(STATES, 1.5), ConfigurationError, "1.5, of type float"),  # type: ignore[arg-type]
    (lambda: mix_layers(STATES, True), ConfigurationError, "True, of type bool"),
    (lambda: pool_tokens([[[1.0]]]), InputError, "a list"),  # type: ignore[arg-type]
    (lambda: pool_tokens(None), InputError, "NoneType"),  # type: ignore[arg-type]
    (lambda: pool_tokens(STATES[0][0]), InputError, "(3, 4)"),
    (lambda: pool_tokens(STATES[0], torch.ones(2, 3)), InputError, "torch.float32"),
    (lambda: pool_tokens(STATES[0], [[True] * 3] * 2), InputError, "a list"),  # type: ignore[arg-type]
    (lambda: sightline.from_pretrained(5), ConfigurationError, "source"),  # type: ignore[arg-type]
    (lambda: sightline.from_pretrained(None), ConfigurationError, "source"),  # type: ignore[arg-type]
    (lambda: sightline.from_pretrained(b"a"), ConfigurationError, "b'a', of type bytes"),  # type: ignore[arg-type]
    (lambda: sightline.from_pretrained("hf:a/b", revision=5), ConfigurationError, "revision"),  # type: ignore[arg-type]
    (lambda: sightline.from_pretrained("x", num_outputs="5"), ConfigurationError, "num_outputs"),  # type: ignore[arg-type]
]


@pytest.mark.parametrize(("call", "kind", "told"), WRONG, ids=range(len(WRONG)))
@pytest.mark.usefixtures("as_a_user_calls")
def test_wrong_kinds(call: Callable[[], Any], kind: type[SightlineError], told: str) -> None:
    with pytest.raises(kind) as caught:
        call()
    lines = str(caught.value).splitlines()
    assert [line.partition(":")[0] for line in lines] == ["expected", "found", "what to do"]
    assert told in str(caught.value)


def test_how_many_are_tried() -> None:
    assert len(WRONG) == 64


@pytest.mark.usefixtures("as_a_user_calls")
def test_right_kinds_in_other_clothes_pass() -> None:
    """Numbers of NumPy, arrays and tensors of tokens, ranges, tuples, layers in digits."""
    wanted = tokens([[1, 2]])
    some: list[Any] = [((1, 2),), np.array([[1, 2]]), torch.tensor([[1, 2]]), [range(1, 3)], [torch.tensor([1, 2])]]
    for prompts in some:
        assert tokens(prompts) == wanted
    several: Any = [torch.tensor(1), torch.tensor(2)]
    assert tokens([several]) == wanted
    size: Any = np.int64(2)
    assert tokens([[1, 2]], max_new_tokens=size) == wanted
    assert Sample(temperature=1, top_k=size, top_p=1) == Sample(top_k=2)
    assert Beam(size, length_penalty=1).width == 2
    assert text(("a",))[0].prompt == "a"
    assert torch.equal(mix_layers(tuple(STATES), "1"), mix_layers(STATES, size - 1))


def test_a_mark_names_a_checkpoint_and_nothing_else_does(tmp_path: Path) -> None:
    (tmp_path / "step-000000007").mkdir()
    (tmp_path / "best").write_text("step-000000007\n")
    assert read_mark(tmp_path / "best") == "step-000000007"
    with pytest.raises(CheckpointError, match=r"config\.json"):
        sightline.from_pretrained(tmp_path / "best")
    for content in ("", "other", "../step-000000007", "step-" + "0" * 200, "step-1/../x"):
        (tmp_path / "best").write_text(content)
        assert read_mark(tmp_path / "best") == ""
    assert read_mark(tmp_path) == read_mark(tmp_path / "none") == ""
