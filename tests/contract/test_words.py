"""Options that are one word of a few, and the constructors that check them."""

from typing import Any

import pytest

from sightline.core.errors import ConfigurationError
from sightline.core.words import one_of
from sightline.models.mlp import MLP


def test_a_word_that_is_allowed_comes_back() -> None:
    assert one_of("b", iter(["a", "b"]), "letter") == "b"


@pytest.mark.usefixtures("as_a_user_calls")
@pytest.mark.parametrize("value", ["Large", "large ", "", 3, None, ["large"]])
def test_others_are_refused(value: Any) -> None:
    with pytest.raises(ConfigurationError, match="stem: one of large, small") as caught:
        one_of(value, ["large", "small"], "stem")
    assert caught.value.found == f"stem = {value!r}"
    if value == "Large":
        assert caught.value.do == "did you mean 'large'?"


@pytest.mark.usefixtures("as_a_user_calls")
@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"activation": "silu"}, "activation: one of relu, gelu, tanh"),
        ({"activation": "silu", "hidden": []}, "activation: one of relu, gelu, tanh"),
        ({"dropout": 1.0}, r"dropout in \[0, 1\)"),
        ({"dropout": -0.5}, r"dropout in \[0, 1\)"),
        ({"dropout": float("nan")}, r"dropout in \[0, 1\)"),
    ],
)
def test_the_perceptrons_options(options: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigurationError, match=words):
        MLP(**{"num_inputs": 3, "num_outputs": 2, **options})
