"""k-means on any points: what falls, what does not change, and that nothing else happens than our errors."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from sightline.core.errors import SightlineError
from sightline.linear.k_means import k_means, lloyd_step
from sightline.linear.soft_k_means import FreeEnergy, soft_k_means
from sightline.linear.squared_distances import nearest_centres


@st.composite
def points(draw: st.DrawFn) -> tuple[Tensor, Tensor]:
    """Points and some centres; often on a coarse grid, so that duplicates and ties are common."""
    n, d = draw(st.integers(1, 25)), draw(st.integers(1, 4))
    k, seed = draw(st.integers(1, n)), draw(st.integers(0, 10_000))
    generator = torch.Generator().manual_seed(seed)
    X = draw(st.sampled_from([1.0, 1e-3, 1e6])) * torch.randn(n, d, generator=generator, dtype=torch.float64)
    R = X[torch.randperm(n, generator=generator)[:k]] * draw(st.sampled_from([1.0, 0.5, 3.0]))
    if draw(st.booleans()):
        X, R = X.sign() * 0.1, R.sign() * 0.1
    return X, R


def inertia(X: Tensor, R: Tensor) -> float:
    return float(nearest_centres(X, R).squared.sum())


@settings(max_examples=60)
@given(points())
def test_inertia_never_rises(drawn: tuple[Tensor, Tensor]) -> None:
    X, R = drawn
    slack = 1e-13 * (float(X.square().sum()) + float(R.square().sum()))
    before = inertia(X, R)
    for _ in range(6):
        R = lloyd_step(X, R)
        now = inertia(X, R)
        assert now <= before + slack
        before = now


@settings(max_examples=40)
@given(points(), st.sampled_from([0.01, 1.0, 100.0]))
def test_free_energy_never_rises(drawn: tuple[Tensor, Tensor], scaled: float) -> None:
    X, R = drawn
    gamma = scaled / (float(X.square().mean()) or 1.0)
    before = float(FreeEnergy(gamma).loss(X, R))
    slack = 1e-12 * (float(X.square().sum()) + float(R.square().sum()) + len(X) * len(R) / gamma)
    for _ in range(4):
        R = soft_k_means(X, R, gamma, max_iterations=1).centres
        now = float(FreeEnergy(gamma).loss(X, R))
        assert now <= before + slack
        before = now


@settings(max_examples=40)
@given(points(), st.integers(0, 99))
def test_a_found_clustering_is_whole(drawn: tuple[Tensor, Tensor], seed: int) -> None:
    """Counts add up, inertia is at most one mean's, and as many centres as places take all of it."""
    X, R = drawn
    found = k_means(X, len(R), restarts=2, generator=torch.Generator().manual_seed(seed))
    size = float(X.square().sum())
    assert int(found.counts.sum()) == len(X)
    assert bool(found.centres.isfinite().all())
    assert found.inertia <= float((X - X.mean(0)).square().sum()) + 1e-13 * size
    assert found.iterations <= 300
    if len(R) >= len(X.unique(dim=0)):
        assert found.inertia <= 1e-20 * size


@settings(max_examples=40)
@given(points(), st.integers(0, 99))
def test_turning_and_moving_the_points_turns_and_moves_the_centres(drawn: tuple[Tensor, Tensor], seed: int) -> None:
    X, R = drawn
    size = float(X.abs().max()) or 1.0
    near = torch.cdist(X, R).sort(1).values / size
    if len(R) > 1 and float((near[:, 1] - near[:, 0]).min()) < 1e-6:
        return  # which of two equally near centres is taken is a matter of rounding
    if len(nearest_centres(X, R).labels.unique()) < len(R):
        return  # and so is which of two equally far points fills an empty cluster
    generator = torch.Generator().manual_seed(seed)
    d = X.shape[1]
    turn = torch.linalg.qr(torch.randn(d, d, generator=generator, dtype=torch.float64))[0]
    move = size * torch.randn(d, generator=generator, dtype=torch.float64)
    expected = lloyd_step(X, R) @ turn + move
    torch.testing.assert_close(lloyd_step(X @ turn + move, R @ turn + move), expected, rtol=1e-9, atol=1e-9 * size)


@settings(max_examples=60)
@given(
    st.lists(st.lists(st.floats(width=64), min_size=1, max_size=3), max_size=6),
    st.integers(-1, 7),
)
def test_any_numbers_give_clusters_or_our_error(rows: list[list[float]], k: int) -> None:
    width = min(map(len, rows), default=1)
    X = torch.tensor([row[:width] for row in rows], dtype=torch.float64).reshape(-1, width)
    if not (X.numel() and float(X.abs().max()) <= 1e150 and 1 <= k <= len(X)):  # NaN is not
        with pytest.raises(SightlineError):
            k_means(X, k, restarts=1)
        return
    found = k_means(X, k, restarts=1)
    assert bool(found.centres.isfinite().all())
    assert found.inertia >= 0
