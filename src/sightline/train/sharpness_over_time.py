"""Sharpness of a run against the stability limit of its rate, at every checkpoint that was kept.

Legend: H the Hessian of the mean loss, η the rate, D what Adam and its kin divide a step by (√v̂ + ε; 1 for SGD).
"""

from collections.abc import Iterator, Mapping
from copy import deepcopy
from dataclasses import asdict, dataclass
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from sightline.core.checkpoint import list_checkpoints, load_state, load_weights
from sightline.core.config import build
from sightline.core.errors import ConfigurationError
from sightline.core.progress import progress
from sightline.core.seeds import Seeds
from sightline.data import Batch
from sightline.objectives import Adversarial, Objective
from sightline.optim import OPTIMIZERS
from sightline.train.matching import load_matching
from sightline.understand.loss_surface import LossSurface
from sightline.understand.sharpness import sharpness
from sightline.understand.stability_limit import stability_limit

if TYPE_CHECKING:
    from sightline.train.run import Run

READING = "readings/sharpness.json"

MOST_NUMBERS = 262_144
"""Numbers of all examples together, of images and tables; tokens cost more."""

MOST_TOKENS = 4_096
MOST_EXAMPLES, FEWEST_EXAMPLES, BATCH = 256, 8, 64

TOLERANCE, MOST_PRODUCTS = 1e-2, 40


@dataclass(frozen=True)
class SharpnessAt:
    """One checkpoint.

    Args:
        step: updates done.
        sharpness: the largest eigenvalue of D^{−1/2} H D^{−1/2}.
        limit: above it steps along its direction grow.
        rate: η of the last update.
        loss: on the examples looked at.
        converged: whether the eigenvalue is known to 1 %.
    """

    step: int
    sharpness: float
    limit: float
    rate: float
    loss: float
    converged: bool


@dataclass(frozen=True)
class SharpnessOverTime:
    """Sharpness by checkpoint.

    Args:
        points: oldest first.
        factor: limit · η: 2 for plain descent, more with momentum.
        preconditioned: whether D is not 1.
        optimizer: its name.
        examples: training examples looked at.
    """

    points: tuple[SharpnessAt, ...]
    factor: float
    preconditioned: bool
    optimizer: str
    examples: int

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)


def measure_sharpness(run: "Run") -> SharpnessOverTime:
    """The largest eigenvalue of the Hessian at each checkpoint, beside the limit of the rate; kept in the run folder.

    The loss is the objective's on up to 256 training examples, spread evenly, as they are (not augmented), in training
    mode, with the L2 term where the optimiser's is coupled. Costs up to 40 products with the Hessian a checkpoint,
    about four forward passes over the examples each. Training keeps the best and the last two checkpoints;
    ``plan.keep`` keeps more.

    Args:
        run: finished or not; a checkpoint before the first update is left out.

    Raises:
        ConfigurationError: for a run of two players, which descend no common loss, or one without a checkpoint after
            an update.
        CheckpointError: when a checkpoint is damaged.
        InputError: for a loss that is not finite.

    Source: Cohen et al. 2021, "Gradient Descent on Neural Networks Typically Occurs at the Edge of Stability"; for
        Adam Cohen et al. 2022, "Adaptive Gradient Methods at the Edge of Stability"

    Lecture: U3
    """
    if isinstance(run.objective, Adversarial):
        raise ConfigurationError(
            expected="a run that descends one loss",
            found="two players, each with its own",
            do="look at the balance of the two in the report instead",
        )
    checkpoints = [path for path in list_checkpoints(run.folder) if not path.name.endswith("-000000000")]
    if not checkpoints:
        raise ConfigurationError(
            expected=f"a checkpoint with an update in {run.folder.checkpoints}",
            found="none",
            do="train it first: `sightline resume RUN`",
        )
    model = deepcopy(run.model)
    batches = _batches(run)
    points, factor, preconditioned = [], 2.0, False
    with progress("sharpness", len(checkpoints), "checkpoints") as bar:
        for path in checkpoints:
            load_matching(model, load_weights(path))
            optimizer = build(run.spec.optim, OPTIMIZERS).build(model)
            optimizer.load_state_dict(_optimizer_state(path))
            group = optimizer.param_groups[0]
            scale = preconditioner(model, optimizer)
            rate, preconditioned = float(group["lr"]), scale is not None
            factor = limit_of(optimizer) * rate if rate > 0 else factor
            model.train()
            surface = LossSurface(
                model,
                batches,
                lambda batch: run.objective(model, batch).total + _penalty(optimizer),  # noqa: B023 - used at once
                weights=[len(batch) for batch in batches],
            )
            found = sharpness(surface, scale=scale, tolerance=TOLERANCE, max_products=MOST_PRODUCTS)
            limit = factor / rate if rate > 0 else float("inf")
            step = int(path.name.removeprefix("step-"))
            points.append(SharpnessAt(step, found.largest, limit, rate, found.loss, found.converged))
            bar.advance(1)
    told = SharpnessOverTime(
        tuple(points), factor, preconditioned, run.spec.optim.name, sum(len(batch) for batch in batches)
    )
    run.folder.write(READING, told.to_dict())
    return told


