"""Beam search: several texts are carried on side by side, and the best that have ended are kept.

Legend: k width, V vocabulary, n tokens of a text, N most tokens, s sum of log-probabilities, α exponent of the length
penalty.
"""

from bisect import insort
from collections.abc import Sequence
from dataclasses import dataclass, field
from numbers import Integral, Real

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from sightline.core.errors import ConfigurationError
from sightline.core.kinds import require_kind
from sightline.generate.continuation import Continuation
from sightline.generate.next_token_scores import NextTokenScores, next_scores, refuse_hopeless, select_rows
from sightline.generate.rules import Rule, apply_rules
from sightline.generate.stepwise import Limits, Stream

WIDEST = 10_000
"""Beginnings that are carried on side by side at most: each has a row of its own in the network."""


@dataclass(frozen=True)
class Beam:
    """Keep the k most likely beginnings; rank texts that have ended by s/((5 + n)/6)^α.

    At each step all continuations of the k beginnings are compared by s. Those among the k best that end are kept as
    finished texts; the k best that do not end go on. A text of N tokens is finished as it stands.

    The search for a prompt stops when no beginning can lead to a better text than the finished ones it is to return.
    That is when s*/((5 + N)/6)^α ≤ the score of the worst of those, for the largest sum s* of a beginning: log p ≤ 0,
    so a sum only falls as the text grows; and as it is not positive and the penalty rises with n, no text that begins
    so can score more than s* over the penalty of the longest. Stopping as soon as enough texts are finished, or
    dividing s* by the penalty of its present length, would miss longer and better ones where α > 0.

    Width 1 with α = 0 is greedy decoding. A width that holds all beginnings, V^N, is exhaustive search.

    Args:
        width: k, from 1 to 10,000.
        length_penalty: α from 0 to 10: 0 ranks by probability, which favours short texts; 1 by about the mean for a
            token.
        num_results: how many texts are wanted, from 1 to k.

    Raises:
        ConfigurationError: for a number outside its range.

    Source: Wu et al. 2016, "Google's Neural Machine Translation System", §7, eq. (14), without its coverage penalty

    Lecture: X8

    Example:
        >>> Beam(4, length_penalty=0.6).width
        4
    """

    width: int = 4
    length_penalty: float = 0.6
    num_results: int = 1

    def __post_init__(self) -> None:
        require_kind(self.width, Integral, "width", "use 4")
        require_kind(self.length_penalty, Real, "length_penalty", "use 0.6")
        require_kind(self.num_results, Integral, "num_results", "use 1")
        if not 1 <= self.width <= WIDEST:
            raise ConfigurationError(
                expected=f"a beam of width at least 1, and at most {WIDEST:,}",
                found=f"width = {self.width}",
                do="use 4, or decode greedily",
            )
        if not 0 <= self.length_penalty <= 10:
            raise ConfigurationError(
                expected="a length penalty α of at least 0, and at most 10",
                found=f"length_penalty = {self.length_penalty}",
                do="use 0 for none, 0.6 as in translation",
            )
        if not 1 <= self.num_results <= self.width:
            raise ConfigurationError(
                expected=f"a number of results from 1 to the width, {self.width}",
                found=f"num_results = {self.num_results}",
                do="widen the beam, or ask for fewer",
            )

    def penalty(self, length: int) -> float:
        """((5 + n)/6)^α: what the log-probability of a text of n new tokens is divided by.

        Example:
            >>> Beam(2, length_penalty=1.0).penalty(7)
            2.0
        """
        return float(((5 + length) / 6) ** self.length_penalty)


@dataclass
class _Search:
    """One prompt's search: the beginnings that go on, the best first, and the finished texts."""

    row: int
    beam: Beam
    texts: list[tuple[int, ...]] = field(default_factory=lambda: [()])
    sums: list[float] = field(default_factory=lambda: [0.0])
    parents: list[int] = field(default_factory=list)
    finished: list[Continuation] = field(default_factory=list)

    def go_on(self, candidates: list[tuple[float, int, int]], limits: Limits, step: int) -> None:
        """Sort the candidates (sum, parent, token), the best first, into finished texts and new beginnings."""
        texts: list[tuple[int, ...]] = []
        sums: list[float] = []
        parents: list[int] = []
        for rank, (total, parent, token) in enumerate(candidates):
            if total != total or (not rank and not self.finished and total == -torch.inf):
                refuse_hopeless(self.row, step, total)
            if total == -torch.inf or len(texts) == self.beam.width:
                break
            text = (*self.texts[parent], token)
            if token in limits.end:
                if rank < self.beam.width:
                    self._finish(text, total, ended=True)
            else:
                texts.append(text)
                sums.append(total)
                parents.append(parent)
        self.texts, self.sums, self.parents = texts, sums, parents
        if step + 1 == limits.longest:
            for text, total in zip(texts, sums, strict=True):
                self._finish(text, total, ended=False)
            self.texts = []

    def _finish(self, text: tuple[int, ...], total: float, *, ended: bool) -> None:
        score = total / self.beam.penalty(len(text))
        insort(self.finished, Continuation(text, total, ended, score), key=lambda one: -one.score)
        del self.finished[self.beam.num_results :]

    def is_over(self, limits: Limits) -> bool:
        """Whether no beginning can still lead to a text among the best."""
        if not self.texts:
            return True
        if len(self.finished) < self.beam.num_results:
            return False
        return self.sums[0] / self.beam.penalty(limits.longest) <= self.finished[-1].score

    def result(self) -> Continuation:
        """The best text, with the others."""
        best, *others = self.finished
        return Continuation(best.tokens, best.log_probability, best.finished, best.score, tuple(others))


