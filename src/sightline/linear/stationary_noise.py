"""Where stochastic gradient descent at a constant rate ends: the spread about the solution that its noise sustains.

The second moment of the error follows M' = (I − 2ηK + η²N) M + η²φR, with the symmetric operators
K M = GM + MG and N M = 4GMG + φ(S M − 4GMG), where S M = 4n Σᵢ xᵢxᵢᵀ (xᵢᵀMxᵢ), and the noise at the solution
R = 4n Σᵢ xᵢxᵢᵀ rᵢ².
It settles where (2K − ηN) M = ηφR, as long as 2K − ηN is positive: for η below 2/λ₁(K^{−½} N K^{−½}). That is exact,
because M ↦ M' keeps positive matrices positive, so that its largest eigenvalue is also its largest in size.

Legend: G = XᵀX, r residuals at the solution, φ = 1/b with replacement and (n − b)/(b(n − 1)) without, η rate, b batch;
svec the upper triangle of a symmetric matrix as a vector, √2 times off the diagonal, so that lengths agree.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from sightline.core.errors import ConfigurationError, DataError
from sightline.linear import inputs
from sightline.linear.stochastic_gradient import noise_share, one_output
from sightline.linear.svd_coordinates import SVDCoordinates, svd_coordinates

MOST_DIRECTIONS = 64
"""The largest rank whose r(r + 1)/2 second moments are solved for at once."""


def mean_square_limit(X: Float[Tensor, "n d"], batch: int, replacement: bool = True) -> float:
    """The rate below which E‖w − w*‖² stays bounded, and above which it grows; at most gradient descent's 1/σ₁².

    Args:
        X: [n, d], of rank at most 64.
        batch: b ≥ 1; at most n without replacement.
        replacement: whether a row may be drawn twice for one step.

    Raises:
        DataError: when X is not a finite matrix, is zero, or has a larger rank.
        ConfigurationError: when the batch is out of its range.

    Source: Défossez & Bach, Averaged Least-Mean-Squares (2015); here for rows drawn from a finite X.

    Lecture: O1

    Example:
        >>> round(mean_square_limit(torch.tensor([[2.0], [0.0]]), batch=1), 12)  # half of gradient descent's 1/4
        0.125
    """
    X = inputs.matrix(X)
    scale = _scale(X)
    problem = _small(svd_coordinates(X / scale, X.new_zeros(len(X))))
    operator = _scaled_operator(problem, noise_share(len(X), batch, replacement))
    return float(2 / torch.linalg.eigvalsh(operator)[-1]) / scale / scale


def stationary_covariance(
    X: Float[Tensor, "n d"], y: Float[Tensor, " n"], rate: float, batch: int, replacement: bool = True
) -> Float[Tensor, "d d"]:
    """The covariance of w about the solution after many steps at a constant rate: (2K − ηN) M = ηφR, solved exactly.

    It is zero when some w fits every row (R = 0): then stochastic gradient descent converges without lowering the rate.

    Shapes:
        X: [n, d]; y: [n]; returns: [d, d], zero outside the row space. XMXᵀ has the expected excess loss as its trace.

    Args:
        X, y: the problem, with one output, of rank at most 64.
        rate: 0 < η < :func:`mean_square_limit`.
        batch: b ≥ 1; at most n without replacement.
        replacement: whether a row may be drawn twice for one step.

    Raises:
        DataError: when X and y do not fit each other, are not finite, or X is zero or of a larger rank.
        ConfigurationError: when a number is out of its range, or at this rate the spread has no bound.

    Source: Mandt, Hoffman & Blei, SGD as Approximate Bayesian Inference (2017), without its approximations.

    Lecture: O1

    Example:
        >>> stationary_covariance(torch.ones(2, 1), torch.tensor([1.0, -1.0]), rate=0.125, batch=1)
        tensor([[0.3333]], dtype=torch.float64)
    """
    X, y = one_output(X, y)
    rate = inputs.number(rate, "rate η", above=0)
    share = noise_share(len(X), batch, replacement)
    X, y, rate, scale, height = _to_unit_scale(X, y, rate)
    problem = _small(svd_coordinates(X, y))
    values, vectors = torch.linalg.eigh(_scaled_operator(problem, share))
    limit = float(2 / values[-1])
    if not rate < limit:
        limit, rate = limit / scale / scale, rate / scale / scale
        raise ConfigurationError(
            expected=f"a rate η below {limit:g}, where the spread of stochastic gradient descent has a bound",
            found=f"rate η = {rate:g} with batch = {batch}",
            do="choose a smaller rate or a larger batch",
        )
    sums = _svec_sums(problem)
    noise = rate * share * _svec(_residual_noise(problem, y)) / sums.sqrt()
    solved = vectors @ ((vectors.mT @ noise) / (2 - rate * values))
    return _from_svec(solved / sums.sqrt(), problem) * (height / scale) ** 2


def small_rate_covariance(
    X: Float[Tensor, "n d"], y: Float[Tensor, " n"], rate: float, batch: int, replacement: bool = True
) -> Float[Tensor, "d d"]:
    """The same to first order in η: GM + MG = (ηφ/2) R, so that the noise grows as η/b and nothing else.

    With residuals of equal size s it is (ηφ n s²) I: the same spread in every direction, whatever its curvature.

    Raises:
        DataError, ConfigurationError: see :func:`stationary_covariance`; any rate is accepted.

    Source: Mandt, Hoffman & Blei (2017).

    Lecture: O1

    Example:
        >>> small_rate_covariance(torch.ones(2, 1), torch.tensor([1.0, -1.0]), rate=0.125, batch=1)
        tensor([[0.2500]], dtype=torch.float64)
    """
    X, y = one_output(X, y)
    rate = inputs.number(rate, "rate η", above=0)
    share = noise_share(len(X), batch, replacement)
    X, y, rate, scale, height = _to_unit_scale(X, y, rate)
    problem = _small(svd_coordinates(X, y))
    found = _from_svec(rate * share / 2 * _svec(_residual_noise(problem, y)) / _svec_sums(problem), problem)
    return found * (height / scale) ** 2


def _scale(values: Tensor) -> float:
    """The largest size of an entry, 1 where all are zero: what is divided out, so that fourth powers stay in range."""
    return float(values.abs().max()) or 1.0


def _to_unit_scale(X: Tensor, y: Tensor, rate: float) -> tuple[Tensor, Tensor, float, float, float]:
    """The problem with entries of at most 1, the rate that makes the same steps on it, and the scales of X and y."""
    scale, height = _scale(X), _scale(y)
    return X / scale, y / height, rate * scale * scale, scale, height


def _small(problem: SVDCoordinates) -> SVDCoordinates:
    if not 1 <= problem.rank <= MOST_DIRECTIONS:
        raise DataError(
            expected=f"a matrix of rank 1 to {MOST_DIRECTIONS}",
            found=f"rank {problem.rank}, of shape {(problem.n, problem.d)}",
            do="keep fewer columns, or follow stochastic_gradient_moments step by step" if problem.rank else "check X",
        )
    return problem


def _rows(problem: SVDCoordinates) -> Float[Tensor, "n rank"]:
    """The rows of X in SVD coordinates."""
    return problem.U[:, : problem.rank] * problem.nonzero


def _residual_noise(problem: SVDCoordinates, y: Float[Tensor, " n"]) -> Float[Tensor, "rank rank"]:
    """R, in SVD coordinates."""
    rows = _rows(problem)
    residual = y - problem.U[:, : problem.rank] @ problem.y_tilde[: problem.rank]
    return 4 * len(rows) * (rows.mT @ (residual.square()[:, None] * rows))


def _scaled_operator(problem: SVDCoordinates, share: float) -> Float[Tensor, "pairs pairs"]:
    """K^{−½} N K^{−½} on svec: free of the scale of X's directions but for what noise couples."""
    rows, squares = _rows(problem), problem.nonzero.square()
    i, j = _pairs(problem)
    sums = _svec_sums(problem)
    outer = rows[:, i] * rows[:, j] * _doubling(i, j, sums) / sums.sqrt()  # [n, pairs]
    drift = 4 * squares[i] * squares[j] / sums  # GMG, diagonal on svec
    return 4 * len(rows) * share * (outer.mT @ outer) + torch.diag((1 - share) * drift)


