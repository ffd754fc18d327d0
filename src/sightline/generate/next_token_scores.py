"""What decoding needs of a model: scores of the next token, given the tokens so far.

Legend: B rows, N tokens so far, V vocabulary.
"""

from collections.abc import Callable
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from sightline.core.errors import InputError

NextTokenScores = Callable[[Tensor, Tensor], Tensor]
"""Any function scores(tokens (B, N) int64, present (B, N) bool) → (B, V): logits of the next token of every row.

Rows are filled up on the left, so that the last token is every row's newest; ``present`` is false at the filling.
"""


@runtime_checkable
class RowScores(Protocol):
    """Scores that remember their rows, as those with a cache do: they are told when rows go, move or multiply."""

    def __call__(
        self, tokens: Int[Tensor, "batch num_tokens"], present: Bool[Tensor, "batch num_tokens"]
    ) -> Float[Tensor, "batch vocabulary"]:
        """Logits of the next token of every row."""

    def select(self, rows: Int[Tensor, " chosen"]) -> None:
        """The next call's rows are these of the last call's, in this order; one may come several times."""


def select_rows(scores: NextTokenScores, rows: Int[Tensor, " chosen"]) -> None:
    """Tell scores which rows go on; a plain function remembers none and need not know.

    Example:
        >>> select_rows(lambda tokens, present: torch.zeros(len(tokens), 3), torch.tensor([0]))
    """
    if isinstance(scores, RowScores):
        scores.select(rows)


def next_scores(
    scores: NextTokenScores, tokens: Int[Tensor, "batch num_tokens"], present: Bool[Tensor, "batch num_tokens"]
) -> Float[Tensor, "batch vocabulary"]:
    """Ask for scores and check what comes; reduced precision is widened to float32.

    Raises:
        InputError: when they are no floating-point numbers of shape (rows, vocabulary).

    Example:
        >>> tokens = torch.zeros(2, 3, dtype=torch.int64)
        >>> next_scores(lambda tokens, present: torch.zeros(len(tokens), 5), tokens, tokens == 0).shape
        torch.Size([2, 5])
    """
    found = scores(tokens, present)
    is_fit = isinstance(found, Tensor) and found.ndim == 2 and len(found) == len(tokens) and found.shape[1] > 0
    if not is_fit or not found.is_floating_point():
        told = f"shape {tuple(found.shape)} in {found.dtype}" if isinstance(found, Tensor) else type(found).__name__
        raise InputError(
            expected=f"scores of the next token, floating point, of shape ({len(tokens)}, vocabulary)",
            found=told,
            do="let the function give one row of logits for each row of tokens",
        )
    return found.float() if found.dtype in (torch.bfloat16, torch.float16) else found


def refuse_hopeless(row: int, step: int, value: float) -> None:
    """Raise the error of a row for which no token is left: its best score is −∞, or NaN or +∞, no number to choose by.

    Raises:
        InputError: always.
    """
    if value != -torch.inf:
        raise InputError(
            expected="scores of the next token that are numbers, or -inf",
            found=f"NaN or +inf for prompt {row}, at its new token {step}",
            do="check the model's weights; in reduced precision try float32",
        )
    raise InputError(
        expected="at least one token that may come next",
        found=f"-inf for every token of prompt {row}, at its new token {step}",
        do="ban fewer tokens, block longer n-grams, ask for fewer tokens at least, or allow an end token",
    )


def left_padded(
    prompts: list[list[int]], *, fill: int = 0, device: torch.device | str = "cpu"
) -> tuple[Int[Tensor, "batch num_tokens"], Bool[Tensor, "batch num_tokens"]]:
    """Prompts side by side, filled up on the left, and where they are text.

    Args:
        prompts: tokens of each, at least one.
        fill: the token at the filling.
        device: where the tensors are to be.

    Example:
        >>> tokens, present = left_padded([[5], [6, 7]])
        >>> tokens.tolist(), present.int().tolist()
        ([[0, 5], [6, 7]], [[0, 1], [1, 1]])
    """
    longest = max(map(len, prompts))
    tokens = torch.tensor([[fill] * (longest - len(p)) + list(p) for p in prompts], dtype=torch.int64)
    lengths = torch.tensor([len(p) for p in prompts])
    present = torch.arange(longest) >= longest - lengths[:, None]
    return tokens.to(device), present.to(device)
