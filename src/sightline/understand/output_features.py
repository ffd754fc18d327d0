"""The derivatives of a network's outputs by its weights, layer by layer: its features as a local linear model.

Legend: y = f(x; θ) ∈ R^O, J (N, O, P) all derivatives. For a dense layer h = W z + b on one vector an example,
∂y_ia/∂W = g_ia z_iᵀ with g_ia = ∂y_ia/∂h_i: the outer product is kept as its two factors.
"""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn.attention import SDPBackend, sdpa_kernel

from sightline.core.errors import InputError
from sightline.understand.module_names import first_tensor
from sightline.understand.undisturbed import undisturbed

NORMS = (nn.LayerNorm, nn.GroupNorm, nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.RMSNorm)
"""Layers whose weight and bias multiply and shift each number of what they make without them."""

TOLERANCE = 1e-3
"""A parameter whose derivative by layers differs by more, relatively, from autograd's is not trusted to them."""


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


@dataclass(frozen=True)
class OutputFeatures:
    """J by groups of parameters.

    Attributes:
        groups: the names of the parameters (joined by a comma) and their features; together all that are trained.
        by_layers: names of the parameters whose features came from the layers' inputs and output gradients, O backward
            passes for all examples together; the others' took one backward pass for every example and output.
    """

    groups: dict[str, Features]
    by_layers: frozenset[str]

    @property
    def num_outputs(self) -> int:
        """O."""
        first = next(iter(self.groups.values()))
        return (first.gradients if isinstance(first, OuterFeatures) else first.values).shape[1]


def output_features(model: nn.Module, x: Any, *, by_layers: bool = True) -> OutputFeatures:
    """J for given inputs, in evaluation mode; the network is left as it was.

    Dense layers, convolutions, normalisations and embeddings are followed by hooks. What they tell is checked against
    autograd's gradient of one random combination of all outputs; a parameter that does not pass (one used twice, used
    without its module, or in a layer of another kind) is computed example by example, output by output. What is
    followed costs O + 1 backward passes over the batch, what is not N·O over one example.

    Shapes:
        x (N, ...) → outputs (N, O) or (N, ...), which are flattened

    Args:
        model: any module that treats examples apart in evaluation mode.
        x: a batch, its first axis the examples.
        by_layers: false: everything example by example, the slow and plain way.

    Raises:
        InputError: for outputs that are no numbers for each example, or a network without trained parameters.

    Source: Jacot et al. 2018, "Neural Tangent Kernel"; layer-wise Novak et al. 2022, "Fast Finite Width Neural Tangent
        Kernel", §3

    Lecture: F11

    Example:
        >>> features = output_features(nn.Linear(2, 1), torch.tensor([[3.0, 4.0]]))
        >>> features.groups["weight, bias"].explicit().tolist()
        [[[3.0, 4.0, 1.0]]]
    """
    trained = {name: p for name, p in model.named_parameters() if p.requires_grad}
    if not trained:
        raise InputError(expected="a parameter that is trained", found="none", do="set requires_grad of some")
    groups: dict[str, Features] = {}
    with _looking(model):
        if by_layers:
            groups = _followed(model, x, trained)
        seen = {name for joined in groups for name in joined.split(", ")}
        rest = {name: p for name, p in trained.items() if name not in seen}
        if rest:
            groups |= _one_by_one(model, x, rest)
    return OutputFeatures(groups, frozenset(seen))


@contextmanager
def _looking(model: nn.Module) -> Iterator[None]:
    """Evaluation mode with gradients; attention and its fast path by kernels that have derivatives."""
    modes = {module: module.training for module in model.modules()}
    fused = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    model.eval()
    try:
        with undisturbed(model), torch.enable_grad(), sdpa_kernel(SDPBackend.MATH):
            yield
    finally:
        torch.backends.mha.set_fastpath_enabled(fused)
        for module, mode in modes.items():
            module.training = mode


def _outputs(model: nn.Module, x: Any) -> Tensor:
    y = first_tensor(model(x))
    if y is None or not y.is_floating_point() or y.dim() < 1 or len(y) != len(x) or not y.requires_grad:
        raise InputError(
            expected=f"numbers for each of {len(x)} examples, that depend on the parameters",
            found="no tensor" if y is None else f"shape {tuple(y.shape)}, {y.dtype}",
            do="wrap the network so that it gives its logits, examples first",
        )
    return y.flatten(1) if y.dim() > 1 else y[:, None]


