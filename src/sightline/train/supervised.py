"""Supervised learning: one model, one objective, one optimiser, one gradient step a batch."""

from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from math import isfinite
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from sightline.core.errors import ConfigurationError
from sightline.core.kinds import a_kind
from sightline.data.batch import Batch
from sightline.objectives import Objective
from sightline.objectives.image_objective import ImageObjective
from sightline.optim import Optimizer, Schedule, add_l1_gradient, clip_by_norm, clip_by_value, set_lr
from sightline.train.non_finite import find_non_finite
from sightline.train.placement import Placement, place
from sightline.train.share import share_of, whole_terms
from sightline.train.weight_average import Averaged
from sightline.train.whole import whole_tensor

if TYPE_CHECKING:
    from lightning_fabric import Fabric


class Supervised:
    """θ ← θ − η·direction(∇θ mean loss): the update of ordinary training.

    Args:
        model: any module from a batch's inputs to the objective's outputs.
        objective: the surrogate loss, beside the metrics that are really wanted.
        optim: the optimiser's specification.
        schedule: the factor on its rate at each step.
        clip_norm: largest norm of the whole gradient.
        clip_value: largest absolute entry of the gradient.
        accumulate: parts that a batch is divided into, one after the other, their gradients added up.
        channels_last: lay images out with channels innermost.
        sharded: where there are several processes, spread the model over them.
        average: decay of a running average of the weights, which is measured and kept in their place; none: no average.

    Lecture: F1, O1
    """

    def __init__(
        self,
        model: nn.Module,
        objective: Objective,
        optim: Optimizer,
        schedule: Schedule,
        *,
        clip_norm: float | None = None,
        clip_value: float | None = None,
        accumulate: int = 1,
        channels_last: bool = True,
        sharded: bool = False,
        average: float | None = None,
    ) -> None:
        self.model, self.objective, self.optim, self.schedule = model, objective, optim, schedule
        self.clip_norm, self.clip_value = clip_norm, clip_value
        self.accumulate = accumulate
        self.channels_last, self.sharded, self.average = channels_last, sharded, average
        self.monitor, self.mode = objective.monitor, objective.mode
        self.step_number = 0

    def setup(self, fabric: "Fabric", total_steps: int) -> None:
        """Move to the device; wrap for several processes or lower precision where that is asked for."""
        self.fabric, self.total_steps = fabric, total_steps
        self.layout = torch.channels_last if self.channels_last and _has_images(self.model) else None
        if self.layout is not None:
            self.model.to(memory_format=self.layout)  # type: ignore[call-overload]
        placed = place(self.model, fabric, sharded=self.sharded)
        self.placement: Placement = placed if self.average is None else Averaged(placed, self.average)
        self.optimizer = self.optim.build(self.learner())
        self.checks_every_step = fabric.device.type == "cpu" and fabric.world_size == 1
        self.l1 = getattr(self.optim, "l1", 0.0)
        self.placement.model.train()

    def learner(self) -> nn.Module:
        """What the optimiser moves: the whole model, as it is called in training."""
        return self.placement.model

    def step(self, batch: Batch, *, detail: bool) -> Mapping[str, Tensor | float]:
        """One update; a loss that is not finite is not followed (on the CPU: checked at every step).

        Returns:
            "loss": the mean loss of the model's outputs, as :func:`share_of` has it; what is minimised, where it is
            more than that (heads inside the network), is "total_loss".
        """
        if self.layout is not None:
            batch = laid_out(batch, self.layout)
        factor = self.schedule.factor(self.step_number, self.total_steps)
        set_lr(self.optimizer, factor)
        self.objective.progress = self.step_number / self.total_steps
        batch = self.objective.prepare(batch)
        whole = whole_terms(self.objective, batch, self.fabric.world_size)
        own = total = torch.zeros((), device=batch.inputs.device)
        # as many parts in every process, though one may have an example more: each part is a meeting of all
        smallest = max(1, batch.global_size // self.fabric.world_size)
        for number, part in enumerate(batch.split(min(self.accumulate, smallest))):
            loss = self.objective(self.placement.model, part)
            share = share_of(loss, self.objective, part, whole, self.fabric.world_size)
            own, total = own + share.own, total + share.total.detach()
            if self.checks_every_step and not isfinite(total.item()):
                return {"loss": total}
            if not number:
                # not before: the new gradients take the old ones' memory while it is warm
                self.optimizer.zero_grad(set_to_none=True)
            self.placement.backward(share.total)
        if self.fabric.world_size > 1:  # the engine weighs what a process logs by its share of the examples
            own = own * (batch.global_size / (len(batch) * self.fabric.world_size))
        logs: dict[str, Tensor | float] = {"loss": torch.where(total.isfinite(), own, total)}
        if self.l1:
            add_l1_gradient(self.optimizer, self.l1)
        norm = self._clip(self.optimizer, detail)
        self.optimizer.step()
        self._count_update()
        if detail:
            logs |= {"grad_norm": norm, "lr": self.optimizer.param_groups[0]["lr"]}
            if len(loss.parts) > 1:
                logs["total_loss"] = self.fabric.all_reduce(total, reduce_op="mean")  # type: ignore[assignment]
        return logs

    def _count_update(self) -> None:
        """One update more: the average takes it in."""
        if isinstance(self.placement, Averaged):
            self.placement.update()
        self.step_number += 1

    def _clip(self, optimizer: torch.optim.Optimizer, detail: bool) -> Tensor | float:
        """Clip as asked; the gradient's norm before that, where it is wanted."""
        parameters = [p for group in optimizer.param_groups for p in group["params"]]
        largest = self.clip_norm or float("inf")
        if not detail and self.clip_norm is None:
            norm: Tensor | float = float("nan")
        else:
            norm = whole_tensor(clip_by_norm(parameters, largest))
        if self.clip_value is not None:
            clip_by_value(parameters, self.clip_value)
        return norm

    def evaluate(self, batches: Iterable[Batch]) -> Mapping[str, float]:
        """The mean loss and every metric of the objective, over all processes."""
        # in full precision, with the running statistics that are saved: what is measured is what is kept
        metrics = self.objective.metrics().to(self.fabric.device)
        total, count = 0.0, 0
        self.placement.model.eval()
        self.objective.progress = 1.0
        try:
            with torch.no_grad(), self.placement.whole() as model:
                for batch in batches:
                    laid = batch if self.layout is None else laid_out(batch, self.layout)
                    losses, terms = self.objective.take_in(metrics, model, self.objective.prepare(laid))
                    total, count = total + losses, count + terms
        finally:
            self.placement.model.train()
        if self.fabric.world_size > 1:
            sums = torch.tensor([total, count], dtype=torch.float64, device=self.fabric.device)
            torch.distributed.all_reduce(sums)
            total, count = sums[0].item(), int(sums[1])
        return {
            "loss": total / count,
            **{name: float(value) for name, value in metrics.compute().items()},
        }

    def shown(self) -> AbstractContextManager[object]:
        """The model as it is to be shown, for a ``with`` block that every process enters."""
        return self.placement.whole() if isinstance(self.placement, Averaged) else nullcontext()

    def weights(self) -> Mapping[str, Tensor]:
        """The model's parameters and buffers; where they are averaged, the average."""
        return self.placement.weights()

    def load_weights(self, weights: Mapping[str, Tensor]) -> None:
        """Take a checkpoint's weights.

        Raises:
            CheckpointError: when names or shapes are another model's.
        """
        self.placement.load_weights(weights)

    def state_dict(self) -> dict[str, Any]:
        """The optimiser's moments and the step number; beside an average, the weights it is of."""
        own: dict[str, Any] = {"training": self.placement.state_dict()} if isinstance(self.placement, Averaged) else {}
        moments = self.placement.optimizer_state(self.optimizer)
        return {"optimizer": moments, "step_number": self.step_number, **own}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from :meth:`state_dict`."""
        self.placement.load_optimizer_state(self.optimizer, state["optimizer"])
        self.step_number = state["step_number"]
        if isinstance(self.placement, Averaged):
            self.placement.load_state_dict(state["training"])

    def find_non_finite(self, batch: Batch) -> str:
        """The first layer or parameter that is not finite on this batch."""
        prepared = self.objective.prepare(batch)
        placed = self.placement.placement if isinstance(self.placement, Averaged) else self.placement
        with placed.whole() as model:
            return find_non_finite(model, batch.inputs, lambda: self.objective.answers(model, prepared))

    def describe(self, batch: Batch) -> str:
        """What one step will do, line by line."""
        count = sum(p.numel() for p in self.model.parameters() if p.requires_grad)
        lines = [
            f"a batch       {tuple(batch.inputs.shape)} {batch.inputs.dtype} on {batch.inputs.device}, "
            + _in_words(batch),
            f"the model     {type(self.model).__name__}: {count:,} trainable parameters"
            + (f", features then {type(self.model.head).__name__}" if hasattr(self.model, "head") else ""),
            f"the objective {type(self.objective).__name__}, mean over the batch"
            + (f", {self.accumulate} parts one after the other" if self.accumulate > 1 else "")
            + f"; metric to watch: {self.monitor} ({self.mode}imum)",
            "the gradient  "
            + (f"clipped to norm {self.clip_norm:g}" if self.clip_norm else "")
            + (f"clipped to ±{self.clip_value:g} an entry" if self.clip_value else "")
            + ("as it is" if not self.clip_norm and not self.clip_value else ""),
            f"the update    {self.optim}",
        ]
        for group in self.optimizer.param_groups:
            numbers = sum(p.numel() for p in group["params"])
            decay = group.get("weight_decay", 0.0)
            lines.append(f"                {numbers:,} parameters, weight decay {decay:g}")
        marks = sorted({0, self.total_steps // 4, self.total_steps // 2, 3 * self.total_steps // 4})
        rates = ", ".join(
            f"{group_lr(self.optimizer) * self.schedule.factor(s, self.total_steps):.3g} at {s:,}" for s in marks
        )
        lines.append(f"the rate      {rates} of {self.total_steps:,} updates")
        return "\n".join(lines)


def group_lr(optimizer: torch.optim.Optimizer) -> float:
    """The first group's rate before the schedule."""
    group = optimizer.param_groups[0]
    return float(group.get("initial_lr", group["lr"]))


def require_inputs(model: nn.Module, objective: Objective, batch: Batch, num_outputs: int) -> None:
    """Check once that a model takes the data's inputs and gives the outputs the objective needs.

    Raises:
        ConfigurationError: when the shapes do not fit.
    """
    weight = next(model.parameters(), None)
    if weight is None:
        raise ConfigurationError(
            expected="a model with parameters to train", found=f"{type(model).__name__} without any", do="pass another"
        )
    was_training = model.training
    model.eval()
    first = batch.split(len(batch))[0].to(weight.device)
    try:
        with torch.no_grad(), torch.random.fork_rng(devices=[]):
            outputs, target = objective.answers(model, objective.prepare(first))
    except (RuntimeError, TypeError, ValueError) as error:
        raise ConfigurationError(
            expected=f"a model that takes inputs of shape {tuple(batch.inputs.shape[1:])}",
            found=str(error).splitlines()[0],
            do="build the model from the data's schema",
        ) from error
    finally:
        model.train(was_training)
    count = len(target)
    if objective.task == "span":  # its outputs are one a place
        num_outputs = first.inputs.shape[1]
    elif isinstance(objective, ImageObjective):  # its answers are losses
        num_outputs = 1
    if not isinstance(outputs, Tensor) or tuple(outputs.shape) != (count, num_outputs):
        one = "one example" if count == 1 else f"{count} terms of one example"
        raise ConfigurationError(
            expected=f"a model with {num_outputs} outputs for {one}: a tensor of shape ({count}, {num_outputs})",
            found=f"shape {tuple(outputs.shape)}" if isinstance(outputs, Tensor) else a_kind(outputs),
            do="build the model from the data's schema",
        )


def _in_words(batch: Batch) -> str:
    """What a batch holds."""
    if batch.inputs.is_floating_point():
        return f"mean {batch.inputs.mean():.3f}, standard deviation {batch.inputs.std():.3f}"
    filled = 0.0 if batch.present is None else 1 - batch.present.float().mean().item()
    return "tokens" + (f", {filled:.0%} of them filling" if filled else "")


def _has_images(model: nn.Module) -> bool:
    return any(isinstance(m, nn.Conv2d) for m in model.modules())


def laid_out(batch: Batch, layout: torch.memory_format) -> Batch:
    """A batch of images in a memory format."""
    return replace(batch, inputs=batch.inputs.contiguous(memory_format=layout))
