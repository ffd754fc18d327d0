"""Singular values of weights and of what layers give: how evenly a layer treats directions, and how many it uses.

Legend: σ_1 ≥ … ≥ σ_r singular values of a matrix; of weights outputs by inputs, of activations samples by units.
"""

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from math import inf, nan
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from sightline.core.errors import ConfigurationError, InputError
from sightline.understand.effective_rank import effective_rank, singular_values_of_rows
from sightline.understand.layer_table import aligned
from sightline.understand.module_names import first_tensor, unfused
from sightline.understand.undisturbed import undisturbed
from sightline.understand.watched_outputs import CHANNELS_FIRST, WatchedOutput, watched_outputs

CHANGING = (
    nn.BatchNorm1d,
    nn.BatchNorm2d,
    nn.BatchNorm3d,
    nn.LayerNorm,
    nn.RMSNorm,
    nn.GroupNorm,
    nn.InstanceNorm1d,
    nn.InstanceNorm2d,
    nn.InstanceNorm3d,
    nn.Dropout,
    nn.Dropout1d,
    nn.Dropout2d,
    nn.Dropout3d,
    nn.AlphaDropout,
)
"""Normalisation and dropout."""


@dataclass(frozen=True)
class Spectrum:
    """Singular values of one matrix.

    Attributes:
        name: of the weight or the layer.
        sigma: the largest first.
    """

    name: str
    sigma: Float[Tensor, " r"]

    @property
    def condition(self) -> float:
        """σ_1/σ_r; infinite where σ_r is 0."""
        first, last = float(self.sigma[0]), float(self.sigma[-1])
        if last == 0:
            return inf
        return first / last

    @property
    def effective_rank(self) -> float:
        """exp of the entropy of σ/Σσ: how many directions are used, counted softly."""
        return effective_rank(self.sigma)

    @property
    def stable_rank(self) -> float:
        """Σσ²/σ_1²: 1 where one direction is all; NaN of a matrix of zeros."""
        first = float(self.sigma[0])
        return float((self.sigma / first).square().sum()) if first else nan


@dataclass(frozen=True)
class Spectra:
    """In order of the network; ``str()`` is a table."""

    rows: tuple[Spectrum, ...]

    def __str__(self) -> str:
        """Columns aligned."""
        cells = [("name", "values", "largest", "smallest", "condition", "effective rank", "stable rank")]
        for row in self.rows:
            ends = f"{float(row.sigma[0]):.3g}", f"{float(row.sigma[-1]):.3g}"
            ranks = f"{row.effective_rank:.1f}", f"{row.stable_rank:.1f}"
            cells.append((row.name, str(len(row.sigma)), *ends, f"{row.condition:.3g}", *ranks))
        return aligned(cells, left=1)


@dataclass(frozen=True)
class SpectrumChange:
    """What a normalisation or a dropout did to a layer's values: both spectra over the same samples."""

    kind: str
    before: Spectrum
    after: Spectrum


def weight_singular_values(model: nn.Module) -> Spectra:
    """Of every parameter with two axes or more; of a convolution as the matrix outputs × (inputs · kernel).

    Costs an SVD for each, about min(m, n)² max(m, n) multiply-adds.

    Args:
        model: any module; a shared parameter counts once.

    Lecture: U2

    Example:
        >>> layer = nn.Linear(2, 2)
        >>> layer.weight.data = torch.tensor([[3.0, 0.0], [0.0, -1.0]])
        >>> print(weight_singular_values(layer))
        name    values  largest  smallest  condition  effective rank  stable rank
        weight       2        3         1          3             1.8          1.1
    """
    rows = []
    for name, p in model.named_parameters():
        if p.dim() >= 2 and p.numel():
            matrix = p.detach().double().flatten(1)
            finite = bool(matrix.isfinite().all())
            sigma = torch.linalg.svdvals(matrix) if finite else matrix.new_full((min(matrix.shape),), nan)
            rows.append(Spectrum(name, sigma))
    return Spectra(tuple(rows))


