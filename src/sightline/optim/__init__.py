"""How weights are changed: optimisers, schedules of their rate, clipping, regularisers, early stopping."""

from sightline.optim.clipping import clip_by_norm, clip_by_value
from sightline.optim.early_stopping import EarlyStopping
from sightline.optim.l1 import add_l1_gradient
from sightline.optim.optimizers import OPTIMIZERS, SGD, Adagrad, Adam, AdamW, Optimizer, RMSProp
from sightline.optim.parameter_groups import parameter_groups
from sightline.optim.schedules import (
    SCHEDULES,
    Constant,
    Cosine,
    InverseTime,
    Linear,
    Milestones,
    Schedule,
    Step,
    set_lr,
)

__all__ = [
    "OPTIMIZERS",
    "SCHEDULES",
    "SGD",
    "Adagrad",
    "Adam",
    "AdamW",
    "Constant",
    "Cosine",
    "EarlyStopping",
    "InverseTime",
    "Linear",
    "Milestones",
    "Optimizer",
    "RMSProp",
    "Schedule",
    "Step",
    "add_l1_gradient",
    "clip_by_norm",
    "clip_by_value",
    "parameter_groups",
    "set_lr",
]
