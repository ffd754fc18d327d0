"""A generator and a discriminator that play for a ring of Gaussians: several runs side by side, one product a layer.

Every run has weights and draws of its own. Losses are means over a run's points and sums over the runs, and the
optimiser works number by number: no run feels another.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from sightline.linear.gaussian_mixture import GaussianMixture
from sightline.objectives.adversarial import Game, discriminator_loss, generator_loss, gradient_penalty

LATENT, WIDTH, BATCH = 8, 128, 128
"""Numbers of a latent vector, units of each of two hidden layers, points of each kind a step. With two latent numbers
the plain game keeps nearly all modes, too: a turned plane is nearly a ring."""

RATE, MEMORY = 2e-3, (0.5, 0.99)
"""Adam's, of both players, as image GANs have it but for a higher rate."""

SHOWN = 2000
"""Points that a run is measured by."""

Points = Float[Tensor, "runs points 2"]


@dataclass(frozen=True)
class Setting:
    """How the game is played.

    Args:
        game: what the generator minimises.
        leak: slope of the activations below 0; 0: ReLU.
        batch_norm: in the generator, each unit over the run's batch (when it is measured, over all points measured).
        penalty: γ of γ/2 · E‖∇_x D(x)‖² at real points (R1).
        noise: σ of what is added to all that the discriminator sees.
        judge_rate: the discriminator's rate over the generator's.
        average: share of the old in a running average of the generator's weights, which makes the points; 0: none.
    """

    game: Game = "non-saturating"
    leak: float = 0.0
    batch_norm: bool = False
    penalty: float = 0.0
    noise: float = 0.0
    judge_rate: float = 1.0
    average: float = 0.0


class Stack:
    """Two hidden layers and a linear one, for all runs at once.

    Args:
        sizes: inputs, hidden units twice, outputs.
        runs: how many.
        leak: see :class:`Setting`.
        batch_norm: after each hidden product.
        generator: of the first weights, normal with variance 2/fan_in; 1/fan_in in the last layer.
    """

    def __init__(
        self, sizes: Sequence[int], runs: int, *, leak: float, batch_norm: bool, generator: torch.Generator
    ) -> None:
        self.leak, self.batch_norm = leak, batch_norm
        shapes = list(pairwise(sizes))
        self.weights = [
            torch.randn(runs, m, n, generator=generator) * ((2 if i < len(shapes) - 1 else 1) / m) ** 0.5
            for i, (m, n) in enumerate(shapes)
        ]
        self.biases = [torch.zeros(runs, 1, n) for _, n in shapes]
        self.gains = [torch.ones(runs, 1, n) for _, n in shapes[:-1]] if batch_norm else []
        for parameter in self.parameters():
            parameter.requires_grad_()

    def parameters(self) -> list[Tensor]:
        """All that is learned."""
        return [*self.weights, *self.biases, *self.gains]

    def __call__(self, x: Float[Tensor, "runs points inputs"]) -> Float[Tensor, "runs points outputs"]:
        """Each run's own outputs."""
        last = len(self.weights) - 1
        for i, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            x = torch.baddbmm(bias, x, weight)
            if i < last:
                if self.batch_norm:
                    centred = x - x.mean(1, keepdim=True)
                    x = self.gains[i] * centred * (centred.square().mean(1, keepdim=True) + 1e-5).rsqrt() + bias
                x = F.leaky_relu(x, self.leak)
        return x


@dataclass(frozen=True)
class Outcome:
    """How a game ended.

    Attributes:
        points: of each run, made at the end.
        accuracy: of each run's discriminator on as many real as made points; ½: it can't tell them apart.
    """

    points: Points
    accuracy: Float[Tensor, " runs"]


@dataclass(frozen=True)
class Slopes:
    """What a discriminator trained alone leaves the generator to learn from.

    Attributes:
        steps: updates of the discriminator.
        accuracy: mean over the runs.
        minimax, non_saturating: ‖gradient of the generator's loss in its weights‖, median over the runs.
    """

    steps: int
    accuracy: float
    minimax: float
    non_saturating: float


