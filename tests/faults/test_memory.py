"""Networks and objectives that need more memory than there is."""

import pytest

from sightline.core.config import Choice, build
from sightline.core.errors import ConfigurationError
from sightline.core.memory import telling_memory
from sightline.core.schema import Schema
from sightline.models import MODELS
from sightline.objectives import OBJECTIVES

GREY = Schema("image", "none", (1, 8, 8), image_mean=(0.4,), image_std=(0.3,))


def test_a_network_larger_than_memory_is_told() -> None:
    with pytest.raises(ConfigurationError, match="memory for 'vae'"):
        build(Choice("vae", {"latent": 10**13}), MODELS, GREY)
    with pytest.raises(ConfigurationError, match="memory for 'denoising-diffusion'"):
        build(Choice("denoising-diffusion", {"steps": 10**14}), OBJECTIVES, GREY)


def test_what_is_no_want_of_memory_goes_on() -> None:
    with pytest.raises(RuntimeError, match="a shape"), telling_memory("this", "that"):
        raise RuntimeError("a shape")
