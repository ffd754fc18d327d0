"""Judging the images that a run makes, by the classifier of another run and by its own data."""

import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from sightline.core.errors import ConfigurationError, DataError
from sightline.core.run_folder import RunFolder
from sightline.core.schema import Schema
from sightline.core.seeds import Seeds, permutation
from sightline.data import Split
from sightline.data.image_grid import as_png, image_grid
from sightline.data.standardise import unstandardise
from sightline.generate.judge import Judge
from sightline.generate.judgement import Judgement, class_shares, judged
from sightline.generate.nearest_neighbour import BLOCK, Memorisation, Nearness, memorisation, nearest_images
from sightline.objectives.classification import Classification
from sightline.objectives.image_objective import ImageObjective
from sightline.train.verdicts import verdicts

if TYPE_CHECKING:
    from sightline.train.run import Run

READING = "readings/judgement.json"
PICTURE = "samples/nearest.png"

PAIRS = 12
"""Images shown above their nearest training images."""

MOST_REAL, MOST_NUMBERS = 10_000, 1_000_000_000
"""Real images that are looked at, at most, and their pixel values: 4 GB."""

NUMBERS = 25_000_000
"""Pixel values of training images that are looked at side by side: 100 MB."""


@dataclass(frozen=True)
class RunJudgement:
    """What a judge says of a run's images, and of real ones in their place.

    Args:
        checkpoint: whose weights made the images.
        by: the judge's run and checkpoint.
        sees: where the judge's features are from.
        asked: the options that the images were made with.
        classes: the judge's classes.
        made: figures of the made images.
        real: the same of real images: what the best possible would get.
        reference: share of every class among the real images that both are held against.
        num_reference: how many those are.
        memorisation: whether the made are copies of training images.
        distance: median squared distance to the nearest training image, of made and of real images.
        verdicts: a sentence for everything that is off.
    """

    checkpoint: str
    by: str
    sees: str
    asked: dict[str, Any]
    classes: tuple[str, ...]
    made: Judgement
    real: Judgement
    reference: tuple[float, ...]
    num_reference: int
    memorisation: Memorisation
    distance: tuple[float, float]
    verdicts: list[str]

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)


def judge_run(run: "Run", by: "Run", count: int = 2000, *, seed: int = 0, **options: Any) -> RunJudgement:
    """Let a run make images, judge them, and leave ``readings/judgement.json`` and ``samples/nearest.png``.

    Real images are those of the run's test split, at most 10,000, in two parts: as many as were made, half of them at
    most, stand in the place of made ones; the rest is the reference. Where there are fewer of them than were made, the
    distances look at as many made ones only: what a distance of finite sets adds is then the same for both.

    Args:
        run: whose network makes images.
        by: a run whose network tells the classes of images of the same size.
        count: images to make, at least 2.
        seed: of the images, of which real ones are taken, and of the bootstrap.
        options: ``batch_size``, ``steps``, ``guidance`` of the sampler.

    Raises:
        ConfigurationError: for runs that do something else, or options out of range.
        InputError: for images of another size.
        DataError: when the data can't be read, or have fewer than 4 test images.

    Lecture: X3, X4, X6, X7
    """
    _require_count(count)
    judge = judge_of(by)
    _require_maker(run)
    judge.require_fit(run.schema.input_shape)
    test, train = run.data.test, run.data.train
    place, reference = _two_parts(test, run.schema, count, seed)
    images = run.sample(count, seed=seed, **options)
    made, real, others = images.pixels, pixels_of(test, run.schema, place), pixels_of(test, run.schema, reference)
    seen_made, seen_real, seen_reference = (judge.look(one) for one in (made, real, others))
    wanted = None if images.labels is None else _as_judge_numbers(images.labels, run.schema, judge.schema)
    true = None if wanted is None else _as_judge_numbers(test.target[place], run.schema, judge.schema)
    compared = min(count, len(real))
    of_made = judged(seen_made, seen_reference, wanted=wanted, compared=compared, seed=seed)
    of_real = judged(seen_real, seen_reference, wanted=true, seed=seed)
    both = nearest_images(torch.cat([made, real]), pixel_blocks(train, run.schema))
    nearness = Nearness(both.squared, nearest_images(torch.cat([made, real]), others).squared)
    check = memorisation(_part(nearness, slice(None, count)), _part(nearness, slice(count, None)))
    shares = class_shares(seen_reference.classes, len(judge.schema.classes)).tolist()
    judgement = RunJudgement(
        checkpoint=run.checkpoint.name,
        by=f"{by.folder.path} ({by.checkpoint.name})",
        sees=judge.sees,
        asked={"count": count, "seed": seed, **{name: value for name, value in options.items() if value is not None}},
        classes=judge.schema.classes,
        made=of_made,
        real=of_real,
        reference=tuple(shares),
        num_reference=len(others),
        memorisation=check,
        distance=(float(both.squared[:count].median()), float(both.squared[count:].median())),
        verdicts=verdicts(of_made, of_real, check, shares, judge.schema.classes),
    )
    _write_pairs(run.folder, made, both.indices[:count], both.squared[:count], train, run.schema)
    run.folder.write(READING, judgement.to_dict())
    return judgement


