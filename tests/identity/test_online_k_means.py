"""Online k-means: a batch is its points one after another, and each is a step down the gradient."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from sightline.core.errors import ConfigurationError, DataError
from sightline.linear.k_means import lloyd
from sightline.linear.online_k_means import CentreRate, ConstantRate, OnlineKMeans, RunningMean, online_k_means
from sightline.linear.squared_distances import nearest_centres

RATES: list[CentreRate] = [RunningMean(), ConstantRate(0.05), ConstantRate(0.5), ConstantRate(0.8)]


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def move_one(r: Tensor, x: Tensor, count: int, rate: CentreRate) -> Tensor:
    """r + 2η(x − r), with 2η = 1/count for the running mean; count has the point in it."""
    share = 2 * rate.rate if isinstance(rate, ConstantRate) else 1 / count
    return r + share * (x - r)


@pytest.mark.parametrize("rate", RATES, ids=repr)
@pytest.mark.parametrize("size", [1, 7, 40])
def test_a_batch_is_its_points_one_after_another(rate: CentreRate, size: int) -> None:
    X, R = normal(120, 3), normal(5, 3, seed=1)
    found, centres, counts = OnlineKMeans.start(R), list(R), [0] * 5
    for batch in X.split(size):
        labels = nearest_centres(batch, torch.stack(centres)).labels.tolist()
        for x, j in zip(batch, labels, strict=True):
            counts[j] += 1
            centres[j] = move_one(centres[j], x, counts[j], rate)
        found = found.update(batch, rate)
        torch.testing.assert_close(found.centres, torch.stack(centres), rtol=1e-12, atol=1e-12)
        assert found.counts.tolist() == counts


def test_one_point_is_a_step_down_the_gradient_of_its_squared_distance() -> None:
    x, R = normal(1, 4), normal(3, 4, seed=1).requires_grad_()
    (x - R).square().sum(1).amin().backward()
    assert R.grad is not None
    expected = R.detach() - 0.07 * R.grad
    found = OnlineKMeans.start(R).update(x, ConstantRate(0.07)).centres
    torch.testing.assert_close(found, expected, rtol=1e-13, atol=1e-13)
    assert int((found != R).any(1).sum()) == 1


def test_a_running_mean_is_the_mean_of_what_came() -> None:
    X = torch.cat([normal(50, 2), normal(70, 2, seed=1) + 30])[torch.randperm(120)]
    start = torch.tensor([[3.0, 3.0], [20.0, 20.0]])
    found = online_k_means(X, start, batch_size=9)
    near = X[:, 0] < 15
    means = torch.stack([X[near].mean(0), X[~near].mean(0)])
    torch.testing.assert_close(found.centres, means, rtol=1e-12, atol=1e-12)
    assert found.counts.tolist() == [50, 70]
    rest = lloyd(X, start)
    torch.testing.assert_close(found.centres, rest.centres, rtol=1e-12, atol=1e-12)
    assert torch.equal(found.predict(X), rest.labels)


def test_passes_see_every_point_in_an_order_of_their_own() -> None:
    X = normal(30, 2)
    found = online_k_means(X, X[:3], passes=4, batch_size=8, generator=torch.Generator().manual_seed(0))
    assert int(found.counts.sum()) == 120
    same = online_k_means(X, X[:3], passes=4, batch_size=8, generator=torch.Generator().manual_seed(0))
    other = online_k_means(X, X[:3], passes=4, batch_size=8, generator=torch.Generator().manual_seed(1))
    assert torch.equal(found.centres, same.centres)
    assert not torch.equal(found.centres, other.centres)


def test_a_centre_that_nothing_came_to_stays() -> None:
    far = torch.tensor([[0.0], [1e6]])
    for rate in RATES:
        assert OnlineKMeans.start(far).update(torch.ones(3, 1), rate).centres[1].tolist() == [1e6]


@pytest.mark.usefixtures("as_a_user_calls")
@pytest.mark.parametrize(
    ("kind", "call"),
    [
        (ConfigurationError, lambda: ConstantRate(0.0)),
        (ConfigurationError, lambda: ConstantRate(1.0)),
        (ConfigurationError, lambda: online_k_means(normal(4, 2), normal(2, 2), batch_size=0)),
        (ConfigurationError, lambda: online_k_means(normal(4, 2), normal(2, 2), passes=0)),
        (ConfigurationError, lambda: online_k_means(normal(4, 2), normal(5, 2))),
        (DataError, lambda: online_k_means(torch.full((4, 2), torch.nan), normal(2, 2))),
        (DataError, lambda: online_k_means(normal(4, 2), normal(2, 3))),
        (DataError, lambda: OnlineKMeans.start(torch.full((2, 2), torch.inf))),
        (DataError, lambda: OnlineKMeans.start(normal(2, 2)).update(torch.full((1, 2), torch.nan))),
        (DataError, lambda: OnlineKMeans.start(normal(2, 2)).predict(normal(1, 3))),
    ],
)
def test_what_can_not_be_is_refused(kind: type[Exception], call: Callable[[], object]) -> None:
    with pytest.raises(kind):
        call()
