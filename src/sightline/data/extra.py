"""More training images beside a source's own: generated ones, or a second collection."""

from dataclasses import dataclass, replace

import pyarrow as pa
import torch
from jaxtyping import Int
from torch import Tensor

from sightline.core.errors import ConfigurationError, DataError
from sightline.core.schema import Schema
from sightline.data.decode_set import Decoded
from sightline.data.joined_images import join_images
from sightline.data.source import ImageSource, Source, TableSource
from sightline.data.spec import DataSpec
from sightline.data.splits import SplitRows
from sightline.data.target import Target, no_target, read_target_like


@dataclass(frozen=True)
class Labelled:
    """Decoded images, what is to be predicted of each, and the split of each.

    Args:
        decoded: the images.
        target: theirs, one an image.
        rows: the splits.
    """

    decoded: Decoded
    target: Target
    rows: SplitRows


def require_no_extra(spec: DataSpec, what: str) -> None:
    """Refuse further examples for data that are no images.

    Raises:
        ConfigurationError: where there are some.
    """
    if spec.extra is not None:
        raise ConfigurationError(
            expected=f"no data.extra for {spec.source}, {what}: only images can have more beside them",
            found=f"data.extra = {spec.extra!r}",
            do="leave it out, and add the examples to the source itself",
        )


def require_image_source(spec: DataSpec, source: Source) -> ImageSource:
    """What ``data.extra`` names, where it is images.

    Raises:
        DataError: for a table or a text.
    """
    if isinstance(source, ImageSource):
        return source
    raise DataError(
        expected=f"images in data.extra, as in {spec.source}",
        found=f"{source.what}, {'a table' if isinstance(source, TableSource) else 'a text'}",
        do="give a folder of images, or leave data.extra out",
    )


def training_rows(source: ImageSource, kept: Int[Tensor, " kept"]) -> Int[Tensor, " rows"]:
    """Those of the images kept that are not given for validation or the test: nothing is to leak from there.

    Args:
        source: the images.
        kept: numbers of those that could be decoded.
    """
    if source.given is None:
        return torch.arange(len(kept))
    return torch.tensor([i for i, n in enumerate(kept.tolist()) if source.given[n] == "train"], dtype=torch.int64)


def target_like(source: ImageSource, rows: Int[Tensor, " rows"], schema: Schema, *, name: str | None = None) -> Target:
    """What some of a source's images show, as a schema has it.

    Args:
        source: the images.
        rows: which of them.
        schema: of the data trained on.
        name: what to call the target in messages; none: its own name.

    Raises:
        DataError: for images without classes where the schema has some, or of a class that it lacks.
    """
    if schema.task == "none":
        return no_target(len(rows))
    if source.labels is None:
        raise DataError(
            expected=f"images with a class each, of: {', '.join(schema.classes[:10])}"
            if schema.classes
            else f"images with a number each, {schema.target!r}",
            found=f"images without in {source.what}",
            do="put the images of each class into a folder named after it",
        )
    return read_target_like(source.labels.take(pa.array(rows.numpy())), name or source.target, schema, source.classes)


def add_extra(
    own: Labelled, more: Decoded, kept: Int[Tensor, " kept"], source: ImageSource, schema: Schema
) -> Labelled:
    """The data with further images at the end of their training split; validation and test stay as they are.

    Args:
        own: the data.
        more: the further images, decoded to the same shape.
        kept: their numbers in the source.
        source: where they are from.
        schema: of the data, from their own training images.

    Raises:
        DataError: for another size where the data's own images were not resized, classes that the data lack, or no
            image to train on.

    Lecture: X7
    """
    if more.resized and not own.decoded.resized:
        _, height, width = schema.input_shape
        raise DataError(
            expected=f"images of {width} × {height} in data.extra, as all of the data's own are",
            found=f"{source.what}: {more.sizes.partition(';')[0]}",
            do="resize them, or choose images of that size",
        )
    rows = training_rows(source, kept)
    target = target_like(source, kept[rows], schema, name=f"{source.what} (data.extra)")
    used = rows[target.known]
    if not len(used):
        raise DataError(
            expected=f"images to train on in {source.what}",
            found="none that is labelled and not for validation or test",
            do="give other images, or leave data.extra out",
        )
    count = len(own.decoded.hashes)
    return Labelled(
        join_images(own.decoded, more.of(used)),
        replace(
            own.target,
            values=torch.cat([own.target.values, target.values]),
            known=torch.arange(count + len(used)),
        ),
        SplitRows(
            torch.cat([own.rows.train, torch.arange(count, count + len(used))]), own.rows.validation, own.rows.test
        ),
    )
