"""The engine: repeat the algorithm's step, look, save, resume. It knows no loss and no optimiser."""

import math
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from lightning_fabric import Fabric
from torch import Tensor

from sightline.core.checkpoint import load_state, load_weights, mark_best, save_checkpoint
from sightline.core.errors import CheckpointError, NonFiniteLossError
from sightline.core.run_folder import RunFolder
from sightline.core.seeds import Seeds, permutation
from sightline.data import Batch, Data, Split
from sightline.optim import EarlyStopping
from sightline.train.algorithm import Algorithm
from sightline.train.interruption import Interrupted, Listener
from sightline.train.plan import Plan
from sightline.train.record import Record

EVALUATION_BATCH = 512


@dataclass
class Position:
    """How far a run has come: all the counters that a resumed run continues.

    Args:
        step: updates done.
        epoch: epochs finished.
        batch: batches done in the epoch under way.
        seconds: time spent training so far.
        examples: examples seen in the epoch under way.
        loss_sum: their summed loss.
        best_step: updates done at the best look at the validation split; 0 before the first.
        best_value: the metric that is wanted, there.
        best_loss: the loss there.
    """

    step: int = 0
    epoch: int = 0
    batch: int = 0
    seconds: float = 0.0
    examples: int = 0
    loss_sum: float = 0.0
    best_step: int = 0
    best_value: float = 0.0
    best_loss: float = 0.0