def beam_search(
    scores: NextTokenScores,
    tokens: Int[Tensor, "batch num_tokens"],
    present: Bool[Tensor, "batch num_tokens"],
    *,
    beam: Beam,
    limits: Limits,
    rules: Sequence[Rule] = (),
    stream: Stream | None = None,
    numbers: Sequence[int] | None = None,
) -> list[Continuation]:
    """Search for the best continuation of every prompt; each prompt's search goes and stops by itself.

    Args:
        scores: the next token's.
        tokens: the prompts, filled up on the left.
        present: where they are text.
        beam: width, length penalty, results.
        limits: when a text ends.
        rules: what may not come.
        stream: is told a prompt's new tokens when its search is over.
        numbers: the prompts', for ``stream`` and messages; none: 0, 1, …

    Returns:
        one continuation a prompt, the next best in its ``others``

    Raises:
        InputError: when no token may come next, or scores are NaN or +∞.

    Lecture: X8

    Example:
        >>> chain = torch.tensor([[0.0, 0.6, 0.4], [0.4, 0.3, 0.3], [1.0, 0.0, 0.0]]).log()
        >>> prompt, limits = torch.tensor([[0]]), Limits(longest=2)
        >>> found = beam_search(
        ...     lambda tokens, present: chain[tokens[:, -1]], prompt, prompt == 0, beam=Beam(2), limits=limits
        ... )
        >>> found[0].tokens
        (2, 0)
    """
    start = tokens.shape[1]
    numbers = range(len(tokens)) if numbers is None else numbers
    tokens = torch.nn.functional.pad(tokens, (0, limits.longest))
    present = torch.nn.functional.pad(present, (0, limits.longest), value=True)
    searches = [_Search(number, beam) for number in numbers]
    results: dict[int, Continuation] = {}
    for step in range(limits.longest):
        so_far, where = tokens[:, : start + step], present[:, : start + step]
        own = next_scores(scores, so_far, where)
        allowed = apply_rules(rules, limits.hold_back(own, step), so_far, where)
        width = len(tokens) // len(searches)
        for search, candidates in zip(
            searches, _best(own, allowed, searches, width=width, beam=beam, limits=limits), strict=True
        ):
            search.go_on(candidates, limits, step)
            if search.is_over(limits):
                results[search.row] = search.result()
                for token in results[search.row].tokens if stream is not None else ():
                    stream(search.row, token)  # type: ignore[misc]
        going = [(place, search) for place, search in enumerate(searches) if search.row not in results]
        if not going:
            break
        rows = [place * width + _filled(s.parents, beam.width)[i] for place, s in going for i in range(beam.width)]
        kept = torch.tensor(rows, device=tokens.device)
        searches = [search for _, search in going]
        new = [text[-1] for search in searches for text in _filled(search.texts, beam.width)]
        select_rows(scores, kept)
        tokens, present = tokens[kept], present[kept]
        tokens[:, start + step] = torch.tensor(new, device=tokens.device)
    return [results[number] for number in numbers]


def _best(
    own: Tensor, allowed: Tensor, searches: list[_Search], *, width: int, beam: Beam, limits: Limits
) -> list[list[tuple[float, int, int]]]:
    """The best candidates (sum, parent, token) of every prompt: enough for k that end and k that do not.

    Of a row no more than its k best and the end tokens can be among them, of all rows of a prompt the k best and one
    for each row and end token.
    """
    ends, vocabulary = len(limits.end), own.shape[1]
    values, numbers = allowed.topk(min(beam.width + ends, vocabulary), 1)
    each = values.shape[1]
    sums = torch.tensor([_filled(s.sums, width, -torch.inf) for s in searches], dtype=torch.float64, device="cpu")
    mass = own.logsumexp(1, keepdim=True)
    mass = mass.masked_fill(mass == torch.inf, torch.nan)  # as x − ∞ would look like a token that may not come
    steps = (values - mass).to("cpu", torch.float64)
    totals = (sums[:, :, None] + steps.view(len(searches), width, each)).flatten(1)
    totals, order = totals.sort(dim=1, descending=True, stable=True)
    needed = beam.width + width * ends
    totals, order = totals[:, :needed], order[:, :needed]
    token = numbers.cpu().view(len(searches), -1).gather(1, order)
    return [
        list(zip(*columns, strict=True))
        for columns in zip(totals.tolist(), (order // each).tolist(), token.tolist(), strict=True)
    ]


def _filled(values: list, count: int, fill: object = None) -> list:  # type: ignore[type-arg]
    """A list made as long as the beam is wide: by a value of its own, or by its first."""
    return values + [values[0] if fill is None else fill] * (count - len(values))