def _followed(model: nn.Module, x: Any, trained: dict[str, nn.Parameter]) -> dict[str, Features]:
    """Features of the layers that can be followed, without the parameters that fail the check."""
    names = {id(p): name for name, p in trained.items()}
    calls: list[tuple[nn.Module, Tensor, Tensor]] = []

    def keep(module: nn.Module, inputs: tuple[Any, ...], output: Any) -> None:
        if isinstance(output, Tensor) and output.requires_grad and len(inputs) == 1 and isinstance(inputs[0], Tensor):
            calls.append((module, inputs[0].detach(), output))

    with ExitStack() as stack:
        for module in model.modules():
            if _can_follow(module) and any(id(p) in names for p in module.parameters(recurse=False)):
                stack.callback(module.register_forward_hook(keep).remove)
        y = _outputs(model, x)
    ats = [output for _, _, output in calls]
    if not ats:
        return {}
    gradients: list[list[Tensor]] = [[] for _ in ats]
    for a in range(y.shape[1]):
        found = torch.autograd.grad(y[:, a].sum(), ats, retain_graph=True, materialize_grads=True)
        for kept, gradient in zip(gradients, found, strict=True):
            kept.append(gradient)
    groups: dict[str, Features] = {}
    for (module, given, _), kept in zip(calls, gradients, strict=True):
        for own, features in _of_layer(module, given, torch.stack(kept, 1)):
            wanted = [names[id(p)] for p in own if id(p) in names]
            if len(wanted) == len(own):
                groups[", ".join(wanted)] = features
    u = torch.randn(y.shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64).to(y)
    listed = list(trained.items())
    truth = torch.autograd.grad((y * u).sum(), [p for _, p in listed], materialize_grads=True)
    right = dict(zip((name for name, _ in listed), truth, strict=True))
    return {joined: f for joined, f in groups.items() if _agrees(f, u, [right[n] for n in joined.split(", ")])}


def _agrees(features: Features, u: Tensor, truth: Sequence[Tensor]) -> bool:
    """Whether a random combination of the features is autograd's gradient of that combination of outputs."""
    found, right = features.combined(u), torch.cat([part.flatten() for part in truth])
    return bool((found - right).norm() <= TOLERANCE * right.norm())


FOLLOWED = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Embedding, *NORMS)


def _can_follow(module: nn.Module) -> bool:
    """Exactly these classes: another class may compute something else."""
    if isinstance(module, nn.Conv1d | nn.Conv2d) and (module.padding_mode != "zeros" or module.padding == "same"):
        return False
    if isinstance(module, nn.Embedding) and (module.max_norm is not None or module.scale_grad_by_freq):
        return False
    return type(module) in FOLLOWED


def _of_layer(module: nn.Module, given: Tensor, gradients: Tensor) -> Iterator[tuple[list[nn.Parameter], Features]]:
    """The layer's parameters and their features; nothing where its first axis is not the examples."""
    N = len(gradients)
    if len(given) != N:
        return
    if isinstance(module, nn.Linear):
        own = [module.weight] if module.bias is None else [module.weight, module.bias]
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


def _of_norm(module: nn.Module, given: Tensor, gradients: Tensor) -> Iterator[tuple[list[nn.Parameter], Features]]:
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
    padding = (0,) * len(module.kernel_size) if module.padding == "valid" else module.padding
    sizes = [module.kernel_size, module.dilation, padding, module.stride]
    kernel, dilation, pad, stride = [
        (at, *of) if flat else tuple(of) for at, of in zip((1, 1, 0, 1), sizes, strict=True)
    ]
    windows = F.unfold(given[:, :, None] if flat else given, kernel, dilation, pad, stride)
    windows = windows.unflatten(1, (module.groups, -1))
    g = gradients.flatten(3).unflatten(2, (module.groups, -1))
    return torch.einsum("nogcl,ngkl->nogck", g, windows).flatten(2)


def _one_by_one(model: nn.Module, x: Any, wanted: dict[str, nn.Parameter]) -> dict[str, Features]:
    """One backward pass for every example and output."""
    rows: list[list[Tensor]] = [[] for _ in wanted]
    for i in range(len(x)):
        y = _outputs(model, x[i : i + 1])[0]
        every = [
            torch.autograd.grad(y[a], list(wanted.values()), retain_graph=True, materialize_grads=True)
            for a in range(len(y))
        ]
        for kept, of in zip(rows, zip(*every, strict=True), strict=True):
            kept.append(torch.stack([part.flatten() for part in of]))
    return {name: WrittenFeatures(torch.stack(kept)) for name, kept in zip(wanted, rows, strict=True)}
