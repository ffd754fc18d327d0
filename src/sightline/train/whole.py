"""What several processes hold together: tensors put together from their shares, buffers made alike."""

import torch
from torch import Tensor, nn


def whole_tensor(value: Tensor) -> Tensor:
    """A tensor put together from its shares; any other as it is."""
    if not torch.distributed.is_available() or not torch.distributed.is_initialized():
        return value  # one process alone has no shares, and is spared the imports
    from torch.distributed.tensor import DTensor

    return value.full_tensor() if isinstance(value, DTensor) else value


@torch.no_grad()
def share_buffers(model: nn.Module) -> None:
    """Give every process the first one's buffers, such as the running statistics of batch normalisation."""
    for buffer in model.buffers():
        torch.distributed.broadcast(buffer, 0)
