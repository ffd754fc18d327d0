"""Decoding token by token, every row by itself: what greedy decoding and sampling share."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from sightline.generate.continuation import Continuation
from sightline.generate.next_token_scores import NextTokenScores, next_scores, refuse_hopeless, select_rows
from sightline.generate.rules import Rule, apply_rules, require_known

Stream = Callable[[int, int], None]
"""Is told (prompt, token) of every new token as soon as it is fixed; a prompt's come in order."""


@runtime_checkable
class Chooser(Protocol):
    """Picks the next token of each row by itself."""

    def choose(
        self, scores: Float[Tensor, "batch vocabulary"], chance: Float[Tensor, " batch"]
    ) -> Int[Tensor, " batch"]:
        """The next tokens, from scores and one uniform number in [0, 1) for each row."""


@dataclass(frozen=True)
class Limits:
    """When a text ends.

    Args:
        longest: most new tokens, the end token included.
        end: tokens that end a text.
        shortest: new tokens before an end token may come.
    """

    longest: int
    end: tuple[int, ...] = ()
    shortest: int = 0

    def hold_back(self, scores: Float[Tensor, "batch vocabulary"], step: int) -> Float[Tensor, "batch vocabulary"]:
        """The scores of new token number ``step`` (from 0), end tokens at −∞ while it is too early."""
        require_known(self.end, scores.shape[1], "end token")
        if not self.end or step >= self.shortest:
            return scores
        scores = scores.clone()
        scores[:, list(self.end)] = -torch.inf
        return scores


def decode_stepwise(
    scores: NextTokenScores,
    tokens: Int[Tensor, "batch num_tokens"],
    present: Bool[Tensor, "batch num_tokens"],
    *,
    chooser: Chooser,
    limits: Limits,
    chances: Float[Tensor, "batch longest"],
    rules: Sequence[Rule] = (),
    stream: Stream | None = None,
    numbers: Sequence[int] | None = None,
) -> list[Continuation]:
    """Choose a token for every row, add it, and so on until an end token or the longest length.

    Rows that have ended go on as filling, until half of them have; then only the others are kept.

    Args:
        scores: the next token's.
        tokens: the prompts, filled up on the left.
        present: where they are text.
        chooser: greedy or by chance.
        limits: when a text ends.
        chances: uniform numbers in [0, 1), one for each row and step.
        rules: what may not come.
        stream: is told of every new token.
        numbers: the prompts', for ``stream`` and messages; none: 0, 1, …

    Returns:
        one continuation a row

    Raises:
        InputError: when no token may come next, or scores are NaN or +∞.

    Lecture: X8

    Example:
        >>> from sightline.generate.greedy import Greedy
        >>> count_up = lambda tokens, present: torch.eye(5)[(tokens[:, -1] + 1) % 5]
        >>> prompt, limits = torch.tensor([[1]]), Limits(longest=9, end=(4,))
        >>> found = decode_stepwise(
        ...     count_up, prompt, prompt > 0, chooser=Greedy(), limits=limits, chances=torch.zeros(1, 9)
        ... )
        >>> found[0].tokens, found[0].finished
        ((2, 3, 4), True)
    """
    start = tokens.shape[1]
    numbers = range(len(tokens)) if numbers is None else numbers
    tokens = torch.nn.functional.pad(tokens, (0, limits.longest))
    present = torch.nn.functional.pad(present, (0, limits.longest), value=True)
    written: list[list[int]] = [[] for _ in tokens]
    sums = [0.0] * len(tokens)
    finished = [False] * len(tokens)
    rows = list(range(len(tokens)))
    for step in range(limits.longest):
        so_far, where = tokens[:, : start + step], present[:, : start + step]
        own = next_scores(scores, so_far, where)
        allowed = apply_rules(rules, limits.hold_back(own, step), so_far, where)
        chosen = chooser.choose(allowed, chances[:, step])
        tokens[:, start + step] = chosen
        total = own.logsumexp(1)
        told = torch.stack(
            [
                chosen.to(own),
                own.gather(1, chosen[:, None])[:, 0] - total,
                allowed.gather(1, chosen[:, None])[:, 0],
                total,
            ]
        )
        for row, token, chance, value, mass in zip(rows, *told.tolist(), strict=True):
            if finished[row]:
                continue
            if not (mass < torch.inf and -torch.inf < value < torch.inf):
                refuse_hopeless(numbers[row], step, value if mass < torch.inf else mass)
            written[row].append(int(token))
            sums[row] += chance
            finished[row] = int(token) in limits.end
            if stream is not None:
                stream(numbers[row], int(token))
        going = [place for place, row in enumerate(rows) if not finished[row]]
        if not going:
            break
        if 2 * len(going) <= len(rows) and step + 1 < limits.longest:
            kept = torch.tensor(going, device=tokens.device)
            select_rows(scores, kept)
            tokens, present, chances = tokens[kept], present[kept], chances[kept]
            rows = [rows[place] for place in going]
    return [
        Continuation(tokens=tuple(text), log_probability=total, finished=done, score=total)
        for text, total, done in zip(written, sums, finished, strict=True)
    ]
