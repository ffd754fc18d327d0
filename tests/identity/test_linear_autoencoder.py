"""The four parameterisations: each encoder in closed form beside its obvious twin, narrow and wide."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.func import functional_call

from sightline.core.errors import ConfigurationError, DataError
from sightline.linear.linear_autoencoder import (
    FreeAutoencoder,
    LinearAutoencoder,
    ProjectionAutoencoder,
    TiedAutoencoder,
    UnrolledAutoencoder,
    unrolled_encoder,
)

FORMS = (FreeAutoencoder, ProjectionAutoencoder, TiedAutoencoder, UnrolledAutoencoder)


def chance(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def eye(d: int) -> Tensor:
    return torch.eye(d, dtype=torch.float64)


def unrolled(B: Tensor, x: Tensor, step_size: float, steps: int) -> Tensor:
    """The iteration of one example, as it is written."""
    y = torch.zeros(B.shape[1], dtype=torch.float64)
    for _ in range(steps):
        y = y + step_size * B.mT @ (x - B @ y)
    return y


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("latent", [2, 4, 7])
def test_rows_are_encoded_and_decoded_by_the_matrices(form: type[LinearAutoencoder], latent: int) -> None:
    model = form(4, latent, generator=chance())
    X = torch.randn(6, 4, generator=chance(1), dtype=torch.float64)
    A = model.encoder()
    assert A.shape == (latent, 4)
    assert torch.allclose(model.encode(X), X @ A.mT, atol=1e-12)
    assert torch.allclose(model(X), X @ model.product().mT, atol=1e-12)
    assert torch.allclose(model(X.float()), model(X), atol=1e-5)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("latent", [2, 5])
def test_gradients_are_those_of_finite_differences(form: type[LinearAutoencoder], latent: int) -> None:
    model = form(3, latent, generator=chance())
    names = [name for name, _ in model.named_parameters()]
    X = torch.randn(4, 3, generator=chance(1), dtype=torch.float64)

    def reconstruct(*weights: Tensor) -> Tensor:
        found: Tensor = functional_call(model, dict(zip(names, weights, strict=True)), (X,))
        return found

    weights = [weight.detach().clone().requires_grad_() for weight in model.parameters()]
    assert torch.autograd.gradcheck(reconstruct, weights)


@settings(max_examples=20)
@given(st.integers(2, 6), st.integers(1, 5), st.integers(0, 10**6))
def test_form_2_projects_on_the_decoders_columns(d: int, k: int, seed: int) -> None:
    k = min(k, d - 1)
    model = ProjectionAutoencoder(d, k, generator=chance(seed))
    B, P = model.B.detach(), model.product().detach()
    condition = float(torch.linalg.cond(B))
    assert torch.allclose(model.encoder(), torch.linalg.inv(B.mT @ B) @ B.mT, rtol=1e-6, atol=1e-12 * condition**3)
    assert torch.allclose(P @ P, P, atol=1e-13 * condition)
    assert torch.allclose(P, P.mT, atol=1e-13 * condition)
    assert float(P.trace()) == pytest.approx(k)


@settings(max_examples=20)
@given(st.integers(1, 6), st.integers(0, 6), st.integers(0, 10**6))
def test_form_2_wide_is_the_identity_for_any_decoder(d: int, more: int, seed: int) -> None:
    model = ProjectionAutoencoder(d, d + more, generator=chance(seed))
    condition = float(torch.linalg.cond(model.B.detach()))
    assert float((model.product() - eye(d)).abs().max().detach()) < 1e-14 * condition
    model.product().square().sum().backward()
    assert model.B.grad is not None
    assert float((model.B.grad * model.B.detach()).abs().max()) < 1e-12 * condition**2  # nothing to learn


@pytest.mark.parametrize("latent", [2, 5])
def test_form_3_learns_the_inverse_in_place_of_solving_for_it(latent: int) -> None:
    model, other = TiedAutoencoder(4, latent, generator=chance()), ProjectionAutoencoder(4, latent, generator=chance())
    B = model.B.detach()
    assert torch.equal(B, other.B.detach())
    with torch.no_grad():
        assert torch.allclose(model.encoder(), B.mT)  # C starts as the identity
        model.C.copy_(torch.linalg.inv(B.mT @ B if latent < 4 else B @ B.mT))
        assert torch.allclose(model.encoder(), other.encoder(), atol=1e-10)


@pytest.mark.parametrize("latent", [2, 4, 7])
@pytest.mark.parametrize("steps", [1, 2, 5, 40])
def test_form_4_closed_form_is_the_loop(latent: int, steps: int) -> None:
    """By the SVD, by the sum of powers, and by the iteration of each example: equal to 1e-12."""
    model = UnrolledAutoencoder(4, latent, unrolled_steps=steps, step_size=0.3, generator=chance())
    B = model.B.detach()
    A = unrolled_encoder(B, step_size=0.3, steps=steps)
    inner = torch.eye(latent, dtype=torch.float64) - 0.3 * B.mT @ B
    powers = sum((torch.linalg.matrix_power(inner, t) for t in range(steps)), torch.zeros_like(inner))
    assert float((A - 0.3 * powers @ B.mT).abs().max()) < 1e-12
    assert float((A - model.encoder().detach()).abs().max()) < 1e-12
    X = torch.randn(5, 4, generator=chance(1), dtype=torch.float64)
    looped = torch.stack([unrolled(B, x, 0.3, steps) for x in X])
    assert float((looped - X @ A.mT).abs().max()) < 1e-12
    assert float((looped - model.encode(X).detach()).abs().max()) < 1e-12


@pytest.mark.parametrize("latent", [2, 4, 7])
def test_form_4_tends_to_form_2_with_more_steps(latent: int) -> None:
    B = ProjectionAutoencoder(4, latent, generator=chance(3)).B.detach()
    rate = 1 / float(torch.linalg.matrix_norm(B, 2)) ** 2
    far = unrolled_encoder(B, step_size=rate, steps=10**9)
    assert torch.allclose(far, torch.linalg.pinv(B), atol=1e-10)
    assert torch.equal(unrolled_encoder(B, step_size=rate, steps=0), torch.zeros(latent, 4, dtype=torch.float64))


def test_form_4_passes_directions_by_their_singular_value() -> None:
    """A wide B of spread singular values: few steps pass the large ones and hold the small ones back."""
    s = torch.tensor([1.0, 0.5, 0.1], dtype=torch.float64)
    frame = torch.linalg.qr(torch.randn(5, 5, generator=chance(), dtype=torch.float64))[0]
    B = torch.diag(s) @ frame[:3]
    M = B @ unrolled_encoder(B, step_size=1.0, steps=3)
    assert torch.allclose(M, torch.diag(1 - (1 - s.square()) ** 3), atol=1e-14)
    assert float(M[0, 0]) == pytest.approx(1)
    assert float(M[2, 2]) < 0.03


def test_form_4_can_be_the_identity_all_the_same() -> None:
    """Nothing in the parameterisation forbids it: B Bᵀ = I/η, with any number of steps."""
    frame = torch.linalg.qr(torch.randn(6, 6, generator=chance(), dtype=torch.float64))[0]
    B = frame[:4] / 0.5**0.5
    for steps in (1, 2, 5):
        assert torch.allclose(B @ unrolled_encoder(B, step_size=0.5, steps=steps), eye(4), atol=1e-14)


@pytest.mark.usefixtures("as_a_user_calls")
def test_bad_input_is_told() -> None:
    for wrong in ((0, 1), (1, 0), (2.5, 1)):
        with pytest.raises(ConfigurationError):
            FreeAutoencoder(*wrong)
    with pytest.raises(ConfigurationError, match="scale"):
        TiedAutoencoder(2, 1, scale=0.0)
    with pytest.raises(ConfigurationError, match="step_size"):
        UnrolledAutoencoder(2, 1, step_size=-1.0)
    with pytest.raises(ConfigurationError, match="unrolled_steps"):
        UnrolledAutoencoder(2, 1, unrolled_steps=0)
    with pytest.raises(ConfigurationError, match="steps"):
        unrolled_encoder(torch.eye(2), step_size=1.0, steps=-1)
    for form in FORMS:
        with pytest.raises(DataError, match="entries"):
            form(2, 1)(torch.ones(4, 3))
        with pytest.raises(DataError, match="entries"):
            form(2, 1)(torch.ones(2))
    for shape in ((3, 2), (2, 3)):
        model = ProjectionAutoencoder(*shape)
        with torch.no_grad():
            model.B.fill_(1.0)
        with pytest.raises(DataError, match="full rank"):
            model.encoder()
