"""Layers over drawn sizes: sizes as torch's, adjoints, and finite differences in float64 for every one of them."""

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from hypothesis import example, given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.autograd import gradcheck

from sightline.core.errors import ConfigurationError, InputError
from sightline.nn import activations as act
from sightline.nn.affine import affine, affine_backward
from sightline.nn.batch_norm import batch_norm, batch_norm_backward
from sightline.nn.convolution import convolution, convolution_backward
from sightline.nn.group_norm import group_norm, group_norm_backward
from sightline.nn.normalisation import ChannelLayerNorm, layer_norm_backward, normalise, normalise_backward
from sightline.nn.output_size import convolution_size, pooling_size, transposed_size
from sightline.nn.pooling import (
    PickOnePool2d,
    WeightedPool2d,
    average_pool_backward,
    max_pool_backward,
    pick_one_backward,
    weighted_pool_backward,
)
from sightline.nn.separable import SeparableConvolution2d
from sightline.nn.transposed_convolution import transposed_convolution, transposed_convolution_backward
from sightline.nn.unpooling import MaxUnpool2d, max_unpool_backward
from sightline.nn.upsampling import upsample, upsample_backward
from sightline.nn.weight_standardisation import WeightStandardisedConv2d

SIZE, KERNEL, STEP, PADDING = st.integers(0, 12), st.integers(1, 5), st.integers(1, 4), st.integers(0, 4)


def size_of(layer: Callable[[], Tensor]) -> int | None:
    """The last axis of what torch gives, None where it refuses."""
    try:
        return layer().shape[-1]
    except RuntimeError:
        return None


def size_by_formula(formula: Callable[[], int]) -> int | None:
    try:
        return formula()
    except (InputError, ConfigurationError):
        return None


@given(size=SIZE, kernel=KERNEL, stride=STEP, padding=PADDING, dilation=STEP)
def test_convolution_sizes(size: int, kernel: int, stride: int, padding: int, dilation: int) -> None:
    found = size_by_formula(lambda: convolution_size(size, kernel, stride, padding, dilation))
    options: dict[str, Any] = {"stride": stride, "padding": padding, "dilation": dilation}
    if size:  # torch takes an axis of no length where the padding makes up for it; that is always a mistake
        assert found == size_of(lambda: nn.Conv1d(1, 1, kernel, **options)(torch.zeros(1, 1, size)))
        assert found == size_of(lambda: nn.Conv2d(1, 1, (1, kernel), **_last(options))(torch.zeros(1, 1, 1, size)))
    else:
        assert found is None


@given(size=SIZE, kernel=KERNEL, stride=STEP, padding=PADDING, dilation=STEP, output_padding=st.integers(0, 4))
def test_transposed_sizes(
    size: int, kernel: int, stride: int, padding: int, dilation: int, output_padding: int
) -> None:
    found = size_by_formula(lambda: transposed_size(size, kernel, stride, padding, dilation, output_padding))
    options: dict[str, Any] = {
        "stride": stride,
        "padding": padding,
        "output_padding": output_padding,
        "dilation": dilation,
    }
    if size:
        assert found == size_of(lambda: nn.ConvTranspose1d(1, 1, kernel, **options)(torch.zeros(1, 1, size)))
        maps = torch.zeros(1, 1, 1, size)
        assert found == size_of(lambda: nn.ConvTranspose2d(1, 1, (1, kernel), **_last(options))(maps))
    else:
        assert found is None


@example(size=3, kernel=2, stride=4, padding=1, dilation=1, ceil_mode=True)  # a last window that starts too late
@given(size=SIZE, kernel=KERNEL, stride=STEP, padding=PADDING, dilation=STEP, ceil_mode=st.booleans())
def test_pooling_sizes(size: int, kernel: int, stride: int, padding: int, dilation: int, ceil_mode: bool) -> None:
    found = size_by_formula(lambda: pooling_size(size, kernel, stride, padding, dilation, ceil_mode=ceil_mode))
    options: dict[str, Any] = {"padding": padding, "dilation": dilation, "ceil_mode": ceil_mode}
    assert found == size_of(lambda: nn.MaxPool1d(kernel, stride, **options)(torch.zeros(1, 1, size)))
    square = torch.zeros(1, 1, size, size)
    assert found == size_of(lambda: nn.MaxPool2d(kernel, stride, **options)(square))
    if dilation == 1:
        assert found == size_of(lambda: nn.AvgPool2d(kernel, stride, padding, ceil_mode)(square))


