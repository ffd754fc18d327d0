"""Masked encoders beside the rows and columns they stand for; averages over all masks, each counted by its chance."""

from itertools import product as every_choice

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from sightline.core.errors import ConfigurationError, DataError
from sightline.linear.linear_autoencoder import unrolled_encoder
from sightline.linear.masked_autoencoder import (
    draw_seen,
    encode_clamped,
    encode_dropped_rows,
    encode_with_flags,
    encode_zero_filled,
)
from sightline.linear.masking_map import masking_error, masking_map
from sightline.linear.principal_angles import largest_principal_angle


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def every_mask(d: int, missing: float) -> list[tuple[Tensor, float]]:
    """All 2^d masks, each with its probability."""
    masks = [torch.tensor(choice) for choice in every_choice([True, False], repeat=d)]
    return [(mask, (1 - missing) ** int(mask.sum()) * missing ** int((~mask).sum())) for mask in masks]


@settings(max_examples=20)
@given(st.integers(2, 7), st.integers(1, 3), st.floats(0, 0.8), st.integers(0, 10**6))
def test_dropped_rows_are_least_squares_on_what_is_seen(d: int, k: int, missing: float, seed: int) -> None:
    B, X = normal(d, k, seed=seed), normal(5, d, seed=seed + 1)
    seen = draw_seen(5, d, missing=missing, generator=torch.Generator().manual_seed(seed))
    found = encode_dropped_rows(B, torch.where(seen, X, torch.nan), seen)
    for row, x, y in zip(seen, X, found, strict=True):
        sigma = torch.linalg.svdvals(B[row])
        if len(sigma) and float(sigma[-1]) < 1e-3:
            continue  # the normal equations square what is lost here
        assert torch.allclose(y, torch.linalg.pinv(B[row]) @ x[row], rtol=1e-6, atol=1e-8)


@settings(max_examples=20)
@given(st.integers(2, 7), st.integers(1, 4), st.integers(1, 12), st.integers(0, 10**6))
def test_a_clamped_residual_is_the_unrolled_form_on_the_dropped_rows(d: int, k: int, steps: int, seed: int) -> None:
    """Equal but for the order of the sums: 1e-13 of its size."""
    B, X = normal(d, k, seed=seed), normal(5, d, seed=seed + 1)
    seen = draw_seen(5, d, missing=0.4, generator=torch.Generator().manual_seed(seed))
    found = encode_clamped(B, torch.where(seen, X, torch.nan), seen, step_size=0.05, steps=steps)
    for row, x, y in zip(seen, X, found, strict=True):
        inside = torch.zeros(k, dtype=torch.float64)
        for _ in range(steps):
            inside = inside + 0.05 * B[row].mT @ (x[row] - B[row] @ inside)
        assert float((y - inside).abs().max()) < 1e-13 * (1 + float(inside.abs().max()))
        if bool(row.any()):
            closed = unrolled_encoder(B[row], step_size=0.05, steps=steps) @ x[row]
            assert float((y - closed).abs().max()) < 1e-12


def test_clamped_steps_settle_at_the_dropped_rows() -> None:
    B, X = normal(6, 2), normal(8, 6, seed=1)
    seen = draw_seen(8, 6, missing=0.3, generator=torch.Generator().manual_seed(0))
    rate = 1 / float(torch.linalg.matrix_norm(B, 2)) ** 2
    settled = encode_clamped(B, X, seen, step_size=rate, steps=20_000)
    assert torch.allclose(settled, encode_dropped_rows(B, X, seen), atol=1e-9)


def test_zeros_without_the_clamp_pull_the_latent_to_zero() -> None:
    """A question mark taken for 0 leaves the residual −By at the missing entries; the clamp is what makes it a mask."""
    B = torch.ones(4, 1, dtype=torch.float64)
    X = torch.full((1, 4), 3.0, dtype=torch.float64)
    seen = torch.tensor([[True, False, False, False]])
    assert float(encode_clamped(B, X, seen, step_size=0.2, steps=500)) == pytest.approx(3.0)
    unclamped = unrolled_encoder(B, step_size=0.2, steps=500) @ torch.where(seen, X, 0.0)[0]
    assert float(unclamped) == pytest.approx(0.75)


