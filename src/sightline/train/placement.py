"""Where a model lies while it is trained: whole in one process, whole in each of several, or spread over them."""

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from sightline.train.matching import load_matching
from sightline.train.whole import share_buffers

if TYPE_CHECKING:
    from lightning_fabric import Fabric


@runtime_checkable
class Placement(Protocol):
    """What an algorithm asks of its model's place. All processes make the same calls in the same order."""

    model: nn.Module
    """What is called in training; an optimiser is built for its parameters."""

    def backward(self, loss: Tensor) -> None:
        """Leave the gradients of a loss, averaged over all processes."""

    def whole(self) -> AbstractContextManager[nn.Module]:
        """The model with all its weights, for a ``with`` block; its calls wait for no other process."""

    def weights(self) -> Mapping[str, Tensor]:
        """Every parameter and buffer, whole, the same in every process."""

    def load_weights(self, weights: Mapping[str, Tensor]) -> None:
        """Take whole weights, given in every process, refusing those of another model."""

    def optimizer_state(self, optimizer: torch.optim.Optimizer) -> dict[str, Any]:
        """The optimiser's whole state, in the first process at least."""

    def load_optimizer_state(self, optimizer: torch.optim.Optimizer, state: Mapping[str, Any]) -> None:
        """Continue from :meth:`optimizer_state`, given in every process."""


class Alone:
    """One process in full precision: the module itself, for wrappers would only cost time."""

    def __init__(self, model: nn.Module, fabric: "Fabric") -> None:
        self.bare = model.to(fabric.device)
        self.model = self.bare

    def backward(self, loss: Tensor) -> None:
        """The gradients."""
        torch.autograd.backward(loss)

    @contextmanager
    def whole(self) -> Iterator[nn.Module]:
        """The module itself."""
        yield self.bare

    def weights(self) -> Mapping[str, Tensor]:
        """Every parameter and buffer."""
        return self.bare.state_dict()

    def load_weights(self, weights: Mapping[str, Tensor]) -> None:
        """Take weights.

        Raises:
            CheckpointError: when names or shapes are another model's.
        """
        load_matching(self.bare, weights)

    def optimizer_state(self, optimizer: torch.optim.Optimizer) -> dict[str, Any]:
        """The optimiser's own."""
        return optimizer.state_dict()

    def load_optimizer_state(self, optimizer: torch.optim.Optimizer, state: Mapping[str, Any]) -> None:
        """Continue from it."""
        optimizer.load_state_dict(dict(state))


class Replicated(Alone):
    """The whole model in each process (one or more), in the run's precision.

    Every process keeps its own buffers for a step; the first one's are the ones that count.
    """

    def __init__(self, model: nn.Module, fabric: "Fabric") -> None:
        super().__init__(model, fabric)
        self.fabric = fabric
        self.model = fabric.setup_module(model)

    def backward(self, loss: Tensor) -> None:
        """The gradients, averaged over all processes."""
        self.fabric.backward(loss)

    @contextmanager
    def whole(self) -> Iterator[nn.Module]:
        """The module without its wrapper, which would wait for the other processes at every call."""
        if self.fabric.world_size > 1:
            share_buffers(self.bare)
        yield self.bare


def place(model: nn.Module, fabric: "Fabric", *, sharded: bool) -> Placement:
    """Put a model on the devices, as the processes and the precision ask for.

    Args:
        model: the same weights in every process.
        fabric: the processes, launched.
        sharded: spread it over them, where there are several.
    """
    if sharded and fabric.world_size > 1:
        from sightline.train.sharded import Sharded  # a second of imports, for several processes alone

        return Sharded(model, fabric)
    if fabric.world_size > 1 or fabric._precision.precision != "32-true":
        return Replicated(model, fabric)
    return Alone(model, fabric)
