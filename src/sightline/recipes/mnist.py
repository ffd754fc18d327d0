"""Recipes on MNIST: 60,000 + 10,000 handwritten digits of 28 × 28."""

from sightline.core.config import Choice
from sightline.data.augment.spec import Augment
from sightline.data.spec import DataSpec
from sightline.recipes.registry import RECIPES
from sightline.train.plan import Plan
from sightline.train.spec import RunSpec

MNIST = "hf:ylecun/mnist"


@RECIPES.register("mnist-lenet")
def mnist_lenet() -> RunSpec:
    """LeNet-5 (ReLU, max pooling) on MNIST, digits moved a little: 0.68 % test error (LeCun et al. 1998: 0.95 %)."""
    return RunSpec(
        name="mnist-lenet",
        data=DataSpec(source=MNIST, validation_fraction=0.05, augment=Augment(translation=0.06, rotation=8.0)),
        model=Choice("lenet", {"batch_norm": True}),
        optim=Choice("adamw", {"lr": 3e-3, "weight_decay": 0.01}),
        schedule=Choice("cosine", {"warmup": 0.1}),
        plan=Plan(epochs=12, batch_size=128),
    )


@RECIPES.register("mnist-judge")
def mnist_judge() -> RunSpec:
    """A ResNet-8 on MNIST: the fixed classifier that judges digits which other runs make (`sightline judge`)."""
    return RunSpec(
        name="mnist-judge",
        data=DataSpec(source=MNIST, validation_fraction=0.05, augment=Augment(translation=0.06, rotation=8.0)),
        model=Choice("resnet", {"depth": 8, "width": 16}),
        optim=Choice("sgd", {"lr": 0.1, "momentum": 0.9, "nesterov": True, "weight_decay": 5e-4}),
        schedule=Choice("cosine", {"warmup": 0.1}),
        plan=Plan(epochs=3, batch_size=128),
    )


@RECIPES.register("mnist-best")
def mnist_best() -> RunSpec:
    """The whitening network on MNIST, digits moved, turned and scaled a little."""
    return RunSpec(
        name="mnist-best",
        data=DataSpec(
            source=MNIST, validation_fraction=0.02, augment=Augment(translation=0.08, rotation=10.0, scale=0.1)
        ),
        model=Choice("whitening-net", {"width": 32, "mirror": False}),
        objective=Choice("cross-entropy", {"label_smoothing": 0.1}),
        optim=Choice("sgd", {"lr": 1.0, "momentum": 0.85, "nesterov": True, "weight_decay": 1.33e-3}),
        schedule=Choice("linear", {"warmup": 0.2, "final": 0.02}),
        plan=Plan(epochs=15, batch_size=512, precision="bf16"),
    )
