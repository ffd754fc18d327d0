"""Two players: the discriminator's updates, then the generator's, in turn; each has an optimiser of its own."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from math import isfinite
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from sightline.core.errors import ConfigurationError
from sightline.data.batch import Batch
from sightline.models.gan import GAN
from sightline.objectives.adversarial import Adversarial, discriminator_loss, generator_loss, gradient_penalty
from sightline.optim import Optimizer, Schedule, add_l1_gradient, set_lr
from sightline.train.plan import Plan
from sightline.train.supervised import Supervised, laid_out

if TYPE_CHECKING:
    from lightning_fabric import Fabric


class AdversarialTraining(Supervised):
    """k times φ ← φ − η∇_φ L_D, each with its share of the batch; then θ ← θ − η∇_θ L_G with as many made images.

    Real and made images pass the discriminator φ apart, so that its batch normalisation sees each kind by itself.
    While the generator θ learns, φ gets no gradient.

    Args:
        model: both networks.
        objective: the game.
        optim: the specification of both optimisers; the discriminator's rate is the objective's multiple of it.
        schedule: the factor on both rates at each step.
        options: those of :class:`~sightline.train.supervised.Supervised`.

    Raises:
        ConfigurationError: for a model that is no pair, or a batch in parts.

    Source: Goodfellow et al. 2014, "Generative Adversarial Nets", algorithm 1

    Lecture: X4
    """

    def __init__(
        self, model: nn.Module, objective: Adversarial, optim: Optimizer, schedule: Schedule, **options: Any
    ) -> None:
        super().__init__(model, objective, optim, schedule, **options)
        objective.require_kind(model)
        assert isinstance(model, GAN)
        self.pair, self.game = model, objective
        if self.accumulate > 1:
            raise _refused("accumulate", self.accumulate)

    def setup(self, fabric: "Fabric", total_steps: int) -> None:
        """Move to the device; make both optimisers.

        Raises:
            ConfigurationError: for several processes.
        """
        if fabric.world_size > 1:
            raise _refused("devices", fabric.world_size)
        super().setup(fabric, total_steps)
        judge = nn.ModuleList([part for name, part in self.pair.named_children() if name != "generator"])
        self.judge_optimizer = self.optim.build(judge)
        for group in self.judge_optimizer.param_groups:
            group["initial_lr"] *= self.game.discriminator_rate

    def learner(self) -> nn.Module:
        """What the first optimiser moves: the generator."""
        return self.pair.generator

    def step(self, batch: Batch, *, detail: bool) -> Mapping[str, Tensor | float]:
        """The updates of both players.

        Returns:
            "loss": the discriminator's, mean over its updates; "generator_loss" beside it; with ``detail`` the mean of
            what the discriminator says of real and of made images.
        """
        if self.layout is not None:
            batch = laid_out(batch, self.layout)
        factor = self.schedule.factor(self.step_number, self.total_steps)
        set_lr(self.optimizer, factor)
        set_lr(self.judge_optimizer, factor)
        self.objective.progress = self.step_number / self.total_steps
        # two examples at least in each part, for the normalisation by batch
        parts = batch.split(max(1, min(self.game.discriminator_steps, len(batch) // 2)))
        loss, real, made = torch.stack([self._teach_discriminator(part) for part in parts]).mean(0)
        deceived = self._teach_generator(batch)
        if self.checks_every_step and not isfinite(float(loss + deceived)):
            return {"loss": loss + deceived}
        self._count_update()
        logs: dict[str, Tensor | float] = {"loss": loss, "generator_loss": deceived}
        if detail:
            logs |= {"lr": self.optimizer.param_groups[0]["lr"], "real_score": real, "made_score": made}
        return logs

    def _teach_discriminator(self, batch: Batch) -> Tensor:
        """One update of φ; its loss before that, and the mean scores of real and made images."""
        # the bare pair under autocast: a wrapped module's outputs refuse the gradient of a gradient
        pair, game = self.pair, self.game
        with self.fabric.autocast():
            with torch.no_grad():
                made = game.blurred(game.make(pair, batch))
            real = game.blurred(batch.inputs)
            if game.penalty:
                real = real.detach().requires_grad_()
            odds = game.judge(pair, real, batch)
            made_odds = game.judge(pair, made, batch)
            loss = discriminator_loss(odds, made_odds, game.game).mean()
        total = loss + game.penalty * gradient_penalty(odds, real) if game.penalty else loss
        told = self._update(self.judge_optimizer, total, loss)
        return torch.stack([told, odds.detach().mean(), made_odds.detach().mean()])

    def _teach_generator(self, batch: Batch) -> Tensor:
        """One update of θ."""
        pair, game = self.pair, self.game
        with still(pair.judges()):
            with self.fabric.autocast():
                made = game.judge(pair, game.blurred(game.make(pair, batch)), batch)
                loss = generator_loss(made, game.game).mean()
            return self._update(self.optimizer, loss, loss)

    def _update(self, optimizer: torch.optim.Optimizer, total: Tensor, told: Tensor) -> Tensor:
        """One step down a loss; one that is not finite is not followed."""
        if self.checks_every_step and not isfinite(total.item()):
            return total.detach()
        optimizer.zero_grad(set_to_none=True)
        self.placement.backward(total)
        if self.l1:
            add_l1_gradient(optimizer, self.l1)
        self._clip(optimizer, detail=False)
        optimizer.step()
        return told.detach()

    def evaluate(self, batches: Iterable[Batch]) -> Mapping[str, float]:
        """Both losses, and the number of updates, by which the last weights are kept: no loss tells the best images."""
        return {**super().evaluate(batches), "updates": float(self.step_number)}

    def state_dict(self) -> dict[str, Any]:
        """Both optimisers' moments and the step number."""
        judge = self.placement.optimizer_state(self.judge_optimizer)
        return {**super().state_dict(), "judge_optimizer": judge}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from :meth:`state_dict`."""
        super().load_state_dict(state)
        self.placement.load_optimizer_state(self.judge_optimizer, state["judge_optimizer"])


REFUSED = {
    "accumulate": "whole batches: the discriminator's steps divide them already",
    "devices": "one process",
    "patience": "no early stopping: no loss of theirs tells which images are best",
}
"""What two players can't be trained with, and what they need instead."""


def require_plan(plan: Plan) -> None:
    """Refuse what two players can't be trained with, before anything is made.

    Raises:
        ConfigurationError: for several processes, batches in parts, or early stopping.
    """
    for name, idle in (("accumulate", 1), ("devices", 1), ("patience", None)):
        if getattr(plan, name) != idle:
            raise _refused(name, getattr(plan, name))


def _refused(name: str, value: object) -> ConfigurationError:
    return ConfigurationError(
        expected=f"for two players {REFUSED[name]}", found=f"plan.{name} = {value}", do=f"leave plan.{name} out"
    )


@contextmanager
def still(parameters: Sequence[nn.Parameter]) -> Iterator[None]:
    """Parameters that get no gradient within a ``with`` block."""
    before = [parameter.requires_grad for parameter in parameters]
    for parameter in parameters:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter, learns in zip(parameters, before, strict=True):
            parameter.requires_grad_(learns)