def limit_of(optimizer: torch.optim.Optimizer) -> float:
    """The stability limit of an optimiser's rate, momentum in its own form.

    Example:
        >>> limit_of(torch.optim.SGD([nn.Parameter(torch.ones(1))], lr=0.5, momentum=0.5))
        6.0
    """
    group = optimizer.param_groups[0]
    lr = float(group["lr"])
    if "betas" in group:
        return stability_limit(lr, momentum=float(group["betas"][0]), averaged=True)
    return stability_limit(lr, momentum=float(group.get("momentum", 0)), nesterov=bool(group.get("nesterov", False)))


def preconditioner(model: nn.Module, optimizer: torch.optim.Optimizer) -> Tensor | None:
    """D of every trainable parameter, in the model's order; none where steps are not divided by anything.

    Adam √(v/(1 − β₂ᵗ)) + ε; RMSProp and Adagrad √s + ε.
    """
    epsilon = {id(p): group.get("eps", 0.0) for group in optimizer.param_groups for p in group["params"]}
    beta = {id(p): group["betas"][1] for group in optimizer.param_groups if "betas" in group for p in group["params"]}
    parts = []
    for p in model.parameters():
        if not p.requires_grad:
            continue
        kept: Mapping[str, Any] = optimizer.state.get(p, {})
        square = next((kept[name] for name in ("exp_avg_sq", "square_avg", "sum") if name in kept), None)
        if square is None:
            return None
        corrected = square / (1 - beta[id(p)] ** float(kept["step"])) if id(p) in beta else square
        parts.append((corrected.sqrt() + epsilon[id(p)]).flatten())
    return torch.cat(parts) if parts else None


def _penalty(optimizer: torch.optim.Optimizer) -> Tensor | float:
    """½ Σ λ |w|² where it is a part of the loss."""
    if isinstance(optimizer, torch.optim.AdamW):
        return 0.0
    terms = [
        group["weight_decay"] / 2 * p.square().sum()
        for group in optimizer.param_groups
        if group.get("weight_decay")
        for p in group["params"]
    ]
    return torch.stack(terms).sum() if terms else 0.0


def _optimizer_state(checkpoint: Path) -> dict[str, Any]:
    state: dict[str, Any] = load_state(checkpoint)["algorithm"]["optimizer"]
    return state


def _batches(run: "Run") -> list[Batch]:
    """Training examples, prepared once: what is hidden from the network is the same at every checkpoint."""
    split, size = run.data.train, prod(run.schema.input_shape)
    most = MOST_TOKENS // size if run.schema.text is not None else MOST_NUMBERS // size
    count = min(len(split), max(FEWEST_EXAMPLES, min(MOST_EXAMPLES, most)))
    rows = torch.linspace(0, len(split) - 1, count).long()
    with Seeds(run.spec.seed).scope("evaluate", 0):
        return list(_prepared(run.objective, split.batches(batch_size=BATCH, order=rows)))


def _prepared(objective: Objective, batches: Iterator[Batch]) -> Iterator[Batch]:
    for batch in batches:
        yield objective.prepare(batch)
