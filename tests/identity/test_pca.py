"""PCA: the best subspace of every dimension, columns not rows, and unique only where σ_k > σ_{k+1}."""

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from matrices import Drawn, draw, problems
from sightline.core.errors import ConfigurationError, DataError
from sightline.linear.pca import principal_components
from sightline.linear.principal_angles import largest_principal_angle


def left_by(X: Tensor, basis: Tensor) -> float:
    """‖X − X P‖², P the projection on the columns of a basis, orthonormal or not."""
    P = basis @ torch.linalg.pinv(basis)
    return float((X - X @ P).square().sum())


@settings(max_examples=20)
@given(problems(max_condition=1e6, outputs=False), st.integers(0, 10**6))
def test_no_subspace_leaves_less(drawn: Drawn, seed: int) -> None:
    found = principal_components(drawn.X)
    generator = torch.Generator().manual_seed(seed)
    d = drawn.X.shape[1]
    for k in range(1, len(found.sigma) + 1):
        V = found.subspace(k)
        assert V.shape == (d, k)
        assert torch.allclose(V.mT @ V, torch.eye(k, dtype=V.dtype), atol=1e-12)
        assert left_by(drawn.X, V) == pytest.approx(found.residual(k), abs=1e-12)
        assert float((drawn.X - found.reconstruct(drawn.X, k)).square().sum()) == pytest.approx(
            found.residual(k), abs=1e-12
        )
        other = V + 0.3 * torch.randn(d, k, generator=generator, dtype=V.dtype)
        assert left_by(drawn.X, other) >= found.residual(k) - 1e-12
    assert found.rank == drawn.rank


def test_erratum_18_the_components_are_columns() -> None:
    """Rows of V (of U, for examples in columns) span another subspace, which leaves more."""
    X = draw(30, 5, rank=5, condition=20.0, seed=1).X
    _, _, Vh = torch.linalg.svd(X, full_matrices=False)
    V = Vh.mT
    found = principal_components(X)
    rows_as_the_notes_say = V[:2].mT
    assert largest_principal_angle(found.subspace(2), V[:, :2]) < 1e-12
    assert largest_principal_angle(found.subspace(2), rows_as_the_notes_say) > 0.1
    assert left_by(X, rows_as_the_notes_say) > 1.5 * found.residual(2)
    U = torch.linalg.svd(X.mT, full_matrices=False)[0]  # examples in columns, as in the lecture
    assert largest_principal_angle(found.subspace(2), U[:, :2]) < 1e-12


def test_erratum_18_equal_singular_values_leave_the_subspace_open() -> None:
    """The notes call the solution unique: here are two that leave the same, a right angle apart."""
    frame = torch.linalg.qr(torch.randn(4, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64))[0]
    X = torch.diag(torch.tensor([3.0, 2.0, 2.0, 1.0], dtype=torch.float64)) @ frame.mT
    found = principal_components(X)
    assert [found.is_unique(k) for k in (1, 2, 3, 4)] == [True, False, True, True]
    first, second = frame[:, [0, 1]], frame[:, [0, 2]]
    assert left_by(X, first) == pytest.approx(left_by(X, second), abs=1e-12)
    assert left_by(X, first) == pytest.approx(found.residual(2), abs=1e-12)
    assert largest_principal_angle(first, second) == pytest.approx(torch.pi / 2)
    assert found.gap(2) == pytest.approx(0, abs=1e-14)
    assert found.gap(3) == pytest.approx(1, abs=1e-14)


def test_beyond_the_rank_no_direction_is_better_than_another() -> None:
    found = principal_components(draw(8, 5, rank=2, condition=3.0, seed=0).X)
    assert [found.is_unique(k) for k in (1, 2, 3, 4, 5)] == [True, True, False, False, True]
    wide = principal_components(draw(3, 5, rank=3, condition=3.0, seed=0).X)
    assert wide.is_unique(3)  # σ₄ = 0
    with pytest.raises(ConfigurationError, match="at most 3"):
        wide.subspace(4)


def test_centring_moves_the_subspace_through_the_mean() -> None:
    generator = torch.Generator().manual_seed(0)
    away = torch.tensor([10.0, 0.0, 0.0], dtype=torch.float64)
    X = torch.randn(50, 3, generator=generator, dtype=torch.float64) * torch.tensor([0.1, 2.0, 0.5]) + away
    plain, centred = principal_components(X), principal_components(X, centre=True)
    assert largest_principal_angle(plain.subspace(1), away[:, None]) < 0.1
    assert largest_principal_angle(centred.subspace(1), away[:, None]) > 1.4
    assert torch.allclose(centred.explained_variance, torch.linalg.eigvalsh(X.mT.cov()).flip(0))
    assert torch.allclose(plain.explained_variance, torch.linalg.eigvalsh(X.mT @ X / 50).flip(0))
    assert torch.allclose(centred.decode(centred.encode(X, 3)), X, atol=1e-12)
    assert torch.allclose(centred.reconstruct(X, 1).mean(0), X.mean(0))
    assert float(centred.explained_share.sum()) == pytest.approx(1)


def test_signs_do_not_depend_on_the_factorisation() -> None:
    components = principal_components(draw(9, 6, rank=6, condition=9.0, seed=2).X).components
    tops = components.gather(0, components.abs().argmax(0, keepdim=True))
    assert bool((tops > 0).all())


@pytest.mark.usefixtures("as_a_user_calls")
def test_bad_input_is_told() -> None:
    found = principal_components(torch.eye(3))
    wrong: Any
    for wrong in (0, 4, 1.5):
        with pytest.raises(ConfigurationError):
            found.subspace(wrong)
    with pytest.raises(DataError, match="entries"):
        found.encode(torch.eye(4), 1)
    with pytest.raises(DataError, match="two rows"):
        principal_components(torch.ones(1, 3), centre=True)
    with pytest.raises(DataError, match="finite"):
        principal_components(torch.full((2, 2), torch.inf))
    zeros = principal_components(torch.zeros(3, 2))
    assert float(zeros.explained_share.sum()) == 0
    assert not zeros.is_unique(1)
