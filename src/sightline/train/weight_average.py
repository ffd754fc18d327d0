"""The running average of a model's weights: what is measured and kept, while the weights themselves go on moving."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from sightline.train.matching import load_matching
from sightline.train.placement import Placement
from sightline.train.whole import share_buffers

STATISTICS = ("running_mean", "running_var")
"""Ends of the names of buffers that are averaged."""


class Averaged:
    """θ̄ ← d·θ̄ + (1 − d)·θ after every update, d = min(decay, (1 + n)/(10 + n)) after n of them.

    It stands in front of a placement: training sees the weights θ, everything that asks for whole weights the average
    θ̄. Running means and variances of normalisation are averaged with the weights; all other buffers are copied.

    Args:
        placement: where the model lies.
        decay: d, in [0, 1); the average reaches back over about 1/(1 − d) updates.

    Source: Polyak & Juditsky 1992; Ho et al. 2020, "Denoising Diffusion Probabilistic Models", appendix B

    Lecture: X6
    """

    def __init__(self, placement: Placement, decay: float) -> None:
        self.placement, self.decay, self.updates = placement, decay, 0
        self.model = placement.model
        self.average = {name: tensor.detach().clone() for name, tensor in placement.weights().items()}
        with placement.whole() as model:
            parameters = {name for name, _ in model.named_parameters(remove_duplicate=False)}
        self.averaged = {name for name in self.average if name in parameters or name.endswith(STATISTICS)}

    def backward(self, loss: Tensor) -> None:
        """The gradients, at θ."""
        self.placement.backward(loss)

    def update(self) -> None:
        """Take the weights of one more update in."""
        decay = min(self.decay, (1 + self.updates) / (10 + self.updates))
        self.updates += 1
        current = self.placement.weights()
        names = [name for name in self.average if name in self.averaged]
        torch._foreach_lerp_(
            [self.average[name] for name in names], [current[name].detach() for name in names], 1 - decay
        )
        for name, tensor in self.average.items():
            if name not in self.averaged:
                tensor.copy_(current[name])

    @contextmanager
    def whole(self) -> Iterator[nn.Module]:
        """The model with the averaged weights; those of training are put back at the end."""
        with self.placement.whole() as model:
            own = {name: tensor.detach().clone() for name, tensor in model.state_dict().items()}
            load_matching(model, self.average)
            if torch.distributed.is_available() and torch.distributed.is_initialized():
                share_buffers(model)
            try:
                yield model
            finally:
                load_matching(model, own)

    def weights(self) -> Mapping[str, Tensor]:
        """θ̄."""
        return self.average

    def load_weights(self, weights: Mapping[str, Tensor]) -> None:
        """Take a checkpoint's weights, as θ̄ and as θ.

        Raises:
            CheckpointError: when names or shapes are another model's.
        """
        self.placement.load_weights(weights)
        self.average = {name: tensor.detach().clone() for name, tensor in self.placement.weights().items()}

    def optimizer_state(self, optimizer: torch.optim.Optimizer) -> dict[str, Any]:
        """The optimiser's whole state."""
        return self.placement.optimizer_state(optimizer)

    def load_optimizer_state(self, optimizer: torch.optim.Optimizer, state: Mapping[str, Any]) -> None:
        """Continue from it."""
        self.placement.load_optimizer_state(optimizer, state)

    def state_dict(self) -> dict[str, Any]:
        """θ, and how often it was averaged."""
        return {"weights": dict(self.placement.weights()), "updates": self.updates}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from :meth:`state_dict`; the average is left as it is."""
        self.placement.load_weights(state["weights"])
        self.updates = state["updates"]
