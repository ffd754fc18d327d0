"""Generation and clustering beside the same work as it is usually done, in one run.

    python benchmarks/generation.py [k-means] [--rounds 5] [--quick]

k-means: Lloyd's algorithm and soft k-means at n = 100,000, d = 32, k = 50, in float64 and float32, beside
scikit-learn's ``KMeans(algorithm="lloyd", n_init=1)``: the same points and start, 20 iterations, none stops early.
scikit-learn has no soft k-means; ``GaussianMixture`` with spherical covariances, which learns variances and weights
too, is the nearest it has, and is timed beside it (from the same means). Results are compared before
any time is printed.

What is compared alternates in rounds, so that whatever else the machine does falls on all; figures are medians with the
smallest and largest, ratios are those of single rounds. Targets: k-means and soft k-means ≤ 1.5 × the time of KMeans.
"""

import argparse
import statistics
import time
import warnings
from collections.abc import Callable, Mapping

import numpy as np
import torch
from sklearn.cluster import KMeans
from sklearn.mixture import GaussianMixture

from sightline.linear.k_means import lloyd
from sightline.linear.soft_k_means import soft_k_means

ITERATIONS = 20
PARTS = ("k-means",)


def alternate(work: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, list[float]]:
    """Seconds of each in every round, after one that does not count; every other round goes backwards."""
    seconds: dict[str, list[float]] = {name: [] for name in work}
    for number in range(rounds + 1):
        for name, do in list(work.items())[:: 1 if number % 2 else -1]:
            began = time.perf_counter()
            do()
            if number:
                seconds[name].append(time.perf_counter() - began)
    return seconds


def told(name: str, seconds: list[float], peer: list[float]) -> str:
    """Milliseconds and the ratio to the peer's, each as median, smallest and largest."""
    ratios = [mine / theirs for mine, theirs in zip(seconds, peer, strict=True)]
    times = f"{1e3 * statistics.median(seconds):>8,.0f} ms ({1e3 * min(seconds):,.0f} to {1e3 * max(seconds):,.0f})"
    return f"  {name:<26}{times:<30} {statistics.median(ratios):.2f} × ({min(ratios):.2f} to {max(ratios):.2f})"


def k_means(n: int, rounds: int) -> None:
    """Lloyd and soft k-means beside scikit-learn."""
    d, k = 32, 50
    print(f"k-means: n = {n:,}, d = {d}, k = {k}, {ITERATIONS} iterations, {torch.get_num_threads()} threads")
    for dtype in (torch.float64, torch.float32):
        generator = torch.Generator().manual_seed(0)
        X = torch.randn(n, d, generator=generator, dtype=torch.float64).to(dtype)  # no clusters: none stops early
        start, gamma, rows = X[:k].clone(), 0.5, X.numpy()
        theirs = KMeans(k, init=start.numpy(), n_init=1, max_iter=ITERATIONS, tol=0.0, algorithm="lloyd")
        mixture = GaussianMixture(
            k, covariance_type="spherical", means_init=start.numpy(), tol=0.0, max_iter=ITERATIONS,
            init_params="random_from_data", random_state=0,
        )  # fmt: skip

        def ours(X: torch.Tensor = X, start: torch.Tensor = start) -> object:
            return lloyd(X, start, max_iterations=ITERATIONS, tolerance=0)

        def soft(X: torch.Tensor = X, start: torch.Tensor = start, gamma: float = gamma) -> object:
            return soft_k_means(X, start, gamma, max_iterations=ITERATIONS, tolerance=0)

        found, known = lloyd(X, start, max_iterations=ITERATIONS, tolerance=0), theirs.fit(rows)
        close = float(np.abs(found.centres.numpy() - known.cluster_centers_).max())
        assert found.iterations == known.n_iter_ == ITERATIONS
        assert close < (1e-10 if dtype is torch.float64 else 1e-2), close
        work = {
            "KMeans": lambda theirs=theirs, rows=rows: theirs.fit(rows),
            "lloyd": ours,
            "soft_k_means": soft,
            "GaussianMixture": lambda mixture=mixture, rows=rows: mixture.fit(rows),
        }
        seconds = alternate(work, rounds)
        print(f" {str(dtype).removeprefix('torch.')}; largest difference of a centre from KMeans' {close:.1e}")
        for name, values in seconds.items():
            print(told(name, values, seconds["KMeans"]))


def main() -> None:
    """Run what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("parts", nargs="*", help=f"{', '.join(PARTS)}; none: all")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--quick", action="store_true", help="small sizes, to see that it works")
    given = parser.parse_args()
    unknown = set(given.parts) - set(PARTS)
    if unknown:
        parser.error(f"no part {', '.join(sorted(unknown))}")
    parts = given.parts or list(PARTS)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if "k-means" in parts:
            k_means(10_000 if given.quick else 100_000, given.rounds)


if __name__ == "__main__":
    main()
