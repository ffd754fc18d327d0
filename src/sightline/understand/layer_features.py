"""The derivatives of outputs by one layer's weights, from the layer's inputs and the gradients of what it gives.

Legend: y (N, O) the outputs, θ the layer's P parameters. For a dense layer h = W z + b on one vector an example,
∂y_ia/∂W = g_ia z_iᵀ with g_ia = ∂y_ia/∂h_i: the outer product is kept as its two factors.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn
from torch.func import functional_call

NORMS = (nn.LayerNorm, nn.GroupNorm, nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.RMSNorm)
"""Layers whose weight and bias multiply and shift each number of what they make without them."""


@dataclass(frozen=True)
class OuterFeatures:
    """∂y_ia/∂W = g_ia z_iᵀ, and ∂y_ia/∂b = g_ia where there is a bias.

    Attributes:
        inputs: z, [N, D].
        gradients: g, [N, O, H].
        bias: whether b is one of the parameters.
    """

    inputs: Float[Tensor, "N D"]
    gradients: Float[Tensor, "N O H"]
    bias: bool

    def explicit(self) -> Float[Tensor, "N O P"]:
        """Written out: W row by row, then b."""
        weight = torch.einsum("noh,nd->nohd", self.gradients, self.inputs).flatten(2)
        return torch.cat([weight, self.gradients], 2) if self.bias else weight

    def combined(self, u: Float[Tensor, "N O"]) -> Float[Tensor, " P"]:
        """Σ_ia u_ia ∂y_ia/∂θ."""
        g = torch.einsum("no,noh->nh", u, self.gradients)
        weight = (g.T @ self.inputs).flatten()
        return torch.cat([weight, g.sum(0)]) if self.bias else weight


@dataclass(frozen=True)
class WrittenFeatures:
    """∂y_ia/∂θ_p, written out.

    Attributes:
        values: [N, O, P].
    """

    values: Float[Tensor, "N O P"]

    def explicit(self) -> Float[Tensor, "N O P"]:
        """As they are."""
        return self.values

    def combined(self, u: Float[Tensor, "N O"]) -> Float[Tensor, " P"]:
        """Σ_ia u_ia ∂y_ia/∂θ."""
        return torch.einsum("no,nop->p", u, self.values)


Features = OuterFeatures | WrittenFeatures


FOLLOWED = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Embedding, *NORMS)


def can_follow(module: nn.Module) -> bool:
    """Whether there is a rule for it. Exactly these classes: another class may compute something else."""
    if isinstance(module, nn.Conv1d | nn.Conv2d) and (module.padding_mode != "zeros" or module.padding == "same"):
        return False
    if isinstance(module, nn.Embedding) and (module.max_norm is not None or module.scale_grad_by_freq):
        return False
    return type(module) in FOLLOWED


def layer_features(module: nn.Module, given: Tensor, gradients: Tensor) -> Iterator[tuple[list[Tensor], Features]]:
    """The layer's parameters and their features; nothing where its first axis is not the examples."""
    N = len(gradients)
    if len(given) != N:
        return
    if isinstance(module, nn.Linear):
        own: list[Tensor] = [module.weight] if module.bias is None else [module.weight, module.bias]
        if given.dim() == 2:
            yield own, OuterFeatures(given, gradients, module.bias is not None)
        else:
            tokens, g = given.flatten(1, -2), gradients.flatten(2, -2)
            values = torch.einsum("noth,ntd->nohd", g, tokens).flatten(2)
            yield [module.weight], WrittenFeatures(values)
            if module.bias is not None:
                yield [module.bias], WrittenFeatures(g.sum(2))
    elif isinstance(module, nn.Conv1d | nn.Conv2d):
        yield [module.weight], WrittenFeatures(_of_kernel(module, given, gradients))
        if module.bias is not None:
            yield [module.bias], WrittenFeatures(gradients.flatten(3).sum(3))
    elif isinstance(module, nn.Embedding):
        values = gradients.new_zeros(N, gradients.shape[1], *module.weight.shape)
        rows = given.flatten(1)[:, None, :, None].expand(-1, gradients.shape[1], -1, module.embedding_dim)
        values.scatter_add_(2, rows, gradients.flatten(2, -2))
        if module.padding_idx is not None:
            values[:, :, module.padding_idx] = 0
        yield [module.weight], WrittenFeatures(values.flatten(2))
    else:
        yield from _of_norm(module, given, gradients)


def _of_norm(module: nn.Module, given: Tensor, gradients: Tensor) -> Iterator[tuple[list[Tensor], Features]]:
    parameters = dict(module.named_parameters(recurse=False))
    if not parameters:
        return
    plain = {name: (torch.zeros_like if name == "bias" else torch.ones_like)(p) for name, p in parameters.items()}
    with torch.no_grad():
        without = functional_call(module, plain, (given,))
    shape = next(iter(parameters.values())).shape
    last = isinstance(module, nn.LayerNorm | nn.RMSNorm)
    for name, p in parameters.items():
        g = gradients if name == "bias" else gradients * without[:, None]
        if last:  # one weight for each number of the last axes
            values = g.flatten(2, -1 - len(shape)).sum(2) if g.dim() > 2 + len(shape) else g
        else:  # one for each channel
            values = g.flatten(3).sum(3) if g.dim() > 3 else g
        yield [p], WrittenFeatures(values.flatten(2))


def _of_kernel(module: nn.Conv1d | nn.Conv2d, given: Tensor, gradients: Tensor) -> Float[Tensor, "N O P"]:
    """Σ over positions of the output's gradient times the window it was computed from."""
    flat = isinstance(module, nn.Conv1d)
    padding = (0,) * len(module.kernel_size) if isinstance(module.padding, str) else module.padding  # "valid"
    sizes: list[tuple[int, ...]] = [module.kernel_size, module.dilation, padding, module.stride]
    kernel, dilation, pad, stride = [(at, *of) if flat else of for at, of in zip((1, 1, 0, 1), sizes, strict=True)]
    windows = F.unfold(given[:, :, None] if flat else given, kernel, dilation, pad, stride)
    windows = windows.unflatten(1, (module.groups, -1))
    g = gradients.flatten(3).unflatten(2, (module.groups, -1))
    return torch.einsum("nogcl,ngkl->nogck", g, windows).flatten(2)
