"""PCA against scikit-learn: PCA for centred data, TruncatedSVD for the lectures' uncentred one."""

import pytest
import torch
from sklearn.datasets import load_iris
from sklearn.decomposition import PCA, TruncatedSVD

from sightline.linear.pca import principal_components
from sightline.linear.principal_angles import largest_principal_angle


@pytest.mark.parametrize("k", [1, 2, 3])
def test_centred_is_sklearns_pca(k: int) -> None:
    X = load_iris().data
    theirs, ours = PCA(k, svd_solver="full").fit(X), principal_components(torch.as_tensor(X), centre=True)
    assert torch.allclose(ours.explained_variance[:k], torch.as_tensor(theirs.explained_variance_), rtol=1e-12)
    assert torch.allclose(ours.explained_share[:k], torch.as_tensor(theirs.explained_variance_ratio_), rtol=1e-12)
    assert largest_principal_angle(ours.subspace(k), torch.as_tensor(theirs.components_.T)) < 1e-12
    expected = torch.as_tensor(theirs.inverse_transform(theirs.transform(X)))
    assert torch.allclose(ours.reconstruct(torch.as_tensor(X), k), expected, atol=1e-12)


@pytest.mark.parametrize("k", [1, 2, 3])
def test_uncentred_is_sklearns_truncated_svd(k: int) -> None:
    X = load_iris().data
    theirs = TruncatedSVD(k, algorithm="arpack", random_state=0).fit(X)
    ours = principal_components(torch.as_tensor(X))
    assert torch.allclose(ours.sigma[:k], torch.as_tensor(theirs.singular_values_.copy()), rtol=1e-10)
    assert largest_principal_angle(ours.subspace(k), torch.as_tensor(theirs.components_.T.copy())) < 1e-9
