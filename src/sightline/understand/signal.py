"""The size of a signal on its way through a network: moments of what every layer gives, and its dead units."""

from dataclasses import dataclass
from math import sqrt

import torch
from jaxtyping import Float
from torch import Tensor, nn

from sightline.core.errors import InputError
from sightline.understand.layer_table import aligned, shape_text
from sightline.understand.module_names import evaluating, first_tensor
from sightline.understand.undisturbed import undisturbed
from sightline.understand.watched_outputs import ACTIVATIONS, WatchedOutput, watched_outputs


@dataclass(frozen=True)
class SignalRow:
    """What one layer or activation gives.

    Attributes:
        name: the layer's; an activation that is no module has its module's name, with the function's.
        kind: the module's class, or the function's name.
        shape: without the batch.
        mean, variance: over examples and units, in the outputs' units.
        relative: second moment E[y²] of the outputs, divided by that of the network's input.
        dead: share of units that are exactly 0 for every example at every position, where this is a ReLU.
        gradient: norm of the weights' gradient, where asked for and where there are weights.
    """

    name: str
    kind: str
    shape: tuple[int, ...]
    mean: float
    variance: float
    relative: float
    dead: float | None = None
    gradient: float | None = None


@dataclass(frozen=True)
class Signal:
    """Rows in order of use; ``str()`` is a table."""

    rows: tuple[SignalRow, ...]

    @property
    def layers(self) -> tuple[SignalRow, ...]:
        """Those with weights."""
        return tuple(row for row in self.rows if row.kind not in ACTIVATIONS.values())

    @property
    def activations(self) -> tuple[SignalRow, ...]:
        """The non-linearities."""
        return tuple(row for row in self.rows if row.kind in ACTIVATIONS.values())

    def __str__(self) -> str:
        """Columns aligned."""
        cells = [("layer", "type", "output", "mean", "deviation", "E[y²]/E[x²]", "dead")]
        for row in self.rows:
            numbers = f"{row.mean:.3g}", f"{sqrt(row.variance):.3g}", f"{row.relative:.3g}"
            dead = "" if row.dead is None else f"{row.dead:.1%}"
            cells.append((row.name or "(network)", row.kind, shape_text(row.shape), *numbers, dead))
        return aligned(cells, left=3)


def signal(
    model: nn.Module, x: Float[Tensor, "batch ..."], *, gradient: bool = False, training: bool = False
) -> Signal:
    """Moments after every layer with weights and every activation, for given inputs; the network is as before after.

    The check of an initialisation against data: under He's, E[y²]/E[x²] of linear layers stays near 1 through
    ReLU layers, whatever their number; under LeCun's it halves with each.

    Args:
        model: any module.
        x: inputs, some hundreds; they need not be standardised, moments are relative to theirs.
        gradient: also the gradient norms of the weights, for the loss ½·mean(outputs²). Costs a backward pass.
        training: as in training: batch normalisation by the batch's own moments, dropout on. Before the first
            step it is the training pass that tells of an initialisation; running statistics are those of nothing.

    Returns:
        Rows in order of use; a layer used twice has two.

    Raises:
        InputError: for inputs without examples, or all zero.

    Source: He et al. 2015, "Delving Deep into Rectifiers", §2.2

    Lecture: F13

    Example:
        >>> _ = torch.manual_seed(0)
        >>> network = nn.Sequential(nn.Linear(500, 500, bias=False), nn.ReLU())
        >>> _ = nn.init.kaiming_normal_(network[0].weight)
        >>> [round(row.relative, 1) for row in signal(network, torch.randn(200, 500)).rows]
        [2.0, 1.0]
    """
    size = float(x.detach().double().square().mean()) if x.numel() else 0.0
    if not size > 0:
        raise InputError(
            expected="inputs that are not all zero", found=f"shape {tuple(x.shape)}, E[x²] = {size}", do="give examples"
        )
    modules = dict(model.named_modules())
    rows: list[SignalRow] = []

    def note(found: WatchedOutput) -> None:
        if found.is_activation or isinstance(getattr(found.module, "weight", None), Tensor):
            rows.append(_row(found, size))

    with evaluating(model), watched_outputs(model, note):
        model.train(training)
        with undisturbed(model), torch.set_grad_enabled(gradient):
            outputs = first_tensor(model(x))
        if gradient and outputs is not None:
            rows = _with_gradients(rows, modules, outputs)
    return Signal(tuple(rows))


def _row(found: WatchedOutput, size: float) -> SignalRow:
    y = found.values.detach().double()
    second = float(y.square().mean())
    dead = None
    if found.kind == "relu" and y.dim() > 1:
        dead = float((y == 0).movedim(found.unit_axis, 0).flatten(1).all(1).double().mean())
    return SignalRow(
        name=found.name,
        kind=found.kind,
        shape=tuple(y.shape[1:]),
        mean=float(y.mean()),
        variance=float(y.var(correction=0)),
        relative=second / size,
        dead=dead,
    )


def _with_gradients(rows: list[SignalRow], modules: dict[str, nn.Module], outputs: Tensor) -> list[SignalRow]:
    weights = {row.name: modules[row.name].weight for row in rows if row.kind not in ACTIVATIONS.values()}
    wanted = {name: w for name, w in weights.items() if isinstance(w, Tensor) and w.requires_grad}
    with torch.enable_grad():
        loss = outputs.square().mean() / 2
    found = torch.autograd.grad(loss, list(wanted.values()), materialize_grads=True)
    norms = {name: float(g.double().norm()) for name, g in zip(wanted, found, strict=True)}
    return [
        SignalRow(**{**vars(row), "gradient": norms.get(row.name) if row.kind not in ACTIVATIONS.values() else None})
        for row in rows
    ]
