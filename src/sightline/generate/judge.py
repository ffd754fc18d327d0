"""A fixed classifier as the judge of made images: how sure it is of them, and where they lie in its features."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from sightline.core.errors import ConfigurationError, InputError
from sightline.core.schema import Schema
from sightline.data.standardise import standardise
from sightline.generate.generation import evaluating

BATCH = 512
"""Images that the classifier sees side by side."""


@dataclass(frozen=True)
class Seen:
    """What a judge made of some images.

    Args:
        probabilities: of each class.
        features: what its last linear layer was given, or its outputs where it has none.
    """

    probabilities: Float[Tensor, "n classes"]
    features: Float[Tensor, "n features"]

    def __len__(self) -> int:
        return len(self.probabilities)

    @property
    def confidence(self) -> Float[Tensor, " n"]:
        """The largest probability of each image."""
        return self.probabilities.amax(1)

    @property
    def classes(self) -> Int[Tensor, " n"]:
        """The likeliest class of each image."""
        return self.probabilities.argmax(1)

    def __getitem__(self, rows: slice) -> "Seen":
        return Seen(self.probabilities[rows], self.features[rows])


class Judge:
    """A trained classifier that looks at images as pixel values, whoever made them.

    It standardises them itself, as its training images were. Its features are what the last linear layer with one
    output a class is given; a network without one is known by its outputs alone (``judge.sees`` says which).

    Args:
        model: the classifier; in evaluation mode while it looks, and back afterwards.
        schema: of the data it was trained on.
        probabilities: makes its outputs probabilities of the classes.

    Raises:
        ConfigurationError: for a schema without images or without classes.

    Source: Salimans et al. 2016, "Improved Techniques for Training GANs", §4; Heusel et al. 2017, "GANs Trained by a
        Two Time-Scale Update Rule": both with a network trained on ImageNet, here with one of the same data

    Lecture: X3, X4, X6

    Example:
        >>> schema = Schema(
        ...     "image", "classification", (1, 2, 2), classes=("a", "b"), image_mean=(0.5,), image_std=(1.0,)
        ... )
        >>> judge = Judge(nn.Sequential(nn.Flatten(), nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2)), schema)
        >>> judge.look(torch.rand(5, 1, 2, 2)).features.shape
        torch.Size([5, 3])
    """

    def __init__(
        self,
        model: nn.Module,
        schema: Schema,
        *,
        probabilities: Callable[[Tensor], Tensor] = lambda outputs: outputs.softmax(1),
    ) -> None:
        if schema.kind != "image" or schema.task != "classification":
            raise ConfigurationError(
                expected="a judge that tells the classes of images",
                found=f"a network for {schema.kind} data and the task {schema.task!r}",
                do="train a classifier on images of the same kind, for example `sightline train mnist-judge`",
            )
        self.model, self.schema, self.probabilities = model, schema, probabilities
        heads = [part for part in model.modules() if isinstance(part, nn.Linear)]
        self._heads = [head for head in heads if head.out_features == len(schema.classes)]

    @property
    def sees(self) -> str:
        """Where its features are from, in words."""
        return "what its last linear layer is given" if self._heads else "its outputs: it has no last linear layer"

    def require_fit(self, shape: tuple[int, ...]) -> None:
        """Refuse images of another size, or with other channels.

        Raises:
            InputError: naming both.
        """
        if tuple(shape) != self.schema.input_shape:
            raise InputError(
                expected=f"images of {_size(self.schema.input_shape)}, as the judge was trained on",
                found=_size(tuple(shape)),
                do="take a judge trained on images of this size (--data.image-size)",
            )

    def look(self, pixels: Float[Tensor, "n channels height width"]) -> Seen:
        """What the judge makes of images.

        Args:
            pixels: values in [0, 1].

        Returns:
            Probabilities and features, float32, on the CPU.

        Raises:
            InputError: for images of another size, no images, or values that are not in [0, 1].
        """
        self.require_fit(tuple(pixels.shape[1:]))
        inside = len(pixels) > 0 and bool((pixels >= 0).all()) and bool((pixels <= 1).all())  # false for NaN
        if not inside:
            raise InputError(
                expected="at least one image, of pixel values in [0, 1]",
                found=f"values from {float(pixels.min()):g} to {float(pixels.max()):g}" if len(pixels) else "none",
                do="give images as they are, not standardised: the judge does that",
            )
        device = next(self.model.parameters()).device
        given: list[Tensor] = []
        hooks = [head.register_forward_pre_hook(_keep(given)) for head in self._heads]
        seen = []
        try:
            with torch.no_grad(), evaluating(self.model):
                for part in pixels.split(BATCH):
                    given.clear()
                    outputs = self.model(standardise(part.to(device), self.schema)).float()
                    features = given[-1].flatten(1).float() if given else outputs
                    seen.append((self.probabilities(outputs).cpu(), features.cpu()))
        finally:
            for hook in hooks:
                hook.remove()
        chances, features = (torch.cat(parts) for parts in zip(*seen, strict=True))
        return Seen(chances, features)


def _keep(given: list[Tensor]) -> Callable[[nn.Module, tuple[Any, ...]], None]:
    """A hook that keeps what a layer is given: of several layers the last that ran stands last."""

    def hook(layer: nn.Module, inputs: tuple[Any, ...]) -> None:
        given.append(inputs[0].detach())

    return hook


def _size(shape: tuple[int, ...]) -> str:
    if len(shape) != 3:
        return f"shape {shape}, not (channels, height, width) each"
    channels, height, width = shape
    return f"{height} × {width} with {channels} channel" + ("s" if channels > 1 else "")
