"""The plan of a run: how long, how much at once, how often to look and to save, and on what."""

from dataclasses import dataclass
from typing import Annotated, Literal

from sightline.core.config import Config, Option
from sightline.core.errors import ConfigurationError


@dataclass(frozen=True)
class Plan(Config):
    """How a run is carried out.

    Raises:
        ConfigurationError: for a value of the wrong type or out of its range.

    Example:
        >>> Plan(epochs=3).batch_size
        128
    """

    epochs: Annotated[
        int | None,
        Option("passes over the training split; none: enough for 3,000 updates, 5 to 200", "epochs", 1),
    ] = None
    steps: Annotated[
        int | None, Option("updates, whatever they come to in epochs; none: whole epochs", "updates", 1)
    ] = None
    batch_size: Annotated[int, Option("examples an update, over all processes", unit="examples", minimum=1)] = 128
    accumulate: Annotated[
        int, Option("parts a batch is divided into, one after the other, to take less memory", "parts", 1)
    ] = 1
    clip_norm: Annotated[float | None, Option("largest norm of the whole gradient; none: no clipping", above=0)] = None
    clip_value: Annotated[
        float | None, Option("largest absolute value of a gradient entry; none: no clipping", above=0)
    ] = None
    average: Annotated[
        float | None,
        Option(
            "decay of a running average of the weights, which is measured and kept; none: no average",
            minimum=0,
            below=1,
        ),
    ] = None
    patience: Annotated[
        int | None,
        Option("stop early after this many evaluations without a better one; none: never", minimum=1),
    ] = None
    evaluate_every: Annotated[int, Option("epochs between looks at the validation split", "epochs", 1)] = 1
    evaluate_steps: Annotated[
        int | None,
        Option("look at the validation split after so many updates instead; none: by epochs", "updates", 1),
    ] = None
    checkpoint_seconds: Annotated[
        float, Option("longest time between checkpoints within an epoch", "seconds", above=0)
    ] = 120.0
    checkpoint_steps: Annotated[
        int | None,
        Option("also save every so many updates; none: by time and at each epoch's end", "updates", 1),
    ] = None
    keep: Annotated[int, Option("newest checkpoints kept, beside the best", minimum=1)] = 2
    log_steps: Annotated[int, Option("updates between lines of metrics.jsonl", "updates", 1)] = 50
    accelerator: Annotated[Literal["auto", "cpu", "cuda", "mps"], Option("kind of device")] = "auto"
    devices: Annotated[int, Option("processes, each on its own device", "processes", 1)] = 1
    strategy: Annotated[
        Literal["auto", "ddp", "fsdp"],
        Option("what each of several processes keeps of the model: all of it (ddp), or a share (fsdp)"),
    ] = "auto"
    precision: Annotated[Literal["32", "bf16"], Option("number format of the forward and backward pass")] = "32"
    channels_last: Annotated[bool, Option("lay images out with channels innermost: faster convolutions")] = True

    def for_examples(self, count: int) -> "Plan":
        """The plan with its number of epochs settled for a training split of ``count`` examples.

        Example:
            >>> Plan(batch_size=100).for_examples(60_000).epochs
            5
        """
        if self.steps is not None:
            batches = max(1, count // self.batch_size)
            return self.replace(epochs=max(1, -(-self.steps // batches)))
        if self.epochs is not None:
            return self
        return self.replace(epochs=min(200, max(5, round(3000 * self.batch_size / count))))

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.clip_norm is not None and self.clip_value is not None:
            raise ConfigurationError(
                expected="one way of clipping the gradient",
                found=f"clip_norm = {self.clip_norm} and clip_value = {self.clip_value}",
                do="leave one of the two out",
            )
        if self.average is not None and self.strategy == "fsdp":
            raise ConfigurationError(
                expected="whole weights in each process, for their average",
                found="strategy = 'fsdp', which spreads them",
                do="leave plan.average out, or choose plan.strategy ddp",
            )
        if self.batch_size < self.devices:
            raise ConfigurationError(
                expected=f"at least one example for each of the {self.devices} processes",
                found=f"batch_size = {self.batch_size}",
                do="raise plan.batch_size or lower plan.devices",
            )
        if self.accumulate > max(1, self.batch_size // self.devices):
            raise ConfigurationError(
                expected="at least one example for each part of a batch",
                found=f"batch_size = {self.batch_size}, accumulate = {self.accumulate}, devices = {self.devices}",
                do="lower plan.accumulate or raise plan.batch_size",
            )
