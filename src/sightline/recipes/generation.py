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


@RECIPES.register("mnist-pixelcnn")
def mnist_pixelcnn() -> RunSpec:
    """A PixelCNN on binarised digits: the exact likelihood, one pixel after the other."""
    return RunSpec(
        name="mnist-pixelcnn",
        data=DataSpec(source=MNIST, validation_fraction=0.05),
        model=Choice("pixelcnn", {"width": 48, "depth": 5}),
        objective=Choice("pixel-prediction", {"levels": 2}),
        optim=Choice("adamw", {"lr": 3e-3, "weight_decay": 0.0}),
        schedule=Choice("cosine", {"warmup": 0.05, "final": 0.02}),
        plan=Plan(epochs=8, batch_size=64, clip_norm=1.0, precision="bf16", average=0.998),
    )


@RECIPES.register("mnist-ddpm")
def mnist_ddpm() -> RunSpec:
    """Diffusion on digits, told the class: a U-Net that guesses the noise."""
    return RunSpec(
        name="mnist-ddpm",
        data=DataSpec(source=MNIST, validation_fraction=0.05),
        model=Choice("unet", {"widths": (32, 64, 64), "conditional": True}),
        objective=Choice("denoising-diffusion", {"schedule": "cosine"}),
        optim=Choice("adamw", {"lr": 1e-3, "weight_decay": 0.0}),
        schedule=Choice("cosine", {"warmup": 0.05, "final": 0.02}),
        plan=Plan(epochs=3, batch_size=64, clip_norm=1.0, precision="bf16", average=0.998),
    )


@RECIPES.register("mnist-gan")
def mnist_gan() -> RunSpec:
    """A DCGAN on digits: the non-saturating game with the R1 penalty, an average of the generator's weights."""
    return RunSpec(
        name="mnist-gan",
        data=DataSpec(source=MNIST, validation_fraction=0.05),
        model=Choice("gan", {"latent": 64, "widths": (64, 128)}),
        objective=Choice("adversarial", {"penalty": 0.1}),
        optim=Choice("adamw", {"lr": 2e-4, "beta1": 0.5, "beta2": 0.99, "weight_decay": 0.0}),
        plan=Plan(epochs=10, batch_size=128, precision="bf16", average=0.998),
    )


@RECIPES.register("mnist-autoencoder")
def mnist_autoencoder() -> RunSpec:
    """A convolutional autoencoder on digits: 32 latent numbers."""
    return RunSpec(
        name="mnist-autoencoder",
        data=DataSpec(source=MNIST, validation_fraction=0.05),
        model=Choice("autoencoder", {"latent": 32, "widths": (32, 64)}),
        objective=Choice("reconstruction"),
        optim=Choice("adamw", {"lr": 2e-3, "weight_decay": 0.0}),
        schedule=Choice("cosine", {"warmup": 0.05, "final": 0.02}),
        plan=Plan(epochs=10, batch_size=128, precision="bf16"),
    )
