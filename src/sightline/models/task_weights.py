"""Weights of a network for one task, put into one for another: what they share is carried over, the rest is new."""

from collections.abc import Mapping
from typing import Any, TypeVar

import torch
from torch import Tensor

from sightline.core.errors import CheckpointError
from sightline.core.kinds import a_kind
from sightline.core.schema import Task
from sightline.models.text_predictor import TextPredictor

N = TypeVar("N", bound=TextPredictor)


def for_task(network: N, task: Task, *, num_outputs: int | None = None) -> N:
    """A network of the same kind and with the same weights for another task; its head is fresh.

    What belongs to both tasks is carried over, BERT's pooler among it. Nothing is shared with ``network``, which is not
    changed.

    Args:
        network: trained for any task.
        task: what is to be predicted now.
        num_outputs: classes; none where the task says how many.

    Raises:
        ConfigurationError: for a task that the kind of network has no head for, or no number where one is needed.

    Lecture: T6

    Example:
        >>> from sightline.models.bert import BERT
        >>> pretrained = BERT(vocabulary_size=9, context_length=8, depth=1, width=8, num_heads=2)
        >>> for_task(pretrained, "classification", num_outputs=3)(torch.tensor([[1, 2, 3]])).shape
        torch.Size([1, 3])
    """
    arguments: Any = network._hub_mixin_config or {}
    new = type(network)(**{**arguments, **network.arguments_for(task, num_outputs)})
    weights = {name: weight for name, weight in network.state_dict().items() if not name.startswith("head.")}
    old = next(network.parameters())
    new = new.to(device=old.device, dtype=old.dtype)
    new.load_state_dict(completed(new, weights))
    return new.train(network.training)


def completed(network: TextPredictor, weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Weights by all the names that a network has.

    A weight that stands in two places may be given under one of its names. What belongs to a task alone
    (``task_parts``) is the network's own where it is not given, and left out where the network has no such part.
    Nothing else is added or left out.

    Args:
        network: what they are for.
        weights: under the network's names.

    Returns:
        Those given, and what is added to them.

    Raises:
        CheckpointError: for two values of a weight that stands in two places.

    Lecture: T6

    Example:
        >>> from sightline.models.gpt import GPT
        >>> network = GPT(vocabulary_size=9, context_length=8, depth=1, width=8, num_heads=2)
        >>> list(completed(network, {"embedding.weight": torch.ones(9, 8)}))  # the head is the embedding
        ['embedding.weight', 'head.weight']
    """
    own = network.state_dict(keep_vars=True)
    places: dict[int, list[str]] = {}
    for name, value in own.items():
        places.setdefault(id(value), []).append(name)
    whole = {n: w for n, w in weights.items() if n in own or not n.startswith(network.task_parts)}
    for name, value in own.items():
        given = [other for other in places[id(value)] if other in weights]
        if len(given) > 1 and not torch.equal(weights[given[0]], weights[given[1]]):
            raise CheckpointError(
                expected=f"one weight for {given[0]} and {given[1]}, which are tied in {a_kind(network)}",
                found="two that differ",
                do="choose a checkpoint whose head is its token embedding",
            )
        if given:
            whole[name] = weights[given[0]]
        elif name.startswith(network.task_parts):
            whole[name] = value.detach()
    return whole
