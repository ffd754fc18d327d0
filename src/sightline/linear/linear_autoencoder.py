"""The linear autoencoder x̂ = B A x, its encoder A parameterised in four ways.

Legend: x an example of d entries, y = A x its latent of k, A [k, d] encoder, B [d, k] decoder; narrow k < d, wide
k ≥ d. Examples are rows: X [n, d] becomes X Aᵀ Bᵀ. Parameters are float64.
"""

from math import sqrt

import torch
from jaxtyping import Float
from torch import Tensor, nn

from sightline.core.errors import DataError
from sightline.linear import inputs
from sightline.linear.geometric_decay import covered
from sightline.linear.svd_coordinates import decompose


class LinearAutoencoder(nn.Module):
    """A decoder B and, made from what a subclass learns, an encoder A.

    Args:
        columns: d ≥ 1, entries of an example.
        latent: k ≥ 1, entries of its latent.
        scale: B starts with independent N(0, scale²/d) entries: columns of length about ``scale`` > 0.
        generator: source of chance for the first weights.

    Raises:
        ConfigurationError: when a number is out of its range.
    """

    def __init__(
        self, columns: int, latent: int, *, scale: float = 1.0, generator: torch.Generator | None = None
    ) -> None:
        super().__init__()
        self.columns = inputs.count(columns, "columns", minimum=1)
        self.latent = inputs.count(latent, "latent", minimum=1)
        deviation = inputs.number(scale, "scale", above=0) / sqrt(columns)
        self.B = nn.Parameter(deviation * torch.randn(columns, latent, generator=generator, dtype=torch.float64))

    def encoder(self) -> Float[Tensor, "k d"]:
        """A, as a differentiable function of what is learned."""
        raise NotImplementedError

    def product(self) -> Float[Tensor, "d d"]:
        """BA, the map from an example to its reconstruction."""
        return self.B @ self.encoder()

    def encode(self, X: Float[Tensor, "n d"]) -> Float[Tensor, "n k"]:
        """Y = X Aᵀ.

        Raises:
            DataError: when the rows have other than d entries.
        """
        return self._fitting(X) @ self.encoder().mT

    def forward(self, X: Float[Tensor, "n d"]) -> Float[Tensor, "n d"]:
        """X̂ = Y Bᵀ."""
        return self.encode(X) @ self.B.mT

    def _fitting(self, X: Float[Tensor, "n d"]) -> Float[Tensor, "n d"]:
        if X.ndim != 2 or X.shape[1] != self.columns:
            raise DataError(
                expected=f"a matrix with rows of {self.columns} entries",
                found=f"a tensor of shape {tuple(X.shape)}",
                do="give one row an example, with the columns that the autoencoder was made for",
            )
        return X.to(self.B)


class FreeAutoencoder(LinearAutoencoder):
    """Parameterisation 1: A and B both learned, nothing shared. Wide, it may become the identity.

    Args:
        columns, latent, scale, generator: see :class:`LinearAutoencoder`; A starts as B does.

    Source: Baldi & Hornik, Neural networks and principal component analysis, 1989.

    Lecture: A1

    Example:
        >>> FreeAutoencoder(4, 2).product().shape
        torch.Size([4, 4])
    """

    def __init__(
        self, columns: int, latent: int, *, scale: float = 1.0, generator: torch.Generator | None = None
    ) -> None:
        super().__init__(columns, latent, scale=scale, generator=generator)
        deviation = scale / sqrt(columns)
        self.A = nn.Parameter(deviation * torch.randn(latent, columns, generator=generator, dtype=torch.float64))

    def encoder(self) -> Float[Tensor, "k d"]:
        """A itself."""
        return self.A


class ProjectionAutoencoder(LinearAutoencoder):
    """Parameterisation 2: A = (BᵀB)⁻¹Bᵀ, so that BA projects on the columns of B. Wide: A = Bᵀ(BBᵀ)⁻¹ and BA = I.

    The encoder is the pseudoinverse of B: the least-squares latent, of several the shortest. Only B is learned, and of
    B only what its columns span matters; wide, nothing is left to learn.

    Args:
        columns, latent, scale, generator: see :class:`LinearAutoencoder`.

    Lecture: A1

    Example:
        >>> wide = ProjectionAutoencoder(3, 5, generator=torch.Generator().manual_seed(0))
        >>> bool(torch.allclose(wide.product(), torch.eye(3, dtype=torch.float64)))
        True
    """

    def encoder(self) -> Float[Tensor, "k d"]:
        """The pseudoinverse of B by QR, B = QR (wide: Bᵀ = QR); B must have full rank.

        Raises:
            DataError: when the columns of B (wide: its rows) are dependent.
        """
        wide = self.latent >= self.columns
        Q, R = torch.linalg.qr(self.B.mT if wide else self.B)
        corners = R.detach().diagonal().abs()
        if float(corners.min()) <= max(self.B.shape) * torch.finfo(R.dtype).eps * float(corners.max()):
            raise DataError(
                expected="a decoder B of full rank, whose Gram matrix has an inverse",
                found=f"a {self.columns} by {self.latent} matrix with dependent {'rows' if wide else 'columns'}",
                do="start from random weights",
            )
        solved: Tensor = torch.linalg.solve_triangular(R, Q.mT, upper=True)
        return solved.mT if wide else solved


