"""The double-descent curve over 1,000 repetitions as one batched solve, beside the loops it replaces.

    python benchmarks/linear_double_descent.py

n = 100 samples, 30 widths from 5 to 1,000, the same draws for all three: every repetition and width by its own
minimum-norm solve (``torch.linalg.lstsq`` with gelsd, the usual way, and with gelsy, its fastest), and the batched
algorithm itself one repetition at a time. The loops are timed on their first repetitions and scaled up, as stated;
the errors they find must agree with the batch's.
"""

import time
from collections.abc import Callable

import torch
from torch import Tensor

from sightline.linear.descent_estimators import MinimumNorm
from sightline.linear.descent_problems import LinearTruth
from sightline.linear.double_descent import _errors, _features, double_descent
from sightline.linear.random_features import draw_random_features, random_features

REPETITIONS, LOOPED, SAMPLES, THREADS = 1000, 20, 100, 2
WIDTHS = [5, 10, 15, 20, 30, 40, 50, 60, 70, 80, 85, 90, 95, 98, 100, 102, 105, 110, 115, 120]
WIDTHS += [130, 150, 175, 200, 250, 300, 400, 500, 700, 1000]
PROBLEM = LinearTruth(dimensions=20, noise=0.2, test_rows=100)


def by_hand(seeds: list[int], driver: str) -> Tensor:
    """Test errors [R, l] by the loop anyone would write."""
    errors = torch.empty(len(seeds), len(WIDTHS), dtype=torch.float64)
    for row, seed in enumerate(seeds):
        generator = torch.Generator().manual_seed(seed)
        X, y, X_test, y_test = PROBLEM.draw(SAMPLES, generator)
        W, b = draw_random_features(X.shape[1], WIDTHS[-1], generator=generator)
        for column, N in enumerate(WIDTHS):
            features, at_test = random_features(X, W[:N], b[:N]), random_features(X_test, W[:N], b[:N])
            w = torch.linalg.lstsq(features, y, driver=driver).solution
            errors[row, column] = (at_test @ w - y_test).square().mean() + PROBLEM.noise
    return errors


def batched(repetitions: int) -> Tensor:
    """Test errors [R, l] by one batched solve."""
    return double_descent(
        PROBLEM,
        samples=SAMPLES,
        features=WIDTHS,
        repetitions=repetitions,
        generator=torch.Generator().manual_seed(0),
    ).test


def alone(seeds: list[int]) -> Tensor:
    """Test errors [R, l] by the batched algorithm on one repetition at a time."""
    rows = []
    buffer = torch.empty(1, SAMPLES + PROBLEM.test_rows, WIDTHS[-1], dtype=torch.float64)
    for seed in seeds:
        Z, y, y_test = _features(PROBLEM, SAMPLES, [seed], buffer, torch.relu, 0.5)
        fits = MinimumNorm().fits(Z[:, :SAMPLES], Z[:, SAMPLES:], y, WIDTHS)
        rows.append(_errors(fits, y, y_test)[1][:, 0])
    return torch.cat(rows) + PROBLEM.noise


def timed(work: Callable[[], Tensor]) -> tuple[float, Tensor]:
    """Seconds, and what came out."""
    start = time.perf_counter()
    found = work()
    return time.perf_counter() - start, found


def double_descent_speed() -> None:
    """Print the ratios; target ≥ 10 against the loop."""
    threads = torch.get_num_threads()
    torch.set_num_threads(THREADS)
    seeds = torch.randint(2**62, (REPETITIONS,), generator=torch.Generator().manual_seed(0)).tolist()
    batched(20), by_hand(seeds[:1], "gelsd"), alone(seeds[:1])
    ours, errors = min((timed(lambda: batched(REPETITIONS)) for _ in range(3)), key=lambda run: run[0])
    print(f"double descent: {REPETITIONS:,} repetitions, n = {SAMPLES}, {len(WIDTHS)} widths from {WIDTHS[0]} to "
          f"{WIDTHS[-1]}, {THREADS} threads\n  batched: {ours:.2f} s")  # fmt: skip
    loops: list[tuple[str, int, Callable[[], Tensor]]] = [
        ("loop over lstsq (gelsd)", LOOPED, lambda: by_hand(seeds[:LOOPED], "gelsd")),
        ("loop over lstsq (gelsy)", LOOPED, lambda: by_hand(seeds[:LOOPED], "gelsy")),
        ("the same algorithm, one repetition at a time", 4 * LOOPED, lambda: alone(seeds[: 4 * LOOPED])),
    ]
    for name, count, loop in loops:
        seconds, found = min((timed(loop) for _ in range(2)), key=lambda run: run[0])
        scaled = seconds * REPETITIONS / count
        away = [column for column, N in enumerate(WIDTHS) if N != SAMPLES]
        gap = float(((found - errors[:count])[:, away].abs() / errors[:count, away]).max())
        print(f"  {name}: {scaled:.1f} s ({count} repetitions timed, scaled) = {scaled / ours:.1f} × ours; "
              f"largest relative difference of a test error, N = n apart: {gap:.1e}")  # fmt: skip
    torch.set_num_threads(threads)


if __name__ == "__main__":
    double_descent_speed()