def _svec_sums(problem: SVDCoordinates) -> Float[Tensor, " pairs"]:
    """K on svec: σᵢ² + σⱼ²."""
    squares = problem.nonzero.square()
    i, j = _pairs(problem)
    return squares[i] + squares[j]


def _pairs(problem: SVDCoordinates) -> tuple[Tensor, Tensor]:
    rows, columns = torch.triu_indices(problem.rank, problem.rank, device=problem.sigma.device)
    return rows, columns


def _doubling(i: Tensor, j: Tensor, like: Tensor) -> Float[Tensor, " pairs"]:
    """1 on the diagonal, √2 off it: an entry off the diagonal stands for two."""
    return torch.where(i == j, 1.0, 2.0).to(like).sqrt()


def _svec(matrix: Float[Tensor, "rank rank"]) -> Float[Tensor, " pairs"]:
    i, j = torch.triu_indices(*matrix.shape, device=matrix.device)
    return matrix[i, j] * _doubling(i, j, matrix)


def _from_svec(values: Float[Tensor, " pairs"], problem: SVDCoordinates) -> Float[Tensor, "d d"]:
    i, j = _pairs(problem)
    matrix = values.new_zeros(problem.rank, problem.rank)
    matrix[i, j] = values / _doubling(i, j, values)
    matrix[j, i] = matrix[i, j]
    V = problem.V[:, : problem.rank]
    return V @ matrix @ V.mT
