"""The engine: repeat the algorithm's step, look, save, resume. It knows no loss and no optimiser."""

import math
import signal
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from sightline.core.checkpoint import load_state, load_weights, mark_best, save_checkpoint
from sightline.core.errors import CheckpointError, NonFiniteLossError
from sightline.core.run_folder import RunFolder
from sightline.core.seeds import Seeds, permutation
from sightline.data import Batch, Data, Split
from sightline.data.augment import Augmenter
from sightline.optim import EarlyStopping
from sightline.train.algorithm import Algorithm
from sightline.train.interruption import Interrupted, Listener
from sightline.train.plan import Plan
from sightline.train.record import Record

if TYPE_CHECKING:
    from lightning_fabric import Fabric

EVALUATION_BATCH = 512


@dataclass
class Position:
    """How far a run has come: all the counters that a resumed run continues.

    Args:
        step: updates done.
        epoch: epochs finished.
        batch: batches done in the epoch under way.
        seconds: time spent training so far.
        examples: examples of the epoch under way whose loss has been read.
        loss_sum: their summed loss.
        best_step: updates done at the best look at the validation split; 0 before the first.
    """

    step: int = 0
    epoch: int = 0
    batch: int = 0
    seconds: float = 0.0
    examples: int = 0
    loss_sum: float = 0.0
    best_step: int = 0


def smallest_batch(data: Data, plan: Plan) -> int:
    """A last batch with fewer examples is left out of an epoch: every process needs one, a variance two."""
    return min(max(2, plan.devices), len(data.train))


def steps_per_epoch(data: Data, plan: Plan) -> int:
    """Updates in one pass over the training split."""
    return data.train.num_batches(plan.batch_size, smallest_batch(data, plan))


