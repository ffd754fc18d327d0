"""Dropout in its two scalings: the factor 1 − p stands in training, or at test time; the mean is the same."""

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from sightline.nn.stochastic_depth import checked_probability


class InvertedDropout(nn.Module):
    """Each number dropped with probability p, and the others divided by 1 − p: y = b/(1 − p) · x, b ~ Bernoulli(1 − p).

    In evaluation the identity. E[y] = x, and Var[y] = p/(1 − p) · x². ``torch.nn.Dropout`` is the same.

    Shapes:
        x (...) → the same

    Args:
        drop_probability: p, the probability that a number is dropped, in [0, 1).

    Raises:
        ConfigurationError: for a probability outside [0, 1).

    Source: Srivastava et al. 2014, "Dropout", §10

    Lecture: O7

    Example:
        >>> import torch
        >>> _ = torch.manual_seed(0)
        >>> sorted(set(InvertedDropout(drop_probability=0.75)(torch.ones(100)).tolist()))
        [0.0, 4.0]
    """

    def __init__(self, *, drop_probability: float) -> None:
        super().__init__()
        self.drop_probability = checked_probability(drop_probability, "drop_probability")

    def forward(self, x: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
        """Dropped and scaled in training, as it is in evaluation."""
        return F.dropout(x, self.drop_probability, self.training)

    def extra_repr(self) -> str:
        """What ``print`` says of it."""
        return f"drop_probability={self.drop_probability}"


class OriginalDropout(nn.Module):
    """Dropout as first published: y = b · x in training, b ~ Bernoulli(1 − p), and y = (1 − p) · x in evaluation.

    Evaluation gives the mean of training, E[b · x] = (1 − p) · x, so that the next layer's input has the same
    mean in both. It differs from :class:`InvertedDropout`, and so from ``torch.nn.Dropout``, by the factor 1 − p, in
    training and evaluation alike.

    Shapes:
        x (...) → the same

    Args:
        drop_probability: p, the probability that a number is dropped, in [0, 1). (The paper's p is the
            probability of keeping it.)

    Raises:
        ConfigurationError: for a probability outside [0, 1).

    Source: Srivastava et al. 2014, "Dropout", §4

    Lecture: O7

    Example:
        >>> import torch
        >>> OriginalDropout(drop_probability=0.25).eval()(torch.ones(2)).tolist()
        [0.75, 0.75]
    """

    def __init__(self, *, drop_probability: float) -> None:
        super().__init__()
        self.drop_probability = checked_probability(drop_probability, "drop_probability")

    def forward(self, x: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
        """Dropped in training, scaled in evaluation."""
        keep = 1 - self.drop_probability
        if not self.training:
            return x * keep
        return x * x.new_empty(x.shape).bernoulli_(keep)

    def extra_repr(self) -> str:
        """What ``print`` says of it."""
        return f"drop_probability={self.drop_probability}"
