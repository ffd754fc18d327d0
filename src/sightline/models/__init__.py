"""Networks: each ``features(x)``, then ``head(...)``; they know no loss, no data set and no training."""

from sightline.models.mlp import MLP, mlp
from sightline.models.predictor import Predictor
from sightline.models.registry import MODELS

# last: the builders take the place of the submodules they are named after
from sightline.models.resnet import ResNet, resnet

__all__ = ["MLP", "MODELS", "Predictor", "ResNet", "mlp", "resnet"]
