"""Adagrad, RMSProp and Adam in the lectures' letters: a rate for each weight, from the size of its gradients.

Legend: g gradient, a average of gradients, s, v sum or average of their squares, β, β′ the weights of the **new**
gradient and square (Kingma & Ba's are β₁ = 1 − β, β₂ = 1 − β′; usually β′ ≪ β), k steps taken, with the present one,
η the rate. All squares, roots and quotients are entry by entry.

ε stands **outside** the root, √s + ε, as in Kingma & Ba and in torch. Inside it, √(s + ε), it is another method: its
floor under the root is √ε, 10⁻⁴ where ε is 10⁻⁸.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from sightline.linear import inputs
from sightline.linear.exponential_average import bias_correction
from sightline.linear.squared_error import gradient_at


@dataclass(frozen=True)
class Moments:
    """What an adaptive method remembers.

    Attributes:
        average: a, the average of gradients; the last gradient in the methods that average none.
        square: s or v, the sum or the average of their squares.
        steps: k, the steps taken.
    """

    average: Float[Tensor, "*shape"]
    square: Float[Tensor, "*shape"]
    steps: int = 0


class AdaptiveMethod(ABC):
    """A step (w, g, memory) → (w, memory) that changes nothing in place."""

    def start(self, w: Tensor) -> Moments:
        """The memory before the first step: zeros."""
        return Moments(torch.zeros_like(w), torch.zeros_like(w))

    @abstractmethod
    def step(self, w: Tensor, g: Tensor, state: Moments) -> tuple[Tensor, Moments]:
        """One step for any gradient g of the shape of w.

        Raises:
            DataError: when g is not finite or of another shape.
        """

    @abstractmethod
    def torch_options(self) -> dict[str, float | tuple[float, float]]:
        """The same method in the words of ``torch.optim``."""


@dataclass(frozen=True)
class Adagrad(AdaptiveMethod):
    """s ← s + g², w ← w − η g / (√s + ε): the rate falls with all that a weight has seen, by 1/√k under a constant g.

    Args:
        rate: η > 0.
        epsilon: ε > 0.

    Raises:
        ConfigurationError: for numbers outside their range.

    Source: Duchi, Hazan & Singer 2011; D2 (5) without its β

    Lecture: O4

    Example:
        >>> method, w = Adagrad(rate=1.0), torch.zeros(1).double()
        >>> method.step(w, torch.tensor([4.0]), method.start(w))[0]
        tensor([-1.0000], dtype=torch.float64)
    """

    rate: float
    epsilon: float = 1e-10

    def __post_init__(self) -> None:
        inputs.number(self.rate, "rate η", above=0)
        inputs.number(self.epsilon, "epsilon ε", above=0)

    def step(self, w: Tensor, g: Tensor, state: Moments) -> tuple[Tensor, Moments]:
        """s ← s + g², then w ← w − η g / (√s + ε)."""
        g = inputs.start(g, w, "gradient")
        s = state.square + g.square()
        return w - self.rate * g / (s.sqrt() + self.epsilon), Moments(g, s, state.steps + 1)

    def torch_options(self) -> dict[str, float | tuple[float, float]]:
        """For ``torch.optim.Adagrad``: lr = η, eps = ε."""
        return {"lr": self.rate, "eps": self.epsilon}


@dataclass(frozen=True)
class RMSProp(AdaptiveMethod):
    """s ← (1−β′)s + β′g², w ← w − η g / (√s + ε): Adagrad that forgets. Its first step is η/√β′, for s starts at 0.

    Args:
        rate: η > 0.
        beta_prime: β′, the weight of the new square, in (0, 1].
        epsilon: ε > 0.

    Raises:
        ConfigurationError: for numbers outside their range.

    Source: Tieleman & Hinton 2012, lecture 6.5; D2 (5) with β = 1 − β′

    Lecture: O4

    Example:
        >>> method, w = RMSProp(rate=1.0, beta_prime=0.25), torch.zeros(1).double()
        >>> method.step(w, torch.tensor([4.0]), method.start(w))[0]
        tensor([-2.0000], dtype=torch.float64)
    """

    rate: float
    beta_prime: float = 0.01
    epsilon: float = 1e-8

    def __post_init__(self) -> None:
        inputs.number(self.rate, "rate η", above=0)
        inputs.number(self.beta_prime, "beta_prime β′ (the weight of the new square)", above=0, maximum=1)
        inputs.number(self.epsilon, "epsilon ε", above=0)

    def step(self, w: Tensor, g: Tensor, state: Moments) -> tuple[Tensor, Moments]:
        """s ← (1−β′)s + β′g², then w ← w − η g / (√s + ε)."""
        g = inputs.start(g, w, "gradient")
        s = (1 - self.beta_prime) * state.square + self.beta_prime * g.square()
        return w - self.rate * g / (s.sqrt() + self.epsilon), Moments(g, s, state.steps + 1)

    def torch_options(self) -> dict[str, float | tuple[float, float]]:
        """For ``torch.optim.RMSprop``: lr = η, alpha = 1 − β′, eps = ε."""
        return {"lr": self.rate, "alpha": 1 - self.beta_prime, "eps": self.epsilon}


@dataclass(frozen=True)
class Adam(AdaptiveMethod):
    """a ← (1−β)a + βg, v ← (1−β′)v + β′g², w ← w − η â / (√v̂ + ε), and AdamW's decay where it is asked for.

    The bias of the zero start is taken out: â = a / (1 − (1−β)ᵏ), v̂ = v / (1 − (1−β′)ᵏ). The first step is
    −η g/(|g| + ε), of size η whatever the gradient's. With ``weight_decay`` λ the weights shrink beside it,
    w ← w − ηλw, untouched by the rescaling; for a penalty instead add its gradient to g.

    Args:
        rate: η > 0.
        beta: β, the weight of the new gradient, in (0, 1].
        beta_prime: β′, the weight of the new square, in (0, 1].
        epsilon: ε > 0.
        weight_decay: λ ≥ 0, decoupled.

    Raises:
        ConfigurationError: for numbers outside their range.

    Source: Kingma & Ba 2015, algorithm 1; Loshchilov & Hutter 2019, algorithm 2; L7 (9)-(10) corrected

    Lecture: O4

    Example:
        >>> method, w = Adam(rate=0.5), torch.zeros(2).double()
        >>> method.step(w, torch.tensor([4.0, -100.0]), method.start(w))[0]
        tensor([-0.5000,  0.5000], dtype=torch.float64)
    """

    rate: float
    beta: float = 0.1
    beta_prime: float = 0.001
    epsilon: float = 1e-8
    weight_decay: float = 0.0

    def __post_init__(self) -> None:
        inputs.number(self.rate, "rate η", above=0)
        inputs.number(self.beta, "beta β (the weight of the new gradient)", above=0, maximum=1)
        inputs.number(self.beta_prime, "beta_prime β′ (the weight of the new square)", above=0, maximum=1)
        inputs.number(self.epsilon, "epsilon ε", above=0)
        inputs.number(self.weight_decay, "weight_decay λ", minimum=0)

    def step(self, w: Tensor, g: Tensor, state: Moments) -> tuple[Tensor, Moments]:
        """The averages, their correction, then w ← w − ηλw − η â / (√v̂ + ε)."""
        g, k = inputs.start(g, w, "gradient"), state.steps + 1
        a = (1 - self.beta) * state.average + self.beta * g
        v = (1 - self.beta_prime) * state.square + self.beta_prime * g.square()
        a_hat, v_hat = a / bias_correction(self.beta, k), v / bias_correction(self.beta_prime, k)
        moved = w - self.rate * self.weight_decay * w - self.rate * a_hat / (v_hat.sqrt() + self.epsilon)
        return moved, Moments(a, v, k)

    def torch_options(self) -> dict[str, float | tuple[float, float]]:
        """For ``torch.optim.AdamW``: lr = η, betas = (1 − β, 1 − β′), eps = ε, weight_decay = λ."""
        betas = (1 - self.beta, 1 - self.beta_prime)
        return {"lr": self.rate, "betas": betas, "eps": self.epsilon, "weight_decay": self.weight_decay}


def adaptive_iterates(
    X: Float[Tensor, "n d"],
    y: Float[Tensor, "n *k"],
    method: AdaptiveMethod,
    steps: int,
    start: Float[Tensor, "d *k"] | None = None,
    ridge: float = 0.0,
) -> Float[Tensor, "steps_and_start d *k"]:
    """The weights at every step of an adaptive method on ‖Xw − y‖² + λ‖w‖², the start first.

    There is no closed form: the rescaling mixes the singular directions.

    Shapes:
        X: [n, d]; y: [n] or [n, k]; start: [d] or [d, k] -> [steps + 1, d] or [steps + 1, d, k].

    Args:
        method: :class:`Adagrad`, :class:`RMSProp` or :class:`Adam`.
        steps: k ≥ 0.
        start: w₀, zero where none is given.
        ridge: λ ≥ 0; its gradient 2λw joins g (coupled).

    Raises:
        DataError: for a problem or a start that does not fit, or a gradient outside float64's range.
        ConfigurationError: for numbers outside their range.

    Lecture: O4

    Example:
        >>> adaptive_iterates(torch.eye(1), torch.ones(1), Adam(rate=0.5), 2).flatten()
        tensor([0.0000, 0.5000, 0.9661], dtype=torch.float64)
    """
    X, y = inputs.problem(X, y)
    w = inputs.start(start, X.new_zeros(X.shape[1], *y.shape[1:]))
    ridge = inputs.number(ridge, "ridge λ", minimum=0)
    state, weights = method.start(w), [w]
    for _ in range(inputs.count(steps, "steps")):
        w, state = method.step(w, gradient_at(X, y, w, ridge), state)
        weights.append(w)
    return torch.stack(weights)