@pytest.mark.parametrize("missing", [0.2, 0.7])
def test_zeros_with_one_over_p_keep_the_average(missing: float) -> None:
    A, X = normal(2, 4), normal(3, 4, seed=1)
    average = torch.zeros(3, 2, dtype=torch.float64)
    for mask, chance in every_mask(4, missing):
        average += chance * encode_zero_filled(A, X, mask.expand(3, 4), share_seen=1 - missing)
    assert torch.allclose(average, X @ A.mT, atol=1e-12)


def test_flags_fill_in_a_mean() -> None:
    """A₂ = A₁ diag(μ): the encoder of the examples whose missing entries are replaced by μ."""
    A, X, mean = normal(2, 5), normal(6, 5, seed=1) + 3, torch.arange(5, dtype=torch.float64)
    seen = draw_seen(6, 5, missing=0.5, generator=torch.Generator().manual_seed(0))
    told = encode_with_flags(torch.cat([A, A * mean], 1), X, seen)
    assert torch.allclose(told, torch.where(seen, X, mean) @ A.mT, atol=1e-12)


def test_of_centred_data_the_best_flags_are_none() -> None:
    """Least squares from [m ∘ x, 1 − m] and a constant to x over all masks of every row: the flags' weights are 0."""
    X = normal(7, 4) @ normal(4, 4, seed=1)
    for centred in (True, False):
        rows = X - X.mean(0) if centred else X + 2
        inputs, targets = [], []
        for mask, chance in every_mask(4, 0.3):
            flags = (~mask).double().expand(7, 4)
            inputs.append(chance**0.5 * torch.cat([rows * mask, flags, torch.ones(7, 1, dtype=torch.float64)], 1))
            targets.append(chance**0.5 * rows)
        weights = torch.linalg.lstsq(torch.cat(inputs), torch.cat(targets)).solution
        assert (float(weights[4:8].abs().max()) < 1e-12) is centred
        if centred:
            p = 0.7
            assert torch.allclose(weights[:4].mT, masking_map(rows, missing=0.3) / p, atol=1e-12)


@pytest.mark.parametrize("missing", [0.2, 0.6])
def test_the_masking_map_is_least_squares_over_all_masks(missing: float) -> None:
    X = normal(6, 4) * torch.tensor([3.0, 1.0, 0.5, 2.0]) + 0.5
    M = masking_map(X, missing=missing)

    def counted(matrix: Tensor) -> Tensor:
        total = torch.zeros((), dtype=torch.float64)
        for mask, chance in every_mask(4, missing):
            total = total + chance * (X - X * mask / (1 - missing) @ matrix.mT).square().sum(1).mean()
        return total

    free = M.clone().requires_grad_()
    error = counted(free)
    assert float(error.detach()) == pytest.approx(masking_error(X, M, missing=missing), rel=1e-12)
    (slope,) = torch.autograd.grad(error, free)
    assert float(slope.abs().max()) < 1e-12
    other = normal(4, 4, seed=2)
    assert float(counted(other)) == pytest.approx(masking_error(X, other, missing=missing), rel=1e-12)


@settings(max_examples=20)
@given(st.integers(1, 4), st.floats(0.05, 0.9), st.integers(0, 10**6))
def test_no_map_of_the_rank_fills_better(k: int, missing: float, seed: int) -> None:
    X = normal(6, 4, seed=seed) * torch.tensor([3.0, 1.0, 0.5, 2.0])
    M = masking_map(X, missing=missing, rank=k)
    assert int(torch.linalg.matrix_rank(M, rtol=1e-9)) == k
    U, s, Vh = torch.linalg.svd(M)
    left, right = U[:, :k] * s[:k].sqrt(), s[:k].sqrt()[:, None] * Vh[:k]
    least = masking_error(X, M, missing=missing)
    for i, size in enumerate((1e-3, 0.1)):
        moved = (left + size * normal(4, k, seed=seed + i)) @ (right + size * normal(k, 4, seed=seed + i + 9))
        assert masking_error(X, moved, missing=missing) >= least - 1e-12


