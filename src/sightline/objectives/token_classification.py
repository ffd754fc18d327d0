"""Token classification: a class for each token, such as whether a word is a name."""

from sightline.core.errors import DataError
from sightline.core.schema import Schema
from sightline.objectives.objective import Metrics
from sightline.objectives.registry import OBJECTIVES
from sightline.objectives.token_objective import TokenObjective, TokenScores


@OBJECTIVES.register("token-classification")
class TokenClassification(TokenObjective):
    """Cross-entropy of each token's class: ℓ = −(1/n) Σ log p(y_t), over the n tokens that have one.

    Accuracy is over all tokens, F1 the plain mean over classes.

    Args:
        schema: the data set's, with two classes at least.

    Source: Devlin et al. 2019, "BERT", §5.3

    Lecture: F3, F14, T6

    Example:
        >>> import torch
        >>> from sightline.core.schema import TextSchema
        >>> schema = Schema(
        ...     "text",
        ...     "token-classification",
        ...     (8,),
        ...     classes=("word", "name"),
        ...     text=TextSchema(vocabulary_size=9, length=8),
        ... )
        >>> TokenClassification(schema).predict(torch.tensor([[0.0, 2.0], [1.0, 0.0]])).value.tolist()
        [1, 0]
    """

    name = "token-classification"
    task = "token-classification"
    monitor = "f1"
    mode = "max"
    suits = ("encoder", "decoder")

    def __init__(self, schema: Schema) -> None:
        super().__init__(schema)
        if len(schema.classes) < 2:
            raise DataError(
                expected="at least two classes of tokens to tell apart",
                found=f"{len(schema.classes)}: {', '.join(schema.classes) or 'none'}",
                do="add tokens of another class",
            )

    def metrics(self) -> Metrics:
        """Accuracy over all tokens, and F1 averaged over classes."""
        from sightline.objectives.metrics import token_class_metrics

        return token_class_metrics(len(self.schema.classes))

    def take(self, metrics: Metrics, scores: TokenScores) -> None:
        """Take classes in."""
        if len(scores.target):
            metrics.update(scores.predicted, scores.target)
