"""What a layer tells of each example, and its view along the directions in which examples differ the most.

Legend: H (N, D) one row an example, all that a layer gives for it.
"""

from dataclasses import dataclass
from typing import Any

from jaxtyping import Float
from torch import Tensor, nn

from sightline.core.errors import ConfigurationError, InputError, near
from sightline.linear.pca import principal_components
from sightline.understand.module_names import evaluating, first_tensor
from sightline.understand.undisturbed import undisturbed


@dataclass(frozen=True)
class PrincipalView:
    """Examples along the first principal components.

    Attributes:
        points: [N, k], about 0.
        explained: share of the whole variance along each, [k].
        components: [D, k], of norm 1; of each the entry of largest size is positive.
    """

    points: Float[Tensor, "N k"]
    explained: Float[Tensor, " k"]
    components: Float[Tensor, "D k"]


def layer_output(model: nn.Module, x: Any, layer: str) -> Float[Tensor, "N ..."]:
    """What one module gives for a batch; of a module used several times its last use.

    Costs a forward pass in evaluation mode; the network is as before after.

    Args:
        model: any module.
        x: a batch, its first axis the examples.
        layer: as ``named_modules()`` has it; "" is the network itself.

    Raises:
        ConfigurationError: for a name that no module has.
        InputError: for a module that is not used, or gives no numbers for each example.

    Lecture: F15, U6

    Example:
        >>> import torch
        >>> layer_output(nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU()), torch.zeros(5, 1, 4, 4), "1").shape
        torch.Size([5, 2, 2, 2])
    """
    modules = dict(model.named_modules())
    if layer not in modules:
        raise ConfigurationError(expected="the name of a module", found=repr(layer), do=near(layer, modules))
    found: list[Tensor | None] = []
    handle = modules[layer].register_forward_hook(lambda module, given, output: found.append(first_tensor(output)))
    try:
        with evaluating(model), undisturbed(model):
            model(x)
    finally:
        handle.remove()
    values = found[-1] if found else None
    if values is None or not values.is_floating_point() or not values.dim() or len(values) != len(x):
        raise InputError(
            expected=f"numbers from '{layer}' for each of {len(x)} examples",
            found="it is not used" if not found else "no tensor" if values is None else f"shape {tuple(values.shape)}",
            do="name another module; its first axis must be the examples",
        )
    return values.detach()


def layer_rows(model: nn.Module, x: Any, layer: str) -> Float[Tensor, "N D"]:
    """H: what one module gives, a row an example. Arguments, costs and errors: :func:`layer_output`.

    Lecture: F15

    Example:
        >>> import torch
        >>> network = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU())
        >>> layer_rows(network, torch.zeros(5, 1, 4, 4), "1").shape
        torch.Size([5, 8])
    """
    found = layer_output(model, x, layer)
    return found.reshape(len(found), -1)


def principal_view(rows: Float[Tensor, "N D"], k: int = 2) -> PrincipalView:
    """H less its mean, along its first k principal components. Costs an SVD, N·D·min(N, D) multiply-adds.

    Raises:
        ConfigurationError: for k beyond the number of components.
        DataError: for rows that are not finite, or a single one.

    Source: Pearson 1901

    Lecture: F15, A3

    Example:
        >>> import torch
        >>> principal_view(torch.tensor([[0.0, 1.0], [2.0, 1.0], [4.0, 1.0]]), 1).points.flatten().tolist()
        [-2.0, 0.0, 2.0]
    """
    found = principal_components(rows.double(), centre=True)
    points = found.encode(rows.double(), k)
    return PrincipalView(points, found.explained_share[:k], found.subspace(k))
