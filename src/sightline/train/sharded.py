"""State of a model whose parameters are spread over processes (FSDP), gathered whole on the CPU."""

from typing import Any

from torch import Tensor, nn, optim
from torch.distributed.checkpoint.state_dict import (
    StateDictOptions,
    get_model_state_dict,
    get_optimizer_state_dict,
)

_WHOLE = StateDictOptions(full_state_dict=True, cpu_offload=True)


def sharded_weights(module: nn.Module) -> dict[str, Tensor]:
    """Every parameter and buffer, whole, by the bare model's names."""
    state: dict[str, Tensor] = get_model_state_dict(module, options=_WHOLE)  # type: ignore[assignment]
    return state


def sharded_state(module: nn.Module, optimizer: optim.Optimizer) -> dict[str, Any]:
    """The optimiser's state, whole, by parameter name."""
    return dict(get_optimizer_state_dict(module, optimizer, options=_WHOLE))
