"""What a finished run leaves about its network: cost and memory by layer, spectra of its weights, a map of examples."""

from math import isfinite
from typing import Any

import torch
from torch import Tensor, nn

from sightline.core.run_folder import RunFolder
from sightline.core.schema import Schema
from sightline.data import Split
from sightline.objectives import Objective
from sightline.objectives.objective import run
from sightline.understand.layer_table import layer_table
from sightline.understand.module_names import evaluating, first_tensor
from sightline.understand.projections import principal_view
from sightline.understand.singular_values import Spectrum
from sightline.understand.undisturbed import undisturbed

LAYERS, SPECTRA, MAP = "readings/layers.json", "readings/spectra.json", "readings/embedding-map.json"

MOST_MULTIPLY_ADDS, MOST_TOGETHER = 2e9, 1e10
"""A matrix whose singular values cost more, min(m, n)² · max(m, n), is left out by name; so is what comes after so many
together: some seconds."""

MOST_SIGMA = 48
"""Singular values of a matrix that are kept, spread evenly; the first and the last are among them."""

MOST_EXAMPLES = 1000
"""Examples on the map, spread evenly over the split."""

BATCH = 250


def write_network_readings(
    folder: RunFolder, model: nn.Module, objective: Objective, split: Split, schema: Schema
) -> None:
    """Write ``readings/layers.json``, ``readings/spectra.json`` and ``readings/embedding-map.json``.

    A network that tells no class and no number has no map. Costs a forward pass over one example, an SVD for each
    matrix of weights (min(m, n)² · max(m, n) multiply-adds, 10¹⁰ in all at most), and a forward pass over at most 1,000
    examples.

    Args:
        folder: the run.
        model: with the weights to be shown; it stays as it is.
        objective: what it was trained with.
        split: the examples of the map.
        schema: the data's.

    Raises:
        RunFolderError: when something can't be written.

    Lecture: U2, F15, N2
    """
    folder.write(LAYERS, layer_costs(model, objective, split, schema))
    folder.write(SPECTRA, weight_spectra(model))
    found = embedding_map(model, objective, split, schema)
    if found is not None:
        folder.write(MAP, found)


def layer_costs(model: nn.Module, objective: Objective, split: Split, schema: Schema) -> list[dict[str, Any]]:
    """Rows of :func:`~sightline.understand.layer_table.layer_table` for the split's first example.

    A row is ``{"name", "kind", "shape", "parameters", "multiply_adds", "bytes"}``, all for one example.
    """
    first = next(iter(split.batches(batch_size=1, order=torch.zeros(1).long())))
    batch = objective.prepare(first.to(next(model.parameters()).device))
    with undisturbed(model):
        table = layer_table(model, schema.input_shape, forward=lambda: objective.answers(model, batch))
    return [
        {
            "name": row.name,
            "kind": row.kind,
            "shape": None if row.shape is None else list(row.shape),
            "parameters": row.parameters,
            "multiply_adds": row.multiply_adds,
            "bytes": row.bytes,
        }
        for row in table.rows
    ]


def weight_spectra(model: nn.Module) -> dict[str, Any]:
    """``{"weights": [{"name", "count", "sigma", "condition", "effective_rank"}], "left_out": names}``.

    A matrix is left out where its SVD costs too much, or where a number in it is not finite; of the others up to 48
    singular values are kept, at the places ``"place"`` of ``"count"``.
    """
    rows: list[dict[str, Any]] = []
    left_out: list[str] = []
    spent = 0.0
    for name, parameter in model.named_parameters():
        if parameter.dim() < 2 or not parameter.numel():
            continue
        matrix = parameter.detach().flatten(1)
        small, large = sorted(matrix.shape)
        cost = small**2 * large
        if cost > MOST_MULTIPLY_ADDS or spent + cost > MOST_TOGETHER or not bool(matrix.isfinite().all()):
            left_out.append(name)
            continue
        spent += cost
        spectrum = Spectrum(name, torch.linalg.svdvals(matrix.double()))
        count = len(spectrum.sigma)
        kept = torch.linspace(0, count - 1, min(count, MOST_SIGMA)).long()
        condition = spectrum.condition
        rows.append(
            {
                "name": name,
                "count": count,
                "place": kept.tolist(),
                "sigma": [_short(float(value)) for value in spectrum.sigma[kept]],
                "condition": _short(condition) if isfinite(condition) else None,
                "effective_rank": _short(spectrum.effective_rank),
            }
        )
    return {"weights": rows, "left_out": left_out}


def embedding_map(model: nn.Module, objective: Objective, split: Split, schema: Schema) -> dict[str, Any] | None:
    """Examples along the two principal components of what the network's last layer is given.

    Returns:
        ``{"points", "labels", "classes", "explained", "split", "width"}``; none where there is no such layer, fewer
        than three examples, or the task asks for neither a class nor a number.
    """
    if objective.task not in ("classification", "regression") or len(split) < 3:
        return None
    rows = torch.linspace(0, len(split) - 1, min(MOST_EXAMPLES, len(split))).long()
    given: list[Tensor] = []
    last = _head(model)
    if last is None:
        return None
    parts, targets = [], []
    device = next(model.parameters()).device
    handle = last.register_forward_pre_hook(lambda module, inputs: given.append(_tensor(inputs)))
    try:
        with evaluating(model), undisturbed(model):
            for batch in split.batches(batch_size=BATCH, order=rows, device=device):
                given.clear()
                run(model, objective.prepare(batch))
                if not given or len(given[-1]) != len(batch):
                    return None
                parts.append(given[-1].detach().float().flatten(1).cpu())
                targets.append(batch.target.cpu())
    finally:
        handle.remove()
    values = torch.cat(parts)
    if values.shape[1] < 2 or not bool(values.isfinite().all()) or not bool(values.std(0).max() > 0):
        return None
    view = principal_view(values, 2)
    classes = objective.task == "classification"
    return {
        "points": [[_short(x), _short(y)] for x, y in view.points.tolist()],
        "labels": torch.cat(targets).tolist() if classes else None,
        "classes": list(schema.classes) if classes else [],
        "explained": [_short(share) for share in view.explained.tolist()],
        "split": split.name,
        "width": values.shape[1],
    }


def _head(model: nn.Module) -> nn.Module | None:
    """The part that turns features into answers: ``head``, else the last linear layer."""
    head = getattr(model, "head", None)
    if isinstance(head, nn.Module):
        return head
    linear = [module for module in model.modules() if isinstance(module, nn.Linear)]
    return linear[-1] if linear else None


def _tensor(inputs: Any) -> Tensor:
    found = first_tensor(inputs)
    return torch.zeros(0) if found is None else found


def _short(value: float) -> float:
    return float(f"{value:.4g}")
