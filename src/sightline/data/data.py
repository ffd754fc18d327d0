"""A data set as a run uses it."""

from dataclasses import dataclass

from sightline.core.schema import Schema
from sightline.data.found import Found
from sightline.data.spec import DataSpec
from sightline.data.split import Split
from sightline.data.tokenizer import Tokenizer


@dataclass(frozen=True)
class Data:
    """Three splits, the schema that describes them, and what was found while reading.

    Args:
        source: where it came from, as asked for.
        spec: how it was asked for.
        schema: kinds, shapes, classes, training statistics.
        train: examples the model is fitted to.
        validation: examples choices are made by.
        test: examples looked at once, at the end.
        found: the account of the reading.
        fingerprint: hash of the content; differs when the data differs.
        tokenizer: cuts text into its tokens and puts it together again; none for images and tables.

    Lecture: F1, F2
    """

    source: str
    spec: DataSpec
    schema: Schema
    train: Split
    validation: Split
    test: Split
    found: Found
    fingerprint: str
    tokenizer: Tokenizer | None = None
