"""Images made with a run's network: by a sampler, or, of a classifier, by ascent on its own score."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch import nn

from sightline.core.errors import ConfigurationError
from sightline.core.schema import Schema
from sightline.data import read_inputs
from sightline.data.standardise import unstandardise
from sightline.objectives import Objective
from sightline.objectives.image_objective import ImageObjective

if TYPE_CHECKING:
    from sightline.generate.image_sampling import SampledImages


def make_images(
    model: nn.Module,
    objective: Objective,
    schema: Schema,
    count: int,
    *,
    start: Path | str | None = None,
    **options: Any,
) -> "SampledImages":
    """New images, in the one way that the network has.

    Args:
        model: in evaluation mode.
        objective: what it was trained with.
        schema: of its data.
        count: images.
        start: of an ascent: a picture, or a folder of them; none: noise.
        options: those of the function that makes them.

    Raises:
        ConfigurationError: for a network on other data than images, or what the functions named refuse.
        DataError: for a start that can't be read.

    Lecture: X1, X3, X7
    """
    from sightline.generate.image_sampling import sample_images

    if isinstance(objective, ImageObjective):
        if start is not None:
            raise ConfigurationError(
                expected="no start: this network makes images from noise",
                found=str(start),
                do="leave it out; a classifier's ascent begins at pictures",
            )
        return sample_images(model, objective, count, **options)
    if schema.kind == "image" and schema.task == "classification":
        return _climb(model, objective, schema, count, start, options)
    raise ConfigurationError(
        expected="a run whose network makes images, or tells their classes",
        found=f"one trained with the objective {objective.name!r}",
        do="train one that does, for example `sightline train vae --data FOLDER`",
    )


def _climb(
    model: nn.Module,
    objective: Objective,
    schema: Schema,
    count: int,
    start: Path | str | None,
    options: dict[str, Any],
) -> "SampledImages":
    """Images by ascent on the classifier's score."""
    from sightline.generate.classifier_ascent import climbed_images

    guidance = options.pop("guidance", None)
    if guidance is not None:
        raise ConfigurationError(
            expected="no guidance: a classifier is climbed without",
            found=f"guidance = {guidance}",
            do="leave it out; networks of diffusion have it (sightline train unet)",
        )
    if start is None:
        return climbed_images(model, objective, schema, count, **options)
    found = read_inputs([Path(start)], schema)
    pictures = unstandardise(found.inputs, schema).clamp(0, 1)
    made = climbed_images(model, objective, schema, count, start=pictures, **options)
    return replace(made, left_out=tuple(found.left_out))
