"""The next token: what a decoder learns from text as it stands."""

from typing import Annotated

from jaxtyping import Bool
from torch import Tensor

from sightline.core.config import Option, check
from sightline.core.schema import Schema
from sightline.data.batch import Batch
from sightline.objectives.registry import OBJECTIVES
from sightline.objectives.token_objective import LanguageObjective

SMOOTHING = Option("share of the target spread evenly over the vocabulary", minimum=0, below=1)


@OBJECTIVES.register("next-token")
class NextToken(LanguageObjective):
    """Each token from those before it: ℓ = −(1/n) Σ_t log p(x_{t+1} | x_1 … x_t).

    Its metrics are perplexity e^ℓ, bits per byte ℓ/(ln 2 · bytes a token) and the share of right tokens.

    Args:
        schema: the data set's.
        label_smoothing: α; the next token's target is 1 − α(K−1)/K, each other's α/K, for K tokens. The metrics
            are of p alone.

    Source: Radford et al. 2018, "Improving Language Understanding by Generative Pre-Training", eq. (1)

    Lecture: T6

    Example:
        >>> import torch
        >>> from sightline.core.schema import TextSchema
        >>> text = TextSchema(vocabulary_size=4, length=3)
        >>> objective = NextToken(Schema("text", "language", (3,), text=text))
        >>> [round(v, 4) for v in objective.losses(torch.zeros(2, 4), torch.tensor([0, 3])).tolist()]
        [1.3863, 1.3863]
    """

    name = "next-token"
    suits = ("decoder",)
    counts_bytes = True

    def __init__(self, schema: Schema, *, label_smoothing: Annotated[float, SMOOTHING] = 0.0) -> None:
        super().__init__(schema)
        self.label_smoothing = check(label_smoothing, float, SMOOTHING, None, "label_smoothing")

    def chosen(self, batch: Batch) -> Bool[Tensor, "batch length"] | None:
        """Where nothing is filled up, every token has a next one."""
        return None if batch.present is None else super().chosen(batch)
