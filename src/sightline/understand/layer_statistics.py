"""What every layer and activation of a network gives, gets and holds: the numbers by which illness shows.

Legend: v the values a layer gives, N examples, U units (channels of maps, numbers of a vector, the last axis of
tokens), L the loss of a batch.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from sightline.core.errors import ConfigurationError, InputError
from sightline.understand.layer_table import aligned, shape_text
from sightline.understand.loss_surface import BatchLoss, one_number
from sightline.understand.module_names import Names, unfused
from sightline.understand.moments import Moments, moments
from sightline.understand.output_statistics import OutputStatistics, RunningOutput
from sightline.understand.undisturbed import undisturbed
from sightline.understand.watched_outputs import WatchedOutput, watched_outputs


@dataclass(frozen=True)
class ParameterStatistics:
    """One parameter, a shared one once.

    Attributes:
        names: all it goes by.
        trained: whether it wants a gradient.
        values: its moments.
        gradients: of its gradient, the mean over the batches; none without a loss, or where L does not depend on it.
    """

    names: tuple[str, ...]
    trained: bool
    values: Moments
    gradients: Moments | None


@dataclass(frozen=True)
class LayerStatistics:
    """All of a network's; ``str()`` is a table of the outputs.

    Attributes:
        outputs: in order of use.
        parameters: in the network's order.
        unseen: module → why its values, or part of them, are not among the outputs.
    """

    outputs: tuple[OutputStatistics, ...]
    parameters: tuple[ParameterStatistics, ...]
    unseen: dict[str, str]

    def __str__(self) -> str:
        """Columns aligned; then what was not seen."""
        head = ("layer", "type", "output", "mean", "deviation", "gradient", "dead", "flat", "rank", "cosine")
        cells: list[tuple[str, ...]] = [head]
        for row in self.outputs:
            v, g = row.values, row.gradients
            shares = ("" if s is None else f"{s:.1%}" for s in (row.dead, row.saturated))
            numbers = f"{v.mean:.3g}", f"{v.deviation:.3g}", "" if g is None else f"{g.root_mean_square:.2g}"
            last = f"{row.effective_rank:.1f}", f"{row.cosine:.2f}"
            cells.append((row.name or "(network)", row.kind, shape_text(row.shape), *numbers, *shares, *last))
        lines = [aligned(cells, left=3), *(f"not seen: {name}: {why}" for name, why in self.unseen.items())]
        return "\n".join(lines)


def layer_statistics(
    model: nn.Module, batches: Sequence[Any], loss: BatchLoss | None = None, *, max_rows: int = 512
) -> LayerStatistics:
    """Activations, their gradients, weights and theirs, layer by layer, in the mode the network is in.

    Costs a forward pass over the batches, with a loss a backward pass too, and for each output the singular values of
    a matrix of ``max_rows`` rows. Nothing is kept of the values but sums and that sample. The network, its running
    statistics, its gradients and the random state are as before after.

    Args:
        model: any module.
        batches: what ``loss`` takes; without a loss, what the model takes.
        loss: from a batch to its mean loss, calling the model.
        max_rows: for the effective rank: examples and positions, evenly spaced over all.

    Raises:
        ConfigurationError: for max_rows below 2.
        InputError: for no batch, or a loss that is not a number.

    Source: dead units and saturation, the lecture notes, lectures 3 and 13; effective rank Roy & Vetterli 2007

    Lecture: U1

    Example:
        >>> _ = torch.manual_seed(0)
        >>> network = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 1))
        >>> with torch.no_grad():
        ...     _ = network[0].bias.copy_(torch.tensor([-99.0, 0.0, 0.0, 0.0]))
        >>> found = layer_statistics(network, [torch.randn(64, 3)], lambda x: network(x).square().mean())
        >>> [(row.name, row.dead) for row in found.outputs]
        [('0', None), ('1', 0.25), ('2', None)]
    """
    if max_rows < 2:
        raise ConfigurationError(expected="at least 2 rows", found=f"max_rows = {max_rows}", do="use 512")
    if not batches:
        raise InputError(expected="at least one batch", found="none", do="give some hundreds of examples")
    parameters = {name: p for name, p in model.named_parameters() if p.requires_grad}
    sums: dict[str, Tensor] = {}
    uses: dict[tuple[str, str, int], RunningOutput] = {}
    called: set[str] = set()
    rows_each = max(2, -(-max_rows // len(batches)))
    for batch in batches:
        counts: dict[tuple[str, str], int] = {}

        def note(found: WatchedOutput, counts: dict[tuple[str, str], int] = counts) -> None:
            key = found.name, found.kind
            number = counts[key] = counts.get(key, -1) + 1
            uses.setdefault((*key, number), RunningOutput()).add(found, rows_each)

        with _watching(model, note, called, gradient=loss is not None):
            if loss is None:
                model(batch)
                continue
            value = one_number(loss(batch))
            if value.requires_grad and parameters:
                found = torch.autograd.grad(value, list(parameters.values()), allow_unused=True)
                for name, g in zip(parameters, found, strict=True):
                    if g is not None:
                        share = g.double() / len(batches)
                        sums[name] = sums[name] + share if name in sums else share
    outputs = tuple(use.finished(*key) for key, use in uses.items())
    return LayerStatistics(outputs, tuple(_of_parameters(model, sums)), _unseen(model, called))


@contextmanager
def _watching(model: nn.Module, note: Any, called: set[str], *, gradient: bool) -> Iterator[Names]:
    with undisturbed(model), unfused(), torch.set_grad_enabled(gradient), watched_outputs(model, note, called) as names:
        yield names


def _of_parameters(model: nn.Module, gradients: dict[str, Tensor]) -> Iterator[ParameterStatistics]:
    names: dict[int, list[str]] = {}
    for name, p in model.named_parameters(remove_duplicate=False):
        names.setdefault(id(p), []).append(name)
    for name, p in model.named_parameters():
        gradient = moments(gradients[name]) if name in gradients else None
        yield ParameterStatistics(tuple(names[id(p)]), p.requires_grad, moments(p), gradient)


def _unseen(model: nn.Module, called: set[str]) -> dict[str, str]:
    why = {}
    for name, module in model.named_modules():
        if isinstance(module, nn.RNNBase):
            why[name] = "its gates and steps are computed inside of one call; only its outputs are seen"
        elif isinstance(module, nn.MultiheadAttention):
            why[name] = "its scores are computed inside of one call; only its outputs are seen"
        elif isinstance(module, torch.jit.ScriptModule):
            why[name] = "compiled; only its outputs are seen"
        elif name not in called and any(p is not None for p in module._parameters.values()):
            why[name] = "not called on these batches; its weights may be used without it"
    return why
