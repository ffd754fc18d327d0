"""The game of generator and discriminator: what each of the two minimises.

Legend: a = D(x) log-odds that a real image is real, b = D(G(z)) that a made one is; G generator, D discriminator.
"""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from sightline.core.config import Option, check
from sightline.core.schema import Schema
from sightline.data.batch import Batch
from sightline.data.standardise import standardise
from sightline.objectives.image_objective import ImageObjective
from sightline.objectives.registry import OBJECTIVES

Game = Literal["non-saturating", "minimax", "least-squares"]

GAME = Option(
    "minimax: G raises D's own loss; non-saturating: G raises log D(G(z)), whose gradient stays while D is sure;"
    " least-squares: distances to 0 and 1"
)
STEPS = Option("updates of the discriminator for each of the generator; each has its share of the batch", minimum=1)
RATE = Option("the discriminator's rate over the generator's", above=0)
PENALTY = Option("γ of the penalty γ/2 · E‖∇_x D(x)‖² at real images (R1); 0: none", minimum=0)
NOISE = Option("σ of the noise added to all that the discriminator sees, falling to 0 over the run", minimum=0)


def discriminator_loss(
    real: Float[Tensor, " batch"], made: Float[Tensor, " batch"], game: Game
) -> Float[Tensor, " batch"]:
    """−log σ(a) − log(1 − σ(b)); least squares: (a − 1)² + b².

    Args:
        real: a.
        made: b.
        game: which.

    Source: Goodfellow et al. 2014, algorithm 1; Mao et al. 2017, "Least Squares GAN", equation (2)

    Lecture: X4

    Example:
        >>> discriminator_loss(torch.zeros(1), torch.zeros(1), "minimax").item() / torch.tensor(2.0).log().item()
        2.0
    """
    if game == "least-squares":
        return (real - 1).square() + made.square()
    return F.softplus(-real) + F.softplus(made)


def generator_loss(made: Float[Tensor, " batch"], game: Game) -> Float[Tensor, " batch"]:
    """Minimax log(1 − σ(b)); non-saturating −log σ(b); least squares (b − 1)².

    While D is sure that b ≪ 0, the minimax loss is flat, σ(b): the generator learns nothing. The non-saturating one has
    slope σ(b) − 1 there.

    Args:
        made: b.
        game: which.

    Source: Goodfellow et al. 2014, §3; Mao et al. 2017, equation (2)

    Lecture: X4

    Example:
        >>> b = torch.tensor([-10.0], requires_grad=True)
        >>> torch.autograd.grad(generator_loss(b, "non-saturating").sum(), b)[0].item() < -0.99
        True
    """
    if game == "least-squares":
        return (made - 1).square()
    return -F.softplus(made) if game == "minimax" else F.softplus(-made)


