"""Where to start with a model on data of one's own: settings that do well on most."""

from collections.abc import Callable
from pathlib import Path

from sightline.core.config import Choice
from sightline.core.registry import Registry
from sightline.data.spec import DataSpec
from sightline.train.plan import Plan
from sightline.train.spec import RunSpec

STARTING_POINTS: Registry[Callable[[DataSpec, str], RunSpec]] = Registry("starting point")


def starting_point(model: str, source: str) -> RunSpec:
    """A specification for one model family on one source of data.

    Args:
        model: a name from the model registry.
        source: where the data are.

    Example:
        >>> starting_point("mlp", "iris").optim.name
        'adamw'
    """
    stem = Path(source.removeprefix("hf:")).name.partition(".")[0]
    return STARTING_POINTS[model](DataSpec(source=source), f"{stem}-{model}" if stem else model)


@STARTING_POINTS.register("mlp")
def mlp(data: DataSpec, name: str) -> RunSpec:
    """AdamW at its usual rate with a cosine, small batches, early stopping: tables are small and overfit soon."""
    return RunSpec(
        name=name,
        data=data,
        model=Choice("mlp"),
        optim=Choice("adamw", {"lr": 1e-3, "weight_decay": 0.01}),
        schedule=Choice("cosine"),
        plan=Plan(batch_size=32, patience=20),
    )


def _momentum(model: str, lr: float) -> None:
    """SGD with Nesterov momentum at a high rate, a cosine after warm-up, as residual networks are mostly trained."""

    @STARTING_POINTS.register(model)
    def start(data: DataSpec, name: str) -> RunSpec:
        return RunSpec(
            name=name,
            data=data,
            model=Choice(model),
            optim=Choice("sgd", {"lr": lr, "momentum": 0.9, "nesterov": True, "weight_decay": 5e-4}),
            schedule=Choice("cosine", {"warmup": 0.1}),
            plan=Plan(batch_size=128),
        )


for _model in ("early-exits", "googlenet", "plain", "resnet", "resnet18", "resnet34", "resnet50", "resnet101"):
    _momentum(_model, 0.1)
_momentum("resnet152", 0.1)
_momentum("vgg", 0.05)  # without skips a deep network stands lower rates
_momentum("alexnet", 0.01)  # without normalisation lower ones still


def _adaptive(model: str, lr: float, weight_decay: float, clip_norm: float | None = None) -> None:
    """AdamW, a cosine after warm-up: networks without batch normalisation, and those with attention."""

    @STARTING_POINTS.register(model)
    def start(data: DataSpec, name: str) -> RunSpec:
        return RunSpec(
            name=name,
            data=data,
            model=Choice(model),
            optim=Choice("adamw", {"lr": lr, "weight_decay": weight_decay}),
            schedule=Choice("cosine", {"warmup": 0.1}),
            plan=Plan(batch_size=128, clip_norm=clip_norm),
        )


_adaptive("lenet", 2e-3, 0.01)
_adaptive("ode-net", 2e-3, 0.01)
_adaptive("convnext", 1e-3, 0.05)
_adaptive("vit", 5e-4, 0.05, clip_norm=1.0)


@STARTING_POINTS.register("whitening-net")
def whitening_net(data: DataSpec, name: str) -> RunSpec:
    """Momentum, decay and schedule of the recipe cifar10-fast, about half its rate and batch, nothing augmented."""
    return RunSpec(
        name=name,
        data=data,
        model=Choice("whitening-net"),
        optim=Choice("sgd", {"lr": 0.75, "momentum": 0.85, "nesterov": True, "weight_decay": 1.33e-3}),
        schedule=Choice("linear", {"warmup": 0.23, "final": 0.07}),
        plan=Plan(batch_size=512),
    )


def _text(model: str, lr: float) -> None:
    """AdamW with a slower memory of squares, warm-up and a cosine to a tenth, gradients clipped."""

    @STARTING_POINTS.register(model)
    def start(data: DataSpec, name: str) -> RunSpec:
        return RunSpec(
            name=name,
            data=data,
            model=Choice(model),
            optim=Choice("adamw", {"lr": lr, "weight_decay": 0.1, "beta2": 0.98}),
            schedule=Choice("cosine", {"warmup": 0.05, "final": 0.1}),
            plan=Plan(batch_size=32, clip_norm=1.0),
        )


_text("gpt", 1e-3)
_text("bert", 1e-3)
_text("t5", 2e-3)
_text("bart", 1e-3)
_text("transformer", 1e-3)


def _undecayed(model: str, objective: Choice, lr: float, final: float, plan: Plan) -> None:
    """AdamW without decay and a cosine after a short warm-up, as networks that make images are mostly trained."""

    @STARTING_POINTS.register(model)
    def start(data: DataSpec, name: str) -> RunSpec:
        return RunSpec(
            name=name,
            data=data,
            model=Choice(model),
            objective=objective,
            optim=Choice("adamw", {"lr": lr, "weight_decay": 0.0}),
            schedule=Choice("cosine", {"warmup": 0.02, "final": final}),
            plan=plan,
        )


_undecayed("autoencoder", Choice("reconstruction"), 1e-3, 0.02, Plan(batch_size=128))
_undecayed(  # the divergence's weight grows over the first tenth, against collapse
    "vae", Choice("elbo", {"pixels": "grey", "anneal": 0.1}), 1e-3, 0.02, Plan(batch_size=128, clip_norm=100.0)
)
_undecayed(  # the average of the weights is what samples
    "unet", Choice("denoising-diffusion"), 1e-3, 0.02, Plan(batch_size=128, clip_norm=1.0, average=0.999)
)
for _model, _lr in (("pixelcnn", 2e-3), ("gated-pixelcnn", 2e-3), ("image-transformer", 1e-3)):
    _undecayed(_model, Choice("pixel-prediction"), _lr, 0.1, Plan(batch_size=64, clip_norm=1.0))


@STARTING_POINTS.register("gan")
def gan(data: DataSpec, name: str) -> RunSpec:
    """Adam with a short memory (β₁ = ½), no schedule, an average of the generator's weights."""
    return RunSpec(
        name=name,
        data=data,
        model=Choice("gan"),
        objective=Choice("adversarial", {"penalty": 0.1}),
        optim=Choice("adamw", {"lr": 2e-4, "beta1": 0.5, "beta2": 0.99, "weight_decay": 0.0}),
        plan=Plan(batch_size=128, average=0.995),
    )
