"""The derivatives of a network's outputs by its weights: its features as a local linear model.

Legend: y = f(x; θ) ∈ R^O, J (N, O, P) all derivatives of N examples' outputs by P trained parameters.
"""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from sightline.core.errors import InputError
from sightline.understand.layer_features import Features, OuterFeatures, WrittenFeatures, can_follow, layer_features
from sightline.understand.module_names import evaluating, first_tensor
from sightline.understand.undisturbed import twice_differentiable, undisturbed

TOLERANCE = 1e-3
"""A parameter whose derivative by layers differs by more, relatively, from autograd's is not trusted to them."""


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
    trained = trained_parameters(model)
    groups: dict[str, Features] = {}
    with evaluated(model):
        if by_layers:
            groups = _followed(model, x, trained)
        seen = {name for joined in groups for name in joined.split(", ")}
        rest = {name: p for name, p in trained.items() if name not in seen}
        if rest:
            groups |= _one_by_one(model, x, rest)
    return OutputFeatures(groups, frozenset(seen))


def trained_parameters(model: nn.Module) -> dict[str, nn.Parameter]:
    """Those that need a gradient, by name; one that is used twice once.

    Raises:
        InputError: where there are none.

    Example:
        >>> list(trained_parameters(nn.Linear(2, 1, bias=False)))
        ['weight']
    """
    trained = {name: p for name, p in model.named_parameters() if p.requires_grad}
    if not trained:
        raise InputError(expected="a parameter that is trained", found="none", do="set requires_grad of some")
    return trained


@contextmanager
def evaluated(model: nn.Module) -> Iterator[None]:
    """Evaluation mode with gradients, by kernels that can be differentiated twice; the network is as before after."""
    with evaluating(model), undisturbed(model), twice_differentiable(model), torch.enable_grad():
        yield


def outputs_of(model: nn.Module, x: Any) -> Tensor:
    """The network's outputs, (N, O) whatever their shape, with their graph.

    Raises:
        InputError: for outputs that are no numbers for each example, or that do not depend on the parameters.
    """
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
            if can_follow(module) and any(id(p) in names for p in module.parameters(recurse=False)):
                stack.callback(module.register_forward_hook(keep).remove)
        y = outputs_of(model, x)
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
        for own, features in layer_features(module, given, torch.stack(kept, 1)):
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


def _one_by_one(model: nn.Module, x: Any, wanted: dict[str, nn.Parameter]) -> dict[str, Features]:
    """One backward pass for every example and output."""
    rows: list[list[Tensor]] = [[] for _ in wanted]
    for i in range(len(x)):
        y = outputs_of(model, x[i : i + 1])[0]
        every = [
            torch.autograd.grad(y[a], list(wanted.values()), retain_graph=True, materialize_grads=True)
            for a in range(len(y))
        ]
        for kept, of in zip(rows, zip(*every, strict=True), strict=True):
            kept.append(torch.stack([part.flatten() for part in of]))
    return {name: WrittenFeatures(torch.stack(kept)) for name, kept in zip(wanted, rows, strict=True)}