@OBJECTIVES.register("adversarial")
class Adversarial(ImageObjective):
    """D learns to tell real images from made ones, G to make images that D takes for real.

    The remedies against a discriminator too good and against collapse to few modes: the non-saturating game, more
    steps or another rate for D, the R1 penalty, noise on what D sees; in the model spectral normalisation.

    Args:
        schema: the data set's.
        game: "non-saturating", "minimax" or "least-squares".
        discriminator_steps: updates of D for each of G.
        discriminator_rate: D's rate over G's.
        penalty: γ of the R1 penalty.
        noise: σ at the start.

    Raises:
        ConfigurationError: for data that are no images, a number out of its range, or a standardisation that can't be
            undone.

    Source: Goodfellow et al. 2014; Mescheder et al. 2018, "Which Training Methods for GANs do actually Converge?"
        (R1); Arjovsky & Bottou 2017 (noise)

    Lecture: X4

    Example:
        >>> schema = Schema("image", "none", (1, 8, 8), image_mean=(0.5,), image_std=(0.5,))
        >>> Adversarial(schema, penalty=10.0).figure_names()[:2]
        ('discriminator_loss', 'generator_loss')
    """

    name = "adversarial"
    suits = "adversarial pair"
    monitor = "updates"
    mode = "max"
    units: ClassVar = {"discriminator_loss": "nats", "generator_loss": "nats"}

    def __init__(
        self,
        schema: Schema,
        *,
        game: Annotated[Game, GAME] = "non-saturating",
        discriminator_steps: Annotated[int, STEPS] = 1,
        discriminator_rate: Annotated[float, RATE] = 1.0,
        penalty: Annotated[float, PENALTY] = 0.0,
        noise: Annotated[float, NOISE] = 0.0,
    ) -> None:
        super().__init__(schema)
        self.game: Game = check(game, Game, GAME, None, "game")
        self.discriminator_steps = check(discriminator_steps, int, STEPS, None, "discriminator_steps")
        self.discriminator_rate = check(discriminator_rate, float, RATE, None, "discriminator_rate")
        self.penalty = check(penalty, float, PENALTY, None, "penalty")
        self.noise = check(noise, float, NOISE, None, "noise")

    def scaled(
        self, images: Float[Tensor, "batch channels height width"]
    ) -> Float[Tensor, "batch channels height width"]:
        """The generator's images in [−1, 1] as standardised ones."""
        return standardise((images + 1) / 2, self.schema)

    def picture(
        self, outputs: Float[Tensor, "batch channels height width"]
    ) -> Float[Tensor, "batch channels height width"]:
        """The generator's images as pixel values."""
        return (outputs + 1) / 2

    def blurred(
        self, images: Float[Tensor, "batch channels height width"]
    ) -> Float[Tensor, "batch channels height width"]:
        """Images with the noise that the discriminator sees at this moment of the training."""
        deviation = self.noise * (1 - self.progress)
        return images + deviation * torch.randn(images.shape, device=images.device) if deviation else images

    def condition(self, model: nn.Module, batch: Batch) -> Tensor | None:
        """The classes, for a network that wants some."""
        return self.labels(batch) if getattr(getattr(model, "module", model), "num_classes", 0) else None

    def make(self, model: nn.Module, batch: Batch) -> Float[Tensor, "batch channels height width"]:
        """As many images as a batch has, of its classes, standardised."""
        inner: Any = getattr(model, "module", model)
        latents = torch.randn(len(batch), inner.latent, device=batch.inputs.device)
        made: Tensor = model(latents=latents, labels=self.condition(model, batch))
        return self.scaled(made.float())

    def judge(
        self, model: nn.Module, images: Float[Tensor, "batch channels height width"], batch: Batch
    ) -> Float[Tensor, " batch"]:
        """The discriminator's log-odds."""
        odds: Tensor = model(images, labels=self.condition(model, batch))
        return odds.float()[:, 0]

    def parts(self, model: nn.Module, batch: Batch) -> Mapping[str, Float[Tensor, " batch"]]:
        """Both losses, of as many made images as real ones; how often each is taken for real; a and b themselves."""
        real = self.judge(model, batch.inputs, batch)
        made = self.judge(model, self.make(model, batch), batch)
        border = 0.5 if self.game == "least-squares" else 0.0
        return {
            self.name: discriminator_loss(real, made, self.game),
            "generator_loss": generator_loss(made, self.game),
            "real_taken_for_real": (real > border).float(),
            "made_taken_for_real": (made > border).float(),
            "real_score": real,
            "made_score": made,
        }

    def weight(self, part: str) -> float:
        """The loss that is told is the discriminator's."""
        return float(part == self.name)

    def figures(self, parts: Mapping[str, Float[Tensor, " batch"]]) -> Mapping[str, Float[Tensor, " batch"]]:
        """See :meth:`parts`, and the discriminator's accuracy. None of them says how good the images are."""
        told = {"discriminator_loss" if name == self.name else name: part for name, part in parts.items()}
        right = (parts["real_taken_for_real"] + 1 - parts["made_taken_for_real"]) / 2
        return {**told, "discriminator_accuracy": right}

    def figure_names(self) -> tuple[str, ...]:
        """See :meth:`figures`."""
        return (
            "discriminator_loss",
            "generator_loss",
            "real_taken_for_real",
            "made_taken_for_real",
            "real_score",
            "made_score",
            "discriminator_accuracy",
        )


def gradient_penalty(
    odds: Float[Tensor, " batch"], images: Float[Tensor, "batch channels height width"]
) -> Float[Tensor, ""]:
    """½ E‖∇_x D(x)‖²: the R1 penalty without its γ.

    Args:
        odds: D(x), with a graph that reaches the images.
        images: x, which require gradients.

    Source: Mescheder et al. 2018, equation (9)

    Lecture: X4

    Example:
        >>> x = torch.ones(2, 1, 1, 3, requires_grad=True)
        >>> gradient_penalty((2 * x).sum((1, 2, 3)), x).item()  # the gradient is 2 everywhere
        6.0
    """
    (gradient,) = torch.autograd.grad(odds.sum(), images, create_graph=True)
    return 0.5 * gradient.square().flatten(1).sum(1).mean()
