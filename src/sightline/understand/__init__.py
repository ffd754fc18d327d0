"""Instruments: what a network is and does, measured on any ``torch.nn.Module``."""

from sightline.understand.attention_cost import AttentionCost, attention_cost, fit_exponent
from sightline.understand.attention_maps import AttentionMap, AttentionMaps, attention_maps
from sightline.understand.early_exits import ExitCurve, exit_costs, exit_curve
from sightline.understand.hidden_states import WeightedMix, mix_layers, pool_tokens
from sightline.understand.kernel_product import KernelProduct
from sightline.understand.lanczos import Eigenpairs, lanczos
from sightline.understand.layer_outputs import layer_outputs
from sightline.understand.layer_table import LayerRow, LayerTable, layer_table
from sightline.understand.loss_surface import LossSurface
from sightline.understand.measured_receptive_field import MeasuredReceptiveField, measured_receptive_field
from sightline.understand.output_features import OutputFeatures, output_features
from sightline.understand.receptive_field import ReceptiveField, ReceptiveFields, receptive_field, receptive_fields
from sightline.understand.sharpness import Sharpness, sharpness
from sightline.understand.signal import Signal, SignalRow, signal
from sightline.understand.stability_limit import stability_limit
from sightline.understand.tangent_kernel import TangentKernel, alignment, drift, predicted_change, tangent_kernel

__all__ = [
    "AttentionCost",
    "AttentionMap",
    "AttentionMaps",
    "Eigenpairs",
    "ExitCurve",
    "KernelProduct",
    "LayerRow",
    "LayerTable",
    "LossSurface",
    "MeasuredReceptiveField",
    "OutputFeatures",
    "ReceptiveField",
    "ReceptiveFields",
    "Sharpness",
    "Signal",
    "SignalRow",
    "TangentKernel",
    "WeightedMix",
    "alignment",
    "attention_cost",
    "attention_maps",
    "drift",
    "exit_costs",
    "exit_curve",
    "fit_exponent",
    "lanczos",
    "layer_outputs",
    "layer_table",
    "measured_receptive_field",
    "mix_layers",
    "output_features",
    "pool_tokens",
    "predicted_change",
    "receptive_field",
    "receptive_fields",
    "sharpness",
    "signal",
    "stability_limit",
    "tangent_kernel",
]
