"""A network's loss as a function of its weights: value, gradient, and products with the Hessian.

Legend: θ all trainable parameters in one vector of P numbers, L(θ) the loss over the given batches, g = ∇L,
H = ∇²L the Hessian, v any vector of P numbers.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from sightline.core.errors import InputError
from sightline.understand.undisturbed import twice_differentiable, undisturbed

BatchLoss = Callable[[Any], Tensor]
"""From a batch to the mean loss of its examples: the closure around the network."""


class LossSurface:
    """L(θ) = Σ_b w_b loss(batch_b), Σ w_b = 1: what training minimises, on fixed batches, without its chance.

    The network is left as it is: its mode, its running statistics, its gradients and the random state are the same
    after as before. Dropout draws the same masks at every look, so that L is one function.

    Args:
        model: any module; parameters that need no gradient are held fixed, one that is used twice counts once.
        batches: what ``loss`` takes.
        loss: from a batch to its mean loss, calling the model.
        weights: of the batches, as numbers of examples; none: all count the same.
        seed: of the chance in the network, if it has some.

    Raises:
        InputError: for no batch, weights of another number, no trainable parameter, or a loss that is not a number or
            that does not depend on the parameters.

    Lecture: U3

    Example:
        >>> model = nn.Linear(1, 1, bias=False)
        >>> x = torch.tensor([[1.0], [3.0]])
        >>> surface = LossSurface(model, [x], lambda x: model(x).square().mean())
        >>> surface.product(torch.ones(1)).tolist()  # L = 5 θ², so H = 10
        [10.0]
    """

    def __init__(
        self,
        model: nn.Module,
        batches: Sequence[Any],
        loss: BatchLoss,
        *,
        weights: Sequence[float] | None = None,
        seed: int = 0,
    ) -> None:
        self.model, self.batches, self.loss, self.seed = model, list(batches), loss, seed
        self.parameters = {name: p for name, p in model.named_parameters() if p.requires_grad}
        if not self.batches or not self.parameters:
            raise InputError(
                expected="at least one batch, and a network with a parameter that is trained",
                found=f"{len(self.batches)} batches, {len(self.parameters)} such parameters",
                do="give batches; set requires_grad of what is to be looked at",
            )
        shares = [1.0] * len(self.batches) if weights is None else [float(w) for w in weights]
        if len(shares) != len(self.batches) or min(shares) < 0 or not 0 < sum(shares) < float("inf"):
            raise InputError(
                expected=f"{len(self.batches)} weights of at least 0, not all 0",
                found=f"{shares[:10]}",
                do="give the number of examples of each batch, or leave weights out",
            )
        self.weights = [share / sum(shares) for share in shares]
        self.num_products = 0
        """Products with the Hessian computed so far: each costs about four forward passes over the batches."""
        self._kept: list[Tensor] | None = None

    @property
    def num_parameters(self) -> int:
        """P."""
        return sum(p.numel() for p in self.parameters.values())

    def value(self) -> float:
        """L(θ)."""
        with self._undisturbed(), torch.no_grad():
            return sum(w * float(self._loss(batch)) for w, batch in zip(self.weights, self.batches, strict=True))

    def gradient(self) -> Float[Tensor, " P"]:
        """g."""
        total = self._zeros()
        with self._undisturbed():
            for weight, batch in zip(self.weights, self.batches, strict=True):
                total += weight * flat(self._gradients(batch, graph=False))
        return total

    def product(self, v: Float[Tensor, " P"]) -> Float[Tensor, " P"]:
        """H v = ∇(g · v), exact, without H. Source: Pearlmutter 1994, "Fast Exact Multiplication by the Hessian".

        With one batch the graph of its gradient is kept, so that further products save the passes to it.

        Args:
            v: shaped as θ, on its device and of its number format.
        """
        if v.shape != (self.num_parameters,):
            raise InputError(
                expected=f"a vector of {self.num_parameters:,} numbers, as many as trainable parameters",
                found=f"shape {tuple(v.shape)}",
                do="take the gradient's shape",
            )
        parts = self.split(v)
        total = self._zeros()
        self.num_products += 1
        with self._undisturbed():
            for weight, batch in zip(self.weights, self.batches, strict=True):
                gradients = self._graph(batch)
                along = sum((g * part).sum() for g, part in zip(gradients, parts, strict=True))
                assert isinstance(along, Tensor)
                if along.requires_grad:  # a loss that is linear in θ has none: its H is 0
                    found = torch.autograd.grad(
                        along,
                        list(self.parameters.values()),
                        retain_graph=self._kept is not None,
                        materialize_grads=True,
                    )
                    total += weight * flat(found)
        return total

    def split(self, v: Float[Tensor, " P"]) -> list[Tensor]:
        """A vector as parts shaped like the parameters, in their order."""
        sizes = [p.numel() for p in self.parameters.values()]
        return [part.view_as(p) for part, p in zip(v.split(sizes), self.parameters.values(), strict=True)]

    def forget(self) -> None:
        """Free the graph that is kept between products; after a change of the weights it is not theirs any more."""
        self._kept = None

    def _zeros(self) -> Tensor:
        first = next(iter(self.parameters.values()))
        return torch.zeros(self.num_parameters, dtype=first.dtype, device=first.device)

    def _graph(self, batch: Any) -> Sequence[Tensor]:
        if len(self.batches) > 1:
            return self._gradients(batch, graph=True)
        if self._kept is None:
            self._kept = list(self._gradients(batch, graph=True))
        return self._kept

    def _gradients(self, batch: Any, *, graph: bool) -> Sequence[Tensor]:
        parameters = list(self.parameters.values())
        return torch.autograd.grad(self._loss(batch), parameters, create_graph=graph, materialize_grads=True)

    def _loss(self, batch: Any) -> Tensor:
        torch.manual_seed(self.seed)
        found = one_number(self.loss(batch))
        if torch.is_grad_enabled() and not found.requires_grad:
            raise InputError(
                expected="a loss that depends on the network's parameters",
                found="one that carries no gradient",
                do="call the model inside of the loss, without no_grad or detach",
            )
        return found

    @contextmanager
    def _undisturbed(self) -> Iterator[None]:
        """As before afterwards."""
        with undisturbed(self.model), twice_differentiable(self.model), torch.enable_grad():
            yield


def one_number(found: Any) -> Float[Tensor, ""]:
    """A batch's loss, if it is one.

    Raises:
        InputError: for anything but a tensor of one number.

    Example:
        >>> one_number(torch.ones(1, 1))
        tensor(1.)
    """
    if not isinstance(found, Tensor) or found.numel() != 1:
        raise InputError(
            expected="the mean loss of a batch, one number",
            found=f"shape {tuple(found.shape)}" if isinstance(found, Tensor) else type(found).__name__,
            do="let the loss end in .mean()",
        )
    return found.reshape(())


def flat(parts: Sequence[Tensor]) -> Float[Tensor, " P"]:
    """Tensors as one vector.

    Example:
        >>> flat([torch.ones(1, 2), torch.zeros(1)]).tolist()
        [1.0, 1.0, 0.0]
    """
    return torch.cat([part.reshape(-1) for part in parts]).detach()
