"""Recipes on CIFAR-10: 50,000 + 10,000 photographs of 32 × 32 in ten classes."""

from sightline.core.config import Choice
from sightline.data.augment.spec import Augment
from sightline.data.spec import DataSpec
from sightline.recipes.registry import RECIPES
from sightline.train.plan import Plan
from sightline.train.spec import RunSpec

CIFAR10 = "hf:uoft-cs/cifar10"


@RECIPES.register("cifar10-fast")
def cifar10_fast() -> RunSpec:
    """The fastest road to accuracy: whitened patches, a triangular schedule, high rates, few passes (Jordan 2024)."""
    return RunSpec(
        name="cifar10-fast",
        data=DataSpec(source=CIFAR10, validation_fraction=0.02, augment=Augment(alternating_flip=True, crop=2)),
        model=Choice("whitening-net", {"width": 64, "shift": True}),
        objective=Choice("cross-entropy", {"label_smoothing": 0.2}),
        optim=Choice("sgd", {"lr": 1.5, "momentum": 0.85, "nesterov": True, "weight_decay": 1.33e-3}),
        schedule=Choice("linear", {"warmup": 0.23, "final": 0.07}),
        plan=Plan(epochs=13, batch_size=1000, precision="bf16", evaluate_every=13),  # its last weights are its best,
    )


@RECIPES.register("cifar10-resnet20")
def cifar10_resnet20() -> RunSpec:
    """ResNet-20 as published: 182 epochs at 0.1, 0.01, 0.001, flips and crops; 91.25 % in He et al. 2016, table 6."""
    return RunSpec(
        name="cifar10-resnet20",
        data=DataSpec(source=CIFAR10, augment=Augment(flip=True, crop=4)),
        model=Choice("resnet", {"depth": 20, "width": 16}),
        optim=Choice("sgd", {"lr": 0.1, "momentum": 0.9, "weight_decay": 1e-4}),
        schedule=Choice("milestones", {"at": (0.5, 0.75), "gamma": 0.1}),
        plan=Plan(epochs=182, batch_size=128),
    )
