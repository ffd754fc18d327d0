"""Networks: each ``features(x)``, then ``head(...)``; they know no loss, no data set and no training."""

from sightline.models.auxiliary import AuxiliaryOutputs
from sightline.models.early_exits import EarlyExits
from sightline.models.mlp import MLP, mlp
from sightline.models.predictor import Predictor
from sightline.models.pretrained import Pretrained, from_pretrained, load_pretrained
from sightline.models.registry import MODELS
from sightline.models.resnet_sizes import (
    plain20,
    plain32,
    plain44,
    plain56,
    pre_activation_resnet110,
    pre_activation_resnet164,
    resnet18,
    resnet20,
    resnet32,
    resnet34,
    resnet44,
    resnet50,
    resnet56,
    resnet101,
    resnet110,
    resnet152,
)
from sightline.models.staged import StagedPredictor

# last: the builders take the place of the submodules they are named after
from sightline.models.alexnet import AlexNet, SmallAlexNet, alexnet  # isort: skip
from sightline.models.convnext import (  # isort: skip
    ConvNeXt,
    convnext,
    convnext_base,
    convnext_large,
    convnext_small,
    convnext_tiny,
)
from sightline.models.googlenet import GoogLeNet, googlenet  # isort: skip
from sightline.models.lenet import LeNet5, ModernLeNet5, lenet  # isort: skip
from sightline.models.ode_net import ODENet, ode_net  # isort: skip
from sightline.models.resnet import ResNet, plain, resnet  # isort: skip
from sightline.models.vgg import VGG, vgg, vgg11, vgg13, vgg16, vgg19  # isort: skip
from sightline.models.vit import (  # isort: skip
    ViT,
    vit,
    vit_base_patch16,
    vit_large_patch16,
    vit_small_patch16,
    vit_tiny_patch16,
)
from sightline.models.whitening_net import WhiteningNet, whitening_net  # isort: skip

__all__ = [
    "MLP",
    "MODELS",
    "VGG",
    "AlexNet",
    "AuxiliaryOutputs",
    "ConvNeXt",
    "EarlyExits",
    "GoogLeNet",
    "LeNet5",
    "ModernLeNet5",
    "ODENet",
    "Predictor",
    "Pretrained",
    "ResNet",
    "SmallAlexNet",
    "StagedPredictor",
    "ViT",
    "WhiteningNet",
    "alexnet",
    "convnext",
    "convnext_base",
    "convnext_large",
    "convnext_small",
    "convnext_tiny",
    "from_pretrained",
    "googlenet",
    "lenet",
    "load_pretrained",
    "mlp",
    "ode_net",
    "plain",
    "plain20",
    "plain32",
    "plain44",
    "plain56",
    "pre_activation_resnet110",
    "pre_activation_resnet164",
    "resnet",
    "resnet18",
    "resnet20",
    "resnet32",
    "resnet34",
    "resnet44",
    "resnet50",
    "resnet56",
    "resnet101",
    "resnet110",
    "resnet152",
    "vgg",
    "vgg11",
    "vgg13",
    "vgg16",
    "vgg19",
    "vit",
    "vit_base_patch16",
    "vit_large_patch16",
    "vit_small_patch16",
    "vit_tiny_patch16",
    "whitening_net",
]
