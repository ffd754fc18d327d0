"""Instruments: what a network is and does, measured on any ``torch.nn.Module``."""

from sightline.understand.early_exits import ExitCurve, exit_costs, exit_curve
from sightline.understand.layer_table import LayerRow, LayerTable, layer_table
from sightline.understand.measured_receptive_field import MeasuredReceptiveField, measured_receptive_field
from sightline.understand.receptive_field import ReceptiveField, ReceptiveFields, receptive_field, receptive_fields
from sightline.understand.signal import Signal, SignalRow, signal

__all__ = [
    "ExitCurve",
    "LayerRow",
    "LayerTable",
    "MeasuredReceptiveField",
    "ReceptiveField",
    "ReceptiveFields",
    "Signal",
    "SignalRow",
    "exit_costs",
    "exit_curve",
    "layer_table",
    "measured_receptive_field",
    "receptive_field",
    "receptive_fields",
    "signal",
]
