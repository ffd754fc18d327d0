"""The table of objectives, and the customary one for each task."""

from collections.abc import Callable

from sightline.core.config import Choice, resolve
from sightline.core.errors import DataError
from sightline.core.registry import Registry
from sightline.core.schema import Schema
from sightline.objectives.objective import CUSTOMARY, Objective

OBJECTIVES: Registry[Callable[..., Objective]] = Registry("objective")


LANGUAGE = {"decoder": "next-token", "encoder": "masked-language", "encoder-decoder": "span-corruption"}
"""How each kind of network learns from text that nothing is written beside."""


IMAGES = {
    "adversarial pair": "adversarial",
    "autoencoder": "reconstruction",
    "autoregressive network": "pixel-prediction",
    "denoiser": "denoising-diffusion",
    "variational autoencoder": "elbo",
}
"""How each kind of network that makes images learns."""


def default_objective(schema: Schema, text_task: str | None = None, makes_images: str | None = None) -> Choice:
    """The customary objective of a task: cross-entropy for classes, squared loss for numbers, the next token for text.

    Args:
        schema: the data set's.
        text_task: the kind of network, "decoder", "encoder" or "encoder-decoder", for plain text.
        makes_images: the kind of network, where it makes images; nothing needs to be predicted then.

    Raises:
        DataError: for data in which nothing is to be predicted.

    Example:
        >>> default_objective(Schema(kind="table", task="regression", input_shape=(3,))).name
        'squared'
        >>> default_objective(Schema(kind="text", task="language", input_shape=(64,)), "encoder").name
        'masked-language'
    """
    if makes_images is not None:
        return resolve(IMAGES[makes_images], OBJECTIVES, "objective")
    if schema.task == "none":
        raise DataError(
            expected="data with a target",
            found=f"{schema.kind} data without one",
            do="name the column with --target, or put the images into one folder a class",
        )
    name = CUSTOMARY[schema.task]
    if schema.task == "language" and text_task is not None:
        name = LANGUAGE[text_task]
    return resolve(name, OBJECTIVES, "objective")
