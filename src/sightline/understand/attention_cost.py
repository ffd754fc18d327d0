"""What attention costs: seconds, memory and multiply-adds against the numbers of tokens and their width.

Legend: N queries, M keys, D width of a head. Full attention is O(MND), linear attention O((M + N)D²).
"""

import math
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal, get_args

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.profiler import profile

from sightline.core.errors import ConfigurationError, InputError
from sightline.nn.linear_attention_forms import linear_attention
from sightline.understand.layer_table import aligned
from sightline.understand.multiply_adds import Counting

Form = Callable[[Tensor, Tensor, Tensor], Tensor]
"""Attention of queries (B, H, N, D) to keys and values (B, H, M, D)."""

Varied = Literal["length", "queries", "keys", "width"]
"""What is varied while the rest stands still; the length is that of both queries and keys."""

Quantity = Literal["seconds", "bytes", "multiply_adds"]


def written_out_attention(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """softmax(QKᵀ/√D) V with the N × M weights held in memory, as the formula has it.

    Example:
        >>> written_out_attention(*torch.zeros(3, 1, 1, 2, 4).unbind()).shape
        torch.Size([1, 1, 2, 4])
    """
    return (query @ key.transpose(-1, -2) / math.sqrt(query.shape[-1])).softmax(-1) @ value


FORMS: Mapping[str, Form] = {
    "full, written out": written_out_attention,
    "full, fused": F.scaled_dot_product_attention,
    "linear": linear_attention,
}
"""The forms compared: the fused one never holds all weights at once."""


@dataclass(frozen=True)
class Exponent:
    """a in cost ∝ size^a.

    Attributes:
        value: a.
        standard_error: of a, from how far the measurements lie off the line.
    """

    value: float
    standard_error: float

    def __str__(self) -> str:
        return f"{self.value:.2f} ± {self.standard_error:.2f}"


@dataclass(frozen=True)
class CostRow:
    """One measurement.

    Attributes:
        form: which attention.
        varied: which number was varied.
        size: its value.
        seconds: the fastest of several runs.
        bytes: the most that was held at once beyond what was there before, the output included.
        multiply_adds: of the matrix products; counted, not measured.
    """

    form: str
    varied: Varied
    size: int
    seconds: float
    bytes: int
    multiply_adds: int


@dataclass(frozen=True)
class AttentionCost:
    """Measurements, and the exponents fitted to them; ``str()`` is two tables."""

    rows: tuple[CostRow, ...]

    def exponent(self, form: str, varied: Varied, quantity: Quantity = "seconds") -> Exponent:
        """The exponent of one quantity of one form.

        Raises:
            InputError: where fewer than three sizes were measured.
        """
        rows = [row for row in self.rows if (row.form, row.varied) == (form, varied)]
        return fit_exponent([row.size for row in rows], [getattr(row, quantity) for row in rows])

    def __str__(self) -> str:
        """The measurements, then the exponents."""
        cells = [("attention", "varied", "size", "seconds", "bytes", "multiply-adds")]
        cells += [
            (row.form, row.varied, f"{row.size:,}", f"{row.seconds:.3g}", f"{row.bytes:,}", f"{row.multiply_adds:,}")
            for row in self.rows
        ]
        exponents = [("attention", "exponent of", "seconds", "bytes", "multiply-adds")]
        for form, varied in dict.fromkeys((row.form, row.varied) for row in self.rows):
            found = [str(self.exponent(form, varied, quantity)) for quantity in get_args(Quantity)]
            exponents.append((form, varied, found[0], found[1], found[2]))
        return aligned(cells, left=2) + "\n\n" + aligned(exponents, left=2)


def fit_exponent(sizes: Sequence[float], costs: Sequence[float]) -> Exponent:
    """a of cost = c·size^a: the slope of ln cost over ln size by least squares, with its standard error.

    a = Σ(x − x̄)y / Σ(x − x̄)², s² = Σ(y − ȳ − a(x − x̄))²/(n − 2) / Σ(x − x̄)², x = ln size, y = ln cost.

    Args:
        sizes: at least three, not all equal, above 0.
        costs: as many, above 0.

    Raises:
        InputError: for others.

    Lecture: T7, D6

    Example:
        >>> print(fit_exponent([1, 2, 4], [3, 12, 48]))
        2.00 ± 0.00
    """
    usable = len(sizes) == len(costs) >= 3 and min(*sizes, *costs) > 0 and len(set(sizes)) > 1
    if not usable:
        raise InputError(
            expected="at least three sizes, not all equal, and as many costs, all above 0",
            found=f"sizes {list(sizes)}, costs {list(costs)}",
            do="measure at more sizes",
        )
    x, y = (torch.tensor(values, dtype=torch.float64).log() for values in (sizes, costs))
    x, y = x - x.mean(), y - y.mean()
    square = x.square().sum()
    slope = (x * y).sum() / square
    residual = (y - slope * x).square().sum() / (len(sizes) - 2)
    return Exponent(float(slope), float((residual / square).sqrt()))


def peak_bytes(run: Callable[[], object], device: torch.device | str = "cpu") -> int:
    """The most memory held at once while something runs, beyond what was held before.

    On a CPU every allocation and release of torch's allocator is recorded by torch's profiler, those inside of a
    kernel among them, and summed in order of time. On a CUDA device it is the allocator's own record of its peak.
    What other libraries take for themselves (a matrix product's workspace) is not seen.

    Args:
        run: called once.
        device: where it runs.

    Example:
        >>> peak_bytes(lambda: torch.ones(1000).neg())
        8000
    """
    device = torch.device(device)
    if device.type == "cuda":
        torch.cuda.synchronize(device)
        torch.cuda.reset_peak_memory_stats(device)
        before = torch.cuda.memory_allocated(device)
        run()
        torch.cuda.synchronize(device)
        return torch.cuda.max_memory_allocated(device) - before
    with _quiet_profiler(), profile(profile_memory=True) as record:
        run()
    assert record.kineto_results is not None
    events = [e for e in record.kineto_results.events() if e.name() == "[memory]"]
    held = most = 0
    for event in sorted(events, key=lambda e: e.start_ns()):
        held += event.nbytes()
        most = max(most, held)
    return most


@contextmanager
def _quiet_profiler() -> Iterator[None]:
    """Without a line on the terminal for each start and stop; the level is read when a process first profiles."""
    name = "KINETO_LOG_LEVEL"
    given = os.environ.get(name)
    os.environ.setdefault(name, "6")
    try:
        yield
    finally:
        if given is None:
            del os.environ[name]


def attention_cost(
    *,
    sizes: Mapping[Varied, Sequence[int]] | None = None,
    length: int = 512,
    width: int = 64,
    num_heads: int = 4,
    forms: Mapping[str, Form] = FORMS,
    repeats: int = 5,
    clock: Callable[[], float] = time.perf_counter,
    device: torch.device | str = "cpu",
) -> AttentionCost:
    """Measure forms of attention in float32, forwards, one text, while one of N = M, N, M, D is varied.

    Exponents are those of the sizes measured: where the work is small beside what a call costs, they are below those
    of the formula. Multiply-adds are free of that.

    Args:
        sizes: for each of "length", "queries", "keys", "width" that is to be varied, at least three; none: eight
            times up from an eighth of ``length`` and ``width`` in steps of two.
        length: N and M where they are not varied.
        width: D where it is not varied.
        num_heads: H.
        forms: attention by name.
        repeats: runs of which the fastest counts.
        clock: tells the seconds. Where other programs run, long runs are interrupted more than short ones and exponents
            come out too large; ``time.process_time`` counts this program's own seconds, those of all threads together.
        device: where.

    Raises:
        ConfigurationError: for a size, or a number of repeats, below 1.

    Lecture: T7, D6

    Example:
        >>> cost = attention_cost(sizes={"length": [8, 16, 32]}, width=4, repeats=1)
        >>> print(cost.exponent("full, fused", "length", "multiply_adds"))
        2.00 ± 0.00
        >>> print(cost.exponent("linear", "length", "multiply_adds"))
        1.00 ± 0.00
    """
    if sizes is None:
        lengths, widths = ([of // 8 * 2**k for k in range(4)] for of in (length, width))
        sizes = {"length": lengths, "queries": lengths, "keys": lengths, "width": widths}
    smallest = min([length, width, num_heads, repeats, *(n for several in sizes.values() for n in several)])
    if smallest < 1:
        raise ConfigurationError(
            expected="sizes, heads and repeats of at least 1", found=f"{smallest}", do="use lengths from 64 to 512"
        )
    rows = []
    for varied, several in sizes.items():
        for name, form in forms.items():
            for size in several:
                n = size if varied in ("length", "queries") else length
                m = size if varied in ("length", "keys") else length
                d = size if varied == "width" else width
                query = torch.randn(1, num_heads, n, d, device=device)
                key, value = torch.randn(2, 1, num_heads, m, d, device=device).unbind()
                rows.append(CostRow(name, varied, size, *_measured(form, query, key, value, repeats, clock)))
    return AttentionCost(tuple(rows))


@torch.no_grad()
def _measured(
    form: Form, query: Tensor, key: Tensor, value: Tensor, repeats: int, clock: Callable[[], float]
) -> tuple[float, int, int]:
    """Seconds, bytes and multiply-adds."""
    done = 0

    def tell(more: int) -> None:
        nonlocal done
        done += more

    with Counting(tell):
        form(query, key, value)
    most = peak_bytes(lambda: form(query, key, value), query.device)
    fastest = math.inf
    for _ in range(repeats):
        _wait(query.device)
        start = clock()
        form(query, key, value)
        _wait(query.device)
        fastest = min(fastest, clock() - start)
    return fastest, most, done


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
