"""What decoding gives for one prompt."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Continuation:
    """New tokens after a prompt.

    Args:
        tokens: the new ones, the end token included where there is one.
        log_probability: Σ log p of them in nats under the model's own distribution: before temperature, filters and
            rules.
        finished: whether an end token came; otherwise it was cut at the most tokens allowed.
        score: what a beam search ranked it by, the log-probability over its length penalty; without a beam the
            log-probability.
        others: of a beam search, the next best ones, the best first.

    Lecture: X8

    Example:
        >>> Continuation(tokens=(3, 1), log_probability=-2.0, finished=True, score=-2.0).text_tokens(end=(1,))
        (3,)
    """

    tokens: tuple[int, ...]
    log_probability: float
    finished: bool
    score: float
    others: tuple["Continuation", ...] = ()

    def text_tokens(self, end: tuple[int, ...]) -> tuple[int, ...]:
        """The new tokens without the end token."""
        return self.tokens[:-1] if self.tokens and self.tokens[-1] in end else self.tokens