def convolution_singular_values(
    weight: Float[Tensor, "outputs inputs *kernel"], size: Sequence[int]
) -> Float[Tensor, " values"]:
    """Of a convolution as the linear map it is, from all maps to all maps: stride 1, circular padding, one group.

    A Fourier transform turns it into one matrix outputs × inputs for each frequency; their singular values together
    are the map's. For zero padding they are close where maps are large beside the kernel. Costs, instead of an SVD of
    (positions·outputs) × (positions·inputs), one of outputs × inputs for each position.

    Shapes:
        weight (O, I, k…); size (n…), at least the kernel → (n… · min(O, I),)

    Args:
        weight: of ``nn.Conv1d``, ``Conv2d`` or ``Conv3d``.
        size: of the maps.

    Raises:
        ConfigurationError: for a size with other axes, or smaller than the kernel.

    Source: Sedghi et al. 2019, "The Singular Values of Convolutional Layers"

    Lecture: U2

    Example:
        >>> convolution_singular_values(torch.ones(1, 1, 2), [2]).tolist()  # the sum of both, and 0
        [2.0, 0.0]
    """
    kernel = weight.shape[2:]
    if len(size) != len(kernel) or any(n < k for n, k in zip(size, kernel, strict=True)):
        raise ConfigurationError(
            expected=f"{len(kernel)} sizes of the maps, at least the kernel's {tuple(kernel)}",
            found=f"size = {tuple(size)}",
            do="give the height and width of the layer's input",
        )
    axes = tuple(range(2, weight.dim()))
    spectrum = torch.fft.fftn(weight.detach().double(), s=list(size), dim=axes)
    sigma: Tensor = torch.linalg.svdvals(spectrum.flatten(2).movedim(2, 0))
    return sigma.flatten().sort(descending=True).values


def activation_singular_values(model: nn.Module, x: Any, *, centred: bool = True) -> Spectra:
    """Of what each layer with weights and each activation gives: samples (examples and positions) by units.

    Costs a forward pass, in the mode the network is in and without a trace, and an SVD of each output.

    Args:
        model: any module.
        x: a batch.
        centred: less their mean over samples; without it the mean is the first direction.

    Lecture: U2

    Example:
        >>> _ = torch.manual_seed(0)
        >>> network = nn.Sequential(nn.Linear(8, 8), nn.Tanh(), nn.Linear(8, 2))
        >>> [len(row.sigma) for row in activation_singular_values(network, torch.randn(50, 8)).rows]
        [8, 8, 2]
    """
    rows: list[Spectrum] = []

    def note(found: WatchedOutput) -> None:
        rows.append(_of_values(found.name, found.values, found.unit_axis, centred=centred))

    with undisturbed(model), unfused(), torch.no_grad(), watched_outputs(model, note):
        model(x)
    return Spectra(tuple(rows))


def spectrum_changes(model: nn.Module, x: Any) -> list[SpectrumChange]:
    """What every normalisation and dropout of a network does to the spectrum of what it is given.

    In the mode the network is in: in evaluation dropout does nothing, and batch normalisation takes running
    statistics. Values are not centred, so that taking the mean away shows as the loss of the first direction.

    Args:
        model: any module.
        x: a batch.

    Raises:
        InputError: for a network without such layers.

    Lecture: U2

    Example:
        >>> _ = torch.manual_seed(0)
        >>> (change,) = spectrum_changes(
        ...     nn.Sequential(nn.BatchNorm1d(2)), torch.randn(99, 2) * torch.tensor([9.0, 1.0])
        ... )
        >>> change.before.condition > 5, change.after.condition < 1.5
        (True, True)
    """
    found: list[SpectrumChange] = []

    def note(name: str, module: nn.Module, inputs: tuple[Any, ...], output: Any) -> None:
        given, values = first_tensor(inputs), first_tensor(output)
        if given is None or values is None:
            return
        axis = 1 if isinstance(module, CHANNELS_FIRST) or given.dim() in (4, 5) else given.dim() - 1
        spectra = [_of_values(name, v, axis, centred=False) for v in (given, values)]
        found.append(SpectrumChange(type(module).__name__, *spectra))

    with ExitStack() as stack:
        for name, module in model.named_modules():
            if isinstance(module, CHANGING):
                stack.callback(module.register_forward_hook(partial(note, name)).remove)
        with undisturbed(model), unfused(), torch.no_grad():
            model(x)
    if not found:
        raise InputError(
            expected="a network with normalisation or dropout layers",
            found="none that was used",
            do="compare activation_singular_values of two networks instead",
        )
    return found


def _of_values(name: str, values: Tensor, axis: int, *, centred: bool) -> Spectrum:
    rows = values.movedim(axis, -1).flatten(0, -2) if axis else values.reshape(-1, 1)
    return Spectrum(name, singular_values_of_rows(rows, centred=centred))
