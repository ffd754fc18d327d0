"""A batch: what one update sees."""

from dataclasses import dataclass, replace

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor


@dataclass(frozen=True)
class Mix:
    """The other half of mixed examples: loss = λ·ℓ(z, target) + (1 − λ)·ℓ(z, partner).

    Shapes:
        partner (batch,) like the batch's target; share (batch,) float

    Args:
        partner: targets of the examples mixed in.
        share: λ in [0, 1], of each example's own target.

    Lecture: O9

    Example:
        >>> Mix(torch.tensor([1]), torch.tensor([0.7])).to("cpu").partner.tolist()
        [1]
    """

    partner: Int[Tensor, " batch"] | Float[Tensor, " batch"]
    share: Float[Tensor, " batch"]

    def to(self, device: torch.device | str) -> "Mix":
        """The same on a device."""
        return Mix(target_on(self.partner, device), self.share.to(device, non_blocking=True))


@dataclass(frozen=True)
class Batch:
    """Examples side by side, standardised and on the device.

    Shapes:
        inputs (batch, *input_shape) float, (batch, length) int64 tokens, or int64 levels of pixels; target (batch,)
        int64 class numbers, (batch,) float64 in the target's own units, int64 tokens (batch, target_length) of a text,
        or the images that are to be restored, of the inputs' shape; indices
        (batch,) int64 rows of the split they came from; present, segments (batch, length).

    Args:
        inputs: standardised inputs, or tokens.
        target: class numbers, raw regression targets, or tokens, ``IGNORED`` where none is to be predicted.
        indices: where in its split each example stands.
        global_size: examples in the whole batch over all processes; equals ``len(batch)`` on one.
        mix: the targets mixed in, where examples are mixed.
        present: of tokens, those that are text and not filling; none: all are.
        segments: of tokens, the number of the sentence each is in; none: all are in one.
    """

    inputs: Float[Tensor, "batch ..."] | Int[Tensor, "batch ..."]
    target: Int[Tensor, "batch ..."] | Float[Tensor, "batch ..."]
    indices: Int[Tensor, " batch"]
    global_size: int
    mix: Mix | None = None
    present: Bool[Tensor, "batch length"] | None = None
    segments: Int[Tensor, "batch length"] | None = None

    def __len__(self) -> int:
        return len(self.indices)

    def to(self, device: torch.device | str) -> "Batch":
        """The same batch on a device."""
        return replace(
            self,
            inputs=self.inputs.to(device, non_blocking=True),
            target=target_on(self.target, device),
            indices=self.indices.to(device, non_blocking=True),
            mix=self.mix.to(device) if self.mix is not None else None,
            present=self.present.to(device, non_blocking=True) if self.present is not None else None,
            segments=self.segments.to(device, non_blocking=True) if self.segments is not None else None,
        )

    def split(self, parts: int) -> list["Batch"]:
        """The batch in parts of sizes that differ by one at most; fewer where it has fewer examples.

        Example:
            >>> batch = Batch(torch.zeros(5, 2), torch.zeros(5), torch.arange(5), 5)
            >>> [part.indices.tolist() for part in batch.split(2)]
            [[0, 1, 2], [3, 4]]
        """
        if parts == 1:
            return [self]
        return [self._rows(rows) for rows in torch.arange(len(self)).tensor_split(min(parts, len(self)))]

    def _rows(self, rows: Int[Tensor, " rows"]) -> "Batch":
        """Some of the examples, side by side."""
        cut = slice(int(rows[0]), int(rows[-1]) + 1)
        return replace(
            self,
            inputs=self.inputs[cut],
            target=self.target[cut],
            indices=self.indices[cut],
            mix=Mix(self.mix.partner[cut], self.mix.share[cut]) if self.mix is not None else None,
            present=self.present[cut] if self.present is not None else None,
            segments=self.segments[cut] if self.segments is not None else None,
        )


def target_on(
    target: Int[Tensor, "n ..."] | Float[Tensor, " n"], device: torch.device | str
) -> Int[Tensor, "n ..."] | Float[Tensor, " n"]:
    """Targets on a device; float64 ones stay on the CPU where the device has no such numbers (MPS).

    A year in seconds and such have more digits than float32 holds: they are standardised first.

    Example:
        >>> target_on(torch.tensor([1.7e9 + 1], dtype=torch.float64), "cpu").item()
        1700000001.0
    """
    if target.dtype == torch.float64 and torch.device(device).type == "mps":
        return target.cpu()
    return target.to(device, non_blocking=True)
