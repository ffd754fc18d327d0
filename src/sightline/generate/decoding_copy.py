"""A copy of a network for decoding on a CPU: its weights laid out for products with a few rows."""

import copy
from typing import Any, TypeGuard, TypeVar

import torch
from jaxtyping import Float
from torch import Tensor, nn

from sightline.core.errors import InputError

M = TypeVar("M", bound=nn.Module)


class PackedLinear(nn.Module):
    """x Wᵀ + b, with W kept as oneDNN's kernels read it; no gradient.

    Decoding multiplies every weight by one row a text: what takes time is to read the weights. Packed once, they are
    read in one stream. For 4 rows of width 768 to 50,257 float32 outputs a product took 10 ms on one core, and 29 ms
    unpacked. The result differs from the plain layer's by rounding.

    The weights stay in the format and on the CPU they were packed in: ``.to(...)`` moves none of them, and they are in
    no ``state_dict``. Inputs of another format, by ``.to(...)`` or autocast, are converted to that of the weights, and
    outputs back to theirs. Copies share the weights; pickled, they are unpacked.

    Shapes:
        x (*batch, in_features) → (*batch, out_features)

    Args:
        linear: the layer, on a CPU, in a format that :func:`can_pack` allows.

    Raises:
        InputError: for an input that is not on the CPU.

    Lecture: X8

    Example:
        >>> layer = nn.Linear(8, 3)
        >>> x = torch.randn(2, 8)
        >>> torch.allclose(PackedLinear(layer)(x), layer(x), atol=1e-6)
        True
    """

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__()
        self.in_features, self.out_features = linear.in_features, linear.out_features
        self.dtype = linear.weight.dtype
        weight = linear.weight.detach()
        self._packed = torch.ops.mkldnn._reorder_linear_weight(weight.contiguous(), 1)
        self._bias = None if linear.bias is None else linear.bias.detach().clone()

    def forward(self, x: Float[Tensor, "*batch in_features"]) -> Float[Tensor, "*batch out_features"]:
        """The layer's outputs."""
        if x.device.type != "cpu":
            raise InputError(
                expected="input on the CPU, for which the weights are packed",
                found=f"input on {x.device}",
                do="make the decoding copy of the network where it is to decode",
            )
        rows = x.reshape(-1, self.in_features).to(self.dtype)
        outputs: Tensor = torch.ops.mkldnn._linear_pointwise(rows, self._packed, self._bias, "none", [], "")
        return outputs.to(x.dtype).view(*x.shape[:-1], self.out_features)

    def plain(self) -> nn.Linear:
        """The same layer with its weights unpacked, which can't be trained."""
        return _plain(self._packed.to_dense(), self._bias)

    def __deepcopy__(self, memo: dict[int, Any]) -> "PackedLinear":
        return self  # it never changes

    def __reduce__(self) -> tuple[Any, ...]:
        return _packed, (self._packed.to_dense(), self._bias)

    def extra_repr(self) -> str:
        """What ``print`` says of it."""
        return f"in_features={self.in_features}, out_features={self.out_features}, bias={self._bias is not None}"


def decoding_copy(model: M, *, dtype: torch.dtype | None = None) -> M:
    """A copy of a network that decodes faster and can't be trained, in evaluation mode; the network stays as it is.

    On a CPU its linear layers are packed (:class:`PackedLinear`), which takes about as long as ten steps of decoding.
    In float32 scores differ by rounding. In bfloat16, the recommended format, half as many bytes are read, and scores
    differ by about 1 %. It is a plain copy elsewhere, in other formats, in bfloat16 on a CPU without instructions for
    it (before AVX-512), and where PyTorch has no oneDNN.

    The copy is for decoding where it was made and in its format: to decode elsewhere or in another, copy the network
    again. Packed weights are not in its ``state_dict``: save the network, not the copy.

    Args:
        model: a network, or a decoding copy of one.
        dtype: number format of the copy; none: the network's own.

    Lecture: X8

    Example:
        >>> from sightline.models.gpt import GPT
        >>> model = GPT(vocabulary_size=7, context_length=8, depth=1, width=8, num_heads=2)
        >>> decoding_copy(model).training
        False
    """
    made = copy.deepcopy(model).eval().requires_grad_(False)
    if dtype is not None:
        made = made.to(dtype)
    for parent in list(made.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, PackedLinear) and dtype not in (None, child.dtype):
                child = child.plain().to(dtype)
                setattr(parent, name, child)
            if _can_be_packed(child):
                setattr(parent, name, PackedLinear(child))
    return made


def can_pack(dtype: torch.dtype) -> bool:
    """Whether this CPU and this PyTorch multiply packed weights of a format.

    Example:
        >>> can_pack(torch.float64)
        False
    """
    operators = torch.ops.mkldnn
    if not torch.backends.mkldnn.is_available() or not all(hasattr(operators, name) for name in OPERATORS):
        return False
    if dtype == torch.bfloat16:
        asked = getattr(operators, "_is_mkldnn_bf16_supported", None)
        return asked is not None and bool(asked())
    return dtype == torch.float32


OPERATORS = ("_reorder_linear_weight", "_linear_pointwise")
"""What packing needs of PyTorch's oneDNN."""


def _can_be_packed(module: nn.Module) -> TypeGuard[nn.Linear]:
    if type(module) is not nn.Linear or module._forward_hooks or module._forward_pre_hooks:
        return False
    weight = module.weight
    return weight.device.type == "cpu" and weight.numel() > 0 and can_pack(weight.dtype)


def _plain(weight: Tensor, bias: Tensor | None) -> nn.Linear:
    """A layer of these weights."""
    layer = nn.Linear(weight.shape[1], weight.shape[0], bias=bias is not None, device="meta")
    layer.weight = nn.Parameter(weight, requires_grad=False)
    layer.bias = None if bias is None else nn.Parameter(bias, requires_grad=False)  # type: ignore[assignment]
    return layer.eval()


def _packed(weight: Tensor, bias: Tensor | None) -> nn.Module:
    """A pickled layer again: packed where that can be done."""
    layer = _plain(weight, bias)
    return PackedLinear(layer).eval() if _can_be_packed(layer) else layer
