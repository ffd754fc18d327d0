"""Looking at a network without a trace: what a forward pass changes is changed in copies."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn


@contextmanager
def undisturbed(model: nn.Module) -> Iterator[None]:
    """Running statistics and the random state are afterwards as they were before.

    Within, the network's buffers are copies; the network's own are put back untouched, so that graphs made within
    stay whole.

    Example:
        >>> norm = nn.BatchNorm1d(2)
        >>> with undisturbed(norm):
        ...     _ = norm(torch.randn(5, 2))
        >>> norm.running_mean.tolist()
        [0.0, 0.0]
    """
    own = [(module, name, b) for module in model.modules() for name, b in module._buffers.items() if b is not None]
    copies: dict[int, Tensor] = {id(b): b.clone() for _, _, b in own}
    devices = {t.device for t in (*model.buffers(), *model.parameters()) if t.is_cuda}
    try:
        for module, name, buffer in own:
            module._buffers[name] = copies[id(buffer)]
        with torch.random.fork_rng(devices):
            yield
    finally:
        for module, name, buffer in own:
            module._buffers[name] = buffer
