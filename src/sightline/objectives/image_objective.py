"""Objectives of models that make images: every image is its own target, its label at most a condition."""

from abc import abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar, cast

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from sightline.core.errors import ConfigurationError
from sightline.core.schema import Schema
from sightline.data.batch import Batch
from sightline.objectives.objective import Loss, Metrics, Objective, Prediction

if TYPE_CHECKING:
    from torchmetrics import MetricCollection


class ImageObjective(Objective):
    """Mean over the images of Σ_p weight_p · part_p(image): what training minimises.

    A subclass gives the parts of each image's loss, and their weights where these are not 1. Measured, and told to a
    user, are the parts and :meth:`figures` made of them.

    Args:
        schema: the data set's; the images may have labels, numbers or nothing beside them.

    Raises:
        ConfigurationError: for data that are no images, or a standardisation that can't be undone.

    Lecture: X1
    """

    task = "none"
    monitor = "loss"
    mode = "min"
    suits: ClassVar[str]
    """The kind of network it is for: what its ``makes_images`` says."""
    units: ClassVar[Mapping[str, str]] = {}
    """The unit of each figure, where it has one."""
    quick_steps: int | None = None
    """Updates of a sampler for pictures through training, where it goes step by step."""

    def __init__(self, schema: Schema) -> None:
        if schema.kind != "image":
            raise ConfigurationError(
                expected=f"images, for the objective {self.name!r}",
                found=f"a {schema.kind}",
                do="give a folder of images, or choose another objective",
            )
        if schema.standardise in ("image", "patch"):
            raise ConfigurationError(
                expected="a standardisation that can be undone, for images that are made",
                found=f"{schema.standardise!r}, which forgets each image's own mean",
                do="choose data.standardise channel",
            )
        self.schema = schema

    @abstractmethod
    def parts(self, model: nn.Module, batch: Batch) -> Mapping[str, Float[Tensor, " batch"]]:
        """Each image's loss in parts, for a prepared batch; the first is called as the objective."""

    def weight(self, part: str) -> float:
        """What a part counts at this moment of the training (``progress``)."""
        return 1.0

    def figures(self, parts: Mapping[str, Float[Tensor, " batch"]]) -> Mapping[str, Float[Tensor, " batch"]]:
        """What a user is told of each image; the parts themselves unless there is something better."""
        return parts

    def labels(self, batch: Batch) -> Int[Tensor, " batch"] | None:
        """The images' classes, where they have some."""
        return batch.target if self.schema.task == "classification" else None

    def require_kind(self, model: nn.Module) -> None:
        """Refuse a network that makes no images, or makes them in another way.

        Raises:
            ConfigurationError: for a network of another kind.
        """
        inner = getattr(model, "module", model)
        kind = getattr(inner, "makes_images", None)
        if kind != self.suits:
            raise ConfigurationError(
                expected=f"for the objective {self.name!r} a network of the kind {self.suits!r}",
                found=f"{type(inner).__name__}, " + (f"of the kind {kind!r}" if kind else "which makes no images"),
                do="choose another --objective, or leave it out: each network has its own",
            )

    def answers(self, model: nn.Module, batch: Batch) -> tuple[Tensor, Tensor]:
        """Each image's loss, (batch, 1), and the 0 it should be: enough to see that model and batch fit."""
        self.require_kind(model)
        losses = self.total(self.parts(model, batch))
        return losses[:, None], torch.zeros_like(losses)

    def total(self, parts: Mapping[str, Float[Tensor, " batch"]]) -> Float[Tensor, " batch"]:
        """Σ_p weight_p · part_p of each image."""
        weighed = [self.weight(name) * part for name, part in parts.items()]
        return torch.stack(weighed).sum(0)

    def __call__(self, model: nn.Module, batch: Batch) -> Loss:
        """Run the model on a prepared batch; the loss is one part, the weighed sum."""
        self.require_kind(model)
        each = self.total(self.parts(model, batch))
        total = each.mean()
        losses = each.detach()
        return Loss(total=total, parts={self.name: total}, prediction=losses[:, None], target=torch.zeros_like(losses))

    def take_in(self, metrics: Metrics, model: nn.Module, batch: Batch) -> tuple[float, int]:
        """Measure a prepared batch."""
        self.require_kind(model)
        parts = self.parts(model, batch)
        collection = cast("MetricCollection", metrics)
        for name, values in self.figures(parts).items():
            collection[name].update(values)
        return float(self.total(parts).double().sum()), len(batch)

    def metrics(self) -> Metrics:
        """The mean of every figure."""
        from torchmetrics import MeanMetric, MetricCollection  # two seconds of imports

        return MetricCollection({name: MeanMetric(nan_strategy="disable") for name in self.figure_names()})

    @abstractmethod
    def figure_names(self) -> tuple[str, ...]:
        """The names that :meth:`figures` gives."""

    def losses(self, outputs: Tensor, target: Tensor) -> Float[Tensor, " batch"]:
        """Those of :meth:`answers`, which are losses already."""
        return outputs[:, 0]

    def predict(self, outputs: Tensor) -> Prediction:
        """Nothing is predicted of an image.

        Raises:
            ConfigurationError: always.
        """
        raise ConfigurationError(
            expected="a run that predicts something",
            found=f"one that makes images ({self.name})",
            do="`sightline sample` makes some",
        )

    def update(self, metrics: Metrics, outputs: Tensor, target: Tensor) -> None:
        """Not for these: :meth:`take_in` measures."""
        raise NotImplementedError(f"{self.name} measures whole batches")
