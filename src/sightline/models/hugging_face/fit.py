"""A network built from somebody else's configuration, and whether their weights are its own."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from torch import Tensor

from sightline.core.errors import CheckpointError, SightlineError
from sightline.core.kinds import with_article
from sightline.models.predictor import Predictor

Convert = Callable[[Mapping[str, Any], Mapping[str, Tensor]], tuple[dict[str, Any], dict[str, Tensor]]]
"""From a config.json and weights to constructor arguments and weights under our names."""


@contextmanager
def building(network: type[Predictor], name: str) -> Iterator[None]:
    """What a configuration can do wrong while a network is built from it, told as the checkpoint's fault."""
    try:
        yield
    except CheckpointError:
        raise
    except (SightlineError, TypeError, ValueError, RuntimeError, KeyError) as error:
        found = f"{error.found} instead of {error.expected}" if isinstance(error, SightlineError) else str(error)
        raise CheckpointError(
            expected=f"{with_article(network.__name__)} that can be built from config.json of {name}",
            found=found,
            do="check that config.json and the weights belong together",
        ) from error


def require_fit(predictor: Predictor, weights: Mapping[str, Tensor], name: str) -> None:
    """Every weight, of the right shape, and no other."""
    wanted = predictor.state_dict()
    problems = [f"no {key}" for key in wanted if key not in weights]
    problems += [f"{key}, which the network does not have" for key in weights if key not in wanted]
    problems += [
        f"{key} of shape {tuple(weights[key].shape)} instead of {tuple(weight.shape)}"
        for key, weight in wanted.items()
        if key in weights and weights[key].shape != weight.shape
    ]
    problems += [
        f"{key} in {weights[key].dtype}, a quantised number format"
        for key, weight in wanted.items()
        if key in weights and weight.is_floating_point() and not weights[key].is_floating_point()
    ]
    if problems:
        more = f"; and {len(problems) - 3} more" if len(problems) > 3 else ""
        raise CheckpointError(
            expected=f"the weights of the {type(predictor).__name__} that config.json of {name} describes",
            found="; ".join(problems[:3]) + more,
            do="check that config.json and the weights belong together; num_outputs=… gives a fresh head",
        )
