"""Principal angles: known angles found to every digit, small ones too; any basis of a subspace will do."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.linalg import subspace_angles
from torch import Tensor

from sightline.core.errors import DataError
from sightline.linear.principal_angles import largest_principal_angle, orthonormal_basis, principal_angles


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def leaning(angles: list[float], d: int, extra: int = 0, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Two subspaces with these angles between them, in a random frame and skewed bases; the first may be larger."""
    k = len(angles)
    frame = torch.linalg.qr(normal(d, d, seed=seed))[0]
    theta = torch.tensor(angles, dtype=torch.float64)
    first = frame[:, : k + extra]
    second = frame[:, :k] * theta.cos() + frame[:, k + extra : 2 * k + extra] * theta.sin()
    return first @ normal(k + extra, k + extra, seed=seed + 1), second @ (
        normal(k, k, seed=seed + 2) + 3 * torch.eye(k)
    )


@pytest.mark.parametrize("extra", [0, 2])
def test_planted_angles_are_found(extra: int) -> None:
    planted = [0.0, 1e-9, 0.3, 1.2, math.pi / 2]
    for A, B in (leaning(planted, 14, extra), leaning(planted, 14, extra)[::-1]):
        found = principal_angles(A, B)
        assert len(found) == 5
        assert float((found - torch.tensor(planted, dtype=torch.float64)).abs().max()) < 1e-13


@pytest.mark.parametrize("angle", [1e-14, 1e-11, 1e-8, 1e-4])
def test_small_angles_keep_their_digits(angle: float) -> None:
    """A cosine alone gives 0 for these below 1e-8, off by all of it."""
    plane = torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.0, 0.0]], dtype=torch.float64)
    tilted = torch.tensor([[1.0, 0.0], [0.0, math.cos(angle)], [0.0, math.sin(angle)]], dtype=torch.float64)
    assert principal_angles(plane, tilted)[1].item() == pytest.approx(angle, rel=1e-2, abs=1e-15)
    right_angle = principal_angles(plane[:, :1], plane[:, 1:] + angle * plane[:, :1])
    assert right_angle.item() == pytest.approx(math.pi / 2 - math.atan(angle), abs=1e-15)


@settings(max_examples=25)
@given(st.integers(2, 8), st.integers(1, 5), st.integers(1, 5), st.integers(0, 10**6))
def test_scipys_angles(d: int, p: int, q: int, seed: int) -> None:
    A, B = normal(d, min(p, d), seed=seed), normal(d, min(q, d), seed=seed + 1)
    expected = torch.as_tensor(subspace_angles(A.numpy(), B.numpy())[::-1].copy())
    found = principal_angles(A, B)
    assert float((found - expected).abs().max()) < 1e-7  # scipy finds about 1e-8 where two planes must share a line
    assert torch.allclose(found, principal_angles(B, A), atol=1e-12)
    assert largest_principal_angle(A, B) == float(found[-1])


def test_a_dependent_column_adds_no_dimension() -> None:
    A = torch.cat([normal(5, 2), normal(5, 2) @ torch.ones(2, 1, dtype=torch.float64)], 1)
    assert orthonormal_basis(A).shape == (5, 2)
    assert largest_principal_angle(A, normal(5, 2)) < 1e-14


@pytest.mark.usefixtures("as_a_user_calls")
def test_bad_input_is_told() -> None:
    with pytest.raises(DataError, match="zeros"):
        principal_angles(torch.zeros(3, 2), torch.eye(3))
    with pytest.raises(DataError, match="one space"):
        principal_angles(torch.eye(3), torch.eye(4))
    with pytest.raises(DataError, match="finite"):
        principal_angles(torch.full((3, 1), torch.nan), torch.eye(3))
