"""Whether a kind of model can learn from a data set's schema at all."""

from collections.abc import Sequence
from typing import Annotated

from sightline.core.config import Option
from sightline.core.errors import DataError
from sightline.core.schema import Schema, Task, TextSchema

Conditional = Annotated[bool, Option("tell the network each image's class")]
"""The condition of a network that makes images."""


def require_predictable(schema: Schema, model: str) -> None:
    """Refuse data that a model of fixed-size numeric inputs can't take.

    Args:
        schema: the data set's.
        model: the model's name, for the message.

    Raises:
        DataError: for text, or data in which nothing is to be predicted.
    """
    if schema.kind == "text":
        raise DataError(
            expected=f"images or a table for the model {model!r}",
            found="text",
            do="give a folder of images by class, or a table with its --target",
        )
    if schema.task == "none":
        images = schema.kind == "image"
        raise DataError(
            expected=f"images with classes for the model {model!r}"
            if images
            else f"a target for the model {model!r} to predict",
            found="no classes" if images else f"{schema.kind} data without one",
            do="put each class into a folder of its own, or train a network that makes images (sightline train vae)"
            if images
            else "name the column with --target",
        )


def require_images(schema: Schema, model: str) -> None:
    """Refuse data that a network for images can't take.

    Raises:
        DataError: for text, tables, or data in which nothing is to be predicted.
    """
    require_predictable(schema, model)
    if schema.kind != "image":
        raise DataError(
            expected=f"images for the model {model!r}",
            found=f"a {schema.kind} with inputs of shape {schema.input_shape}",
            do="use the model 'mlp'",
        )


def require_text(schema: Schema, model: str, tasks: Sequence[Task]) -> TextSchema:
    """Refuse data that a network for text can't take, or a task that it has no head for.

    Args:
        schema: the data set's.
        model: the model's name, for the message.
        tasks: what the model can predict.

    Returns:
        How the text becomes tokens.

    Raises:
        DataError: for images, tables, or another task.

    Lecture: T6

    Example:
        >>> text = TextSchema(vocabulary_size=65, length=64)
        >>> schema = Schema("text", "language", (64,), text=text)
        >>> require_text(schema, "gpt", ("language",)) is text
        True
    """
    if schema.kind != "text" or schema.text is None:
        raise DataError(
            expected=f"text for the model {model!r}",
            found=f"a {schema.kind} with inputs of shape {schema.input_shape}"
            if schema.kind != "text"
            else "text without a tokenizer",
            do="use the model 'mlp' for tables, 'resnet' for images" if schema.kind != "text" else "load it as data",
        )
    if schema.task not in tasks:
        raise DataError(
            expected=f"text for one of the tasks that the model {model!r} has a head for: {', '.join(tasks)}",
            found=f"the task {schema.task}" if schema.task != "none" else "nothing that is to be predicted",
            do="choose another model or another form of the data",
        )
    return schema.text


def require_pictures(schema: Schema, model: str, *, conditional: bool = False) -> tuple[int, int, int]:
    """Refuse data that a network which makes images can't take; labels are needed for a condition alone.

    Args:
        schema: the data set's.
        model: the model's name, for the message.
        conditional: whether the images' classes are to steer the network.

    Returns:
        (channels, height, width)

    Raises:
        DataError: for data that are no images, or have no classes where they are to steer.
    """
    if schema.kind != "image":
        raise DataError(
            expected=f"images for the model {model!r}", found=f"a {schema.kind}", do="give a folder of images"
        )
    if conditional and not schema.classes:
        raise DataError(
            expected=f"images with classes, for a conditional {model!r}",
            found="images without",
            do="leave the condition out, or put the images into one folder a class",
        )
    channels, height, width = schema.input_shape
    return channels, height, width
