"""What the first step of a run will do, said without doing it."""

from sightline.core.seeds import Seeds
from sightline.data import load_spec
from sightline.data.augment.augmenter import Augmenter, require_augmentable
from sightline.train.engine import total_steps
from sightline.train.preparation import algorithm_of, build_model, settle
from sightline.train.spec import RunSpec
from sightline.train.supervised import require_inputs


def describe(spec: RunSpec) -> str:
    """What the first step of a specified run will do to an augmented batch, without doing it.

    Raises:
        SightlineError: for a mistake in the configuration or the data, as :func:`train` does.
    """
    from lightning_fabric import Fabric

    data = load_spec(spec.data)
    require_augmentable(data.spec.augment, data.schema)
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