def _last(options: dict[str, int]) -> dict[str, Any]:
    """The option for the last of two axes, none for the first."""
    return {name: (int(name in ("stride", "dilation")), value) for name, value in options.items()}


@settings(max_examples=60)
@given(data=st.data(), axes=st.sampled_from([1, 2]), groups=st.sampled_from([1, 2]))
def test_transposed_convolution_is_the_adjoint(data: st.DataObject, axes: int, groups: int) -> None:
    """⟨conv x, y⟩ = ⟨x, convᵀ y⟩"""
    each = [
        {
            "kernel": data.draw(st.integers(1, 3)),
            "stride": data.draw(st.integers(1, 3)),
            "padding": data.draw(st.integers(0, 2)),
            "dilation": data.draw(st.integers(1, 2)),
        }
        for _ in range(axes)
    ]
    sizes = [
        max(1, n["dilation"] * (n["kernel"] - 1) + 1 - 2 * n["padding"]) + data.draw(st.integers(0, 4)) for n in each
    ]
    options: dict[str, Any] = {name: tuple(n[name] for n in each) for name in ("stride", "padding", "dilation")}
    torch.manual_seed(0)
    x = torch.randn(2, 4, *sizes, dtype=torch.float64)
    weight = torch.randn(6, 4 // groups, *[n["kernel"] for n in each], dtype=torch.float64)
    there = convolution(x, weight, groups=groups, **options)
    y = torch.randn_like(there)
    unseen = tuple(
        (size + 2 * n["padding"] - n["dilation"] * (n["kernel"] - 1) - 1) % n["stride"]
        for size, n in zip(sizes, each, strict=True)
    )
    back = transposed_convolution(y, weight, groups=groups, output_padding=unseen, **options)
    torch.testing.assert_close((there * y).sum(), (x * back).sum(), rtol=1e-11, atol=1e-11)
    dx, _, _ = convolution_backward(y, x, weight, groups=groups, **options)
    torch.testing.assert_close(dx, back, rtol=1e-11, atol=1e-11)


def drawn(*shape: int) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64).requires_grad_()


MODULES: list[tuple[nn.Module, tuple[int, ...]]] = [
    (ChannelLayerNorm(num_channels=3), (2, 3, 2, 2)),
    (PickOnePool2d(stride=2), (1, 2, 3, 4)),
    (WeightedPool2d(kernel_size=2, stride=1), (1, 2, 3, 4)),
    (WeightStandardisedConv2d(num_inputs=2, num_outputs=2, kernel_size=2), (1, 2, 3, 3)),
    (SeparableConvolution2d(num_inputs=2, num_outputs=3, stride=2), (1, 2, 4, 3)),
    *[(act.activation(name), (7,)) for name in act.ACTIVATIONS],
]


