"""Sampling: the next token by chance, from a distribution made flatter or cut to its likely part.

Legend: z scores, V vocabulary, T temperature.
"""

from dataclasses import dataclass
from numbers import Integral, Real

import torch
from jaxtyping import Float, Int
from torch import Tensor

from sightline.core.errors import ConfigurationError
from sightline.core.kinds import require_kind

FIRST_LOOK = 512
"""Tokens among which the nucleus is looked for before all are sorted."""


@dataclass(frozen=True)
class Sample:
    """One token drawn from softmax(z/T), cut to the k most likely, then to the nucleus of mass p, in this order.

    A higher temperature makes the distribution flatter: more variety, and more unlikely tokens. (The lecture notes
    have it the wrong way round.) As T → 0 it becomes greedy decoding; T = 1 is the model's own distribution.

    Args:
        temperature: T of at least 10⁻⁶, below which scores divided by it would overflow.
        top_k: k ≥ 1; none: all.
        top_p: p in (0, 1], of the mass that the k hold; 1: all.

    Raises:
        ConfigurationError: for a number outside its range.

    Source: top-k Fan et al. 2018, "Hierarchical Neural Story Generation", §5.4; nucleus Holtzman et al. 2020, "The
        Curious Case of Neural Text Degeneration", §3.1

    Lecture: X8

    Example:
        >>> Sample(temperature=0.8, top_p=0.95).top_k is None
        True
    """

    temperature: float = 1.0
    top_k: int | None = None
    top_p: float = 1.0

    def __post_init__(self) -> None:
        require_kind(self.temperature, Real, "temperature", "use 0.8")
        require_kind(self.top_p, Real, "top_p", "use 0.95, or 1 for all")
        if self.top_k is not None:
            require_kind(self.top_k, Integral, "top_k", "use 40, or leave it out for all")
        if not 1e-6 <= self.temperature < float("inf"):
            raise ConfigurationError(
                expected="a finite temperature of at least 0.000001",
                found=f"temperature = {self.temperature}",
                do="for always the most likely token (the limit T → 0) decode greedily, otherwise use 0.8",
            )
        if self.top_k is not None and self.top_k < 1:
            raise ConfigurationError(
                expected="top_k of at least 1", found=f"top_k = {self.top_k}", do="use 40, or leave it out for all"
            )
        if not 0 < self.top_p <= 1:
            raise ConfigurationError(
                expected="top_p above 0 and at most 1", found=f"top_p = {self.top_p}", do="use 0.95, or 1 for all"
            )

    def distribution(self, scores: Float[Tensor, "batch vocabulary"]) -> Float[Tensor, "batch vocabulary"]:
        """The probabilities that are drawn from.

        Example:
            >>> Sample(top_k=2).distribution(torch.tensor([[1.0, 1.0, 0.0]])).tolist()
            [[0.5, 0.5, 0.0]]
        """
        scores = scores / self.temperature
        if self.top_k is not None:
            scores = keep_top_k(scores, self.top_k)
        if self.top_p < 1:
            scores = keep_nucleus(scores, self.top_p)
        return scores.softmax(1)

    def choose(
        self, scores: Float[Tensor, "batch vocabulary"], chance: Float[Tensor, " batch"]
    ) -> Int[Tensor, " batch"]:
        """The next token of each row, from a number in [0, 1) of its own."""
        return draw(self.distribution(scores), chance)


def keep_top_k(scores: Float[Tensor, "batch vocabulary"], k: int) -> Float[Tensor, "batch vocabulary"]:
    """The k largest scores of each row, −∞ for the others; what is equal to the k-th stays.

    Lecture: X8

    Example:
        >>> keep_top_k(torch.tensor([[3.0, 1.0, 2.0]]), 2).tolist()
        [[3.0, -inf, 2.0]]
    """
    if k >= scores.shape[1]:
        return scores
    smallest = scores.topk(k, 1).values[:, -1:]
    return scores.masked_fill(scores < smallest, -torch.inf)


def keep_nucleus(scores: Float[Tensor, "batch vocabulary"], p: float) -> Float[Tensor, "batch vocabulary"]:
    """The smallest set of tokens whose probability is at least p, −∞ for the others; the most likely always stays.

    Token i in falling order stays if those before it hold less than p.

    Lecture: X8

    Example:
        >>> keep_nucleus(torch.tensor([[0.5, 0.3, 0.2]]).log(), 0.7).isfinite().tolist()
        [[True, True, False]]
    """
    total = scores.logsumexp(1, keepdim=True)
    likely, places = _likely(scores, FIRST_LOOK) if scores.shape[1] > FIRST_LOOK else _likely(scores, None)
    surely = (likely - total).exp().masked_fill(likely <= likely[:, -1:], 0).sum(1)
    if likely.shape[1] < scores.shape[1] and bool((surely < p).any()):
        likely, places = _likely(scores, None)
    chances = (likely - total).exp()
    before = chances.cumsum(1) - chances
    stays = before < p
    stays[:, 0] = True
    return torch.full_like(scores, -torch.inf).scatter(1, places, likely.masked_fill(~stays, -torch.inf))


def draw(probabilities: Float[Tensor, "batch vocabulary"], chance: Float[Tensor, " batch"]) -> Int[Tensor, " batch"]:
    """The token v of each row with p_0 + … + p_{v−1} ≤ u < p_0 + … + p_v: drawn with its probability, for uniform u.

    A token without probability is never drawn. Sums are in float64.

    Args:
        probabilities: not negative; they need not sum to 1.
        chance: u in [0, 1) of each row.

    Example:
        >>> draw(torch.tensor([[0.5, 0.0, 0.5]]).expand(2, 3), torch.tensor([0.4, 0.5])).tolist()
        [0, 2]
    """
    wide = torch.float32 if probabilities.device.type == "mps" else torch.float64
    sums = probabilities.to(wide).cumsum(1)
    total = sums[:, -1:]
    mark = torch.minimum(chance.to(sums)[:, None] * total, torch.nextafter(total, torch.zeros_like(total)))
    return torch.searchsorted(sums, mark, right=True)[:, 0].clamp(max=sums.shape[1] - 1)


def _likely(scores: Tensor, count: int | None) -> tuple[Tensor, Tensor]:
    """The most likely tokens' scores and numbers in falling order, of equal ones the smaller number first."""
    if count is None:
        likely, places = scores.sort(dim=1, descending=True, stable=True)
        return likely, places
    places = scores.topk(count, 1).indices.sort(1).values
    likely, order = scores.gather(1, places).sort(dim=1, descending=True, stable=True)
    return likely, places.gather(1, order)
