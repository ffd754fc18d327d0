"""Lloyd's algorithm: the fast passes are the slow ones, and what happens to centres without points."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from sightline.core.errors import ConfigurationError, DataError
from sightline.linear import squared_distances as module
from sightline.linear.k_means import k_means, lloyd, lloyd_step
from sightline.linear.k_means_start import drawn_points, k_means_plus_plus
from sightline.linear.squared_distances import nearest_centres, squared_distances


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def column(*values: float) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)[:, None]


def slow_labels(X: Tensor, R: Tensor) -> Tensor:
    return torch.tensor([min(range(len(R)), key=lambda j: float((x - R[j]).square().sum())) for x in X])


def slow_step(X: Tensor, R: Tensor) -> Tensor:
    """The means of the points of each centre; for starts that leave no centre without points."""
    labels = slow_labels(X, R)
    return torch.stack([X[labels == j].mean(0) for j in range(len(R))])


@pytest.fixture
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BLOCK", 1)  # 64 points a block, the fewest


@pytest.mark.parametrize("offset", [0.0, 1e5])
def test_squared_distances_are_those_of_the_differences(offset: float) -> None:
    X, R = normal(40, 5) + offset, normal(7, 5, seed=1) + offset
    expected = (X[:, None] - R).square().sum(2)
    torch.testing.assert_close(squared_distances(X, R), expected, rtol=1e-12, atol=1e-9 if offset else 1e-13)
    assert float(squared_distances(R, R).amin()) == 0


def test_autograd_goes_through_squared_distances() -> None:
    X, R = normal(6, 3).requires_grad_(), normal(4, 3, seed=1).requires_grad_()
    assert torch.autograd.gradcheck(squared_distances, (X, R))


@pytest.mark.usefixtures("small_blocks")
def test_every_point_goes_to_its_nearest_centre() -> None:
    X, R = normal(333, 4) + 50, normal(9, 4, seed=1) + 50
    found = nearest_centres(X, R)
    assert torch.equal(found.labels, slow_labels(X, R))
    torch.testing.assert_close(found.squared, (X - R[found.labels]).square().sum(1), rtol=1e-12, atol=0)
    assert torch.equal(nearest_centres(X.float(), R.float()).labels, found.labels)


def test_of_equally_near_centres_the_first_is_taken() -> None:
    found = nearest_centres(column(0, 4, 2), column(5, 1, -1, 3, 3))
    assert found.labels.tolist() == [1, 0, 1]
    assert found.squared.tolist() == [1, 1, 1]


@pytest.mark.usefixtures("small_blocks")
def test_a_step_takes_every_centre_to_the_mean_of_its_points() -> None:
    X = normal(300, 3) + 7
    R = X[:6] + 0.1
    for _ in range(5):
        expected = slow_step(X, R)
        R = lloyd_step(X, R)
        torch.testing.assert_close(R, expected, rtol=1e-13, atol=1e-13)


def test_lloyd_is_its_steps_and_ends_where_they_rest() -> None:
    X = normal(200, 2)
    R = X[:4]
    for k in range(1, 6):
        R = lloyd_step(X, R)
        found = lloyd(X, X[:4], max_iterations=k, tolerance=0)
        torch.testing.assert_close(found.centres, R, rtol=1e-13, atol=1e-13)
        assert (found.iterations, found.converged) == (k, False)
    rest = lloyd(X, X[:4], tolerance=0)
    assert rest.converged
    torch.testing.assert_close(lloyd_step(X, rest.centres), rest.centres, rtol=1e-13, atol=1e-13)
    assert torch.equal(rest.labels, slow_labels(X, rest.centres))
    assert rest.inertia == pytest.approx(float((X - rest.centres[rest.labels]).square().sum()), rel=1e-13)
    assert rest.counts.tolist() == [int((rest.labels == j).sum()) for j in range(4)]


def test_the_tolerance_is_a_share_of_the_mean_variance() -> None:
    """One point moves from centre to centre: the first step moves the centres by a known amount."""
    X, start = column(0, 1, 10, 11), column(0, 1)
    moved = float((lloyd_step(X, start) - start).square().sum())
    share = moved / float(X.var(correction=0))
    assert lloyd(X, start, tolerance=1.001 * share).iterations == 1
    assert lloyd(X, start, tolerance=0.999 * share).iterations > 1


def test_a_centre_without_points_is_put_on_the_farthest_point() -> None:
    X = column(0, 1, 2, 9)
    assert lloyd_step(X, column(1, 100)).flatten().tolist() == [1, 9]
    two = lloyd_step(X, column(1, 100, 200)).flatten().tolist()
    assert two in ([1.5, 9, 0], [0.5, 9, 2])  # 0 and 2 are equally far


def test_what_the_farthest_point_leaves_behind_is_the_mean_without_it() -> None:
    X = torch.tensor([[0.0, 0.0], [2.0, 0.0], [4.0, 9.0]])
    assert lloyd_step(X, torch.tensor([[2.0, 2.0], [50.0, 50.0]])).tolist() == [[1, 0], [4, 9]]
    assert lloyd_step(column(0, 5), column(2, 90)).flatten().tolist() == [0, 5]


def test_a_centre_that_no_distinct_point_is_left_for_stays() -> None:
    X = torch.tensor([[0.1, 0.7]] * 7 + [[0.3, 0.2]] * 6, dtype=torch.float64)
    R = torch.cat([X[[0, 12]], torch.full((1, 2), 50.0, dtype=torch.float64)])
    for _ in range(4):
        R = lloyd_step(X, R)
        assert R[2].tolist() == pytest.approx([50, 50], rel=1e-14)


def test_more_centres_than_distinct_points() -> None:
    """0.1 and 0.7 have means that are a rounding error off them: no centre may chase that."""
    X = torch.tensor([[0.1, 0.7]] * 7 + [[0.3, 0.2]] * 6, dtype=torch.float64)
    for seed in range(5):
        found = k_means(X, 5, restarts=2, generator=torch.Generator().manual_seed(seed), tolerance=0)
        assert found.inertia < 1e-28
        assert found.converged
        assert int(found.counts.sum()) == 13
        assert torch.equal(found.centres[found.predict(X[[0, 12]])].round(decimals=12), X[[0, 12]])
    same = k_means(torch.ones(4, 2), 3)
    assert (same.inertia, same.converged) == (0, True)


def test_one_centre_is_the_mean_and_as_many_as_points_are_the_points() -> None:
    X = normal(12, 3)
    one = k_means(X, 1)
    torch.testing.assert_close(one.centres[0], X.mean(0), rtol=1e-13, atol=1e-15)
    assert one.inertia == pytest.approx(float((X - X.mean(0)).square().sum()), rel=1e-13)
    for start in ("points", "k-means++"):
        every = k_means(X, 12, restarts=1, start=start)
        assert every.inertia == 0
        assert sorted(every.labels.tolist()) == list(range(12))
        torch.testing.assert_close(every.centres[every.labels], X, rtol=1e-14, atol=1e-14)


def test_the_best_of_the_restarts_is_kept() -> None:
    X = normal(60, 2)
    runs = torch.Generator().manual_seed(3)
    separate = [k_means(X, 8, restarts=1, start="points", generator=runs) for _ in range(6)]
    together = k_means(X, 8, restarts=6, start="points", generator=torch.Generator().manual_seed(3))
    least = min(separate, key=lambda one: one.inertia)
    assert len({one.inertia for one in separate}) > 1
    assert together.inertia == least.inertia
    assert torch.equal(together.centres, least.centres)


def test_an_offset_costs_no_digits() -> None:
    X = normal(100, 3)
    near, far = lloyd(X, X[:5], tolerance=0), lloyd(X + 1e6, X[:5] + 1e6, tolerance=0)
    assert torch.equal(near.labels, far.labels)
    assert far.inertia == pytest.approx(near.inertia, rel=1e-8)
    narrow = lloyd((X + 1000).float(), (X[:5] + 1000).float(), tolerance=0)
    assert narrow.inertia == pytest.approx(near.inertia, rel=1e-3)


def test_number_formats() -> None:
    X = normal(30, 2)
    single = k_means(X.float(), 3)
    assert single.centres.dtype == torch.float32
    assert k_means(X.bfloat16(), 3).centres.dtype == torch.float64
    assert lloyd(X.float(), X[:3]).centres.dtype == torch.float32
    assert single.predict(X).dtype == torch.int64
    assert not k_means(X.clone().requires_grad_(), 2).centres.requires_grad


def test_starts_are_points_and_plus_plus_takes_one_from_each_cluster() -> None:
    places = torch.tensor([[0.0, 0.0], [1e4, 0.0], [0.0, 1e4], [1e4, 1e4]], dtype=torch.float64)
    X = places.repeat_interleave(20, 0) + normal(80, 2)
    for seed in range(20):
        generator = torch.Generator().manual_seed(seed)
        found = k_means_plus_plus(X, 4, generator)
        assert sorted(nearest_centres(found, places).labels.tolist()) == [0, 1, 2, 3]
        for R in (found, drawn_points(X, 30, generator)):
            rows = [int((r == X).all(1).nonzero()) for r in R]
            assert len(set(rows)) == len(R)


def test_the_same_seed_gives_the_same_clusters() -> None:
    X = normal(50, 2)
    first, second = (k_means(X, 4, generator=torch.Generator().manual_seed(1)) for _ in range(2))
    assert torch.equal(first.centres, second.centres)


X = normal(5, 2)
NAN, INFINITE = X.clone(), X.clone()
NAN[1, 1], INFINITE[0, 0] = torch.nan, torch.inf


@pytest.mark.usefixtures("as_a_user_calls")
@pytest.mark.parametrize(
    "call",
    [
        lambda: k_means(NAN, 2),
        lambda: k_means(INFINITE, 2),
        lambda: k_means(X[0], 1),
        lambda: k_means(X[:0], 1),
        lambda: k_means([[1.0]], 1),  # type: ignore[arg-type]
        lambda: k_means(1e200 * X, 2),
        lambda: k_means(1e20 * X.float(), 2),
        lambda: k_means(X.to(torch.complex128), 2),
        lambda: lloyd(X, NAN),
        lambda: lloyd(X, X[:2, :1]),
        lambda: lloyd(X.float(), 1e20 * X),
        lambda: nearest_centres(NAN, X),
        lambda: squared_distances(X, INFINITE),
        lambda: k_means(X, 2).predict(X[:, :1]),
        lambda: k_means(X, 2).predict(NAN),
        lambda: k_means_plus_plus(NAN, 2),
        lambda: drawn_points(INFINITE, 2),
    ],
)
def test_points_that_are_none_are_refused(call: Callable[[], object]) -> None:
    with pytest.raises(DataError) as caught:
        call()
    assert all((caught.value.expected, caught.value.found, caught.value.do))


@pytest.mark.usefixtures("as_a_user_calls")
@pytest.mark.parametrize(
    ("call", "word"),
    [
        (lambda: k_means(X, 6), "at most the 5 points"),
        (lambda: k_means(X, 0), "k to be"),
        (lambda: k_means(X, 2.0), "k to be"),  # type: ignore[arg-type]
        (lambda: lloyd(X, X.repeat(2, 1)), "at most the 5 points"),
        (lambda: lloyd_step(X, X.repeat(2, 1)), "at most the 5 points"),
        (lambda: k_means_plus_plus(X, 6), "at most"),
        (lambda: drawn_points(X, 6), "at most"),
        (lambda: k_means(X, 2, start="kmeans++"), "k-means"),  # type: ignore[arg-type]
        (lambda: k_means(X, 2, restarts=0), "restarts"),
        (lambda: k_means(X, 2, max_iterations=0), "max_iterations"),
        (lambda: lloyd(X, X[:2], tolerance=-1), "tolerance"),
    ],
)
def test_options_out_of_their_range_are_refused(call: Callable[[], object], word: str) -> None:
    with pytest.raises(ConfigurationError, match=word):
        call()
