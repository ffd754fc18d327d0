"""Recipes of networks that make images: handwritten digits by each road."""

from sightline.core.config import Choice
from sightline.data.spec import DataSpec
from sightline.recipes.mnist import MNIST
from sightline.recipes.registry import RECIPES
from sightline.train.plan import Plan
from sightline.train.spec import RunSpec


@RECIPES.register("mnist-vae")
def mnist_vae() -> RunSpec:
    """A variational autoencoder on binarised digits: two dense layers of 500 each way, 40 latent numbers."""
    return RunSpec(
        name="mnist-vae",
        data=DataSpec(source=MNIST, validation_fraction=0.05),
        model=Choice("vae", {"latent": 40, "hidden": (500, 500)}),
        objective=Choice("elbo", {"pixels": "binarised", "anneal": 0.05}),
        optim=Choice("adamw", {"lr": 1e-3, "weight_decay": 0.0}),
        schedule=Choice("cosine", {"warmup": 0.01, "final": 0.01}),
        plan=Plan(epochs=150, batch_size=128, clip_norm=100.0, evaluate_every=10),
    )
