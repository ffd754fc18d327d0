"""The empirical tangent kernel: how a small step on one example moves the outputs on another.

Legend: y = f(x; θ) ∈ R^O the outputs, J (N, O, P) their derivatives by all trained parameters, η the rate of a step.
"""

from dataclasses import dataclass
from typing import Any, Literal, get_args

import torch
from jaxtyping import Float
from torch import Tensor, nn

from sightline.core.errors import InputError
from sightline.core.words import one_of
from sightline.understand.layer_features import Features, OuterFeatures
from sightline.understand.output_features import output_features

Route = Literal["layers", "examples"]
Outputs = Literal["all", "mean"]


@dataclass(frozen=True)
class TangentKernel:
    """K(i, a; j, b) = Σ_p J_iap J_jbp, or its mean over equal outputs.

    Attributes:
        matrix: [N, O, M, O]; of the mean [N, M], (1/O) Σ_a K(i, a; j, a).
        by_layers: the parameters whose share came from layers' inputs and gradients, the fast way.
        by_examples: those whose share took a backward pass for every example and output.
    """

    matrix: Float[Tensor, "..."]
    by_layers: tuple[str, ...]
    by_examples: tuple[str, ...]

    @property
    def flat(self) -> Float[Tensor, "rows columns"]:
        """As a matrix: the outputs of an example beside each other."""
        return self.matrix if self.matrix.dim() == 2 else self.matrix.flatten(2).flatten(0, 1)

    def spectrum(self) -> Float[Tensor, " rows"]:
        """Eigenvalues of a kernel of examples with themselves, the largest first."""
        values: Tensor = torch.linalg.eigvalsh(self.flat.double())
        return values.flip(0)


def tangent_kernel(
    model: nn.Module, x: Any, z: Any = None, *, outputs: Outputs = "all", route: Route = "layers"
) -> TangentKernel:
    """K between examples, in evaluation mode; the network is left as it was.

    By layers: O + 1 backward passes over the batch; a dense layer's share is (Z Zᵀ) ∘ (G Gᵀ), N²(D + O² H)
    multiply-adds, its derivatives never written out; a convolution's are, N·O·P numbers. By examples: N·O backward
    passes.

    Args:
        model: any module that treats examples apart in evaluation mode.
        x: a batch, its first axis the examples.
        z: another; none: x with itself.
        outputs: "all" pairs of outputs, or the "mean" over equal ones.
        route: "layers" where it can be followed, checked against autograd, or "examples" for all.

    Raises:
        ConfigurationError: for another word.
        InputError: for outputs that are no numbers for each example, or no trained parameter.

    Source: Jacot et al. 2018, "Neural Tangent Kernel: Convergence and Generalization in Neural Networks"

    Lecture: F11

    Example:
        >>> tangent_kernel(nn.Linear(2, 1), torch.tensor([[3.0, 4.0], [0.0, 1.0]])).flat.tolist()
        [[26.0, 5.0], [5.0, 2.0]]
    """
    one_of(route, get_args(Route), "route")
    one_of(outputs, get_args(Outputs), "outputs")
    rows = output_features(model, x, by_layers=route == "layers")
    columns = rows if z is None else output_features(model, z, by_layers=route == "layers")
    if rows.num_outputs != columns.num_outputs or set(rows.groups) != set(columns.groups):
        raise InputError(
            expected=f"two batches that the network answers alike, {rows.num_outputs} numbers for each example",
            found=f"{columns.num_outputs} numbers for the second",
            do="give examples of one shape",
        )
    matrix: Tensor | None = None
    for name, features in rows.groups.items():
        share = _share(features, columns.groups[name], outputs)
        matrix = share if matrix is None else matrix.add_(share)
    assert matrix is not None
    by_layers = rows.by_layers & columns.by_layers
    every = {name for joined in rows.groups for name in joined.split(", ")}
    return TangentKernel(matrix, tuple(sorted(by_layers)), tuple(sorted(every - by_layers)))