def test_where_entries_are_equally_large_zeros_find_pcas_subspace() -> None:
    """diag(S) a multiple of I: D turns nothing. Unequal entries: another subspace, more so with more gone."""
    mixed = torch.tensor([[1.0, 1, 1, 1], [1, 1, -1, -1], [1, -1, 1, -1], [1, -1, -1, 1]], dtype=torch.float64) / 2
    X = torch.diag(torch.tensor([3.0, 2.0, 1.0, 0.5], dtype=torch.float64)) @ mixed
    level = torch.linalg.svd(masking_map(X, missing=0.5, rank=2))[0][:, :2]
    assert largest_principal_angle(level, mixed[:2].mT) < 1e-12
    uneven = X * torch.tensor([3.0, 1.0, 1.0, 1.0])
    truth = torch.linalg.svd(uneven)[2][:2].mT
    angles = [
        largest_principal_angle(torch.linalg.svd(masking_map(uneven, missing=share, rank=2))[0][:, :2], truth)
        for share in (0.0, 0.2, 0.6)
    ]
    assert angles[0] < 1e-12
    assert 0.01 < angles[1] < angles[2]


def test_problems_beside_each_other_do_not_mix() -> None:
    B, X = normal(3, 6, 2), normal(3, 5, 6, seed=1)
    seen = draw_seen(3, 5, 6, missing=0.3, generator=torch.Generator().manual_seed(0))
    A = B.mT
    for i in range(3):
        pairs = (
            (encode_dropped_rows(B, X, seen)[i], encode_dropped_rows(B[i], X[i], seen[i])),
            (
                encode_clamped(B, X, seen, step_size=0.1, steps=4)[i],
                encode_clamped(B[i], X[i], seen[i], step_size=0.1, steps=4),
            ),
            (
                encode_zero_filled(A, X, seen, share_seen=0.7)[i],
                encode_zero_filled(A[i], X[i], seen[i], share_seen=0.7),
            ),
        )
        for beside, alone in pairs:
            assert torch.allclose(beside, alone, atol=1e-12)


def test_gradients_of_the_masked_encoders() -> None:
    X = normal(5, 4)
    seen = draw_seen(5, 4, missing=0.25, generator=torch.Generator().manual_seed(1))
    seen[0] = True
    B = normal(4, 2, seed=2).requires_grad_()
    assert torch.autograd.gradcheck(lambda B: encode_dropped_rows(B, X, seen), B)
    assert torch.autograd.gradcheck(lambda B: encode_clamped(B, X, seen, step_size=0.2, steps=4), B)


def test_nothing_seen_gives_a_latent_of_zeros() -> None:
    nothing = torch.zeros(2, 3, dtype=torch.bool)
    X = torch.full((2, 3), torch.nan, dtype=torch.float64)
    B = normal(3, 2)
    assert not encode_dropped_rows(B, X, nothing).any()
    assert not encode_clamped(B, X, nothing, step_size=0.1, steps=3).any()
    assert not encode_zero_filled(B.mT, X, nothing, share_seen=0.5).any()


@pytest.mark.usefixtures("as_a_user_calls")
def test_bad_input_is_told() -> None:
    B, X, seen = normal(3, 2), normal(5, 3), torch.ones(5, 3, dtype=torch.bool)
    for wrong_X, wrong_seen in ((X[:, :2], seen), (X, seen[:2]), (X, seen.double()), (X[0], seen[0])):
        with pytest.raises(DataError, match="mask"):
            encode_dropped_rows(B, wrong_X, wrong_seen)
    for call in (encode_dropped_rows, encode_with_flags):
        with pytest.raises(DataError, match="two dimensions"):
            call(B[:, 0], X, seen)
    with pytest.raises(DataError, match="columns"):
        encode_with_flags(B.mT, X, seen)
    with pytest.raises(ConfigurationError, match="share_seen"):
        encode_zero_filled(B.mT, X, seen, share_seen=0.0)
    with pytest.raises(ConfigurationError, match="steps"):
        encode_clamped(B, X, seen, step_size=0.1, steps=0)
    with pytest.raises(ConfigurationError, match="missing"):
        draw_seen(3, missing=1.5)
    with pytest.raises(ConfigurationError, match="missing"):
        masking_map(X, missing=1.0)
    with pytest.raises(ConfigurationError, match="rank"):
        masking_map(X, missing=0.5, rank=4)
    with pytest.raises(DataError, match="map M"):
        masking_error(X, torch.eye(4), missing=0.5)
