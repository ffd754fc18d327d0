"""What is minimised, and the metrics that are really wanted."""

from sightline.objectives.classification import (
    BinaryCrossEntropy,
    CrossEntropy,
    Exponential,
    Hinge,
    Logistic,
)
from sightline.objectives.objective import Loss, Objective, Prediction
from sightline.objectives.registry import OBJECTIVES, default_objective
from sightline.objectives.regression import Absolute, Squared

__all__ = [
    "OBJECTIVES",
    "Absolute",
    "BinaryCrossEntropy",
    "CrossEntropy",
    "Exponential",
    "Hinge",
    "Logistic",
    "Loss",
    "Objective",
    "Prediction",
    "Squared",
    "default_objective",
]
