"""Places in texts chosen by chance, all texts of a batch at once, and texts moved together over the gaps."""

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from sightline.core.schema import TextSchema


def random_rank(allowed: Bool[Tensor, "batch length"]) -> Int[Tensor, "batch length"]:
    """The places of each row in random order: rank 0, 1, … for those allowed, then the others.

    The numbers are drawn on the CPU wherever the places are wanted, so that chance is the same on every device.

    Example:
        >>> random_rank(torch.tensor([[False, True, False]])).tolist()[0][1]
        0
    """
    scores = torch.rand(allowed.shape).to(allowed.device).masked_fill(~allowed, 2.0)
    order = scores.argsort(1)
    places = torch.arange(allowed.shape[1], device=allowed.device).expand_as(order)
    return torch.empty_like(order).scatter_(1, order, places)


def choose(allowed: Bool[Tensor, "batch length"], count: Int[Tensor, " batch"]) -> Bool[Tensor, "batch length"]:
    """So many of the places allowed in each row, every choice equally likely.

    Args:
        allowed: where a choice may fall.
        count: how many; no more than are allowed.

    Example:
        >>> choose(torch.tensor([[True, True, False]]), torch.tensor([2])).tolist()
        [[True, True, False]]
    """
    return random_rank(allowed) < count[:, None]


def random_parts(
    total: Int[Tensor, " batch"], parts: Int[Tensor, " batch"], *, longest: int, most: int
) -> Int[Tensor, "batch most"]:
    """Each row's total divided into so many parts of at least 1, every division equally likely; 0 after the last.

    Args:
        total: of each row.
        parts: from 1 to the total; 0 for a total of 0.
        longest: the largest total.
        most: the largest number of parts.

    Example:
        >>> random_parts(torch.tensor([3, 2]), torch.tensor([3, 1]), longest=3, most=3).tolist()
        [[1, 1, 1], [2, 0, 0]]
    """
    places = torch.arange(longest, device=total.device).expand(len(total), -1)
    inside = places < total[:, None]
    starts = choose(inside & (places > 0), parts - 1)
    number = starts.cumsum(1)
    lengths = torch.zeros(len(total), most, dtype=torch.int64, device=total.device)
    return lengths.scatter_add_(1, number.clamp(max=most - 1), inside.long())


def together(
    tokens: Int[Tensor, "batch length"], kept: Bool[Tensor, "batch length"]
) -> tuple[Int[Tensor, "batch length"], Int[Tensor, " batch"]]:
    """The tokens kept, moved to the front of each row in their order, and how many they are.

    Example:
        >>> text, lengths = together(torch.tensor([[7, 8, 9]]), torch.tensor([[False, True, True]]))
        >>> text[0, : int(lengths)].tolist()
        [8, 9]
    """
    order = (~kept).to(torch.int8).argsort(dim=1, stable=True)
    return tokens.gather(1, order), kept.sum(1)


def words_of(tokens: Tensor, present: Tensor | None, text: TextSchema) -> Bool[Tensor, "batch length"]:
    """True where a token is of the text itself, and neither filling nor special; unknown words are words.

    Example:
        >>> text = TextSchema(vocabulary_size=9, length=4, unknown=1, begin=2, end=3)
        >>> words_of(torch.tensor([[2, 5, 1, 3]]), None, text).tolist()
        [[False, True, True, False]]
    """
    names = (text.pad, text.begin, text.end, text.mask, text.classify, text.separator, *text.sentinels)
    special = [number for number in names if number is not None]
    return text_of(tokens, present) & torch.isin(tokens, tokens.new_tensor(special), invert=True)


def unless_full(present: Bool[Tensor, "batch length"] | None) -> Bool[Tensor, "batch length"] | None:
    """The same, or none where all is text: networks have a faster way then.

    Example:
        >>> unless_full(torch.ones(2, 3, dtype=torch.bool)) is None
        True
    """
    return None if present is None or bool(present.all()) else present


def text_of(tokens: Tensor, present: Tensor | None) -> Bool[Tensor, "batch length"]:
    """True where a token is text and not filling."""
    return torch.ones_like(tokens, dtype=torch.bool) if present is None else present
