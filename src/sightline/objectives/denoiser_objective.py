"""What objectives of a denoiser share: an image with some noise in, told how much; an image out; the squared error."""

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from sightline.data.batch import Batch
from sightline.data.standardise import unstandardise
from sightline.objectives.image_objective import ImageObjective
from sightline.objectives.noise_schedule import NoiseSchedule

Images = Float[Tensor, "batch channels height width"]


class Question(NamedTuple):
    """What a denoiser is asked.

    Args:
        seen: images with noise.
        times: how much, from 1 to T.
        wanted: the right answers.
    """

    seen: Images
    times: Int[Tensor, " batch"]
    wanted: Images


class DenoiserObjective(ImageObjective):
    """E ‖wanted − f(seen, t)‖²/D, one question drawn for each image and look.

    So the loss is a noisy figure; it compares between looks, which draw the same. Labels, where the network has
    classes, are told.

    Lecture: X6
    """

    suits = "denoiser"
    process: NoiseSchedule
    """How noise comes in."""
    dropped_labels = 0.0
    """Share of the labels that training hides."""

    @abstractmethod
    def question(self, x: Images) -> Question:
        """Draw what is asked of each image."""

    def parts(self, model: nn.Module, batch: Batch) -> Mapping[str, Float[Tensor, " batch"]]:
        """The mean squared error of each image."""
        seen, times, wanted = self.question(batch.inputs)
        prediction = model(seen, times, **self.told(model, batch)).float()
        return {self.name: (prediction - wanted).square().flatten(1).mean(1)}

    def told(self, model: nn.Module, batch: Batch) -> dict[str, Tensor]:
        """The classes, for a network that wants some; hidden now and then while it is trained."""
        inner: Any = getattr(model, "module", model)
        labels = self.labels(batch)
        if not inner.num_classes or labels is None:
            return {}
        hidden = torch.rand(len(batch), device=labels.device) < self.dropped_labels
        return {"labels": torch.where(hidden, inner.none, labels) if inner.training else labels}

    def picture(self, images: Images) -> Images:
        """Standardised images as pixel values."""
        return unstandardise(images, self.schema)

    def figures(self, parts: Mapping[str, Float[Tensor, " batch"]]) -> Mapping[str, Float[Tensor, " batch"]]:
        """The mean squared error."""
        return {"squared_error": parts[self.name]}

    def figure_names(self) -> tuple[str, ...]:
        """See :meth:`figures`."""
        return ("squared_error",)


def noise_like(x: Tensor) -> Tensor:
    """Standard normal numbers, the same whatever the layout in memory.

    Example:
        >>> noise_like(torch.zeros(2, 3)).shape
        torch.Size([2, 3])
    """
    return torch.randn(x.shape, dtype=x.dtype, device=x.device)


def random_times(x: Tensor, steps: int) -> Int[Tensor, " batch"]:
    """A time from 1 to T for each image, all as likely.

    Example:
        >>> random_times(torch.zeros(2, 1, 4, 4), 1).tolist()
        [1, 1]
    """
    return torch.randint(1, steps + 1, (len(x),), device=x.device)
