"""From images with a target to three splits."""

from dataclasses import replace

import pyarrow as pa
import torch
from torch import Tensor

from sightline.core.errors import DataError
from sightline.core.schema import Schema
from sightline.data.account import balance, class_notes, target_statistics
from sightline.data.data import Data
from sightline.data.decode_set import GIB, Decoded, Shape, decode_set
from sightline.data.duplicates import find_duplicates, fingerprint
from sightline.data.extra import Labelled, add_extra, target_like
from sightline.data.found import Found
from sightline.data.source import ImageSource
from sightline.data.spec import DataSpec
from sightline.data.split import Split
from sightline.data.splits import SPLIT_NAMES, SplitRows, assign
from sightline.data.standardise import fit_standardiser
from sightline.data.stream_split import StreamSplit
from sightline.data.target import Target, no_target, read_target
from sightline.data.tensor_split import TensorSplit

SAMPLED = 4096
"""Training images a streamed set's statistics are taken from, evenly spaced."""


def image_data(spec: DataSpec, source: ImageSource, extra: ImageSource | None = None) -> Data:
    """Decode, split and describe images.

    Args:
        spec: what was asked for.
        source: the images.
        extra: more images to train on; mean and deviation are those of the source's own.

    Raises:
        DataError: when images or target can't be used.
    """
    decoded, kept = _decode(source, spec)
    target = _target(spec, source, kept)
    decoded = replace(decoded.of(target.known), notes=(*decoded.notes, *source.notes))
    given = source.given and [source.given[i] for i in kept[target.known].tolist()]
    rows = assign(
        given,
        target.values,
        validation_fraction=spec.validation_fraction,
        test_fraction=spec.test_fraction,
        seed=spec.split_seed,
    )
    notes = [*decoded.notes]
    if len(target.known) < len(kept):
        notes.append(f"{len(kept) - len(target.known):,} images have no value for {target.name!r}: left out")
    sample = _sample(decoded, rows)
    if len(sample) < len(rows.train):
        notes.append(f"mean and deviation are those of {len(sample):,} training images, evenly spaced")
    schema = _schema(spec, target, rows, sample)
    every = Labelled(decoded, target, rows)
    if extra is not None:
        rest = spec.replace(memory_gib=_memory_left(spec, decoded))
        every = add_extra(every, *_decode(extra, rest, Shape(*schema.input_shape)), extra, schema)
        notes.append(
            f"{len(every.target.values) - len(target.values):,} of the training images are from {extra.what}"
            " (data.extra); mean and deviation are those of the others"
        )
    notes += class_notes(every.target, every.rows)
    parts = {n: every.decoded.of(every.rows.of(n)) for n in SPLIT_NAMES}
    splits = {n: _split(n, part, every.target.values[every.rows.of(n)], schema) for n, part in parts.items()}
    found = Found(
        kind="image",
        task=target.task,
        what=f"{source.what}: {len(target.values):,} images of {' × '.join(map(str, schema.input_shape))}, "
        + _aim(target),
        counts={n: len(splits[n]) for n in SPLIT_NAMES},
        balance=balance(every.target, every.rows),
        input_shape=schema.input_shape,
        sizes=decoded.sizes,
        left_out=(*every.decoded.left_out, *source.left_out, *(extra.left_out if extra is not None else ())),
        duplicates=tuple(find_duplicates({n: part.hashes for n, part in parts.items()})),
        notes=tuple(notes),
    )
    content = fingerprint(
        every.decoded.hashes.tobytes(),
        every.target.values.numpy().tobytes(),
        repr((target.classes, schema.input_shape)).encode(),
        repr(given).encode(),
        *([] if extra is None else [str(len(target.values)).encode()]),
    )
    return Data(spec.source, spec, schema, splits["train"], splits["validation"], splits["test"], found, content)


def _target(spec: DataSpec, source: ImageSource, kept: Tensor) -> Target:
    """What the images that could be decoded show; nothing where they come without labels."""
    if source.labels is not None:
        return read_target(source.labels.take(pa.array(kept.numpy())), source.target, spec.task, source.classes)
    if spec.task is not None:
        raise DataError(
            expected=f"images with something to predict, for data.task = {spec.task}",
            found=f"images without classes in {source.what}",
            do="put the images of each class into a folder named after it, or leave data.task out",
        )
    return no_target(len(kept))


def _aim(target: Target) -> str:
    """What is to be predicted, in words."""
    if target.task == "none":
        return "without classes: for networks that make images"
    return f"{len(target.classes)} classes" if target.classes else f"to predict the number {target.name!r}"


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
    target = target_like(source, kept, schema)
    if len(target.known) == 0:
        raise DataError(
            expected=f"labelled images in {source.what}", found="no label in any row", do="give labelled images"
        )
    split = _split("test", decoded.of(target.known), target.values, schema)
    split.notes = (f"images of {decoded.sizes}",) if decoded.resized else ()
    return split


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


def _memory_left(spec: DataSpec, decoded: Decoded) -> float:
    """GiB that further images may take: none beside images that are streamed."""
    if not isinstance(decoded.images, Tensor):
        return 0.0
    return max(0.0, spec.memory_gib - decoded.images.nbytes / GIB)


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
