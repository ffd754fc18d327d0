"""Keys and values of the tokens seen so far, so that a new token costs one row and not all of them again."""

from jaxtyping import Float, Int
from torch import Tensor

from sightline.core.errors import ConfigurationError, InputError


class KeyValueCache:
    """Room for one attention's keys and values; tokens are added at the end and never moved.

    Attention over the cache and the new tokens gives what attention over all tokens would give for the new ones. The
    room is taken once, at the first use, for ``capacity`` tokens.

    Shapes:
        keys, values (batch, num_kv_heads, num_tokens, head_width)

    Args:
        capacity: tokens there is room for.

    Raises:
        ConfigurationError: for a capacity below 1.
        InputError: for more tokens than there is room for, or tokens of another number of texts or heads.

    Lecture: T7

    Example:
        >>> import torch
        >>> cache = KeyValueCache(capacity=4)
        >>> keys, values = cache.append(torch.ones(1, 2, 3, 8), torch.ones(1, 2, 3, 8))
        >>> cache.append(keys[:, :, :1], values[:, :, :1])[0].shape, cache.length
        (torch.Size([1, 2, 4, 8]), 4)
    """

    def __init__(self, *, capacity: int) -> None:
        if capacity < 1:
            raise ConfigurationError(
                expected="room for at least 1 token", found=f"capacity = {capacity}", do="use the context length"
            )
        self.capacity, self.length = capacity, 0
        self._keys: Tensor | None = None
        self._values: Tensor | None = None

    def append(
        self, keys: Float[Tensor, "batch heads new head_width"], values: Float[Tensor, "batch heads new head_width"]
    ) -> tuple[Float[Tensor, "batch heads num_tokens head_width"], Float[Tensor, "batch heads num_tokens head_width"]]:
        """Add new tokens; all that are there now, these included."""
        if keys.shape[:3] != values.shape[:3]:  # those of one text would be copied to all
            raise InputError(
                expected=f"values of the same texts, heads and tokens as the keys, {tuple(keys.shape[:3])}",
                found=f"shape {tuple(values.shape)}",
                do="give the keys and values of the same tokens",
            )
        end = self.length + keys.shape[2]
        if end > self.capacity:
            raise InputError(
                expected=f"at most {self.capacity} tokens, which the cache has room for",
                found=f"{end} tokens: {self.length} in the cache and {keys.shape[2]} new ones",
                do="make a cache of a larger capacity, or stop earlier",
            )
        if self._keys is None or self._values is None:
            room = (*keys.shape[:2], self.capacity, keys.shape[3])
            self._keys, self._values = keys.new_empty(room), values.new_empty(room)
        if keys.shape[:2] != self._keys.shape[:2]:  # one text would be copied to all
            raise InputError(
                expected=f"new tokens of {self._keys.shape[0]} texts and {self._keys.shape[1]} heads, as in the cache",
                found=f"keys of shape {tuple(keys.shape)}",
                do="take a new cache for other texts, or select() the rows that go on",
            )
        self._keys[:, :, self.length : end] = keys
        self._values[:, :, self.length : end] = values
        self.length = end
        return self.contents()

    def contents(
        self,
    ) -> tuple[Float[Tensor, "batch heads num_tokens head_width"], Float[Tensor, "batch heads num_tokens head_width"]]:
        """All keys and values that are there."""
        if self._keys is None or self._values is None:
            raise InputError(
                expected="a cache with tokens in it", found="an empty one", do="append keys and values first"
            )
        return self._keys[:, :, : self.length], self._values[:, :, : self.length]

    def select(self, rows: Int[Tensor, " chosen"]) -> None:
        """Keep these rows of the batch, in this order; a row may be taken several times (beams)."""
        if self._keys is not None and self._values is not None:
            keys, values = self.contents()
            keys, values = keys.index_select(0, rows), values.index_select(0, rows)
            room = (len(rows), keys.shape[1], self.capacity, keys.shape[3])
            if len(rows) != len(self._keys):
                self._keys, self._values = keys.new_empty(room), values.new_empty(room)
            self._keys[:, :, : self.length] = keys
            self._values[:, :, : self.length] = values
