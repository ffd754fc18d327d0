"""Ridge regression for many λ at once, and the two ways to choose among them without held-out data.

Legend: n rows, d columns, m values of λ, k outputs, H the hat matrix (ŷ = Hy), df its trace.
"""

from dataclasses import dataclass, field
from functools import cached_property
from math import inf
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from sightline.core.errors import ConfigurationError, DataError
from sightline.linear import inputs
from sightline.linear.centring import Centred, centred
from sightline.linear.ridge_spectrum import Spectrum, ridge_spectrum

Criterion = Literal["gcv", "leave_one_out"]


SMALLEST_SHARE = 1e-60
"""With √λ below this share of X's scale the squares of the residuals may vanish."""


@dataclass(frozen=True)
class RidgePath:
    """The ridge regressions of one problem, one entry for each λ in the order they were given.

    What costs much is computed when it is first asked for: ``leave_one_out`` needs the leverages of all rows.

    Attributes:
        ridges: the λ.
        w: weights for each.
        intercept: b for each, zeros where none was asked for.
        degrees_of_freedom: df = Σ σ²/(σ² + λ), one more with an intercept.
        training_error: ‖Xw + b − y‖².
        squared_norm: ‖w‖².
        gcv: generalised cross-validation n ‖Xw + b − y‖²/(n − df)², summed over outputs. It estimates the squared
            error on a new row.
    """

    ridges: Float[Tensor, " m"]
    w: Float[Tensor, "m d *k"]
    intercept: Float[Tensor, "m *k"]
    degrees_of_freedom: Float[Tensor, " m"]
    training_error: Float[Tensor, "m *k"]
    squared_norm: Float[Tensor, "m *k"]
    gcv: Float[Tensor, " m"]
    _spectrum: Spectrum = field(repr=False)
    _given: tuple[Tensor, int] = field(repr=False)

    @cached_property
    def leave_one_out(self) -> Float[Tensor, " m"]:
        """The mean over rows of the squared error on each row of the fit without it, summed over outputs.

        Exact, without refitting: that error is (y − ŷ)ᵢ/(1 − hᵢᵢ). Its relative precision is ε/(1 − hᵢᵢ) at worst,
        for a row that the others say almost nothing of.
        """
        self._refuse_changes()
        squares = [
            self._spectrum.left_out_residuals(part).square().mean(0).sum(1)
            for part in self._spectrum.parts(self.ridges)
        ]
        return torch.cat(squares)

    def left_out_residuals(self, index: int) -> Float[Tensor, "n *k"]:
        """yᵢ less the prediction for row i of the fit without row i, with the λ at place ``index`` of the path.

        Raises:
            ConfigurationError: when the path has no such place.
        """
        index = inputs.count(index, "index")
        inputs.number(index, "index", below=len(self.ridges))
        self._refuse_changes()
        found = self._spectrum.left_out_residuals(self.ridges[index][None])[:, 0]
        return found.reshape(-1, *self.w.shape[2:])

    def _refuse_changes(self) -> None:
        X, version = self._given
        if X._version != version:
            raise DataError(
                expected="the X that the path was made from",
                found="the same tensor, changed in place since",
                do="ask for leave_one_out before, or make the path from a copy",
            )

    def best(self, criterion: Criterion = "gcv") -> int:
        """The place of the λ with the smallest criterion, "gcv" or "leave_one_out".

        Raises:
            ConfigurationError: for another criterion.
        """
        if criterion not in ("gcv", "leave_one_out"):
            raise ConfigurationError(
                expected='a criterion of "gcv" or "leave_one_out"',
                found=f"criterion = {criterion!r}",
                do="choose one of the two",
            )
        return int((self.gcv if criterion == "gcv" else self.leave_one_out).argmin())


def ridge_path(
    X: Float[Tensor, "n d"], y: Float[Tensor, "n *k"], ridges: Float[Tensor, " m"], *, intercept: bool = False
) -> RidgePath:
    """argmin ‖Xw − y‖² + λ‖w‖² for every λ from one decomposition: V Σ/(Σ² + λ) Uᵀy.

    The decomposition is that of the smaller Gram matrix where the smallest λ makes that exact to 1e-12, otherwise the
    SVD of X: :mod:`sightline.linear.ridge_spectrum`.

    Shapes:
        X: [n, d]; y: [n] or [n, k]; ridges: [m].

    Args:
        X: one row an example.
        y: targets.
        ridges: every λ > 0, in any order; λ = 0 is :func:`~sightline.linear.least_squares.least_squares`, where
            neither criterion is defined for n ≤ d.
        intercept: fit a constant b beside w, which no λ penalises.

    Returns:
        The :class:`RidgePath`.

    Raises:
        DataError: when X, y or ridges are empty or not finite, do not fit each other, or some λ ≤ 0.

    Source: Golub, Heath & Wahba, Generalized cross-validation as a method for choosing a good ridge parameter, 1979,
        eq. 1.4 (their V is ours; their nλ is our λ); Allen, The relationship between variable selection and data
        augmentation and a method for prediction, 1974, for leave-one-out.

    Lecture: F6

    Example:
        >>> X, y = torch.tensor([[1.0], [2.0], [3.0]]), torch.tensor([1.0, 2.0, 2.0])
        >>> path = ridge_path(X, y, torch.tensor([0.1, 1.0, 10.0]))
        >>> path.degrees_of_freedom.round(decimals=3)
        tensor([0.9930, 0.9330, 0.5830], dtype=torch.float64)
        >>> float(path.ridges[path.best("leave_one_out")])
        1.0
    """
    X, y = inputs.problem(X, y)
    ridges = inputs.vector(ridges, name="ridges").to(X.device)
    if bool((ridges <= 0).any()):
        raise DataError(
            expected="every λ of ridges to be above 0",
            found=f"a smallest λ of {float(ridges.min()):g}",
            do="leave it out, and call least_squares for λ = 0",
        )
    y, ridges = y.clone(), ridges.clone()  # what is asked for later must not see the caller's changes
    scale = float(torch.linalg.vector_norm(X, inf))
    if float(ridges.min().sqrt()) < SMALLEST_SHARE * scale:
        raise DataError(
            expected=f"the root of every λ to be at least {SMALLEST_SHARE:g} of X's largest entry, {scale:g}",
            found=f"a smallest λ of {float(ridges.min()):g}",
            do="leave it out: no digit tells it from λ = 0, which is least_squares",
        )
    spectrum = ridge_spectrum(X, y.reshape(len(y), -1), float(ridges.min()), intercept)
    w = spectrum.weights(ridges).movedim(1, 0).contiguous()
    squared_residuals = spectrum.squared_residuals(ridges)
    degrees_left = spectrum.degrees_left(ridges)
    outputs = y.shape[1:]
    return RidgePath(
        ridges=ridges,
        w=w.reshape(*w.shape[:2], *outputs),
        intercept=_intercepts(centred(X, y) if intercept else None, w).reshape(-1, *outputs),
        degrees_of_freedom=len(X) - degrees_left,
        training_error=squared_residuals.reshape(-1, *outputs),
        squared_norm=w.square().sum(1).reshape(-1, *outputs),
        gcv=len(X) * squared_residuals.sum(1) / degrees_left.square(),
        _spectrum=spectrum,
        _given=(X, X._version),
    )


def _intercepts(centre: Centred | None, w: Float[Tensor, "m d k"]) -> Float[Tensor, "m k"]:
    if centre is None:
        return w.new_zeros(len(w), w.shape[2])
    explained: Tensor = torch.tensordot(w, centre.X_mean, dims=([1], [0]))
    return centre.y_mean - explained
