"""The posterior of a linear model against draws from the model itself."""

import torch

from matrices import draw
from sightline.linear.gaussian_prior import posterior


def test_the_posterior_mean_is_where_samples_of_the_model_lie() -> None:
    """(w, y) drawn 20,000 times: w less the mean given y has the posterior's covariance, to 5 standard errors."""
    count, noise, prior = 20_000, 0.3, 1.5
    drawn = draw(4, 3, rank=3, condition=3, seed=3)
    generator = torch.Generator().manual_seed(4)
    w = prior**0.5 * torch.randn(3, count, generator=generator, dtype=torch.float64)
    y = drawn.X @ w + noise**0.5 * torch.randn(4, count, generator=generator, dtype=torch.float64)
    found = posterior(drawn.X, y, noise, prior)
    error = w - found.mean
    products = error[:, None] * error
    standard_error = products.std(-1) / count**0.5
    assert float(((products.mean(-1) - found.covariance) / standard_error).abs().max()) < 5
    wrong = posterior(drawn.X, y, noise**0.5, prior).covariance  # a standard deviation for a variance
    assert float(((products.mean(-1) - wrong) / standard_error).abs().max()) > 5
