"""Networks for text read back, with the head of the checkpoint or with a fresh one for another task."""

from collections.abc import Mapping
from typing import Any

from sightline.core.schema import Task
from sightline.models.hugging_face.fit import Convert, building, require_fit
from sightline.models.hugging_face.load import Source
from sightline.models.hugging_face.preprocessing import read_labels
from sightline.models.task_weights import completed, for_task
from sightline.models.text_predictor import TextPredictor

_OF_HEAD = ("architectures", "problem_type")
"""Fields of a config.json that tell of the head alone."""


def load_text(
    network: type[TextPredictor], convert: Convert | None, files: Source, num_outputs: int | None, task: Task | None
) -> tuple[TextPredictor, tuple[str, ...] | None]:
    """The network in evaluation mode, and the names of its classes where the checkpoint has them.

    The checkpoint's head stays where no number of outputs is given and the task is its own or none.

    Args:
        network: its class.
        convert: translates configuration and weights; none: what ``save_pretrained`` wrote.
        files: of the checkpoint.
        num_outputs: classes of a fresh head.
        task: what is to be predicted; none: with ``num_outputs`` the class of a text.

    Raises:
        CheckpointError: when files are missing or don't fit.
        ConfigurationError: for a task that the network has no head for.

    Lecture: T6
    """
    wanted = "classification" if task is None and num_outputs is not None else task
    if convert is None:
        predictor = network.from_pretrained(files.local_folder())
        saved: Any = predictor._hub_mixin_config or {}
        if wanted is not None and not _has_head(network, saved, wanted, num_outputs):
            predictor = for_task(predictor, wanted, num_outputs=num_outputs)
        return predictor, None
    config, theirs = files.config(), files.weights()
    if num_outputs is not None:  # what the old head was for does not matter
        config = {name: value for name, value in config.items() if name not in _OF_HEAD}
    with building(network, files.name):
        arguments, weights = convert(config, theirs)
    fresh = wanted is not None and not _has_head(network, arguments, wanted, num_outputs)
    if wanted is not None and fresh:
        arguments = {**arguments, **network.arguments_for(wanted, num_outputs)}
        weights = {name: weight for name, weight in weights.items() if not name.startswith("head.")}
    with building(network, files.name):
        predictor = network(**arguments)
    weights = completed(predictor, weights)
    require_fit(predictor, weights, files.name)
    predictor.load_state_dict(weights)
    classes = None if fresh else arguments.get("num_outputs")
    return predictor.eval(), None if classes is None else read_labels(config, classes)


def _has_head(network: type[TextPredictor], arguments: Mapping[str, Any], task: Task, num_outputs: int | None) -> bool:
    """Whether a network built with these arguments does the task already, and no fresh head is asked for."""
    if num_outputs is not None:
        return False
    if arguments.get("task") == task:
        return True
    return all(arguments.get(name) == value for name, value in network.arguments_for(task, None).items())