def judge_of(run: "Run") -> Judge:
    """A run's classifier as a judge.

    Raises:
        ConfigurationError: for a run that tells no classes of images, or no probabilities of them.
    """
    objective = run.objective
    if isinstance(objective, ImageObjective) or run.schema.kind != "image" or not isinstance(objective, Classification):
        what = "makes images itself" if isinstance(objective, ImageObjective) else f"has the task {run.schema.task!r}"
        raise ConfigurationError(
            expected="as the judge a run that tells the classes of images",
            found=f"{run.folder.path}, which {what} on {run.schema.kind} data",
            do="train a classifier on images of the same kind, for example `sightline train mnist-judge`",
        )
    if objective.probabilities(torch.zeros(1, len(run.schema.classes))) is None:
        raise ConfigurationError(
            expected="a judge that says how probable each class is",
            found=f"{run.folder.path}, trained with {objective.name!r}, which implies no probabilities",
            do="train one with cross-entropy",
        )
    return Judge(run.model, run.schema, probabilities=objective.probabilities)  # type: ignore[arg-type]


def pixels_of(split: Split, schema: Schema, rows: Int[Tensor, " rows"]) -> Float[Tensor, "rows channels height width"]:
    """Some images of a split as pixel values in [0, 1], in the order of the rows."""
    return torch.cat(list(pixel_blocks(split, schema, rows)))


def pixel_blocks(
    split: Split, schema: Schema, rows: Int[Tensor, " rows"] | None = None
) -> Iterator[Float[Tensor, "block channels height width"]]:
    """The same in blocks; standardised images come back to their 256 levels exactly."""
    size = max(1, min(BLOCK, NUMBERS // math.prod(schema.input_shape)))
    for batch in split.batches(batch_size=size, order=rows):
        yield (unstandardise(batch.inputs, schema) * 255).round().clamp(0, 255) / 255


def _two_parts(
    test: Split, schema: Schema, count: int, seed: int
) -> tuple[Int[Tensor, " real"], Int[Tensor, " reference"]]:
    """Rows of the real images that stand in the place of made ones, and of those that both are held against."""
    most = min(MOST_REAL, MOST_NUMBERS // math.prod(schema.input_shape))
    rows = permutation(len(test), Seeds(seed).number("evaluate"))[:most]
    if len(rows) < 4:
        raise DataError(
            expected="at least 4 images in the test split: two of each of its two parts",
            found=f"{len(rows)}",
            do="train on more images, or with a larger --data.test-fraction",
        )
    here = min(count, len(rows) // 2)
    return rows[:here], rows[here:]


def _as_judge_numbers(labels: Int[Tensor, " n"], maker: Schema, judge: Schema) -> Int[Tensor, " n"] | None:
    """Classes by their names, which two data sets may number differently; none where the judge knows others."""
    if maker.task != "classification" or not set(maker.classes) <= set(judge.classes):
        return None
    return torch.tensor([judge.classes.index(name) for name in maker.classes])[labels]


def _part(nearness: Nearness, rows: slice) -> Nearness:
    return Nearness(nearness.training[rows], nearness.held_out[rows])


def _write_pairs(
    folder: RunFolder, made: Tensor, indices: Tensor, squared: Tensor, train: Split, schema: Schema
) -> None:
    """The closest pairs: each image above its nearest training image; none where images are neither grey nor colour."""
    if schema.input_shape[0] not in (1, 3):
        return
    chosen = squared.argsort(stable=True)[:PAIRS]
    pairs = torch.cat([made[chosen], pixels_of(train, schema, indices[chosen])])
    folder.write(PICTURE, as_png(image_grid(pairs, columns=len(chosen))))


def _require_count(count: int) -> None:
    if isinstance(count, bool) or not isinstance(count, int) or count < 2:
        raise ConfigurationError(
            expected="at least 2 images to judge",
            found=f"count = {count!r}",
            do="use 2000; more make the figures surer",
        )


def _require_maker(run: "Run") -> None:
    if not isinstance(run.objective, ImageObjective):
        raise ConfigurationError(
            expected="a run whose network makes images",
            found=f"{run.folder.path}, trained with the objective {run.objective.name!r}",
            do="give a run that makes images, and the classifier after --by",
        )
