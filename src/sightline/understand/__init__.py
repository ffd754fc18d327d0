"""Instruments: what a network is and does, measured on any ``torch.nn.Module``."""

from sightline.understand.attention_cost import AttentionCost, attention_cost, fit_exponent
from sightline.understand.attention_maps import AttentionMap, AttentionMaps, attention_maps
from sightline.understand.early_exits import ExitCurve, exit_costs, exit_curve
from sightline.understand.effective_rank import effective_rank
from sightline.understand.elbows import Elbow, ElbowMotion, PiecewiseLinear, elbow_motion, elbows
from sightline.understand.filters import drawable, feature_maps, filters
from sightline.understand.gradient_noise import GradientNoise, GradientNoises, gradient_noise, noise_from_two_sizes
from sightline.understand.hessian_trace import TraceEstimate, hessian_trace
from sightline.understand.hidden_states import WeightedMix, mix_layers, pool_tokens
from sightline.understand.kernel_product import KernelProduct
from sightline.understand.lanczos import Eigenpairs, lanczos
from sightline.understand.layer_outputs import layer_outputs
from sightline.understand.layer_statistics import LayerStatistics, ParameterStatistics, layer_statistics
from sightline.understand.layer_table import LayerRow, LayerTable, layer_table
from sightline.understand.loss_surface import LossSurface
from sightline.understand.measured_receptive_field import MeasuredReceptiveField, measured_receptive_field
from sightline.understand.moments import Moments, moments
from sightline.understand.output_features import OutputFeatures, output_features
from sightline.understand.output_statistics import OutputStatistics
from sightline.understand.projections import PrincipalView, layer_output, layer_rows, principal_view
from sightline.understand.receptive_field import ReceptiveField, ReceptiveFields, receptive_field, receptive_fields
from sightline.understand.saliency import Saliency, gradient_times_input, input_gradient, integrated_gradients
from sightline.understand.sharpness import Sharpness, sharpness
from sightline.understand.signal import Signal, SignalRow, signal
from sightline.understand.singular_values import (
    Spectra,
    Spectrum,
    SpectrumChange,
    activation_singular_values,
    convolution_singular_values,
    spectrum_changes,
    weight_singular_values,
)
from sightline.understand.stability_limit import stability_limit
from sightline.understand.tangent_kernel import TangentKernel, alignment, drift, predicted_change, tangent_kernel
from sightline.understand.tsne import NeighbourMap, neighbour_probabilities, tsne
from sightline.understand.update_ratio import UpdateRatios, UpdateRow, snapshot, update_ratio

__all__ = [
    "AttentionCost",
    "AttentionMap",
    "AttentionMaps",
    "Eigenpairs",
    "Elbow",
    "ElbowMotion",
    "ExitCurve",
    "GradientNoise",
    "GradientNoises",
    "KernelProduct",
    "LayerRow",
    "LayerStatistics",
    "LayerTable",
    "LossSurface",
    "MeasuredReceptiveField",
    "Moments",
    "NeighbourMap",
    "OutputFeatures",
    "OutputStatistics",
    "ParameterStatistics",
    "PiecewiseLinear",
    "PrincipalView",
    "ReceptiveField",
    "ReceptiveFields",
    "Saliency",
    "Sharpness",
    "Signal",
    "SignalRow",
    "Spectra",
    "Spectrum",
    "SpectrumChange",
    "TangentKernel",
    "TraceEstimate",
    "UpdateRatios",
    "UpdateRow",
    "WeightedMix",
    "activation_singular_values",
    "alignment",
    "attention_cost",
    "attention_maps",
    "convolution_singular_values",
    "drawable",
    "drift",
    "effective_rank",
    "elbow_motion",
    "elbows",
    "exit_costs",
    "exit_curve",
    "feature_maps",
    "filters",
    "fit_exponent",
    "gradient_noise",
    "gradient_times_input",
    "hessian_trace",
    "input_gradient",
    "integrated_gradients",
    "lanczos",
    "layer_output",
    "layer_outputs",
    "layer_rows",
    "layer_statistics",
    "layer_table",
    "measured_receptive_field",
    "mix_layers",
    "moments",
    "neighbour_probabilities",
    "noise_from_two_sizes",
    "output_features",
    "pool_tokens",
    "predicted_change",
    "principal_view",
    "receptive_field",
    "receptive_fields",
    "sharpness",
    "signal",
    "snapshot",
    "spectrum_changes",
    "stability_limit",
    "tangent_kernel",
    "tsne",
    "update_ratio",
    "weight_singular_values",
]
