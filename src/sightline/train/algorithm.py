"""What an algorithm is: how one update uses data, model, objective and optimiser."""

from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from torch import Tensor

from sightline.data.batch import Batch

if TYPE_CHECKING:
    from lightning_fabric import Fabric


@runtime_checkable
class Algorithm(Protocol):
    """The part of a run that the engine repeats: one loss, two players, or an inner loop.

    The engine calls ``setup`` once on each process, then ``step`` for every batch and ``evaluate`` at
    every look; it saves ``weights`` and ``state_dict`` together and hands both back on resume.
    """

    monitor: str
    """Name of the validation metric that picks the best checkpoint."""
    mode: str
    """Whether a better ``monitor`` is larger ("max") or smaller ("min")."""

    def setup(self, fabric: "Fabric", total_steps: int) -> None:
        """Move to the device and wrap for several processes; ``total_steps`` fixes the schedules."""

    def step(self, batch: Batch, *, detail: bool) -> Mapping[str, Tensor | float]:
        """One update. Returns at least "loss"; with ``detail`` also what is dearer to know (norms, rates)."""

    def evaluate(self, batches: Iterable[Batch]) -> Mapping[str, float]:
        """Metrics over batches; draws no numbers that training would have drawn, and changes nothing."""

    def shown(self) -> AbstractContextManager[object]:
        """The model with the weights that are kept, for a ``with`` block that every process enters."""

    def weights(self) -> Mapping[str, Tensor]:
        """Every weight and buffer by name: what ``model.safetensors`` holds."""

    def load_weights(self, weights: Mapping[str, Tensor]) -> None:
        """Take weights by name, refusing those of another model."""

    def state_dict(self) -> dict[str, Any]:
        """Everything else that the next step depends on."""

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from :meth:`state_dict`."""

    def find_non_finite(self, batch: Batch) -> str:
        """Where the first NaN or infinity arises, in words."""

    def describe(self, batch: Batch) -> str:
        """What one step will do, for a person."""
