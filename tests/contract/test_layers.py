"""Every layer: gradients against finite differences in float64, formats, determinism, saving."""

from collections.abc import Callable
from inspect import isclass

import pytest
import torch
from torch import Tensor, nn

import sightline.nn as layers

MAPS = (2, 4, 5, 6)
TOKENS = (2, 5, 8)

LAYERS: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...]]] = {
    "BasicBlock": (lambda: layers.BasicBlock(num_inputs=4, num_outputs=6, stride=2), MAPS),
    "BlockField": (lambda: layers.ODEBlock(layers.BlockField([nn.Conv2d(4, 4, 3, padding=1)] * 2), time=2), MAPS),
    "BottleneckBlock": (lambda: layers.BottleneckBlock(num_inputs=4, num_outputs=8, shortcut="projection"), MAPS),
    "ChannelLayerNorm": (lambda: layers.ChannelLayerNorm(num_channels=4), MAPS),
    "ConvNeXtBlock": (lambda: layers.ConvNeXtBlock(num_channels=4, layer_scale=0.5), MAPS),
    "DropConnect": (lambda: layers.DropConnect(num_inputs=8, num_outputs=3), (5, 8)),
    "Inception": (lambda: layers.Inception(num_inputs=4, one=2, three=(2, 3), five=(2, 2), pooled=2), MAPS),
    "InvertedDropout": (lambda: layers.InvertedDropout(drop_probability=0.3), MAPS),
    "LocalResponseNorm": (lambda: layers.LocalResponseNorm(alpha=0.5), MAPS),
    "DepthwiseConv2d": (lambda: layers.DepthwiseConv2d(num_channels=4, kernel_size=3), MAPS),
    "LinearAttention": (lambda: layers.LinearAttention(width=8, num_heads=2), TOKENS),
    "MapAttention": (lambda: layers.MapAttention(num_channels=4, num_groups=2), MAPS),
    "MaskedConvolution2d": (
        lambda: layers.MaskedConvolution2d(num_inputs=4, num_outputs=3, kernel_size=3, mask="B"),
        MAPS,
    ),
    "MultiplicativeNoise": (lambda: layers.MultiplicativeNoise(drop_probability=0.3), MAPS),
    "ODEBlock": (
        lambda: layers.ODEBlock(layers.BlockField([layers.ChannelLayerNorm(num_channels=4)]), steps=2, method="rk4"),
        MAPS,
    ),
    "OriginalDropout": (lambda: layers.OriginalDropout(drop_probability=0.3), MAPS),
    "PaddedShortcut": (lambda: layers.PaddedShortcut(num_inputs=4, num_outputs=6, stride=2), MAPS),
    "PatchEmbedding": (
        lambda: layers.PatchEmbedding(in_channels=4, image_size=(4, 6), patch_size=2, width=3),
        (2, 4, 4, 6),
    ),
    "PatchWhitening": (lambda: layers.PatchWhitening(in_channels=4), MAPS),
    "PickOnePool2d": (lambda: layers.PickOnePool2d(stride=2), MAPS),
    "PreActivationBlock": (lambda: layers.PreActivationBlock(num_inputs=4, num_outputs=4), MAPS),
    "PreActivationBottleneck": (lambda: layers.PreActivationBottleneck(num_inputs=4, num_outputs=8), MAPS),
    "ScaledLinear": (lambda: layers.ScaledLinear(8, 3, scale=0.5), TOKENS),
    "Attention": (lambda: layers.Attention(width=8, num_heads=2), TOKENS),
    "SeparableConvolution2d": (lambda: layers.SeparableConvolution2d(num_inputs=4, num_outputs=3), MAPS),
    "StochasticDepth": (lambda: layers.StochasticDepth(drop_probability=0.3), MAPS),
    "SubSampling": (lambda: layers.SubSampling(num_channels=4), MAPS),
    "TableConvolution": (lambda: layers.TableConvolution(num_inputs=4, table=[[0, 1], [1, 2, 3]], kernel=3), MAPS),
    "TransformerBlock": (lambda: layers.TransformerBlock(width=8, num_heads=2, mlp_width=12), TOKENS),
    "UniformMultiplicativeNoise": (lambda: layers.UniformMultiplicativeNoise(), MAPS),
    "WeightStandardisedConv2d": (
        lambda: layers.WeightStandardisedConv2d(num_inputs=4, num_outputs=3, kernel_size=3),
        MAPS,
    ),
    "WeightedPool2d": (lambda: layers.WeightedPool2d(), MAPS),
}
ELSEWHERE = {
    "ConcatenatedPositions",  # this and the next take positions beside the tokens: tests/identity/test_positions.py
    "LearnableFrequencies",
    "LearnedPositions",
    "SinusoidalPositions",
    "RelativeBias",  # takes two lengths: tests/parity/test_attention_reference.py
    "TransformerStack",  # tests/identity/test_transformer_stack.py
    "ConditionedBlock",  # this and the next, which take a condition or times: tests/identity/test_unet.py
    "TimeEmbedding",
    "GatedMaskedConvolution2d",  # two stacks: tests/identity/test_masked_convolution.py
    "GridPositions",  # takes places beside the tokens: tests/identity/test_autoregressive_images.py
    "MaxUnpool2d",  # takes indices beside the maps: tests/identity/test_pooling.py
    "ResidualBlock",  # the base of the blocks above
}
every_layer = pytest.mark.parametrize("name", LAYERS)


