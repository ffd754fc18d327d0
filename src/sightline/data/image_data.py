"""From images with a target to three splits."""

from dataclasses import replace

import pyarrow as pa
import torch
from torch import Tensor

from sightline.core.errors import DataError
from sightline.core.schema import Schema
from sightline.data.account import balance, class_notes, target_statistics
from sightline.data.data import Data
from sightline.data.decode_set import Decoded, Shape, decode_set
from sightline.data.duplicates import find_duplicates, fingerprint
from sightline.data.found import Found
from sightline.data.source import ImageSource
from sightline.data.spec import DataSpec
from sightline.data.split import Split
from sightline.data.splits import SPLIT_NAMES, SplitRows, assign
from sightline.data.standardise import fit_standardiser
from sightline.data.stream_split import StreamSplit
from sightline.data.target import Target, read_target, read_target_like
from sightline.data.tensor_split import TensorSplit

SAMPLED = 4096
"""Training images a streamed set's statistics are taken from, evenly spaced."""


def image_data(spec: DataSpec, source: ImageSource) -> Data:
    """Decode, split and describe images.

    Args:
        spec: what was asked for.
        source: the images.

    Raises:
        DataError: when images or target can't be used.
    """
    decoded, kept = _decode(source, spec)
    labels = source.labels.take(pa.array(kept.numpy()))
    target = read_target(labels, source.target, spec.task, source.classes)
    decoded = replace(decoded.of(target.known), notes=(*decoded.notes, *source.notes))
    given = source.given and [source.given[i] for i in kept[target.known].tolist()]
    rows = assign(
        given,
        target.values,
        validation_fraction=spec.validation_fraction,
        test_fraction=spec.test_fraction,
        seed=spec.split_seed,
    )
    notes = [*decoded.notes, *class_notes(target, rows)]
    if len(target.known) < len(kept):
        notes.append(f"{len(kept) - len(target.known):,} images have no value for {target.name!r}: left out")
    sample = _sample(decoded, rows)
    if len(sample) < len(rows.train):
        notes.append(f"mean and deviation are those of {len(sample):,} training images, evenly spaced")
    schema = _schema(spec, target, rows, sample)
    splits = {n: _split(n, decoded.of(rows.of(n)), target.values[rows.of(n)], schema) for n in SPLIT_NAMES}
    shape = " × ".join(map(str, schema.input_shape))
    aim = f"{len(target.classes)} classes" if target.classes else f"to predict the number {target.name!r}"
    found = Found(
        kind="image",
        task=target.task,
        what=f"{source.what}: {len(target.values):,} images of {shape}, {aim}",
        counts={n: len(splits[n]) for n in SPLIT_NAMES},
        balance=balance(target, rows),
        input_shape=schema.input_shape,
        sizes=decoded.sizes,
        left_out=(*decoded.left_out, *source.left_out),
        duplicates=tuple(find_duplicates({n: decoded.hashes[rows.of(n).numpy()] for n in SPLIT_NAMES})),
        notes=tuple(notes),
    )
    content = fingerprint(
        decoded.hashes.tobytes(),
        target.values.numpy().tobytes(),
        repr((target.classes, schema.input_shape)).encode(),
        repr(given).encode(),
    )
    return Data(spec.source, spec, schema, splits["train"], splits["validation"], splits["test"], found, content)


def images_like(spec: DataSpec, source: ImageSource, schema: Schema) -> Split:
    """All images of another source, decoded and standardised as the schema says.

    Args:
        spec: how to decode.
        source: the images.
        schema: of the data trained on.

    Raises:
        DataError: when no image can be used, or one is of a class the schema lacks.
    """
    channels, height, width = schema.input_shape
    decoded, kept = _decode(source, spec, Shape(channels, height, width))
    labels = source.labels.take(pa.array(kept.numpy()))
    target = read_target_like(labels, source.target, schema, source.classes)
    if len(target.known) == 0:
        raise DataError(
            expected=f"labelled images in {source.what}", found="no label in any row", do="give labelled images"
        )
    return _split("test", decoded.of(target.known), target.values, schema)


def _decode(source: ImageSource, spec: DataSpec, shape: Shape | None = None) -> tuple[Decoded, Tensor]:
    images = source.images
    if not isinstance(images, Decoded):
        return decode_set(images, spec, source.what, shape)
    have = Shape(*images.images.shape[1:]) if isinstance(images.images, Tensor) else None
    if shape is not None and shape != have:
        raise DataError(
            expected=f"images of {shape}, as in training", found=f"{source.what} of {have}", do="give other images"
        )
    return images, torch.arange(len(images.hashes))


def _sample(decoded: Decoded, rows: SplitRows) -> Tensor:
    """Training images to take mean and deviation from: all, or some of a stream."""
    if isinstance(decoded.images, Tensor):
        return decoded.images[rows.train]
    step = -(-len(rows.train) // SAMPLED)
    return decoded.images.read(rows.train[::step])


def _schema(spec: DataSpec, target: Target, rows: SplitRows, sample: Tensor) -> Schema:
    mean, std = fit_standardiser(sample, spec.standardise)
    target_mean, target_std = target_statistics(target, rows)
    return Schema(
        kind="image",
        task=target.task,
        input_shape=tuple(sample.shape[1:]),
        target=target.name,
        classes=target.classes,
        target_mean=target_mean,
        target_std=target_std,
        standardise=spec.standardise,
        image_mean=mean,
        image_std=std,
    )


def _split(name: str, decoded: Decoded, target: Tensor, schema: Schema) -> Split:
    if isinstance(decoded.images, Tensor):
        return TensorSplit(name, decoded.images, target, schema)
    return StreamSplit(name, decoded.images, target, schema)
