"""Many ridge regressions from one decomposition, beside scikit-learn fitting each.

    python benchmarks/linear.py

Path: 100 λ at n = 5,000, d = 1,000, against 100 fits of ``Ridge``. Target: at least 20 × faster. The λ run from 10⁻³ to
10⁵ on two matrices: independent columns, where the Gram matrix is exact enough, and columns conditioned to 10⁵, where
the path falls back on the SVD.
Choice: leave-one-out and generalised cross-validation over the same 100 λ, against ``RidgeCV``. Target: the same λ and
the same leave-one-out errors in no more time.
Double descent: see ``linear_double_descent.py``.
The path is timed five times, between fifths of scikit-learn's 100 fits, so that whatever else the machine does falls on
both; its time is the median. RidgeCV is timed once, after one run of the path, which is again the median of five.
Results are checked before any time is printed.
"""

import statistics
import time
from collections.abc import Callable
from importlib import import_module

import numpy as np
import torch
from sklearn.linear_model import Ridge, RidgeCV

from sightline.linear.ridge_path import ridge_path

N, D, RIDGES = 5_000, 1_000, torch.logspace(-3, 5, 100, dtype=torch.float64)


def seconds(run: Callable[[], object], repeats: int = 5) -> float:
    """Median time of a call, after one to warm up."""
    run()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def problem(condition: float | None = None) -> tuple[torch.Tensor, torch.Tensor]:
    """Normal columns and a noisy linear target; with a condition number, columns that fall geometrically in size."""
    generator = torch.Generator().manual_seed(0)
    X = torch.randn(N, D, generator=generator, dtype=torch.float64)
    y = X @ torch.randn(D, generator=generator, dtype=torch.float64)
    y += 10 * torch.randn(N, generator=generator, dtype=torch.float64)
    if condition is not None:
        mixing = torch.linalg.qr(torch.randn(D, D, generator=generator, dtype=torch.float64))[0]
        X = (X * torch.logspace(0, -np.log10(condition), D, dtype=torch.float64)) @ mixing
    return X, y


def ridge_path_speed() -> None:
    """100 λ at once against 100 fits."""
    for name, (X, y) in {"independent columns": problem(), "condition 10⁵": problem(1e5)}.items():
        for intercept in (False, True):
            rows, targets = X.numpy(), y.numpy()
            Ridge(alpha=1.0, fit_intercept=intercept).fit(rows, targets)
            path = ridge_path(X, y, RIDGES, intercept=intercept)
            theirs, slow, times = [], 0.0, []
            for fifth in RIDGES.split(len(RIDGES) // 5):
                start = time.perf_counter()
                theirs += [Ridge(alpha=a, fit_intercept=intercept).fit(rows, targets).coef_ for a in fifth.tolist()]
                slow += time.perf_counter() - start
                start = time.perf_counter()
                ridge_path(X, y, RIDGES, intercept=intercept)
                times.append(time.perf_counter() - start)
            fast = statistics.median(times)
            apart = (path.w - torch.from_numpy(np.stack(theirs))).norm(dim=1) / path.w.norm(dim=1)
            # theirs are the normal equations, so they carry an error of ε·κ² where λ is small
            squares = torch.linalg.eigvalsh(X.mT @ X).clamp_min(0)
            allowed = 1e-15 * 1e2 * (squares[-1] + RIDGES) / (squares[0] + RIDGES) + 1e-12
            assert bool((apart < allowed).all()), float((apart / allowed).max())
            print(
                f"path of 100, {name:<20} intercept {intercept!s:<5}  scikit-learn {slow:7.2f} s   "
                f"sightline {fast:6.3f} s   ratio {slow / fast:6.1f} ×   (wanted: at least 20)"
            )


def gcv_speed() -> None:
    """The choice among 100 λ against RidgeCV."""
    X, y = problem()
    rows, targets = X.numpy(), y.numpy()
    for intercept in (False, True):
        cross = RidgeCV(alphas=RIDGES.numpy(), fit_intercept=intercept, store_cv_results=True)
        start = time.perf_counter()
        cross.fit(rows, targets)
        slow = time.perf_counter() - start

        def choose(intercept: bool = intercept) -> tuple[float, float, torch.Tensor]:
            path = ridge_path(X, y, RIDGES, intercept=intercept)
            return float(RIDGES[path.best("leave_one_out")]), float(RIDGES[path.best("gcv")]), path.leave_one_out

        leave_one_out, gcv, errors = choose()
        theirs = torch.from_numpy(cross.cv_results_).mean(0)
        assert float(((errors - theirs) / theirs).abs().max()) < 1e-9
        assert abs(leave_one_out / cross.alpha_ - 1) < 1e-12
        fast = seconds(choose)
        print(
            f"choice among 100, intercept {intercept!s:<5}  RidgeCV {slow:7.2f} s   sightline {fast:6.3f} s   "
            f"ratio {slow / fast:6.1f} ×   same λ = {leave_one_out:.4g} (by gcv {gcv:.4g})   (wanted: at least 1)"
        )


def main() -> None:
    """Measure all."""
    print(f"{torch.get_num_threads()} threads, torch {torch.__version__}, n = {N}, d = {D}")
    ridge_path_speed()
    gcv_speed()
    import_module("linear_double_descent").double_descent_speed()


if __name__ == "__main__":
    main()
