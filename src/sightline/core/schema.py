"""The schema: what a data set's examples are, enough to build a model and to read new inputs alike."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

Kind = Literal["image", "table", "text"]
Task = Literal["classification", "regression", "language", "sequence", "token-classification", "span", "none"]
"""What is predicted: a class, a number, the text itself, another text, a class of each token, a part of the text."""

IGNORED = -100
"""The target of a token that is not to be predicted."""


@dataclass(frozen=True)
class Column:
    """One input column of a table, with the training statistics it is standardised by.

    Args:
        name: as in the file.
        kind: "number" (one standardised input) or "category" (one 0/1 input per category).
        mean: training mean of the known values, in the column's units.
        std: training standard deviation, in the column's units; 1 where it was 0.
        categories: known categories, in the order of their inputs.
        missing: whether training had missing values: a missing number becomes the mean and sets one
            more 0/1 input; a missing category sets none of its inputs.
    """

    name: str
    kind: Literal["number", "category"]
    mean: float = 0.0
    std: float = 1.0
    categories: tuple[str, ...] = ()
    missing: bool = False

    @property
    def width(self) -> int:
        """Number of model inputs this column becomes."""
        return len(self.categories) if self.kind == "category" else 1 + self.missing


@dataclass(frozen=True)
class TextSchema:
    """How text becomes tokens: enough to build a model for them, and to write them as text again.

    The tokenizer itself stands beside the schema, in ``tokenizer.json``. A special token that the vocabulary does not
    have is none.

    Args:
        vocabulary_size: number of different tokens, the special ones included.
        length: most tokens in one example.
        target_length: most tokens in the text to be predicted, for the task "sequence"; else 0.
        bytes_per_token: UTF-8 bytes of the training text over its tokens; where each next token is to be predicted,
            end tokens are counted too.
        pad: fills short examples up.
        unknown: stands for what the vocabulary does not have.
        begin: the first token of a text.
        end: the last token of a text, or what stands between two.
        mask: stands for a token to be guessed.
        classify: the first token of an example whose class is asked for (BERT's ``[CLS]``).
        separator: stands after each sentence (BERT's ``[SEP]``).
        sentinels: stand for spans left out, the first span's first.

    Lecture: W1
    """

    vocabulary_size: int
    length: int
    target_length: int = 0
    bytes_per_token: float = 1.0
    pad: int | None = None
    unknown: int | None = None
    begin: int | None = None
    end: int | None = None
    mask: int | None = None
    classify: int | None = None
    separator: int | None = None
    sentinels: tuple[int, ...] = ()


@dataclass(frozen=True)
class Schema:
    """Kinds, shapes, classes and training statistics of a data set.

    Args:
        kind: image, table or text.
        task: what is to be predicted.
        input_shape: shape of one example as the model sees it: (channels, height, width), (inputs,) or (tokens,).
        target: the target's name ("label", "price").
        classes: class names in the order of their numbers; empty for regression.
        target_mean: training mean of a regression target, in its units.
        target_std: training standard deviation of a regression target, in its units.
        standardise: how images are standardised (see ``data/standardise.py``).
        image_mean: the E[x] subtracted, pixel values in [0, 1]: per channel, or per position, flattened.
        image_std: the standard deviation divided by, same layout as ``image_mean``.
        columns: input columns of a table.
        text: how text becomes tokens; none for images and tables.
    """

    kind: Kind
    task: Task
    input_shape: tuple[int, ...]
    target: str = "label"
    classes: tuple[str, ...] = ()
    target_mean: float = 0.0
    target_std: float = 1.0
    standardise: str = "channel"
    image_mean: tuple[float, ...] = ()
    image_std: tuple[float, ...] = ()
    columns: tuple[Column, ...] = ()
    text: TextSchema | None = None

    @property
    def num_outputs(self) -> int:
        """Outputs a predictor needs: one a class, one a token of the vocabulary, two for a span, one for a number.

        Example:
            >>> Schema(kind="table", task="classification", input_shape=(4,), classes=("a", "b")).num_outputs
            2
        """
        if self.task in ("language", "sequence"):
            assert self.text is not None
            return self.text.vocabulary_size
        if self.task == "span":
            return 2
        return len(self.classes) if self.task in ("classification", "token-classification") else 1

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> "Schema":
        """Read :meth:`to_dict` back."""
        values: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in plain.items()}
        values["columns"] = tuple(Column(**{**c, "categories": tuple(c["categories"])}) for c in values["columns"])
        text = values.get("text")
        values["text"] = TextSchema(**{**text, "sentinels": tuple(text["sentinels"])}) if text else None
        return cls(**values)
