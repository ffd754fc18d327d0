"""The depth study: the same short training for plain and residual networks of 20 and 56 layers on CIFAR-10.

He et al. 2016 (figure 6, table 6): without skips the deeper network has the higher training error, so depth itself
is the obstacle, not overfitting; with them it has the lower one.
"""

from sightline.core.config import Choice
from sightline.data.augment.spec import Augment
from sightline.data.spec import DataSpec
from sightline.recipes.cifar10 import CIFAR10
from sightline.recipes.registry import RECIPES
from sightline.train.plan import Plan
from sightline.train.spec import RunSpec


@RECIPES.register("depth-plain-20")
def plain_20() -> RunSpec:
    """Depth study: 20 layers without skips, four epochs on CIFAR-10."""
    return _study("plain", 20)


@RECIPES.register("depth-plain-56")
def plain_56() -> RunSpec:
    """Depth study: 56 layers without skips, four epochs on CIFAR-10: trains worse than 20."""
    return _study("plain", 56)


@RECIPES.register("depth-resnet-20")
def resnet_20() -> RunSpec:
    """Depth study: ResNet-20, four epochs on CIFAR-10."""
    return _study("resnet", 20)


@RECIPES.register("depth-resnet-56")
def resnet_56() -> RunSpec:
    """Depth study: ResNet-56, four epochs on CIFAR-10: trains no worse than ResNet-20."""
    return _study("resnet", 56)


def _study(model: str, depth: int) -> RunSpec:
    """The published rate, momentum, decay, batch and augmentation, in a budget that two cores can afford."""
    return RunSpec(
        name=f"depth-{model}-{depth}",
        data=DataSpec(source=CIFAR10, validation_fraction=0.1, augment=Augment(flip=True, crop=4)),
        model=Choice(model, {"depth": depth, "width": 16}),
        optim=Choice("sgd", {"lr": 0.1, "momentum": 0.9, "weight_decay": 1e-4}),
        schedule=Choice("linear", {"warmup": 0.1}),
        plan=Plan(epochs=4, batch_size=128, precision="bf16", evaluate_every=4, log_steps=10),
    )