def total_steps(data: Data, plan: Plan) -> int:
    """Updates of the whole run."""
    if plan.steps is not None:
        return plan.steps
    return steps_per_epoch(data, plan) * (plan.for_examples(len(data.train)).epochs or 0)


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
        followers: called with the number of updates done after every look at the validation split, in the first
            process; they leave training's random streams and weights as they are.
    """

    def __init__(
        self,
        algorithm: Algorithm,
        data: Data,
        plan: Plan,
        folder: RunFolder,
        seeds: Seeds,
        fabric: "Fabric",
        listener: Listener,
        extra: Mapping[str, str],
        followers: Sequence[Callable[[int], None]] = (),
    ) -> None:
        self.algorithm, self.data, self.plan, self.folder = algorithm, data, plan, folder
        self.seeds, self.fabric, self.listener, self.extra = seeds, fabric, listener, extra
        self.followers = followers
        self.smallest = smallest_batch(data, plan)
        self.steps_per_epoch = steps_per_epoch(data, plan)
        self.total_steps = total_steps(data, plan)
        self.epochs = -(-self.total_steps // self.steps_per_epoch)
        self.augmenter = Augmenter(data.spec.augment, data.schema, seeds) if data.spec.augment.active else None
        self.position = Position()
        self.stopping = EarlyStopping(patience=plan.patience or 10**9, mode=algorithm.mode)
        self.saved_at = time.monotonic()
        self.window: list[tuple[Tensor, int]] = []
        self.infinite_from_the_start: set[str] = set()

    def restore(self, checkpoint: Path) -> None:
        """Continue from a checkpoint, to the last bit.

        Raises:
            CheckpointError: when it is damaged, of another model, or the data have changed since.
        """
        state, weights = load_state(checkpoint), load_weights(checkpoint)
        if state["data"] != self.data.fingerprint:
            raise CheckpointError(
                expected=f"the data this run was started on: {self.data.source}",
                found="other content there now",
                do="put the old data back, or start a new run on the new data",
            )
        self.algorithm.load_weights(weights)
        self.infinite_from_the_start = {n for n, w in weights.items() if not torch.isfinite(w).all()}
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
            while self.position.step < self.total_steps and not self.stopping.stop:
                self._epoch()
        return self.position

    def _epoch(self) -> None:
        place = self.position
        order = permutation(len(self.data.train), self.seeds.number("order", place.epoch))
        self.record.resumes(place)
        batches = self.data.train.batches(
            batch_size=self.plan.batch_size,
            order=order,
            start=place.batch,
            rank=self.fabric.global_rank,
            world=self.fabric.world_size,
            smallest=self.smallest,
            device=self.fabric.device,
            augment=self.augmenter.epoch(place.epoch) if self.augmenter is not None else None,
        )
        for batch in batches:
            detail = (place.step + 1) % self.plan.log_steps == 0 or place.batch + 1 == self.steps_per_epoch
            logs = self.algorithm.step(batch, detail=detail)
            loss = self._count(logs["loss"], batch, detail)
            if detail:
                self.record.train(place, self.steps_per_epoch, batch.global_size, {**logs, "loss": loss})
            self.record.advance(place)
            if place.step == self.total_steps:
                break
            if place.batch < self.steps_per_epoch:
                if self._due(place.step):
                    self._look()
                    self._save()
                    if self.stopping.stop:
                        return
                self._save_or_stop()
        if place.batch == self.steps_per_epoch:  # else the run ends within the epoch
            place.epoch, place.batch = place.epoch + 1, 0
        if place.step == self.total_steps or self._due(place.step):
            self._look()
        elif self.plan.evaluate_steps is None:
            self.record.look(place, self.total_steps, self.epochs, {})
        if self.plan.evaluate_steps is None:
            place.examples, place.loss_sum = 0, 0.0
        self._save()
        if self._agree(bool(self.listener.number)):
            raise Interrupted(self.listener.number or signal.SIGTERM, place.step)

    def _count(self, loss: Tensor | float, batch: Batch, detail: bool) -> Tensor:
        """Add a step to the counters; losses are read one by one on the CPU, a window at a time elsewhere.

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
        self.window.append((loss, batch.global_size))
        self.latest = batch
        if loss.device.type == "cpu" or detail:
            self._read_window()
        return loss

    def _read_window(self) -> None:
        """Read the losses of the steps since the last reading, and stop at the first that is not finite."""
        if not self.window:
            return
        place = self.position
        first = place.step - len(self.window) + 1
        one = len(self.window) == 1
        losses = [self.window[0][0].item()] if one else torch.stack([loss for loss, _ in self.window]).tolist()
        for step, (value, (_, size)) in enumerate(zip(losses, self.window, strict=True), start=first):
            if not math.isfinite(value):
                self._fail(step)
            place.examples += size
            place.loss_sum += value * size
        self.window.clear()

    def _fail(self, step: int) -> None:
        where = self.algorithm.find_non_finite(self.latest)
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
            raise Interrupted(self.listener.number or signal.SIGTERM, place.step)

    def _agree(self, mine: bool) -> bool:
        """Whether any process says yes."""
        if self.fabric.world_size == 1:
            return mine
        votes = self.fabric.all_reduce(torch.tensor(float(mine), device=self.fabric.device), reduce_op="sum")
        return bool(votes)

    def _due(self, step: int) -> bool:
        """Whether the validation split is to be looked at after so many updates."""
        if self.plan.evaluate_steps is not None:
            return step % self.plan.evaluate_steps == 0
        return step % (self.steps_per_epoch * self.plan.evaluate_every) == 0

    def _look(self) -> None:
        """Evaluate on the validation split, and remember whether this is the best so far."""
        self._read_window()
        place = self.position
        with self.seeds.scope("evaluate", 0):  # what is hidden from the model is the same at every look
            metrics = self.algorithm.evaluate(self._evaluation_batches(self.data.validation))
        if self.stopping.update(metrics[self.algorithm.monitor], metrics["loss"]):
            place.best_step = place.step
        self.record.validation(place, place.epoch + place.batch / self.steps_per_epoch, metrics)
        by_steps = self.plan.evaluate_steps is not None or bool(place.batch)
        self.record.look(place, self.total_steps, None if by_steps else self.epochs, metrics)
        if self.plan.evaluate_steps is not None:  # the training loss told next is that of the updates since
            place.examples, place.loss_sum = 0, 0.0
        with self.algorithm.shown():
            for follow in self.followers:
                follow(place.step)
        self.record.resumes(place)

    def _evaluation_batches(self, split: Split) -> Iterator[Batch]:
        """This process's share of a split, every example once over all processes."""
        own = torch.arange(self.fabric.global_rank, len(split), self.fabric.world_size)
        return split.batches(batch_size=EVALUATION_BATCH, order=own, device=self.fabric.device)

    def _save(self) -> None:
        """Write a checkpoint, unless the weights have left the numbers."""
        self._read_window()
        place = self.position
        weights, algorithm = self.algorithm.weights(), self.algorithm.state_dict()
        self._require_finite(weights)
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

    def _require_finite(self, weights: Mapping[str, Tensor]) -> None:
        """No checkpoint holds NaN or infinity, but where the model had them from the start (a mask of −∞)."""
        bad = {n for n, w in weights.items() if w.is_floating_point() and not torch.isfinite(w).all()}
        if self.position.step == 0:
            self.infinite_from_the_start = bad
        new = sorted(bad - self.infinite_from_the_start)
        if new:
            raise NonFiniteLossError(
                expected="finite weights",
                found=f"NaN or infinity in {new[0]} after step {self.position.step}",
                do="lower the rate (--optim.lr) or clip the gradient (--plan.clip-norm 1); "
                f"the last good checkpoint is in {self.folder.checkpoints}",
            )

    def _all_seeds(self) -> list[dict[str, Any]]:
        """The random streams of every process, by rank."""
        own = self.seeds.state_dict()
        if self.fabric.world_size == 1:
            return [own]
        gathered: list[Any] = [None] * self.fabric.world_size
        torch.distributed.all_gather_object(gathered, own)
        return gathered
