"""Look-up in a table of keys and values: exact, nearest, and soft. The soft one is attention.

Legend: M entries of the table, N queries, d width of keys and queries, w width of values, τ temperature.
"""

import math

from jaxtyping import Bool, Float
from torch import Tensor

from sightline.core.errors import ConfigurationError, InputError


def hard_lookup(
    keys: Float[Tensor, "*batch entries d"],
    values: Float[Tensor, "*batch entries w"],
    queries: Float[Tensor, "*batch asked d"],
) -> tuple[Float[Tensor, "*batch asked w"], Bool[Tensor, "*batch asked"]]:
    """v_j of the first key k_j = q, and whether there is one; 0 where there is none. A hash table.

    A query that is off by a little finds nothing, and neither queries nor keys get a gradient.

    Raises:
        InputError: for an empty table.

    Lecture: T1

    Example:
        >>> import torch
        >>> table = torch.eye(2), torch.tensor([[5.0], [7.0]])
        >>> values, found = hard_lookup(*table, torch.tensor([[0.0, 1.0], [0.1, 1.0]]))
        >>> values.tolist(), found.tolist()
        ([[7.0], [0.0]], [True, False])
    """
    _require_entries(keys, values)
    same = (queries.unsqueeze(-2) == keys.unsqueeze(-3)).all(-1)
    found = same.any(-1)
    first = _rows(values, same.int().argmax(-1))
    return first.where(found.unsqueeze(-1), 0), found


def nearest_lookup(
    keys: Float[Tensor, "*batch entries d"],
    values: Float[Tensor, "*batch entries w"],
    queries: Float[Tensor, "*batch asked d"],
) -> Float[Tensor, "*batch asked w"]:
    """v_j for j = argmax_j qᵀk_j: there is always an answer, and values get a gradient; queries and keys get none.

    Raises:
        InputError: for an empty table.

    Lecture: T1

    Example:
        >>> import torch
        >>> nearest_lookup(torch.eye(2), torch.tensor([[5.0], [7.0]]), torch.tensor([[0.1, 1.0]])).tolist()
        [[7.0]]
    """
    _require_entries(keys, values)
    return _rows(values, (queries @ keys.transpose(-1, -2)).argmax(-1))


def soft_lookup(
    keys: Float[Tensor, "*batch entries d"],
    values: Float[Tensor, "*batch entries w"],
    queries: Float[Tensor, "*batch asked d"],
    *,
    temperature: float | None = None,
) -> Float[Tensor, "*batch asked w"]:
    """Σ_j α_j v_j, α = softmax_j(qᵀk_j/τ): attention. Queries, keys and values all get a gradient.

    As τ → 0 it becomes the nearest look-up, as τ → ∞ the mean of all values. With τ = √d the scores of independent
    numbers of variance 1 have variance 1, whatever d is.

    Args:
        keys: of the table's entries.
        values: of the table's entries.
        queries: what is asked.
        temperature: τ > 0; none: √d.

    Raises:
        ConfigurationError: for a temperature that is not above 0.
        InputError: for an empty table.

    Source: Vaswani et al. 2017, "Attention Is All You Need", eq. (1)

    Lecture: T1

    Example:
        >>> import torch
        >>> table = torch.eye(2), torch.tensor([[5.0], [7.0]])
        >>> soft_lookup(*table, torch.tensor([[1.0, 1.0]])).tolist()
        [[6.0]]
    """
    _require_entries(keys, values)
    if temperature is not None and not temperature > 0:
        raise ConfigurationError(
            expected="a temperature above 0",
            found=f"temperature = {temperature}",
            do="use nearest_lookup for its limit at 0",
        )
    scale = math.sqrt(keys.shape[-1]) if temperature is None else temperature
    return (queries @ keys.transpose(-1, -2) / scale).softmax(-1) @ values


def _rows(values: Tensor, chosen: Tensor) -> Tensor:
    """Rows (…, N, w) of values (…, M, w), as many as are chosen (…, N)."""
    return values.gather(-2, chosen.unsqueeze(-1).expand(*chosen.shape, values.shape[-1]))


def _require_entries(keys: Tensor, values: Tensor) -> None:
    if keys.shape[-2] < 1 or keys.shape[:-1] != values.shape[:-1]:
        raise InputError(
            expected="a table of at least one entry, with a value for each key",
            found=f"keys of shape {tuple(keys.shape)}, values of shape {tuple(values.shape)}",
            do="give keys (…, entries, d) and values (…, entries, w)",
        )
