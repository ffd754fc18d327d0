"""What a checkpoint says of its classes and of how images were prepared for it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sightline.core.errors import CheckpointError
from sightline.models.hugging_face.config import height_and_width


@dataclass(frozen=True)
class Preprocessing:
    """How images were prepared: brought to a size, then (pixels − mean)/std with pixels in [0, 1].

    Args:
        image_size: height and width in pixels; none where that is not said.
        mean: one a channel; empty where that is not said, or images were not standardised.
        std: the same.

    Lecture: O10
    """

    image_size: tuple[int, int] | None = None
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()


def read_preprocessing(said: Mapping[str, Any]) -> Preprocessing:
    """From the content of ``preprocessor_config.json``.

    Their pixels are 0 … 255 times ``rescale_factor``, usually 1/255; mean and deviation are brought to ours.

    Args:
        said: the file's object; empty where there is no such file.

    Raises:
        CheckpointError: for anything but numbers where numbers belong.

    Example:
        >>> read_preprocessing({"size": 8, "image_mean": [1.0], "image_std": [0.5], "rescale_factor": 2 / 255})
        Preprocessing(image_size=(8, 8), mean=(0.5,), std=(0.25,))
    """
    size = said.get("size")
    if isinstance(size, Mapping):
        size = [size["height"], size["width"]] if "height" in size and "width" in size else size.get("shortest_edge")
    image_size = None if size is None else height_and_width({"size": size}, "size", 1)
    if not said.get("do_normalize", True) or not said.get("image_mean") or not said.get("image_std"):
        return Preprocessing(image_size)
    try:
        scale = 255 * float(said.get("rescale_factor", 1 / 255)) if said.get("do_rescale", True) else 255.0
        mean, std = (tuple(float(v) / scale for v in said[key]) for key in ("image_mean", "image_std"))
    except (TypeError, ValueError, ZeroDivisionError) as error:
        raise CheckpointError(
            expected="numbers for image_mean, image_std and rescale_factor in preprocessor_config.json",
            found=str(error),
            do="mend the file",
        ) from error
    return Preprocessing(image_size, mean, std)


def read_labels(config: Mapping[str, Any], num_outputs: int) -> tuple[str, ...] | None:
    """Class names in the order of the outputs; none where they are absent or made up (LABEL_0, LABEL_1, …).

    Args:
        config: of ``config.json``.
        num_outputs: of the checkpoint's classifier.

    Raises:
        CheckpointError: when there is not one name for each output.

    Example:
        >>> read_labels({"id2label": {"1": "dog", "0": "cat"}}, 2)
        ('cat', 'dog')
    """
    names = config.get("id2label")
    if not names:
        return None
    numbers = [str(number) for number in range(num_outputs)]
    if not isinstance(names, Mapping) or set(names) != set(numbers):
        raise CheckpointError(
            expected=f"id2label in config.json: a name for each of {num_outputs} outputs, numbered from 0",
            found=f"{len(names)} names" if isinstance(names, Mapping) else type(names).__name__,
            do="check that config.json and the weights belong together",
        )
    labels = tuple(str(names[number]) for number in numbers)
    return None if labels == tuple(f"LABEL_{number}" for number in numbers) else labels
