"""Sequence to sequence: one text is read, another is written (translation)."""

from typing import Annotated, ClassVar

from jaxtyping import Bool
from torch import Tensor, nn

from sightline.core.config import check
from sightline.core.schema import Schema, Task
from sightline.data.batch import Batch
from sightline.objectives.next_token import SMOOTHING
from sightline.objectives.registry import OBJECTIVES
from sightline.objectives.token_objective import LanguageObjective, write


@OBJECTIVES.register("sequence")
class Sequence(LanguageObjective):
    """Each token of a text from another text and those before it: ℓ = −(1/n) Σ_t log p(y_t | y_1 … y_{t−1}, x).

    The decoder is given the right tokens before each (teacher forcing); accuracy is of single tokens so.

    Args:
        schema: the data set's.
        label_smoothing: α; the next token's target is 1 − α(K−1)/K, each other's α/K, for K tokens. The metrics
            are of p alone.

    Source: Sutskever et al. 2014, "Sequence to Sequence Learning with Neural Networks", §3; smoothing Vaswani et al.
        2017, "Attention Is All You Need", §5.4

    Lecture: T6

    Example:
        >>> import torch
        >>> from sightline.core.schema import TextSchema
        >>> text = TextSchema(vocabulary_size=4, length=3, target_length=2)
        >>> objective = Sequence(Schema("text", "sequence", (3,), text=text))
        >>> objective.terms(Batch(torch.zeros(1, 3).long(), torch.tensor([[3, -100]]), torch.zeros(1).long(), 1))
        {'sequence': 1}
    """

    name = "sequence"
    task: ClassVar[Task] = "sequence"
    suits = ("encoder-decoder",)

    def __init__(self, schema: Schema, *, label_smoothing: Annotated[float, SMOOTHING] = 0.0) -> None:
        super().__init__(schema)
        self.label_smoothing = check(label_smoothing, float, SMOOTHING, None, "label_smoothing")

    def outputs(self, model: nn.Module, batch: Batch, chosen: Bool[Tensor, "batch length"] | None) -> Tensor:
        """What the decoder writes."""
        return write(model, batch, chosen, self.text)
