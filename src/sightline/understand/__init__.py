"""Instruments: what a network is and does, measured on any ``torch.nn.Module``."""

from sightline.understand.attention_cost import AttentionCost, attention_cost, fit_exponent
from sightline.understand.attention_maps import AttentionMap, AttentionMaps, attention_maps
from sightline.understand.early_exits import ExitCurve, exit_costs, exit_curve
from sightline.understand.hidden_states import WeightedMix, mix_layers, pool_tokens
from sightline.understand.layer_outputs import layer_outputs
from sightline.understand.layer_table import LayerRow, LayerTable, layer_table
from sightline.understand.measured_receptive_field import MeasuredReceptiveField, measured_receptive_field
from sightline.understand.receptive_field import ReceptiveField, ReceptiveFields, receptive_field, receptive_fields
from sightline.understand.signal import Signal, SignalRow, signal

__all__ = [
    "AttentionCost",
    "AttentionMap",
    "AttentionMaps",
    "ExitCurve",
    "LayerRow",
    "LayerTable",
    "MeasuredReceptiveField",
    "ReceptiveField",
    "ReceptiveFields",
    "Signal",
    "SignalRow",
    "WeightedMix",
    "attention_cost",
    "attention_maps",
    "exit_costs",
    "exit_curve",
    "fit_exponent",
    "layer_outputs",
    "layer_table",
    "measured_receptive_field",
    "mix_layers",
    "pool_tokens",
    "receptive_field",
    "receptive_fields",
    "signal",
]
