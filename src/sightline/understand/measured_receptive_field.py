"""The receptive field measured: where the gradient of a unit with respect to the input is not zero."""

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Bool
from torch import Tensor, nn

from sightline.core.errors import ConfigurationError, InputError
from sightline.understand.module_names import first_tensor, watched
from sightline.understand.receptive_field import Box, position_dims


@dataclass(frozen=True)
class MeasuredReceptiveField:
    """Input positions that a unit was seen to depend on.

    Attributes:
        layer: the module's name; "" is the network itself.
        position: of the unit among the layer's positions.
        support: [*positions of the input] true where some draw's gradient was not zero.
    """

    layer: str
    position: tuple[int, ...]
    support: Bool[Tensor, "..."]

    def box(self) -> Box | None:
        """The smallest box around the support: first and last position on each axis; none for an empty one."""
        if not self.support.any():
            return None
        places = self.support.nonzero()
        return tuple((int(a), int(b)) for a, b in zip(places.amin(0), places.amax(0), strict=True))


def measured_receptive_field(
    model: nn.Module,
    input_shape: Sequence[int],
    layer: str | None = None,
    *,
    position: Sequence[int] | None = None,
    draws: int = 16,
    generator: torch.Generator | None = None,
) -> MeasuredReceptiveField:
    """The support of ∂(Σ_c w_c y_c)/∂x, over random inputs x and random weights w of the unit's channels y.

    Max pooling and ReLU send a gradient to few inputs a draw, so the support is the union over draws, each of
    standard normal x and w. It can only be too small: by too few draws, by weights that are exactly zero, by
    gradients too small for float64. The network is copied to float64 and evaluation mode.

    Args:
        model: any module.
        input_shape: of one example, as for :func:`~sightline.understand.receptive_field.receptive_fields`.
        layer: a module's name; none: the network's outputs. One that gives maps, tokens or a vector.
        position: of the unit; the one in the middle where none is given.
        draws: inputs drawn, at least 1.
        generator: source of chance, on the CPU; torch's own where none is given.

    Raises:
        ConfigurationError: for no draw, or a layer that is not used.
        InputError: for a position that the layer does not have.

    Lecture: N5

    Example:
        >>> network = nn.Sequential(nn.Conv2d(1, 2, 3), nn.MaxPool2d(2), nn.Conv2d(2, 2, 3))
        >>> measured_receptive_field(network, (1, 16, 16)).box()
        ((4, 11), (4, 11))
    """
    if draws < 1:
        raise ConfigurationError(expected="draws ≥ 1", found=f"draws = {draws}", do="16 are mostly enough")
    network = copy.deepcopy(model).double().eval()
    name = layer or ""
    kept: list[Tensor] = []

    def note(done: str, module: nn.Module, output: Any) -> None:
        values = first_tensor(output)
        if done == name and values is not None:
            kept.append(values)

    device = next((p.device for p in network.parameters()), torch.device("cpu"))
    support: Tensor | None = None
    at: tuple[int, ...] = ()
    with torch.enable_grad(), watched(network, note):
        for _ in range(draws):
            kept.clear()
            x = torch.randn(1, *input_shape, dtype=torch.float64, generator=generator).to(device).requires_grad_()
            network(x)
            if not kept:
                raise ConfigurationError(
                    expected="the name of a layer that is used", found=repr(layer), do="see named_modules()"
                )
            at, channels = _unit(kept[-1], max(1, len(input_shape) - 1), position)
            weights = torch.randn(channels.shape, dtype=torch.float64, generator=generator).to(device)
            (gradient,) = torch.autograd.grad((channels * weights).sum(), x, materialize_grads=True)
            seen = (gradient[0] != 0).cpu()
            seen = seen.any(0) if seen.dim() > 1 else seen
            support = seen if support is None else support | seen
    return MeasuredReceptiveField(name, at, torch.zeros(()).bool() if support is None else support)


def _unit(output: Tensor, num_axes: int, position: Sequence[int] | None) -> tuple[tuple[int, ...], Tensor]:
    """The position, and all of the output there."""
    dims = position_dims(output.shape, num_axes)
    sizes = [output.shape[dim] for dim in dims]
    at = tuple(n // 2 for n in sizes) if position is None else tuple(position)
    if len(at) != len(sizes) or not all(0 <= i < n for i, n in zip(at, sizes, strict=True)):
        raise InputError(
            expected=f"a position among {' × '.join(map(str, sizes)) or 'none'}", found=f"{at}", do="count from 0"
        )
    for dim, place in zip(reversed(dims), reversed(at), strict=True):
        output = output.select(dim, place)
    return at, output