class Engine:
    """Trains one algorithm on one data set into one run folder.

    Args:
        algorithm: how one update is made.
        data: its training and validation splits are used; the test split never is.
        plan: how long, how much at once, when to look and to save.
        folder: where everything is left.
        seeds: the run's random streams.
        fabric: the devices.
        listener: tells whether a signal asked the run to stop.
        extra: more files for every checkpoint, by name.
    """

    def __init__(
        self,
        algorithm: Algorithm,
        data: Data,
        plan: Plan,
        folder: RunFolder,
        seeds: Seeds,
        fabric: Fabric,
        listener: Listener,
        extra: Mapping[str, str],
    ) -> None:
        self.algorithm, self.data, self.plan, self.folder = algorithm, data, plan, folder
        self.seeds, self.fabric, self.listener, self.extra = seeds, fabric, listener, extra
        self.smallest = min(max(2, fabric.world_size), len(data.train))
        self.steps_per_epoch = data.train.num_batches(plan.batch_size, self.smallest)
        self.epochs = plan.for_examples(len(data.train)).epochs or 0
        self.total_steps = self.steps_per_epoch * self.epochs
        self.position = Position()
        self.stopping = EarlyStopping(patience=plan.patience or 10**9, mode=algorithm.mode)
        self.saved_at = time.monotonic()

    def restore(self, checkpoint: Path) -> None:
        """Continue from a checkpoint, to the last bit.

        Raises:
            CheckpointError: when it is damaged, of another model, or the data have changed since.
        """
        state = load_state(checkpoint)
        if state["data"] != self.data.fingerprint:
            raise CheckpointError(
                expected=f"the data this run was started on: {self.data.source}",
                found="other content there now",
                do="put the old data back, or start a new run on the new data",
            )
        self.algorithm.load_weights(load_weights(checkpoint))
        self.algorithm.load_state_dict(state["algorithm"])
        self.seeds.load_state_dict(state["seeds"][self.fabric.global_rank % len(state["seeds"])])
        self.position = Position(**state["position"])
        self.stopping.load_state_dict(state["stopping"])
        best = checkpoint.with_name(f"step-{self.position.best_step:09d}")
        if self.position.best_step and best.exists() and self.fabric.is_global_zero:
            mark_best(self.folder, best)  # a kill may have fallen between the checkpoint and its mark

    def run(self, record: Record) -> Position:
        """Train until the plan is done, patience runs out, or a signal comes.

        Raises:
            Interrupted: after a signal, the state saved.
            NonFiniteLossError: when the loss is NaN or infinite.
            RunFolderError: when something can't be written.
        """
        self.record, self.started = record, time.monotonic() - self.position.seconds
        with self.seeds.scope("dropout"), record.bar(self.total_steps, self.position.step):
            if self.position.step == 0:
                self._save()
            while self.position.epoch < self.epochs and not self.stopping.stop:
                self._epoch()
        return self.position

    def _epoch(self) -> None:
        place = self.position
        order = permutation(len(self.data.train), self.seeds.number("order", place.epoch))
        window: list[Tensor] = []
        self.record.epoch_begins(place)
        batches = self.data.train.batches(
            batch_size=self.plan.batch_size,
            order=order,
            start=place.batch,
            rank=self.fabric.global_rank,
            world=self.fabric.world_size,
            smallest=self.smallest,
            device=self.fabric.device,
        )
        for batch in batches:
            detail = (place.step + 1) % self.plan.log_steps == 0 or place.batch + 1 == self.steps_per_epoch
            logs = self.algorithm.step(batch, detail=detail)
            loss = self._count(logs["loss"], batch, window, detail)
            if detail:
                self.record.train(place, self.steps_per_epoch, {**logs, "loss": loss})
            self.record.advance(place)
            if place.batch < self.steps_per_epoch:
                self._save_or_stop()
        place.epoch, place.batch = place.epoch + 1, 0
        self._look()
        place.examples, place.loss_sum = 0, 0.0
        self._save()
        if self._agree(bool(self.listener.number)):
            raise Interrupted(self.listener.number or 15, place.step)

    def _count(self, loss: Tensor | float, batch: Batch, window: list[Tensor], detail: bool) -> Tensor:
        """Add a step to the counters; read losses one by one on the CPU, a window at a time elsewhere.

        Returns:
            The step's mean loss over all processes.
        """
        place = self.position
        loss = torch.as_tensor(loss)
        if self.fabric.world_size > 1:
            share = loss * (len(batch) / batch.global_size)
            loss = self.fabric.all_reduce(share, reduce_op="sum")  # type: ignore[assignment]
        place.step, place.batch = place.step + 1, place.batch + 1
        place.seconds = time.monotonic() - self.started
        place.examples += batch.global_size
        window.append(loss * batch.global_size)
        if loss.device.type == "cpu" or detail:
            for back, value in enumerate(torch.stack(window).tolist()[::-1]):
                if not math.isfinite(value):
                    self._fail(place.step - back, batch)
                place.loss_sum += value
            window.clear()
        return loss

    def _fail(self, step: int, batch: Batch) -> None:
        where = self.algorithm.find_non_finite(batch)
        raise NonFiniteLossError(
            expected="a finite loss",
            found=f"NaN or infinity at step {step} (epoch {self.position.epoch + 1}); first in {where}",
            do=f"lower the rate (--optim.lr) or clip the gradient (--plan.clip-norm 1); the last good checkpoint "
            f"is in {self.folder.checkpoints}",
        )

    def _save_or_stop(self) -> None:
        """Within an epoch: save when it is time or a signal has come, and then stop."""
        place, plan = self.position, self.plan
        due = plan.checkpoint_steps is not None and place.step % plan.checkpoint_steps == 0
        late = time.monotonic() - self.saved_at > plan.checkpoint_seconds
        if self.fabric.world_size > 1:
            late = self._agree(late)
        stop = self._agree(bool(self.listener.number))
        if due or late or stop:
            self._save()
        if stop:
            raise Interrupted(self.listener.number or 15, place.step)

    def _agree(self, mine: bool) -> bool:
        """Whether any process says yes."""
        if self.fabric.world_size == 1:
            return mine
        votes = self.fabric.all_reduce(torch.tensor(float(mine), device=self.fabric.device), reduce_op="sum")
        return bool(votes)

    def _look(self) -> None:
        """Evaluate on the validation split, and remember whether this is the best so far."""
        place = self.position
        last = place.epoch == self.epochs
        if place.epoch % self.plan.evaluate_every and not last:
            self.record.epoch(place, self.epochs, {})
            return
        with self.seeds.scope("evaluate", place.step):
            metrics = self.algorithm.evaluate(self._evaluation_batches(self.data.validation))
        self.stopping.update(metrics[self.algorithm.monitor])
        if self._is_best(metrics):
            place.best_step = place.step
            place.best_value, place.best_loss = metrics[self.algorithm.monitor], metrics["loss"]
        self.record.validation(place, metrics)
        self.record.epoch(place, self.epochs, metrics)

    def _is_best(self, metrics: Mapping[str, float]) -> bool:
        """Whether this look is the best so far: by the metric that is wanted, ties by the loss; NaN never is."""
        place, value = self.position, metrics[self.algorithm.monitor]
        sign = 1 if self.algorithm.mode == "max" else -1
        if math.isnan(value) or place.best_step == 0:
            return not math.isnan(value)
        return (sign * value, -metrics["loss"]) > (sign * place.best_value, -place.best_loss)

    def _evaluation_batches(self, split: Split) -> Iterator[Batch]:
        """This process's share of a split, every example once over all processes."""
        own = torch.arange(self.fabric.global_rank, len(split), self.fabric.world_size)
        return split.batches(batch_size=EVALUATION_BATCH, order=own, device=self.fabric.device)

    def _save(self) -> None:
        """Write a checkpoint, unless the weights have left the numbers."""
        place = self.position
        weights, algorithm = self.algorithm.weights(), self.algorithm.state_dict()
        for name, weight in weights.items():
            if weight.is_floating_point() and not torch.isfinite(weight).all():
                raise NonFiniteLossError(
                    expected="finite weights",
                    found=f"NaN or infinity in {name} after step {place.step}",
                    do="lower the rate (--optim.lr) or clip the gradient (--plan.clip-norm 1); "
                    f"the last good checkpoint is in {self.folder.checkpoints}",
                )
        state = {
            "algorithm": algorithm,
            "seeds": self._all_seeds(),
            "position": asdict(place),
            "stopping": self.stopping.state_dict(),
            "data": self.data.fingerprint,
        }
        if self.fabric.is_global_zero:
            best = place.step > 0 and place.best_step == place.step
            save_checkpoint(self.folder, place.step, weights, state, best=best, keep=self.plan.keep, extra=self.extra)
        self.saved_at = time.monotonic()
        self.fabric.barrier()

    def _all_seeds(self) -> list[dict[str, Any]]:
        """The random streams of every process, by rank."""
        own = self.seeds.state_dict()
        if self.fabric.world_size == 1:
            return [own]
        gathered: list[Any] = [None] * self.fabric.world_size
        torch.distributed.all_gather_object(gathered, own)
        return gathered
