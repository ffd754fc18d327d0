"""Independent pieces of work side by side: many small decompositions leave torch's own threads idle."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TypeVar

import torch

Piece = TypeVar("Piece")
Result = TypeVar("Result")


def side_by_side(work: Callable[[Piece], Result], pieces: Sequence[Piece]) -> list[Result]:
    """The results of the work on each piece, in order; as many pieces at a time as torch has threads, one thread each.

    LAPACK decomposes a batch of small matrices one after another, whatever the number of threads. torch lets other
    Python threads run while it computes, so two pieces at once take little more time than one.

    Args:
        work: depends on its piece alone, and draws from no global generator.
        pieces: what to work on.

    Example:
        >>> side_by_side(lambda n: n * n, [1, 2, 3])
        [1, 4, 9]
    """
    threads = torch.get_num_threads()
    workers = min(threads, len(pieces))
    if workers <= 1:
        return [work(piece) for piece in pieces]
    try:
        with ThreadPoolExecutor(workers, initializer=partial(torch.set_num_threads, 1)) as pool:
            return list(pool.map(work, pieces))
    finally:
        torch.set_num_threads(threads)
