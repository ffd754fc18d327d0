"""What a data set must have for a network that reads one text and writes another."""

from typing import Literal

from sightline.core.errors import DataError
from sightline.core.schema import Schema, Task, TextSchema
from sightline.models.fitness import require_text

WRITTEN: tuple[Task, ...] = ("language", "sequence")
"""The tasks in which a text is written: restored, or another text for each."""


def text_to_write(
    schema: Schema, model: str, *starts: Literal["pad", "begin", "end", "classify"]
) -> tuple[TextSchema, int]:
    """How text becomes tokens, and the token that a text to be written starts with.

    Args:
        schema: the data set's.
        model: the model's name, for the message.
        starts: tokens to start with, in the order of preference.

    Raises:
        DataError: for other data than text to be restored or written, or a vocabulary that has none of the tokens.

    Example:
        >>> text = TextSchema(vocabulary_size=9, length=8, target_length=6, end=3)
        >>> text_to_write(Schema("text", "sequence", (8,), text=text), "t5", "pad", "end")[1]
        3
    """
    text = require_text(schema, model, WRITTEN)
    for name in starts:
        token: int | None = getattr(text, name)
        if token is not None:
            return text, token
    raise DataError(
        expected=f"a tokenizer with a token for {' or '.join(starts)}, to start a text with, for the model {model!r}",
        found="none of them",
        do="train a tokenizer with special tokens, or load one that has them",
    )
