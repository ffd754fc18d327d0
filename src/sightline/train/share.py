"""Shares of a mean: what a part of a batch adds to the loss of the whole, over time and over processes."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from sightline.data.batch import Batch
from sightline.objectives import Loss, Objective


@dataclass(frozen=True)
class Share:
    """What one part of an update's examples adds.

    Args:
        own: to the mean loss of the model's outputs.
        total: to what is minimised.

    Both are times the number of processes, for these average their gradients.
    """

    own: Float[Tensor, ""]
    total: Float[Tensor, ""]


def whole_terms(objective: Objective, batch: Batch, world_size: int) -> Mapping[str, float]:
    """How many terms each part of the loss has in the whole update, over all processes.

    Where a term is an example they are known; where tokens are counted, the processes tell one another.
    """
    own = objective.terms(batch)
    if world_size == 1 or type(objective).terms is Objective.terms:
        return {name: float(batch.global_size if world_size > 1 else count) for name, count in own.items()}
    counts = torch.tensor(list(own.values()), dtype=torch.float64, device=batch.inputs.device)
    torch.distributed.all_reduce(counts)
    return dict(zip(own, counts.tolist(), strict=True))


def share_of(loss: Loss, objective: Objective, part: Batch, whole: Mapping[str, float], world_size: int) -> Share:
    """The share of a part: Σ over the loss's parts p of mean_p · terms_p / whole_p.

    Args:
        loss: of the part.
        objective: whose it is.
        part: the examples, prepared.
        whole: from :func:`whole_terms`, for the batch that the part was cut from.
        world_size: number of processes.
    """
    terms = objective.terms(part)
    weights = {name: count * world_size / max(whole[name], 1.0) for name, count in terms.items()}
    usual = weights[objective.name]
    if all(weight == usual for weight in weights.values()):
        total = loss.total * usual if usual != 1 else loss.total
    else:
        total = sum((loss.parts[n] * weights.get(n, usual) for n in loss.parts), torch.zeros_like(loss.total))
    return Share(loss.parts[objective.name].detach() * usual, total)
