"""What the first step of a run will do, said without doing it."""

from collections.abc import Iterator
from contextlib import contextmanager

from torch import Tensor, nn
from torch.nn.modules.module import register_module_parameter_registration_hook

from sightline.core.errors import ConfigurationError
from sightline.core.memory import telling_memory
from sightline.core.seeds import Seeds
from sightline.data.augment.augmenter import Augmenter, require_augmentable
from sightline.train.engine import total_steps
from sightline.train.preparation import algorithm_of, build_model, load_for, settle
from sightline.train.spec import RunSpec
from sightline.train.supervised import require_inputs

MOST_TENSORS = 5_000
"""Weights and biases of a network that is described: some thousand layers."""

MOST_NUMBERS = 4_000_000_000
"""Their entries, all together."""

MOST_PIXELS = 1024
"""A side of the images of a run that is described."""


def describe(spec: RunSpec) -> str:
    """What the first step of a specified run will do to an augmented batch, without doing it.

    Raises:
        SightlineError: for a mistake in the configuration or the data, as :func:`train` does.
    """
    from lightning_fabric import Fabric

    _require_small_images(spec)
    data = load_for(spec)
    require_augmentable(data.spec.augment, data.schema)
    with building_a_usual_size(), telling_memory("the network", "make it smaller"):
        model = build_model(spec, data)
    spec = settle(spec, data, model)
    algorithm = algorithm_of(spec, model, data)
    algorithm.setup(Fabric(accelerator="cpu", devices=1), total_steps(data, spec.plan))
    augment = data.spec.augment
    augmenter = Augmenter(augment, data.schema, Seeds(spec.seed)).epoch(0) if augment.active else None
    batch = next(iter(data.train.batches(batch_size=spec.plan.batch_size, augment=augmenter)))
    require_inputs(model, algorithm.objective, batch, data.schema.num_outputs)
    changes = f"augmentation  {augment.in_words()}\n" if augment.active else ""
    return changes + algorithm.describe(batch)


def _require_small_images(spec: RunSpec) -> None:
    """Refuse sizes at which reading the images alone takes minutes."""
    size = spec.data.image_size
    if size is not None and size > MOST_PIXELS:
        raise ConfigurationError(
            expected=f"images of at most {MOST_PIXELS:,} pixels a side, to describe a step at once",
            found=f"data.image_size = {size:,}",
            do="describe the run with smaller ones",
        )


@contextmanager
def building_a_usual_size() -> Iterator[None]:
    """Stop the building of a network as soon as it is larger than any that is trained.

    Raises:
        ConfigurationError: for one of more than ``MOST_TENSORS`` weights and biases, or ``MOST_NUMBERS`` entries.

    Example:
        >>> with building_a_usual_size():
        ...     network = nn.Linear(3, 2)
    """
    count = numbers = 0

    def look(module: nn.Module, name: str, parameter: Tensor | None) -> None:
        nonlocal count, numbers
        count, numbers = count + 1, numbers + (0 if parameter is None else parameter.numel())
        if count > MOST_TENSORS or numbers > MOST_NUMBERS:
            raise ConfigurationError(
                expected=f"a network of at most {MOST_TENSORS:,} weights and biases with {MOST_NUMBERS:,} entries in"
                " all, to describe a step at once",
                found=f"more: {count:,} with {numbers:,} entries, and not built to its end",
                do="make it less deep, or narrower",
            )

    handle = register_module_parameter_registration_hook(look)
    try:
        yield
    finally:
        handle.remove()
