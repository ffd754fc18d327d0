"""Layers and blocks that networks are put together from; torch's own modules stand beside them."""

from sightline.nn.activations import (
    ACTIVATIONS,
    activation,
    gelu_backward,
    gelu_tanh,
    gelu_tanh_backward,
    leaky_relu_backward,
    relu_backward,
    sigmoid_backward,
    silu_backward,
    softmax,
    softmax_backward,
    softmax_jacobian,
    tanh_backward,
)
from sightline.nn.affine import affine, affine_backward
from sightline.nn.attention import Attention
from sightline.nn.attention_mask import attention_mask
from sightline.nn.batch_norm import batch_norm, batch_norm_at_test, batch_norm_backward, running_statistics
from sightline.nn.causal_mask import causal_triangle, mask_after_softmax, mask_before_softmax
from sightline.nn.conditioned_block import ConditionedBlock
from sightline.nn.connection_table import TableConvolution
from sightline.nn.context_mask import context_mask
from sightline.nn.convnext_block import ConvNeXtBlock, ScaledLinear
from sightline.nn.convolution import convolution, convolution_backward
from sightline.nn.depthwise_convolution import DepthwiseConv2d
from sightline.nn.drop_connect import DropConnect
from sightline.nn.dropout import InvertedDropout, OriginalDropout
from sightline.nn.gated_masked_convolution import GatedMaskedConvolution2d
from sightline.nn.grid_positions import GridPositions
from sightline.nn.group_norm import group_norm, group_norm_backward
from sightline.nn.inception import Inception
from sightline.nn.initialisation import initialise
from sightline.nn.key_value_cache import KeyValueCache
from sightline.nn.latent_gaussian import LatentGaussian
from sightline.nn.linear_attention import LinearAttention
from sightline.nn.linear_attention_forms import (
    LinearState,
    chunked_linear_attention,
    elu_features,
    kernel_weights,
    linear_attention,
    quadratic_attention,
    recurrent_linear_attention,
    relu_features,
)
from sightline.nn.local_response_norm import LocalResponseNorm
from sightline.nn.lookup import hard_lookup, nearest_lookup, soft_lookup
from sightline.nn.map_attention import MapAttention
from sightline.nn.masked_convolution import MaskedConvolution2d
from sightline.nn.multiplicative_noise import MultiplicativeNoise, UniformMultiplicativeNoise
from sightline.nn.normalisation import ChannelLayerNorm, layer_norm_backward, normalise, normalise_backward
from sightline.nn.ode import BlockField, ODEBlock
from sightline.nn.output_size import convolution_size, pooling_size, same_padding, transposed_size
from sightline.nn.patch_embedding import PatchEmbedding, interpolate_positions
from sightline.nn.pooling import (
    PickOnePool2d,
    WeightedPool2d,
    average_pool_backward,
    max_pool_backward,
    pick_one_backward,
    weighted_pool_backward,
)
from sightline.nn.positions import (
    ConcatenatedPositions,
    LearnableFrequencies,
    LearnedPositions,
    SinusoidalPositions,
    sinusoidal_positions,
)
from sightline.nn.pre_activation import PreActivationBlock, PreActivationBottleneck
from sightline.nn.relative_bias import RelativeBias, relative_buckets
from sightline.nn.residual import BasicBlock, BottleneckBlock, ResidualBlock
from sightline.nn.rotary import RotaryPositions
from sightline.nn.separable import SeparableConvolution2d, depthwise, pointwise
from sightline.nn.shortcut import PaddedShortcut
from sightline.nn.stack_cache import StackCache
from sightline.nn.stochastic_depth import StochasticDepth, linear_decay
from sightline.nn.sub_sampling import SubSampling
from sightline.nn.time_embedding import TimeEmbedding
from sightline.nn.toeplitz import toeplitz_matrix
from sightline.nn.transformer_block import BlockForm, TransformerBlock
from sightline.nn.transformer_stack import TransformerStack
from sightline.nn.transposed_convolution import transposed_convolution, transposed_convolution_backward, zero_stuff
from sightline.nn.unpooling import MaxUnpool2d, max_unpool_backward
from sightline.nn.upsampling import interpolation_matrix, upsample, upsample_backward
from sightline.nn.weight_standardisation import WeightStandardisedConv2d
from sightline.nn.whitening import PatchWhitening, whitening_filters

__all__ = [
    "ACTIVATIONS",
    "Attention",
    "BasicBlock",
    "BlockField",
    "BlockForm",
    "BottleneckBlock",
    "ChannelLayerNorm",
    "ConcatenatedPositions",
    "ConditionedBlock",
    "ConvNeXtBlock",
    "DepthwiseConv2d",
    "DropConnect",
    "GatedMaskedConvolution2d",
    "GridPositions",
    "Inception",
    "InvertedDropout",
    "KeyValueCache",
    "LatentGaussian",
    "LearnableFrequencies",
    "LearnedPositions",
    "LinearAttention",
    "LinearState",
    "LocalResponseNorm",
    "MapAttention",
    "MaskedConvolution2d",
    "MaxUnpool2d",
    "MultiplicativeNoise",
    "ODEBlock",
    "OriginalDropout",
    "PaddedShortcut",
    "PatchEmbedding",
    "PatchWhitening",
    "PickOnePool2d",
    "PreActivationBlock",
    "PreActivationBottleneck",
    "RelativeBias",
    "ResidualBlock",
    "RotaryPositions",
    "ScaledLinear",
    "SeparableConvolution2d",
    "SinusoidalPositions",
    "StackCache",
    "StochasticDepth",
    "SubSampling",
    "TableConvolution",
    "TimeEmbedding",
    "TransformerBlock",
    "TransformerStack",
    "UniformMultiplicativeNoise",
    "WeightStandardisedConv2d",
    "WeightedPool2d",
    "activation",
    "affine",
    "affine_backward",
    "attention_mask",
    "average_pool_backward",
    "batch_norm",
    "batch_norm_at_test",
    "batch_norm_backward",
    "causal_triangle",
    "chunked_linear_attention",
    "context_mask",
    "convolution",
    "convolution_backward",
    "convolution_size",
    "depthwise",
    "elu_features",
    "gelu_backward",
    "gelu_tanh",
    "gelu_tanh_backward",
    "group_norm",
    "group_norm_backward",
    "hard_lookup",
    "initialise",
    "interpolate_positions",
    "interpolation_matrix",
    "kernel_weights",
    "layer_norm_backward",
    "leaky_relu_backward",
    "linear_attention",
    "linear_decay",
    "mask_after_softmax",
    "mask_before_softmax",
    "max_pool_backward",
    "max_unpool_backward",
    "nearest_lookup",
    "normalise",
    "normalise_backward",
    "pick_one_backward",
    "pointwise",
    "pooling_size",
    "quadratic_attention",
    "recurrent_linear_attention",
    "relative_buckets",
    "relu_backward",
    "relu_features",
    "running_statistics",
    "same_padding",
    "sigmoid_backward",
    "silu_backward",
    "sinusoidal_positions",
    "soft_lookup",
    "softmax",
    "softmax_backward",
    "softmax_jacobian",
    "tanh_backward",
    "toeplitz_matrix",
    "transposed_convolution",
    "transposed_convolution_backward",
    "transposed_size",
    "upsample",
    "upsample_backward",
    "weighted_pool_backward",
    "whitening_filters",
    "zero_stuff",
]