def _share(rows: Features, columns: Features, outputs: Outputs) -> Tensor:
    """What one group of parameters adds to K."""
    if isinstance(rows, OuterFeatures) and isinstance(columns, OuterFeatures):
        inputs = rows.inputs @ columns.inputs.T + float(rows.bias)
        left, right, factor = rows.gradients, columns.gradients, inputs
    else:
        left, right, factor = rows.explicit(), columns.explicit(), None
    if outputs == "mean":
        found: Tensor = left.flatten(1) @ right.flatten(1).T / left.shape[1]
        return found if factor is None else found * factor
    found = (left.flatten(0, 1) @ right.flatten(0, 1).T).unflatten(0, left.shape[:2]).unflatten(2, right.shape[:2])
    return found if factor is None else found.mul_(factor[:, None, :, None])


def alignment(kernel: Float[Tensor, "N N"], targets: Float[Tensor, "N O"]) -> float:
    """⟨K̃, YYᵀ⟩ / (|K̃| |ỸỸᵀ|), centred: 1 where the kernel sees examples as alike as their targets are.

    Shapes:
        kernel (N, N), its mean over outputs; targets (N, O), classes as one-hot

    Source: Cortes et al. 2012, "Algorithms for Learning Kernels Based on Centered Alignment", definition 4

    Lecture: F11

    Example:
        >>> y = torch.tensor([[1.0], [1.0], [-1.0]])
        >>> round(alignment(y @ y.T, y), 6)
        1.0
    """
    if kernel.dim() != 2 or kernel.shape != (len(targets), len(targets)):
        raise InputError(
            expected=f"a kernel of the {len(targets)} examples with themselves",
            found=f"shape {tuple(kernel.shape)}",
            do='compute it by tangent_kernel(model, x, outputs="mean").matrix',
        )
    K, Y = kernel.double(), targets.double()
    K = K - K.mean(0) - K.mean(1, keepdim=True) + K.mean()
    Y = Y - Y.mean(0)
    ideal = Y @ Y.T
    return float((K * ideal).sum() / (K.norm() * ideal.norm()))


def drift(kernel: Float[Tensor, "..."], start: Float[Tensor, "..."]) -> float:
    """1 − ⟨K, K_0⟩/(|K| |K_0|): 0 where the kernel only grew since the start (lazy), up to 1 where it is another.

    Source: Fort et al. 2020, "Deep Learning versus Kernel Learning", §3 (kernel distance)

    Lecture: F11

    Example:
        >>> drift(2 * torch.eye(2), torch.eye(2))
        0.0
    """
    if kernel.shape != start.shape:
        raise InputError(
            expected="two kernels of the same examples",
            found=f"shapes {tuple(kernel.shape)} and {tuple(start.shape)}",
            do="compute both from the same batch",
        )
    a, b = kernel.double().flatten(), start.double().flatten()
    return float((a / a.norm() - b / b.norm()).square().sum() / 2)  # the same, with its digits where it is small


def predicted_change(
    kernel: Float[Tensor, "M O N O"], loss_gradient: Float[Tensor, "N O"], lr: float
) -> Float[Tensor, "M O"]:
    """Δy = −η Σ_jb K(i, a; j, b) ∂L/∂y_jb: what one small step of gradient descent on N examples does to M others.

    Exact to first order in η; the rest is of second order.

    Args:
        kernel: between those looked at and those trained on.
        loss_gradient: ∂L/∂y of the examples trained on, L with whatever mean it has.
        lr: η.

    Source: the lecture notes, lecture 4; Jacot et al. 2018, §4

    Lecture: F11

    Example:
        >>> predicted_change(torch.ones(1, 1, 1, 1), torch.tensor([[2.0]]), 0.1).tolist()
        [[-0.20000000298023224]]
    """
    if kernel.dim() != 4 or kernel.shape[2:] != loss_gradient.shape:
        raise InputError(
            expected=f"a kernel (M, O, N, O) and gradients (N, O) of {tuple(kernel.shape[2:])}",
            found=f"shapes {tuple(kernel.shape)} and {tuple(loss_gradient.shape)}",
            do="compute the kernel with outputs='all' between both batches",
        )
    return -lr * torch.einsum("iajb,jb->ia", kernel, loss_gradient)
