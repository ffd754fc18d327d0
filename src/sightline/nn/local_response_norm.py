"""Local response normalisation: a unit is held down where its neighbours, at the same position, are active."""

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn


class LocalResponseNorm(nn.LocalResponseNorm):
    """b_i = a_i / (k + α Σ_j a_j²)^β, the sum over the n maps j from i − n/2 to i + n/2 that there are.

    torch's layer divides α by n, as does this one's ``alpha`` attribute; it does not take bfloat16 on a CPU, where
    this one does.

    Shapes:
        a (batch, channels, height, width) → (batch, channels, height, width)

    Args:
        neighbours: n, how many maps are in the sum: odd, or one more behind than ahead.
        alpha: α, not divided by n.
        beta: β.
        k: what there is without any neighbours; above 0.

    Source: Krizhevsky et al. 2012, "ImageNet Classification with Deep Convolutional Neural Networks", §3.3

    Lecture: N4, V1

    Example:
        >>> import torch
        >>> layer = LocalResponseNorm(neighbours=3, alpha=1.0, beta=1.0, k=1.0)
        >>> layer(torch.tensor([1.0, 2.0, 0.0, 0.0]).view(1, 4, 1, 1)).flatten().tolist()
        [0.16..., 0.33..., 0.0, 0.0]
    """

    def __init__(self, *, neighbours: int = 5, alpha: float = 1e-4, beta: float = 0.75, k: float = 2.0) -> None:
        super().__init__(neighbours, alpha=alpha * neighbours, beta=beta, k=k)

    def forward(self, a: Float[Tensor, "batch channels height width"]) -> Float[Tensor, "batch channels height width"]:
        """The maps, each divided by what its neighbours say."""
        behind, ahead = self.size // 2, (self.size - 1) // 2
        squares = F.pad(a.square(), (0, 0, 0, 0, behind, ahead))
        channels = a.shape[1]
        total = squares[:, :channels]
        for shift in range(1, self.size):
            total = total + squares[:, shift : shift + channels]
        return a / (self.k + self.alpha / self.size * total) ** self.beta