@pytest.mark.parametrize(("module", "shape"), MODULES, ids=[type(m).__name__ for m, _ in MODULES])
def test_every_module_by_finite_differences(module: nn.Module, shape: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    module = module.double()
    names = [name for name, _ in module.named_parameters()]

    def forward(x: Tensor, *parameters: Tensor) -> Any:
        return torch.func.functional_call(module, dict(zip(names, parameters, strict=True)), (x,))

    parameters = [(p.detach() + 0.3 * torch.randn_like(p)).requires_grad_() for p in module.parameters()]
    assert gradcheck(forward, (drawn(*shape), *parameters))


IMAGE_MODULES = [(module, shape) for module, shape in MODULES if len(shape) == 4]


@pytest.mark.usefixtures("as_a_user_calls")  # tracing passes stand-ins for tensors
@pytest.mark.parametrize(("module", "shape"), IMAGE_MODULES, ids=[type(m).__name__ for m, _ in IMAGE_MODULES])
def test_every_module_keeps_what_a_network_relies_on(module: nn.Module, shape: tuple[int, ...]) -> None:
    """Number format, memory format, no examples at all, tracing."""
    torch.manual_seed(0)
    x = torch.randn(*shape)
    module = copy.deepcopy(module).float()
    y = module(x)
    torch.testing.assert_close(module(x.to(memory_format=torch.channels_last)), y, rtol=1e-5, atol=1e-5)
    assert module(x[:0]).shape == (0, *y.shape[1:])
    traced = torch.fx.symbolic_trace(module)
    assert torch.equal(traced(x), y)
    low = copy.deepcopy(module).bfloat16()(x.bfloat16())
    assert low.dtype == torch.bfloat16
    torch.testing.assert_close(low.float(), y, rtol=0.03, atol=0.03)


SHUFFLED = torch.tensor([[[[0, 3], [10, 7]]]])  # places in 3 × 4 maps
CONV: dict[str, Any] = {"stride": 2, "padding": 1, "dilation": 2, "groups": 2}

# forward, and ∂L/∂inputs from ∂L/∂y and the inputs
BY_HAND: dict[str, tuple[Callable[..., Tensor], Callable[..., Any], tuple[tuple[int, ...], ...]]] = {
    "affine": (affine, lambda g, x, w, b: affine_backward(g, x, w), ((2, 3), (4, 3), (4,))),
    "relu": (F.relu, act.relu_backward, ((7,),)),
    "leaky-relu": (F.leaky_relu, act.leaky_relu_backward, ((7,),)),
    "sigmoid": (torch.sigmoid, lambda g, x: act.sigmoid_backward(g, torch.sigmoid(x)), ((7,),)),
    "tanh": (torch.tanh, lambda g, x: act.tanh_backward(g, torch.tanh(x)), ((7,),)),
    "gelu": (F.gelu, act.gelu_backward, ((7,),)),
    "gelu-tanh": (act.gelu_tanh, act.gelu_tanh_backward, ((7,),)),
    "silu": (F.silu, act.silu_backward, ((7,),)),
    "softmax": (act.softmax, lambda g, x: act.softmax_backward(g, act.softmax(x)), ((2, 4),)),
    "convolution": (
        lambda x, w, b: convolution(x, w, b, **CONV),
        lambda g, x, w, b: convolution_backward(g, x, w, **CONV),
        ((2, 2, 4, 5), (4, 1, 2, 2), (4,)),
    ),
    "transposed": (
        lambda x, w, b: transposed_convolution(x, w, b, output_padding=1, **CONV),
        lambda g, x, w, b: transposed_convolution_backward(g, x, w, **CONV),
        ((2, 2, 2, 3), (2, 2, 2, 2), (4,)),
    ),
    "normalise": (lambda x: normalise(x, (0, 2)), lambda g, x: normalise_backward(g, x, (0, 2)), ((2, 2, 3),)),
    "batch-norm": (batch_norm, lambda g, x, w, b: batch_norm_backward(g, x, w), ((3, 2, 2), (2,), (2,))),
    "group-norm": (
        lambda x, w, b: group_norm(x, 2, w, b),
        lambda g, x, w, b: group_norm_backward(g, x, 2, w),
        ((2, 4, 2), (4,), (4,)),
    ),
    "layer-norm": (
        lambda x, w, b: F.layer_norm(x, (4,), w, b),
        lambda g, x, w, b: layer_norm_backward(g, x, w),
        ((2, 4), (4,), (4,)),
    ),
    "max-pool": (
        lambda x: F.max_pool2d(x, 2, 1),
        lambda g, x: max_pool_backward(g, F.max_pool2d(x, 2, 1, return_indices=True)[1], (3, 4)),
        ((1, 2, 3, 4),),
    ),
    "average-pool": (
        lambda x: F.avg_pool2d(x, 2, 1, 1),
        lambda g, x: average_pool_backward(g, (3, 4), 2, 1, 1),
        ((1, 2, 3, 4),),
    ),
    "pick-one": (PickOnePool2d(stride=2), lambda g, x: pick_one_backward(g, (3, 4), 2), ((1, 2, 3, 4),)),
    "weighted-pool": (
        lambda x, v: torch.func.functional_call(WeightedPool2d(kernel_size=2, stride=1), {"logits": v}, (x,)),
        lambda g, x, v: weighted_pool_backward(g, x, v, 1),
        ((1, 2, 3, 4), (2, 2)),
    ),
    "max-unpool": (
        lambda x: MaxUnpool2d()(x, SHUFFLED, (3, 4)),
        lambda g, x: max_unpool_backward(g, SHUFFLED),
        ((1, 1, 2, 2),),
    ),
    "upsample": (lambda x: upsample(x, 2), lambda g, x: upsample_backward(g, 2), ((1, 1, 2, 3),)),
}


@pytest.mark.parametrize("name", BY_HAND)
def test_every_backward_pass_by_finite_differences(name: str) -> None:
    """gradcheck of a function whose derivative is the one written by hand."""
    forward, backward, shapes = BY_HAND[name]

    class Layer(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, *inputs: Tensor) -> Tensor:
            ctx.save_for_backward(*inputs)
            return forward(*inputs)

        @staticmethod
        def backward(ctx: Any, gradient: Tensor) -> Any:
            return backward(gradient, *ctx.saved_tensors)

    torch.manual_seed(0)
    assert gradcheck(Layer.apply, tuple(drawn(*shape) for shape in shapes))


@pytest.mark.usefixtures("as_a_user_calls")
@pytest.mark.parametrize("name", BY_HAND)
def test_every_backward_pass_refuses_a_gradient_that_would_be_broadcast(name: str) -> None:
    """One value along an axis for several; examples and channels only where something else says how many there are."""
    forward, backward, shapes = BY_HAND[name]
    torch.manual_seed(0)
    inputs = [drawn(*shape).detach() for shape in shapes]
    gradient = torch.ones_like(forward(*inputs))
    backward(gradient, *inputs)
    first = 2 if name in ("average-pool", "pick-one", "upsample") else 0
    axes = [axis for axis in range(first, gradient.dim()) if gradient.shape[axis] > 1]
    assert axes
    for axis in axes:
        with pytest.raises((InputError, ConfigurationError), match=r"gradient|divides|index for each"):
            backward(gradient.narrow(axis, 0, 1), *inputs)
    with pytest.raises((InputError, ConfigurationError, ValueError)) as caught:
        backward(gradient[None], *inputs)
    assert caught.type is not ValueError


def test_the_tables_are_whole() -> None:
    assert (len(MODULES), len(BY_HAND)) == (11, 21)


@given(size=st.tuples(st.integers(2, 7), st.integers(2, 7)), seed=st.integers(0, 9))
def test_pooling_what_was_unpooled_changes_nothing(size: tuple[int, int], seed: int) -> None:
    x = torch.rand(1, 2, *size, generator=torch.Generator().manual_seed(seed))
    pool, unpool = nn.MaxPool2d(2, return_indices=True), MaxUnpool2d()
    pooled, indices = pool(x)
    again, places = pool(unpool(pooled, indices, size))
    assert torch.equal(again, pooled)
    assert torch.equal(places, indices)


@settings(max_examples=30)
@given(shift=st.integers(-3, 3), seed=st.integers(0, 9))
def test_convolution_commutes_with_a_shift(shift: int, seed: int) -> None:
    """Away from the border: weight sharing makes the layer equivariant."""
    generator = torch.Generator().manual_seed(seed)
    x, weight = torch.zeros(1, 2, 16, dtype=torch.float64), torch.randn(3, 2, 3, generator=generator).double()
    x[:, :, 5:11] = torch.randn(1, 2, 6, generator=generator).double()
    there = convolution(x.roll(shift, 2), weight, padding=1)
    torch.testing.assert_close(there, convolution(x, weight, padding=1).roll(shift, 2), rtol=0, atol=0)
