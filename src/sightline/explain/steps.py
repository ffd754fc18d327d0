"""Which steps of an iteration, and which directions, an explanation shows."""

from math import ceil, log, log10

import torch

MOST_STEPS = 100_000
"""An iteration is followed no further unless more steps are asked for."""

MOST_DIRECTIONS = 10
"""So many directions are listed in a table; of more, some between the first and the last."""


def log_steps(last: int, count: int = 60) -> list[int]:
    """0 and whole numbers of steps up to the last, evenly spread on a logarithmic scale.

    Example:
        >>> log_steps(10, count=4)
        [0, 1, 2, 5, 10]
    """
    spread = torch.logspace(0, log10(last), count, dtype=torch.float64)
    return [0, *sorted({*map(int, spread.round().tolist()), last})]


def even_steps(last: int, count: int = 200) -> list[int]:
    """0 to the last in equal strides, about ``count`` of them.

    Example:
        >>> even_steps(10, count=4)
        [0, 2, 4, 6, 8, 10]
    """
    return sorted({*range(0, last + 1, max(1, last // count)), last})


def in_steps(count: int) -> str:
    """A number of steps in words.

    Example:
        >>> in_steps(1), in_steps(2073)
        ('1 step', '2,073 steps')
    """
    return f"{count:,} step{'' if count == 1 else 's'}"


def powers_of_ten(last: int) -> list[int]:
    """0, 1, 10, 100 … and the last.

    Example:
        >>> powers_of_ten(250)
        [0, 1, 10, 100, 250]
    """
    powers = [10**power for power in range(len(str(last)))]
    return [0, *powers, *([last] if last != powers[-1] else [])]


def enough_steps(contraction: float, left: float = 1e-3) -> int:
    """Steps in which the factor a step leaves so little, from 20 up to 100,000.

    Example:
        >>> enough_steps(0.5)
        20
    """
    if contraction >= 1:
        return MOST_STEPS
    return min(MOST_STEPS, max(20, ceil(log(left) / log(max(contraction, 1e-9)))))


def few(count: int, most: int = MOST_DIRECTIONS) -> list[int]:
    """Places 0 … count − 1, or ``most`` of them from first to last.

    Example:
        >>> few(3), few(100, most=3)
        ([0, 1, 2], [0, 50, 99])
    """
    if count <= most:
        return list(range(count))
    return sorted({round(place * (count - 1) / (most - 1)) for place in range(most)})