class TiedAutoencoder(LinearAutoencoder):
    """Parameterisation 3: A = C Bᵀ with C [k, k] in place of the inverse. Wide: A = Bᵀ C with C [d, d].

    C starts as the identity, the encoder then as Bᵀ.

    Args:
        columns, latent, scale, generator: see :class:`LinearAutoencoder`.

    Lecture: A1

    Example:
        >>> TiedAutoencoder(4, 2).C.shape, TiedAutoencoder(4, 9).C.shape
        (torch.Size([2, 2]), torch.Size([4, 4]))
    """

    def __init__(
        self, columns: int, latent: int, *, scale: float = 1.0, generator: torch.Generator | None = None
    ) -> None:
        super().__init__(columns, latent, scale=scale, generator=generator)
        self.C = nn.Parameter(torch.eye(min(latent, columns), dtype=torch.float64))

    def encoder(self) -> Float[Tensor, "k d"]:
        """C Bᵀ, or Bᵀ C."""
        return self.C @ self.B.mT if self.latent < self.columns else self.B.mT @ self.C


class UnrolledAutoencoder(LinearAutoencoder):
    """Parameterisation 4: the latent is found by T steps y ← y + ηBᵀ(x − By) from 0; only B is learned.

    With B = U S Vᵀ the reconstruction is U diag(1 − (1 − ηs²)^T) Uᵀ: early stopping inside the network. Directions
    with small s are hardly passed. Narrow or wide, the formula is the same. Nothing forbids the identity: wide, any B
    with BBᵀ = I/η is one; but near ηs² = 1 the gradient falls as (1 − ηs²)^{2T−1}, so training hardly gets there.

    Args:
        columns, latent, scale, generator: see :class:`LinearAutoencoder`.
        step_size: η > 0; the steps settle where ηs² < 2.
        unrolled_steps: T ≥ 1.

    Source: Gregor & LeCun, Learning fast approximations of sparse coding, 2010, without the sparsity.

    Lecture: A1

    Example:
        >>> model = UnrolledAutoencoder(3, 2, unrolled_steps=1, step_size=0.5)
        >>> bool(torch.allclose(model.encoder(), 0.5 * model.B.mT))
        True
    """

    def __init__(
        self,
        columns: int,
        latent: int,
        *,
        unrolled_steps: int = 5,
        step_size: float = 0.5,
        scale: float = 1.0,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__(columns, latent, scale=scale, generator=generator)
        self.unrolled_steps = inputs.count(unrolled_steps, "unrolled_steps", minimum=1)
        self.step_size = inputs.number(step_size, "step_size", above=0)

    def encode(self, X: Float[Tensor, "n d"]) -> Float[Tensor, "n k"]:
        """The steps themselves, on every row."""
        X = self._fitting(X)
        Y = self.step_size * X @ self.B  # the first step, from 0
        for _ in range(self.unrolled_steps - 1):
            Y = Y + self.step_size * (X - Y @ self.B.mT) @ self.B
        return Y

    def encoder(self) -> Float[Tensor, "k d"]:
        """A_T = η Σ_{t<T} (I − ηBᵀB)^t Bᵀ: what the steps make of the identity."""
        return self.encode(torch.eye(self.columns, dtype=self.B.dtype, device=self.B.device)).mT


def unrolled_encoder(B: Float[Tensor, "d k"], *, step_size: float, steps: int) -> Float[Tensor, "k d"]:
    """A_T = η Σ_{t<T} (I − ηBᵀB)^t Bᵀ = V diag((1 − (1 − ηs²)^T)/s) Uᵀ with B = U S Vᵀ: no loop, for any T.

    As T grows it tends to the pseudoinverse of B wherever ηs² < 2.

    Shapes:
        B: [d, k]; returns: [k, d].

    Args:
        B: decoder.
        step_size: η > 0.
        steps: T ≥ 0.

    Raises:
        DataError: when B is empty or not finite.
        ConfigurationError: when a number is out of its range.

    Lecture: A1

    Example:
        >>> unrolled_encoder(torch.tensor([[1.0]]), step_size=0.5, steps=2)
        tensor([[0.7500]], dtype=torch.float64)
    """
    B = inputs.matrix(B, "B")
    step_size = inputs.number(step_size, "step_size", above=0)
    U, s, Vh = decompose(B)
    gains = covered(step_size * s.square(), [inputs.count(steps, "steps")])[0]
    return (Vh.mT * torch.where(s > 0, gains / s, 0.0)) @ U.mT
