"""What to load, and how it is split, standardised and augmented."""

from dataclasses import dataclass, field
from typing import Annotated, Literal

from sightline.core.config import Config, Option
from sightline.data.augment.spec import Augment
from sightline.data.text_spec import TextSpec

Standardise = Literal["channel", "position", "midpoint", "image", "patch", "none"]


@dataclass(frozen=True)
class DataSpec(Config):
    """The data part of a run's configuration.

    The split has a seed of its own, so that runs with different seeds share one test set.

    Raises:
        ConfigurationError: for a value of the wrong type or out of its range.

    Lecture: F1, F2, O9, O10, W1

    Example:
        >>> DataSpec(source="digits").standardise
        'channel'
    """

    source: Annotated[str, Option("name of an embedded set, path of a file or folder, or hf:owner/name")]
    target: Annotated[
        str | None, Option("column to predict; of texts also file or folder; not needed for image folders")
    ] = None
    extra: Annotated[
        str | None,
        Option("more training images of the same classes and size, generated ones perhaps; a source like the first"),
    ] = None
    task: Annotated[
        Literal["classification", "regression", "language", "sequence", "token-classification", "span"] | None,
        Option("kind of prediction; none: decided by the target, and by what the source is"),
    ] = None
    image_size: Annotated[
        int | None,
        Option(
            "side images are resized and centre-cropped to;"
            " none: their own size where all share one up to 64, otherwise 64",
            unit="pixels",
            minimum=1,
            maximum=4096,
        ),
    ] = None
    validation_fraction: Annotated[
        float,
        Option("share of the training examples held out for validation, where none is given", above=0, below=1),
    ] = 0.1
    test_fraction: Annotated[
        float,
        Option(
            "share of all examples held out for the test, where none is given; of a text it may be 0",
            minimum=0,
            below=1,
        ),
    ] = 0.2
    split_seed: Annotated[int, Option("seed of the split, apart from the run's own", minimum=0)] = 0
    standardise: Annotated[Standardise, Option("which E[x] is subtracted from images")] = "channel"
    memory_gib: Annotated[
        float, Option("decoded images larger than this are streamed from disk", unit="GiB", minimum=0)
    ] = 2.0
    workers: Annotated[int, Option("threads that decode images", unit="threads", minimum=1, maximum=256)] = 2
    cache: Annotated[bool, Option("keep decoded images, and tokens, for the next time")] = True
    augment: Augment = field(default_factory=Augment)
    text: TextSpec = field(default_factory=TextSpec)
