"""Which layer of a network can't take an input, and why."""

import re
from collections.abc import Iterator
from types import FrameType

from torch import Tensor, nn

from sightline.core.errors import InputError

_SHAPE = re.compile(
    r"\b(sizes?|shapes?|dim\w*|Dimensions?|channels?|elements?|rank|strides?|padding|bounds|indices|\dD)\b"
    r"|out of range|to unpack|too small",
    re.IGNORECASE,
)
_TYPE = re.compile(r"\bd?types?\b", re.IGNORECASE)
_DEVICE = re.compile(r"\b(devices?|type)\b", re.IGNORECASE)
_MACHINE = re.compile(
    r"allocate|out of memory|buffer size|(CUDA|cuDNN|CUBLAS|MPS|HIP|NCCL)\b.{0,20}\berror", re.IGNORECASE
)
_OURS = ("torch", "sightline")


def find_misfit(model: nn.Module, x: Tensor, cause: Exception) -> InputError | None:
    """The error that names the layer at which a forward pass broke off; none where the input is not to blame.

    It is read off the traceback: the innermost module that was called is the layer. Nothing is computed again.

    Told is only what torch or a layer of ours says of a shape, a number format or a device. What a user's own
    code raises, what lacks memory and what the machine complains of is not.

    Args:
        model: the network that raised ``cause`` on ``x``.
        x: its input.
        cause: what it raised.
    """
    frames = list(_frames(cause))
    if type(cause) not in (RuntimeError, ValueError, IndexError) or not frames:
        return None
    if str(frames[-1].f_globals.get("__name__")).partition(".")[0] not in _OURS:
        return None
    reason = _reason(model, x, str(cause))
    if reason is None:
        return None
    found, do = reason
    given = " × ".join(map(str, x.shape))
    name, module, shape = _innermost(model, frames)
    if not name:
        return InputError(
            expected=f"an input that {type(model).__name__} can take",
            found=f"one of shape {given}: {found}",
            do=do,
        )
    layer = type(module).__name__ if any(module.children()) else str(module)
    return InputError(
        expected=f"an input that the layer {name} can take: {layer}",
        found=f"{' × '.join(map(str, shape))} there, from an input of {given}: {found}",
        do=do,
    )


def _frames(error: Exception) -> Iterator[FrameType]:
    """From the outermost to the one that raised."""
    step = error.__traceback__
    while step is not None:
        yield step.tb_frame
        step = step.tb_next


def _innermost(model: nn.Module, frames: list[FrameType]) -> tuple[str, nn.Module, tuple[int, ...]]:
    """Name, module and input shape of the last module entered; no name where that is the network itself."""
    names = {module: name for name, module in model.named_modules()}
    for frame in reversed(frames):
        module = frame.f_locals.get("self")
        # every module's call, with its hooks, passes through this function of torch
        if frame.f_code.co_name == "_call_impl" and isinstance(module, nn.Module) and module in names:
            inputs = frame.f_locals.get("args", ())
            return names[module], module, next((tuple(t.shape) for t in inputs if isinstance(t, Tensor)), ())
    return "", model, ()


def _reason(model: nn.Module, x: Tensor, told: str) -> tuple[str, str] | None:
    """What was found and what to do; none where the input's shape, number format and device are not the matter."""
    weight = next((p for p in model.parameters() if p.is_floating_point()), None)
    if _MACHINE.search(told):
        return None
    if weight is not None and x.device != weight.device and _DEVICE.search(told):
        return f"inputs on {x.device} for weights on {weight.device}", "move one to the other's device with .to(device)"
    if weight is not None and x.dtype != weight.dtype and _TYPE.search(told):
        return f"{x.dtype} inputs for weights in {weight.dtype}", "convert one to the other's number format"
    line = (told.strip().splitlines() or [""])[0]
    if "more than 1 value per channel" in told:
        return line, "batch statistics need larger batches or images; or call eval() to use the running ones"
    if _SHAPE.search(told):
        return line, "give images of the size and channels it was built for, or build it for these"
    return None
