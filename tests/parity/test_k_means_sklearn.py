"""k-means beside scikit-learn's, from the same starts."""

import pytest
import torch
from sklearn.cluster import KMeans as Theirs
from torch import Tensor

from sightline.linear.k_means import k_means, lloyd

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def theirs(X: Tensor, start: Tensor, iterations: int, tolerance: float = 0.0) -> Theirs:
    known = Theirs(len(start), init=start.numpy(), n_init=1, max_iter=iterations, tol=tolerance, algorithm="lloyd")
    return known.fit(X.numpy())


def clusters(seed: int, spread: float, d: int = 3) -> Tensor:
    """Five clusters of 40 points, their means 10 apart or more."""
    generator = torch.Generator().manual_seed(seed)
    means = 10 * torch.eye(5, d, dtype=torch.float64).cumsum(0)
    means[d:] += 20 * torch.arange(1, 5 - d + 1, dtype=torch.float64)[:, None]
    return means.repeat_interleave(40, 0) + spread * torch.randn(200, d, generator=generator, dtype=torch.float64)


@pytest.mark.parametrize("spread", [1.0, 8.0])
def test_equal_centres_after_each_iteration(spread: float) -> None:
    X = clusters(1, spread)
    start = X[::29]
    for iterations in range(1, 9):
        known, found = theirs(X, start, iterations), lloyd(X, start, max_iterations=iterations, tolerance=0)
        assert float((found.centres - torch.as_tensor(known.cluster_centers_)).abs().max()) < 1e-10
        assert found.inertia == pytest.approx(known.inertia_, rel=1e-12)
        assert found.labels.tolist() == known.labels_.tolist()


def test_an_empty_cluster_is_filled_alike() -> None:
    X = clusters(2, 2.0)
    start = torch.cat([X[:5], torch.full((1, 3), 500.0, dtype=torch.float64)])
    for iterations in (1, 2, 5):
        known, found = theirs(X, start, iterations), lloyd(X, start, max_iterations=iterations, tolerance=0)
        assert float((found.centres - torch.as_tensor(known.cluster_centers_)).abs().max()) < 1e-10


def test_the_stopping_rule_is_the_usual_one() -> None:
    X = clusters(3, 9.0)
    for tolerance in (1e-4, 1e-3, 1e-2, 0.3):
        known, found = theirs(X, X[:7], 300, tolerance), lloyd(X, X[:7], tolerance=tolerance)
        assert found.iterations == known.n_iter_
        assert found.inertia == pytest.approx(known.inertia_, rel=1e-12)


@pytest.mark.parametrize("seed", range(3))
def test_the_same_inertia_on_separated_clusters(seed: int) -> None:
    X = clusters(seed, 1.0)
    known = Theirs(5, n_init=10, random_state=seed).fit(X.numpy())
    found = k_means(X, 5, generator=torch.Generator().manual_seed(seed))
    assert found.inertia == pytest.approx(known.inertia_, rel=1e-12)
    new = clusters(seed + 10, 1.0)
    mine, other = found.predict(new).tolist(), known.predict(new.numpy()).tolist()
    assert len(set(zip(mine, other, strict=True))) == 5  # the same clusters under other names
