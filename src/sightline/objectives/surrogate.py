"""Surrogate losses, one value an example: what is minimised in place of the metric that is wanted.

A margin is m = y·f with the label y ∈ {−1, +1} and the model's output f: positive where the sign is
right. The logistic, hinge and exponential losses are convex bounds on the 0/1 loss 1[m ≤ 0] (the
logistic one after division by log 2).
"""

import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor


def squared(prediction: Float[Tensor, "*axes"], target: Float[Tensor, "*axes"]) -> Float[Tensor, "*axes"]:
    """(f − y)²; least at the conditional mean. Derivative in f: 2(f − y).

    Shapes:
        all alike

    Lecture: F3

    Example:
        >>> import torch
        >>> squared(torch.tensor([1.0]), torch.tensor([3.0])).item()
        4.0
    """
    return (prediction - target).square()


def absolute(prediction: Float[Tensor, "*axes"], target: Float[Tensor, "*axes"]) -> Float[Tensor, "*axes"]:
    """|f − y|; least at the conditional median. Derivative in f: sign(f − y), 0 at the kink.

    Shapes:
        all alike

    Lecture: F3

    Example:
        >>> import torch
        >>> absolute(torch.tensor([1.0]), torch.tensor([3.0])).item()
        2.0
    """
    return (prediction - target).abs()


def logistic(margin: Float[Tensor, "*axes"]) -> Float[Tensor, "*axes"]:
    """log(1 + e^{−m}) in nats, the negative log-likelihood of σ(f). Derivative in m: −σ(−m).

    Computed as max(−m, 0) + log1p(e^{−|m|}), which neither overflows nor loses small values.

    Shapes:
        as ``margin``

    Lecture: F3

    Example:
        >>> import torch
        >>> [round(v, 4) for v in logistic(torch.tensor([0.0, -1000.0])).tolist()]
        [0.6931, 1000.0]
    """
    return -F.logsigmoid(margin)


def hinge(margin: Float[Tensor, "*axes"]) -> Float[Tensor, "*axes"]:
    """max(0, 1 − m), the support vector machine's. Derivative in m: −1 where m < 1, else 0.

    Shapes:
        as ``margin``

    Lecture: F3

    Example:
        >>> import torch
        >>> hinge(torch.tensor([-1.0, 0.5, 2.0])).tolist()
        [2.0, 0.5, 0.0]
    """
    return F.relu(1 - margin)


def exponential(margin: Float[Tensor, "*axes"]) -> Float[Tensor, "*axes"]:
    """e^{−m}, AdaBoost's. Derivative in m: −e^{−m}.

    It grows without measure: in float32 it is infinite below m ≈ −88.7.

    Shapes:
        as ``margin``

    Lecture: F3

    Example:
        >>> import torch
        >>> round(exponential(torch.tensor([-1.0])).item(), 4)
        2.7183
    """
    return (-margin).exp()


def cross_entropy(
    logits: Float[Tensor, "batch classes"], target: Int[Tensor, " batch"], label_smoothing: float = 0.0
) -> Float[Tensor, " batch"]:
    """−Σ_k q_k log p_k in nats, p = softmax(z), log p_k = z_k − logsumexp(z). Derivative in z: p − q.

    q is 1 at the target. Smoothing by α over K classes makes it 1 − α(K−1)/K there and α/K elsewhere.

    Shapes:
        logits (batch, classes), target (batch,) → (batch,)

    Args:
        logits: z, any real numbers.
        target: class numbers, 0 to classes − 1.
        label_smoothing: α in [0, 1).

    Source: Szegedy et al. 2016, §7, for the smoothing

    Lecture: F3

    Example:
        >>> import torch
        >>> [round(v, 4) for v in cross_entropy(torch.tensor([[0.0, 0.0]]), torch.tensor([1])).tolist()]
        [0.6931]
    """
    return F.cross_entropy(logits, target, reduction="none", label_smoothing=label_smoothing)


def binary_cross_entropy(logit: Float[Tensor, "*axes"], target: Float[Tensor, "*axes"]) -> Float[Tensor, "*axes"]:
    """−t log σ(f) − (1−t) log(1 − σ(f)) in nats. Derivative in f: σ(f) − t.

    At t ∈ {0, 1} it equals :func:`logistic` at the margin (2t − 1)·f.

    Shapes:
        all alike

    Args:
        logit: f, any real number.
        target: t, a probability in [0, 1].

    Lecture: F3

    Example:
        >>> import torch
        >>> round(binary_cross_entropy(torch.tensor(-1000.0), torch.tensor(1.0)).item(), 4)
        1000.0
    """
    return F.binary_cross_entropy_with_logits(logit, target, reduction="none")
