"""Fields of a ``config.json``, or its like, written by somebody else: read with their type checked, or refused."""

from collections.abc import Mapping
from typing import Any

from sightline.core.errors import CheckpointError

CONFIG = "config.json"


def whole(config: Mapping[str, Any], name: str, default: int, file: str = CONFIG) -> int:
    """A whole number of at least 1, or its default where the file says nothing.

    Raises:
        CheckpointError: for anything else.

    Example:
        >>> whole({"depth": 3}, "depth", 12), whole({}, "depth", 12)
        (3, 12)
    """
    value = config.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise _wrong(name, "a whole number of at least 1", value, file)
    return value


def wholes(config: Mapping[str, Any], name: str, default: tuple[int, ...]) -> list[int]:
    """Whole numbers of at least 1, one a stage.

    Raises:
        CheckpointError: for anything else.

    Example:
        >>> wholes({"depths": [1, 2]}, "depths", (3, 3))
        [1, 2]
    """
    values = config.get(name, default)
    if not isinstance(values, list | tuple) or not values:
        raise _wrong(name, "a list of whole numbers", values)
    return [whole({name: value}, name, 1) for value in values]


def number(config: Mapping[str, Any], name: str, default: float, file: str = CONFIG) -> float:
    """A number of at least 0.

    Raises:
        CheckpointError: for anything else.

    Example:
        >>> number({"drop": 0}, "drop", 0.1)
        0.0
    """
    value = config.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < float("inf"):
        raise _wrong(name, "a number of at least 0", value, file)
    return float(value)


def height_and_width(config: Mapping[str, Any], name: str, default: int) -> tuple[int, int]:
    """One number for both, or two.

    Raises:
        CheckpointError: for anything else.

    Example:
        >>> height_and_width({"image_size": 8}, "image_size", 224)
        (8, 8)
    """
    value = config.get(name, default)
    if isinstance(value, list | tuple) and len(value) == 2:
        return whole({name: value[0]}, name, 1), whole({name: value[1]}, name, 1)
    side = whole(config, name, default)
    return side, side


def square(config: Mapping[str, Any], name: str, default: int) -> int:
    """The side of a square, written as one number or as two that are equal.

    Raises:
        CheckpointError: for anything else.

    Example:
        >>> square({"patch_size": [4, 4]}, "patch_size", 16)
        4
    """
    height, width = height_and_width(config, name, default)
    if height != width:
        raise _wrong(name, "the side of a square", config.get(name))
    return height


def require(config: Mapping[str, Any], name: str, only: Any, file: str = CONFIG) -> None:
    """A field in which our network knows one value only; absent means that one.

    Raises:
        CheckpointError: for any other.

    Example:
        >>> require({"hidden_act": "gelu"}, "hidden_act", "gelu")
    """
    if config.get(name, only) != only:
        raise _wrong(name, repr(only), config[name], file)


def _wrong(name: str, expected: str, found: Any, file: str = CONFIG) -> CheckpointError:
    return CheckpointError(
        expected=f"{name} in {file}: {expected}",
        found=f"{found!r}",
        do="choose a checkpoint without this, or train one here",
    )
