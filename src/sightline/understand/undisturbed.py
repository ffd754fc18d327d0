"""Looking at a network without a trace: what a forward pass changes is changed in copies."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel


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


@contextmanager
def twice_differentiable(model: nn.Module) -> Iterator[None]:
    """By kernels that have second derivatives: attention's fused ones and cuDNN's recurrent ones have none.

    Example:
        >>> network, x = nn.GRU(1, 1), torch.ones(1, 1, 1, requires_grad=True)
        >>> with twice_differentiable(network):
        ...     (slope,) = torch.autograd.grad(network(x)[0].sum(), x, create_graph=True)
        >>> slope.requires_grad
        True
    """
    with ExitStack() as stack:
        stack.enter_context(sdpa_kernel(SDPBackend.MATH))
        if any(isinstance(module, nn.RNNBase) for module in model.modules()):
            stack.enter_context(torch.backends.cudnn.flags(enabled=False))
        yield
