"""How the rows of a batch differ: one number each for their direction, their distance, and the ways they differ in."""

from dataclasses import dataclass

import torch
from torch import Tensor

from sightline.diagnose.readable import readable

MOST_ROWS = 64
MOST_COLUMNS = 1_024


@dataclass(frozen=True)
class RowFacts:
    """Rows of a batch against each other; all 0 but ``alike`` where every row is the same.

    Attributes:
        alike: mean cosine between two different rows: 1 where all point one way.
        spread: √Σⱼ Varᵢ xᵢⱼ, the rows' distance from their mean, root mean square.
        directions: (Σ λ)² / Σ λ² of the covariance's eigenvalues λ: in about how many directions rows differ.
    """

    alike: float
    spread: float
    directions: float


@torch.no_grad()
def row_facts(x: Tensor) -> RowFacts | None:
    """Compare rows of a batch. Costs two products of at most 64 × 1,024 numbers.

    Rows of more axes are laid flat; of more than 64 rows, or 1,024 columns, some spread evenly are taken.

    Returns:
        None for fewer than 8 rows, or rows of fewer than 2 numbers, or whole numbers.

    Example:
        >>> row_facts(torch.eye(2).repeat(4, 1))
        RowFacts(alike=0.4286, spread=0.7071, directions=1.0)
    """
    if not (readable(x) and x.is_floating_point()) or x.dim() < 2 or len(x) < 8:
        return None
    rows = x.detach()[:: -(-len(x) // MOST_ROWS)].flatten(1)
    if rows.shape[1] < 2:
        return None
    rows = rows[:, :: -(-rows.shape[1] // MOST_COLUMNS)].float()
    n = len(rows)
    whole = torch.nn.functional.normalize(rows, dim=1)
    alike = (float(whole.sum(0).square().sum()) - float(whole.square().sum())) / (n * (n - 1))
    centred = rows - rows.mean(0)
    gram = centred @ centred.T
    total, squares = float(gram.trace()), float(gram.square().sum())
    directions = total**2 / squares if squares != 0 else 0.0
    return RowFacts(round(alike, 4), round((total / n) ** 0.5, 4), round(directions, 4))
