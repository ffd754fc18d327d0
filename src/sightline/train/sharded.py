"""A model spread over processes: each keeps a share of every weight, gradient and moment."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.distributed.checkpoint.state_dict import (
    StateDictOptions,
    get_optimizer_state_dict,
    set_model_state_dict,
    set_optimizer_state_dict,
)
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import FSDPModule, fully_shard

from sightline.train.matching import require_matching
from sightline.train.whole import share_buffers, whole_tensor

if TYPE_CHECKING:
    from lightning_fabric import Fabric


class Sharded:
    """Fully sharded data parallel: weights are put together for a block of layers when its turn comes.

    A block is a member of an ``nn.Sequential``; what belongs to none is one block more. Buffers are whole
    everywhere, and the first process's are the ones that count.

    Args:
        model: the same weights in every process; its parameters become shares of themselves.
        fabric: the processes.

    Source: Rajbhandari et al. 2020 (ZeRO, stage 3); Zhao et al. 2023
    """

    def __init__(self, model: nn.Module, fabric: "Fabric") -> None:
        self.bare = model.to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
        mesh = init_device_mesh(fabric.device.type, (fabric.world_size,))
        for block in [*_blocks(model), model]:
            fully_shard(block, mesh=mesh)
        self.model: nn.Module = _Autocast(model, fabric)

    def backward(self, loss: Tensor) -> None:
        """Each process gets its share of the mean gradient."""
        torch.autograd.backward(loss)

    @contextmanager
    def whole(self) -> Iterator[nn.Module]:
        """Put all weights together, so that processes with fewer batches keep no other waiting."""
        share_buffers(self.bare)
        blocks = [m for m in self.bare.modules() if isinstance(m, FSDPModule)]
        for block in blocks:
            block.set_reshard_after_forward(False, recurse=False)
            block.unshard()
        try:
            yield self.bare
        finally:
            for block in blocks:
                block.set_reshard_after_forward(block is not self.bare, recurse=False)
                block.reshard()

    def weights(self) -> dict[str, Tensor]:
        """Every parameter and buffer, whole, on the CPU, one tensor at a time."""
        share_buffers(self.bare)
        return {name: whole_tensor(value).cpu() for name, value in self.bare.state_dict().items()}

    def load_weights(self, weights: Mapping[str, Tensor]) -> None:
        """Take each process's share of whole weights.

        Raises:
            CheckpointError: when names or shapes are another model's.
        """
        require_matching(self.bare, weights)
        set_model_state_dict(self.bare, dict(weights), options=StateDictOptions(full_state_dict=True))

    def optimizer_state(self, optimizer: torch.optim.Optimizer) -> dict[str, Any]:
        """By parameter name; empty in all processes but the first, and before the first step."""
        if not optimizer.state:
            return {}  # asking for it would count as a step
        options = StateDictOptions(full_state_dict=True, cpu_offload=True)
        return dict(get_optimizer_state_dict(self.bare, optimizer, options=options))

    def load_optimizer_state(self, optimizer: torch.optim.Optimizer, state: Mapping[str, Any]) -> None:
        """Take each process's share of a whole state."""
        if state:
            options = StateDictOptions(full_state_dict=True)
            set_optimizer_state_dict(self.bare, optimizer, dict(state), options=options)


class _Autocast(nn.Module):
    """A model called in the run's precision, its outputs widened."""

    def __init__(self, module: nn.Module, fabric: "Fabric") -> None:
        super().__init__()
        self.module = module
        self.fabric = fabric

    def forward(self, *inputs: Any, **options: Any) -> Any:
        with self.fabric.autocast():
            outputs = self.module(*inputs, **options)
        return outputs.float() if isinstance(outputs, Tensor) else outputs


def _blocks(model: nn.Module) -> list[nn.Module]:
    """The outermost members of sequences that have parameters; none where parameters have two owners."""
    if len(list(model.parameters())) < len(list(model.named_parameters(remove_duplicate=False))):
        return []
    if isinstance(model, nn.Sequential):
        return [child for child in model if next(child.parameters(), None) is not None]
    return [block for child in model.children() for block in _blocks(child)]
