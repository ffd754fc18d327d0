"""PCA and t-SNE of a layer's outputs beside scikit-learn's."""

import pytest
import torch
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.manifold import TSNE
from torch import Tensor, nn

from sightline.core.errors import ConfigurationError, InputError
from sightline.understand.projections import layer_output, layer_rows, principal_view
from sightline.understand.tsne import neighbour_probabilities, tsne


def hidden() -> Tensor:
    """What a small convolution gives for 120 digits."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(1, 4, 3, stride=2), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten())
    images = torch.tensor(load_digits().images[:120], dtype=torch.float32)[:, None] / 16
    return layer_rows(model, images, "2").double()


def test_principal_components() -> None:
    H = hidden()
    ours, theirs = principal_view(H, 5), PCA(5, svd_solver="full")
    points = torch.as_tensor(theirs.fit_transform(H.numpy()))
    signs = (ours.points * points).sum(0).sign()
    torch.testing.assert_close(ours.points, points * signs, rtol=0, atol=1e-6)
    torch.testing.assert_close(ours.explained, torch.as_tensor(theirs.explained_variance_ratio_), rtol=1e-6, atol=0)
    torch.testing.assert_close((H - H.mean(0)) @ ours.components, ours.points)


def test_neighbour_map() -> None:
    """The divergence reached within 3 % of scikit-learn's exact one, both begun at the principal components."""
    H = hidden()
    theirs = TSNE(
        2, perplexity=20, method="exact", init="pca", random_state=0, max_iter=500, n_iter_without_progress=500
    )
    theirs.fit(H.numpy())
    ours = tsne(H, perplexity=20, steps=500)
    assert ours.divergence == pytest.approx(theirs.kl_divergence_, rel=0.03)
    # their points under our formula: the two divergences are the same quantity
    P = neighbour_probabilities(H, 20)
    P = (P + P.T) / (2 * len(P))
    y = torch.as_tensor(theirs.embedding_).double()
    Q = 1 / (1 + torch.cdist(y, y).square())
    Q.fill_diagonal_(0)
    Q = Q / Q.sum()
    away = ~torch.eye(len(P), dtype=torch.bool)
    assert float((P * (P / Q).log())[away].sum()) == pytest.approx(theirs.kl_divergence_, rel=1e-3)
    y = ours.points
    Q = 1 / (1 + torch.cdist(y, y).square())
    Q.fill_diagonal_(0)
    assert float((P * (P / (Q / Q.sum())).log())[away].sum()) == pytest.approx(ours.divergence, rel=1e-9)


def test_every_row_has_its_neighbours() -> None:
    P = neighbour_probabilities(1e-4 * hidden() + 5, 7.5)
    torch.testing.assert_close(P.sum(1), torch.ones(len(P)).double())
    torch.testing.assert_close(torch.special.entr(P).sum(1).exp(), torch.full((len(P),), 7.5).double())
    assert bool((P.diag() == 0).all())
    twins = torch.zeros(9, 2)  # of equal rows all are neighbours, whatever the perplexity
    torch.testing.assert_close(neighbour_probabilities(twins, 3.0), (1 - torch.eye(9)).double() / 8)


def test_mistakes_are_told(as_a_user_calls: None) -> None:
    with pytest.raises(ConfigurationError, match="perplexity"):
        tsne(torch.randn(20, 3), perplexity=30)
    with pytest.raises(ConfigurationError, match="one step"):
        tsne(torch.randn(20, 3), perplexity=5, steps=0)
    with pytest.raises(InputError, match="finite"):
        tsne(torch.full((20, 3), float("nan")), perplexity=5)
    model = nn.Sequential(nn.Linear(2, 2), nn.Identity())
    with pytest.raises(ConfigurationError, match="module"):
        layer_output(model, torch.zeros(3, 2), "2")
    with pytest.raises(InputError, match="each of 3 examples"):
        layer_output(nn.Sequential(nn.Flatten(0)), torch.zeros(3, 2), "0")
