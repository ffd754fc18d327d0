"""The tangent kernel by its products with vectors, for networks whose derivatives are too many to write out.

Legend: y = f(x; θ) (N, O), J (N·O, P) its derivatives, K = J Jᵀ, V one number for every example and output.
"""

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from sightline.core.errors import InputError
from sightline.understand.lanczos import Eigenpairs, lanczos
from sightline.understand.output_features import evaluated, outputs_of, trained_parameters


class KernelProduct:
    """V → K V = J (Jᵀ V), exact, in evaluation mode; neither K nor J is ever there.

    Jᵀ V is one backward pass. J u is the derivative of Jᵀ V, linear in V, by V: another backward pass, through the
    first. Memory: the graph of a forward and a backward pass over the batch, which is kept between products.

    Args:
        model: any module; parameters that need no gradient are held fixed.
        x: a batch, its first axis the examples.

    Raises:
        InputError: for outputs that are no numbers for each example, or no trained parameter.

    Source: forward derivatives by two backward ones, Townsend 2017, "A New Trick for Calculating Jacobian Vector
        Products"

    Lecture: F11

    Example:
        >>> product = KernelProduct(nn.Linear(2, 1), torch.tensor([[3.0, 4.0], [0.0, 1.0]]))
        >>> product(torch.tensor([[1.0], [0.0]])).flatten().tolist()
        [26.0, 5.0]
    """

    def __init__(self, model: nn.Module, x: Any) -> None:
        self.model = model
        self.parameters = list(trained_parameters(model).values())
        with evaluated(model):
            self.outputs = outputs_of(model, x)
            self._dual = torch.zeros_like(self.outputs, requires_grad=True)
            self._pulled = torch.autograd.grad(
                self.outputs, self.parameters, self._dual, create_graph=True, materialize_grads=True
            )

    @property
    def shape(self) -> tuple[int, int]:
        """(N, O)."""
        return self.outputs.shape[0], self.outputs.shape[1]

    def __call__(self, V: Float[Tensor, "N O"]) -> Float[Tensor, "N O"]:
        """K V. Costs about four forward passes over the batch.

        Raises:
            InputError: for another shape than the outputs'.
        """
        if tuple(V.shape) != self.shape:
            raise InputError(
                expected=f"a number for every example and output, {self.shape}",
                found=f"shape {tuple(V.shape)}",
                do="reshape it as the outputs",
            )
        pulled = torch.autograd.grad(
            self.outputs, self.parameters, V.to(self.outputs), retain_graph=True, materialize_grads=True
        )
        (pushed,) = torch.autograd.grad(
            self._pulled, self._dual, [p.detach() for p in pulled], retain_graph=True, materialize_grads=True
        )
        return pushed.detach()

    def largest(self, k: int = 1, *, tolerance: float = 1e-4, max_products: int = 100, seed: int = 0) -> Eigenpairs:
        """The k largest eigenvalues of K, by Lanczos.

        Args:
            k: eigenvalues.
            tolerance: of each error, over the largest.
            max_products: at most.
            seed: of the start.

        Raises:
            ConfigurationError: for a number out of its range.
        """
        size = self.outputs.numel()
        start = torch.randn(size, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)

        def flat(v: Tensor) -> Tensor:
            return self(v.view(self.shape)).flatten()

        return lanczos(flat, start.to(self.outputs), k=k, tolerance=tolerance, max_products=max_products)
