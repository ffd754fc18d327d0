"""What a run tells while it trains: metrics.jsonl, TensorBoard, and lines or bars on the terminal."""

import logging
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext, suppress
from typing import TYPE_CHECKING

from torch import Tensor

from sightline.core.files import not_writable
from sightline.core.progress import Bar, console, progress
from sightline.core.run_folder import RunFolder

if TYPE_CHECKING:
    from sightline.train.engine import Position


class Record:
    """Writes each measurement once, whatever it is: NaN and infinity are recorded as such.

    Args:
        folder: the run.
        step: where training starts or goes on; measurements after it are forgotten, to be made again.
        speaks: whether this process writes (of several, the first does).
        quiet: leave the terminal alone.
    """

    def __init__(self, folder: RunFolder, *, step: int, speaks: bool = True, quiet: bool = False) -> None:
        self.folder, self.speaks = folder, speaks
        self.tells = speaks and not quiet
        self.since = (time.monotonic(), step)
        self.progress_bar: Bar | None = None
        if speaks:
            from torch.utils.tensorboard import SummaryWriter

            logging.getLogger("tensorboard").setLevel(logging.ERROR)
            folder.keep_metrics(step)
            self.events = SummaryWriter(str(folder.path), purge_step=step + 1 if step else None)

    @contextmanager
    def bar(self, total: int, done: int) -> Iterator[None]:
        """The progress bar over all updates, for the time of training; files are closed after it."""
        try:
            with progress("training", total, "steps", done) if self.tells else nullcontext() as self.progress_bar:
                yield
        except BaseException:
            with suppress(OSError):  # what went wrong first is what is told
                self._close()
            raise
        try:
            self._close()
        except OSError as error:
            raise not_writable(self.folder.path, error) from error

    def _close(self) -> None:
        self.progress_bar = None
        if self.speaks:
            self.events.close()

    def resumes(self, place: "Position") -> None:
        """Training goes on: looks and saves before it do not count in the examples a second."""
        self.since = (time.monotonic(), place.step)

    def advance(self, place: "Position") -> None:
        """One more update is done."""
        if self.progress_bar is not None:
            self.progress_bar.description = (
                f"epoch {place.epoch + 1}  loss {place.loss_sum / max(place.examples, 1):.4f}"
            )
            self.progress_bar.advance()

    def train(
        self, place: "Position", steps_per_epoch: int, batch_size: int, logs: Mapping[str, Tensor | float]
    ) -> None:
        """The measurements of one update, of a batch of so many examples."""
        if not self.speaks:
            return
        now, (before, step) = time.monotonic(), self.since
        self.since = (now, place.step)
        rate = batch_size * (place.step - step) / max(now - before, 1e-9)
        values = {name: float(value) for name, value in logs.items()}
        self._write(
            "train",
            place,
            place.epoch + place.batch / steps_per_epoch,
            values | {"examples_per_second": rate},
        )

    def validation(self, place: "Position", epoch: float, metrics: Mapping[str, float]) -> None:
        """A look at the validation split, after so many epochs."""
        if self.speaks:
            self._write("validation", place, epoch, metrics)

    def look(self, place: "Position", steps: int, epochs: int | None, metrics: Mapping[str, float]) -> None:
        """One plain line on the terminal, for a finished epoch or, with ``epochs`` none, after some updates."""
        if not self.tells:
            return
        loss = place.loss_sum / max(place.examples, 1)
        shown = "  ".join(f"{name} {value:.4f}" for name, value in metrics.items() if name in _SHOWN)
        beside = f"   validation  {shown}" if metrics else ""
        count, total, unit = (place.step, steps, "step") if epochs is None else (place.epoch, epochs, "epoch")
        console.print(
            f"{unit} {count:>{len(str(total))}}/{total}  {place.seconds:7.1f} s  train loss {loss:.4f}{beside}",
            markup=False,
        )

    def _write(self, kind: str, place: "Position", epoch: float, values: Mapping[str, float]) -> None:
        row = {"kind": kind, "step": place.step, "epoch": round(epoch, 6), "seconds": round(place.seconds, 3)}
        self.folder.append_metrics({**row, **values})
        try:
            self._write_events(kind, place.step, values)
        except OSError as error:
            raise not_writable(self.folder.path, error) from error

    def _write_events(self, kind: str, step: int, values: Mapping[str, float]) -> None:
        for name, value in values.items():
            self.events.add_scalar(f"{kind}/{name}", value, step)


_SHOWN = ("loss", "perplexity", "bits_per_byte", "accuracy", "f1", "rmse", "mae", "r2")