def make(name: str, dtype: torch.dtype = torch.float64) -> tuple[nn.Module, Tensor]:
    """A layer with weights away from their special first values, and an input."""
    torch.manual_seed(0)
    build, shape = LAYERS[name]
    layer = build().to(dtype)
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.add_(torch.randn_like(parameter), alpha=0.2)
    return layer, torch.randn(shape, dtype=dtype)


def test_every_layer_is_here() -> None:
    found = {n for n in layers.__all__ if isclass(getattr(layers, n)) and issubclass(getattr(layers, n), nn.Module)}
    assert len(found) == 44
    assert found == set(LAYERS) | ELSEWHERE


@every_layer
@pytest.mark.parametrize("training", [True, False])
def test_gradients_are_those_of_finite_differences(name: str, training: bool) -> None:
    """With respect to the input and every parameter; random layers draw the same numbers at every call."""
    layer, x = make(name)
    layer.train(training)
    names, parameters = zip(*layer.named_parameters(), strict=True) if list(layer.parameters()) else ((), ())

    def outputs(x: Tensor, *parameters: Tensor) -> Tensor:
        torch.manual_seed(1)
        # statistics that a pass moves are given anew at every call
        state = {key: buffer.clone() for key, buffer in layer.named_buffers()}
        given: Tensor = torch.func.functional_call(layer, {**dict(zip(names, parameters, strict=True)), **state}, (x,))
        return given

    free = [p.detach().clone().requires_grad_() for p in parameters]
    # a random projection tests every direction at once; one full Jacobian would take minutes
    assert torch.autograd.gradcheck(outputs, (x.requires_grad_(), *free), fast_mode=True)


@every_layer
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_number_format_is_kept_and_all_is_finite(name: str, dtype: torch.dtype) -> None:
    layer, x = make(name, dtype)
    outputs = layer(x)
    assert outputs.dtype == dtype
    assert torch.isfinite(outputs).all()


@every_layer
def test_evaluation_draws_nothing_and_channels_last_changes_nothing(name: str) -> None:
    layer, x = make(name)
    layer.eval()
    expected = layer(x)
    assert torch.equal(layer(x), expected)
    if x.dim() == 4:
        layer.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        found = layer(x.contiguous(memory_format=torch.channels_last))
        torch.testing.assert_close(found, expected, rtol=1e-11, atol=1e-11)


@every_layer
def test_saved_and_loaded_it_is_the_same(name: str) -> None:
    layer, x = make(name)
    again = LAYERS[name][0]().double()
    again.load_state_dict(layer.state_dict())
    assert torch.equal(again.eval()(x), layer.eval()(x))
