"""Patch whitening: a fixed first convolution that decorrelates the pixels of small patches.

Legend: P patches as rows, C = E[ppᵀ] their second moment, (λᵢ, eᵢ) its eigenvalues and eigenvectors.
"""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from sightline.core.errors import ConfigurationError, InputError


class PatchWhitening(nn.Module):
    """A k × k convolution with the filters ±eᵢ/√(λᵢ + ε), no gradient to them, and a learned bias.

    Neighbouring pixels are almost equal, so a network spends its first steps on undoing that. Projected on
    the eigenvectors and divided by their deviations, patches have uncorrelated entries of variance about 1.
    Each filter stands there with both signs, so that the non-linearity behind loses nothing.

    Until :meth:`fit` is called the filters are random and orthonormal, and ``fitted`` is false.

    Shapes:
        x (batch, in_channels, height, width) → (batch, 2·in_channels·kernel_size², height − k + 1, width − k + 1)

    Args:
        in_channels: channels of an image.
        kernel_size: k, the side of a patch in pixels.

    Source: Page 2019, "How to train your ResNet 8"; Jordan 2024, "94% on CIFAR-10 in 3.29 seconds", §3

    Lecture: V1, O10

    Example:
        >>> x = torch.rand(64, 3, 8, 8, generator=torch.Generator().manual_seed(0))
        >>> layer = PatchWhitening(in_channels=3)
        >>> layer.fit(x)
        >>> layer(x).shape
        torch.Size([64, 24, 7, 7])
    """

    weight: Tensor
    fitted: Tensor

    def __init__(self, *, in_channels: int, kernel_size: int = 2) -> None:
        super().__init__()
        if in_channels < 1 or kernel_size < 1:
            raise ConfigurationError(
                expected="at least one channel and patches of at least one pixel",
                found=f"in_channels = {in_channels}, kernel_size = {kernel_size}",
                do="give both as 1 or more",
            )
        entries = in_channels * kernel_size**2
        rows = nn.init.orthogonal_(torch.empty(entries, entries))
        filters = rows.reshape(entries, in_channels, kernel_size, kernel_size)
        self.register_buffer("weight", torch.cat([filters, -filters]))
        self.register_buffer("fitted", torch.tensor(False))
        self.bias = nn.Parameter(torch.zeros(2 * entries))

    def fit(self, x: Float[Tensor, "batch in_channels height width"], eps: float = 5e-4) -> None:
        """Choose the filters from images.

        Args:
            x: standardised training images, some thousands.
            eps: ε, which keeps directions without variance from being blown up.

        Raises:
            InputError: for images smaller than a patch, of other channels, or not finite.
        """
        channels = self.weight.shape[1]
        if x.dim() == 4 and x.shape[1] != channels:
            raise InputError(
                expected=f"images of {channels} channels", found=f"{x.shape[1]} channels", do="give training images"
            )
        self.weight.copy_(whitening_filters(x, self.weight.shape[-1], eps))
        self.fitted.fill_(True)

    def forward(self, x: Float[Tensor, "batch in_channels height width"]) -> Float[Tensor, "batch filters h w"]:
        """The whitened patches."""
        return F.conv2d(x, self.weight.to(x.dtype), self.bias)


def whitening_filters(
    x: Float[Tensor, "batch channels height width"], kernel_size: int, eps: float
) -> Float[Tensor, "filters channels k k"]:
    """The filters ±eᵢ/√(λᵢ + ε) of all k × k patches of some images, largest λ first.

    Raises:
        InputError: for images smaller than a patch, or not finite.

    Example:
        >>> x = torch.randn(500, 1, 4, 4, generator=torch.Generator().manual_seed(0))
        >>> y = F.conv2d(x, whitening_filters(x, 2, 0.0))[:, :4].transpose(0, 1).flatten(1)
        >>> bool(((y @ y.T) / y.shape[1] - torch.eye(4)).abs().max() < 1e-4)
        True
    """
    if x.dim() != 4 or x.numel() == 0 or min(x.shape[2:]) < kernel_size or not torch.isfinite(x).all():
        raise InputError(
            expected=f"finite images (batch, channels, height, width) of at least {kernel_size} × {kernel_size} pixels",
            found=f"a tensor of shape {tuple(x.shape)}" + ("" if torch.isfinite(x).all() else " with NaN or infinity"),
            do="give some thousand standardised training images",
        )
    entries = x.shape[1] * kernel_size**2
    moment, count = torch.zeros(entries, entries, dtype=torch.float64, device=x.device), 0
    for part in x.split(256):  # the patches of all images at once would be many times their size
        patches = F.unfold(part.double(), kernel_size).transpose(1, 2).flatten(0, 1)
        moment, count = moment + patches.T @ patches, count + len(patches)
    values, vectors = torch.linalg.eigh(moment / count)
    rows = (vectors / (values.clamp(min=0) + eps).sqrt()).T.flip(0)
    # an eigenvector's sign is arbitrary: take the one whose largest entry is positive
    largest = rows.gather(1, rows.abs().argmax(1, keepdim=True))
    filters = (rows * largest.sign()).reshape(-1, x.shape[1], kernel_size, kernel_size).to(x.dtype)
    return torch.cat([filters, -filters])
