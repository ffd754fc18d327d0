"""Rules on what may come next: tokens that are banned, and n-grams that may not come twice.

A rule is any function from scores (B, V), tokens so far (B, N) and where they are text (B, N) to scores in which what
may not come is −∞. Probabilities that are reported stay the model's own: a rule takes choices away and moves no mass.
"""

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from sightline.core.errors import ConfigurationError, InputError


@runtime_checkable
class Rule(Protocol):
    """What may not come next gets −∞."""

    def __call__(
        self,
        scores: Float[Tensor, "batch vocabulary"],
        tokens: Int[Tensor, "batch num_tokens"],
        present: Bool[Tensor, "batch num_tokens"],
    ) -> Float[Tensor, "batch vocabulary"]:
        """The scores that are left."""


class NoRepeatedNgram:
    """No n tokens in a row come twice, the prompt's included; of an encoder-decoder only what it writes counts.

    Args:
        length: n; 1 lets each token come once.

    Raises:
        ConfigurationError: for n below 1.

    Source: Paulus et al. 2018, "A Deep Reinforced Model for Abstractive Summarization", §2.5

    Lecture: X8

    Example:
        >>> tokens = torch.tensor([[1, 2, 0, 1]])
        >>> NoRepeatedNgram(2)(torch.zeros(1, 3), tokens, tokens >= 0).tolist()
        [[0.0, 0.0, -inf]]
    """

    def __init__(self, length: int) -> None:
        if length < 1:
            raise ConfigurationError(
                expected="n-grams of at least 1 token", found=f"length = {length}", do="use 3, or leave the rule out"
            )
        self.length = length

    def __call__(
        self,
        scores: Float[Tensor, "batch vocabulary"],
        tokens: Int[Tensor, "batch num_tokens"],
        present: Bool[Tensor, "batch num_tokens"],
    ) -> Float[Tensor, "batch vocabulary"]:
        """The scores that are left."""
        count, n = tokens.shape[1], self.length
        if count < n:
            return scores
        grams, whole = tokens.unfold(1, n, 1), present.unfold(1, n, 1).all(2)
        beginning = tokens[:, count - n + 1 :]
        again = (grams[:, :, :-1] == beginning[:, None]).all(2) & whole
        rows, places = again.nonzero(as_tuple=True)
        scores = scores.clone()
        scores[rows, grams[rows, places, -1]] = -torch.inf
        return scores


class Banned:
    """Some tokens never come.

    Args:
        tokens: their numbers.

    Lecture: X8

    Example:
        >>> Banned([1])(torch.zeros(1, 3), torch.zeros(1, 1).long(), torch.ones(1, 1).bool()).tolist()
        [[0.0, -inf, 0.0]]
    """

    def __init__(self, tokens: Sequence[int]) -> None:
        self.tokens = tuple(tokens)

    def __call__(
        self,
        scores: Float[Tensor, "batch vocabulary"],
        tokens: Int[Tensor, "batch num_tokens"],
        present: Bool[Tensor, "batch num_tokens"],
    ) -> Float[Tensor, "batch vocabulary"]:
        """The scores that are left.

        Raises:
            InputError: for a token that the vocabulary does not have.
        """
        require_known(self.tokens, scores.shape[1], "banned token")
        if not self.tokens:
            return scores
        scores = scores.clone()
        scores[:, list(self.tokens)] = -torch.inf
        return scores


def apply_rules(
    rules: Sequence[Rule],
    scores: Float[Tensor, "batch vocabulary"],
    tokens: Int[Tensor, "batch num_tokens"],
    present: Bool[Tensor, "batch num_tokens"],
) -> Float[Tensor, "batch vocabulary"]:
    """What all rules leave; the scores given are not changed.

    Example:
        >>> tokens = torch.tensor([[0]])
        >>> apply_rules([NoRepeatedNgram(1), Banned([2])], torch.zeros(1, 4), tokens, tokens == 0).tolist()
        [[-inf, 0.0, -inf, 0.0]]
    """
    for rule in rules:
        scores = rule(scores, tokens, present)
    return scores


def require_known(tokens: Sequence[int], vocabulary_size: int | None, name: str) -> None:
    """Refuse token numbers below 0, or beyond the vocabulary where its size is known.

    Raises:
        InputError: naming the first of them.

    Example:
        >>> require_known([0, 6], 7, "token")
    """
    top = float("inf") if vocabulary_size is None else vocabulary_size
    wrong = next((t for t in tokens if not 0 <= t < top), None)
    if wrong is not None:
        raise InputError(
            expected="token numbers of at least 0"
            if vocabulary_size is None
            else f"token numbers from 0 to {vocabulary_size - 1}, the model's vocabulary",
            found=f"{name} {wrong}",
            do="encode the text with the tokenizer that the model was trained with",
        )
