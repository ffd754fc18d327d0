"""A batch: what one update sees."""

from dataclasses import dataclass, replace

import torch
from jaxtyping import Float, Int
from torch import Tensor


@dataclass(frozen=True)
class Batch:
    """Examples side by side, standardised and on the device.

    Shapes:
        inputs (batch, *input_shape) float; target (batch,) int64 class numbers, or (batch,) float in
        the target's own units; indices (batch,) int64 rows of the split they came from.

    Args:
        inputs: standardised inputs.
        target: class numbers or raw regression targets.
        indices: where in its split each example stands.
        global_size: examples in the whole batch over all processes; equals ``len(batch)`` on one.
    """

    inputs: Float[Tensor, "batch ..."]
    target: Int[Tensor, " batch"] | Float[Tensor, " batch"]
    indices: Int[Tensor, " batch"]
    global_size: int

    def __len__(self) -> int:
        return len(self.indices)

    def to(self, device: torch.device | str) -> "Batch":
        """The same batch on a device."""
        return replace(
            self,
            inputs=self.inputs.to(device, non_blocking=True),
            target=self.target.to(device, non_blocking=True),
            indices=self.indices.to(device, non_blocking=True),
        )