class RingGame:
    """Both players of all runs.

    Args:
        ring: what is to be learned.
        setting: how.
        runs: how many games, side by side.
        seed: of all chance.

    Lecture: X4
    """

    def __init__(self, ring: GaussianMixture, setting: Setting, *, runs: int, seed: int) -> None:
        self.ring, self.setting, self.runs = ring, setting, runs
        self.chance = torch.Generator().manual_seed(seed)

        def stack(inputs: int, outputs: int, batch_norm: bool) -> Stack:
            sizes = (inputs, WIDTH, WIDTH, outputs)
            return Stack(sizes, runs, leak=setting.leak, batch_norm=batch_norm, generator=self.chance)

        self.maker, self.judge = stack(LATENT, 2, setting.batch_norm), stack(2, 1, False)

    def play(self, steps: int) -> Outcome:
        """So many updates of the discriminator, each followed by one of the generator."""
        maker, judge = (
            torch.optim.Adam(player.parameters(), lr=rate, betas=MEMORY, fused=True)
            for player, rate in ((self.maker, RATE), (self.judge, RATE * self.setting.judge_rate))
        )
        averages = [parameter.detach().clone() for parameter in self.maker.parameters()]
        for _ in range(steps):
            self._update(judge, self.judge.parameters(), self.judge_loss())
            self._update(maker, self.maker.parameters(), self.maker_loss(self.setting.game))
            torch._foreach_lerp_(averages, [p.detach() for p in self.maker.parameters()], 1 - self.setting.average)
        with torch.no_grad():
            for parameter, average in zip(self.maker.parameters(), averages, strict=True):
                parameter.copy_(average)
        return Outcome(self.made(SHOWN).detach(), self.accuracy())

    def judge_alone(self, looks: Sequence[int]) -> list[Slopes]:
        """Train the discriminator against a generator that stays as it is, and see what is left to learn from."""
        judge = torch.optim.Adam(self.judge.parameters(), lr=RATE, betas=MEMORY, fused=True)
        found = []
        for step in range(max(looks) + 1):
            if step in looks:
                found.append(
                    Slopes(
                        steps=step,
                        accuracy=float(self.accuracy().mean()),
                        minimax=float(self._slope("minimax").median()),
                        non_saturating=float(self._slope("non-saturating").median()),
                    )
                )
            self._update(judge, self.judge.parameters(), self.judge_loss())
        return found

    def made(self, count: int) -> Points:
        """So many points of every run's generator."""
        return self.maker(torch.randn(self.runs, count, LATENT, generator=self.chance))

    def real(self, count: int) -> Points:
        """So many points of the ring for every run."""
        return self.ring.draw(self.runs * count, generator=self.chance).float().reshape(self.runs, count, 2)

    def accuracy(self) -> Float[Tensor, " runs"]:
        """How often each discriminator is right."""
        with torch.no_grad():
            real, made = self.judge(self.real(SHOWN)) > 0, self.judge(self.made(SHOWN)) > 0
        return (real.float().mean((1, 2)) + 1 - made.float().mean((1, 2))) / 2

    def judge_loss(self) -> Float[Tensor, ""]:
        """The discriminator's, on points drawn for it; summed over the runs."""
        with torch.no_grad():
            made = self._seen(self.made(BATCH))
        seen = self._seen(self.real(BATCH))
        real = seen.reshape(-1, 1, 1, 2).requires_grad_(self.setting.penalty > 0)  # as the penalty takes images
        odds = self.judge(real.reshape(seen.shape)).flatten()
        loss = discriminator_loss(odds, self.judge(made).flatten(), self.setting.game).mean()
        if self.setting.penalty:
            loss = loss + self.setting.penalty * gradient_penalty(odds, real)
        return loss * self.runs

    def maker_loss(self, game: Game) -> Float[Tensor, ""]:
        """The generator's, likewise."""
        odds = self.judge(self._seen(self.made(BATCH)))
        return generator_loss(odds.flatten(), game).mean() * self.runs

    def _seen(self, points: Points) -> Points:
        """As the discriminator gets them."""
        if not self.setting.noise:
            return points
        return points + self.setting.noise * torch.randn(points.shape, generator=self.chance)

    def _slope(self, game: Game) -> Float[Tensor, " runs"]:
        slopes = torch.autograd.grad(self.maker_loss(game), self.maker.parameters())
        return torch.stack([slope.flatten(1).square().sum(1) for slope in slopes]).sum(0).sqrt()

    @staticmethod
    def _update(optimizer: torch.optim.Optimizer, parameters: list[Tensor], loss: Tensor) -> None:
        for parameter, slope in zip(parameters, torch.autograd.grad(loss, parameters), strict=True):
            parameter.grad = slope
        optimizer.step()
