"""The key-value caches of all blocks of a stack, together."""

from jaxtyping import Int
from torch import Tensor

from sightline.nn.key_value_cache import KeyValueCache


class StackCache:
    """The caches of a stack of blocks: one a block for its own tokens, one a block for the context it asks.

    Args:
        depth: blocks; one that is used several times counts as often.
        capacity: tokens there is room for.
        context_capacity: tokens of a context there is room for; 0 where the blocks ask none.

    Lecture: T7

    Example:
        >>> StackCache(depth=2, capacity=8).length
        0
    """

    def __init__(self, *, depth: int, capacity: int, context_capacity: int = 0) -> None:
        self.own = [KeyValueCache(capacity=capacity) for _ in range(depth)]
        self.context = [KeyValueCache(capacity=context_capacity) for _ in range(depth if context_capacity else 0)]

    @property
    def length(self) -> int:
        """Tokens seen so far."""
        return self.own[0].length

    def select(self, rows: Int[Tensor, " chosen"]) -> None:
        """Keep these rows of the batch, in this order, in every block."""
        for cache in (*self.own, *self.context):
            cache.select(rows)
