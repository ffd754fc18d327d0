"""Max-unpooling: puts values back where the maxima were, zeros elsewhere.

Its pair is ``torch.nn.MaxPool2d(…, return_indices=True)``, which remembers where each maximum was:

    pooled, indices = pool(x);  …;  MaxUnpool2d()(y, indices, x.shape[-2:])
"""

from jaxtyping import Float, Int
from torch import Tensor, nn

from sightline.core.errors import InputError
from sightline.nn.pooling import max_pool_backward

Small = Float[Tensor, "batch channels h w"]
Places = Int[Tensor, "batch channels h w"]


class MaxUnpool2d(nn.Module):
    """y[indices[i]] = x[i], 0 elsewhere: the adjoint of picking the maxima, so max-pooling's backward pass.

    Where windows overlap and one position won several, its values are added. Where they do not, it agrees with
    ``torch.nn.MaxUnpool2d``; unlike that it needs no window and takes any size to go back to. Pooling what it gives
    returns x where x ≥ 0.

    Shapes:
        x and indices (batch, channels, h, w) → (batch, channels, *size)

    Raises:
        InputError: where there is not one index for each value, or the size has fewer positions than there are values.

    Source: Zeiler & Fergus 2014, "Visualizing and Understanding Convolutional Networks", §2.1; Noh et al. 2015,
    "Learning Deconvolution Network for Semantic Segmentation", §3.2.1

    Lecture: N3

    Example:
        >>> import torch
        >>> x = torch.tensor([[1.0, 4.0], [3.0, 2.0]]).view(1, 1, 2, 2)
        >>> pooled, indices = nn.MaxPool2d(2, return_indices=True)(x)
        >>> MaxUnpool2d()(10 * pooled, indices, x.shape[-2:])[0, 0]
        tensor([[ 0., 40.],
                [ 0.,  0.]])
    """

    def forward(self, x: Small, indices: Places, size: tuple[int, int]) -> Float[Tensor, "batch channels height width"]:
        """The values where they came from."""
        if size[0] < x.shape[2] or size[1] < x.shape[3]:
            raise InputError(
                expected=f"a size that {x.shape[2]} × {x.shape[3]} values were pooled from",
                found=f"size {size[0]} × {size[1]}",
                do="give the height and width of the maps before the pooling",
            )
        return max_pool_backward(x, indices, (size[0], size[1]))


def max_unpool_backward(gradient: Float[Tensor, "batch channels height width"], indices: Places) -> Small:
    """∂L/∂x[i] = g[indices[i]]: the gradient picked up where the value was put.

    Shapes:
        gradient (batch, channels, height, width), indices (batch, channels, h, w) → (batch, channels, h, w)

    Args:
        gradient: g = ∂L/∂y.
        indices: as in the forward pass.

    Raises:
        InputError: where g has other examples or channels than the indices, or fewer positions.

    Source: the transpose of :class:`MaxUnpool2d`

    Lecture: N3

    Example:
        >>> import torch
        >>> max_unpool_backward(torch.arange(4.0).view(1, 1, 2, 2), torch.full((1, 1, 1, 1), 3)).item()
        3.0
    """
    if (
        gradient.dim() != indices.dim()
        or gradient.shape[:2] != indices.shape[:2]
        or any(n < m for n, m in zip(gradient.shape[2:], indices.shape[2:], strict=True))
    ):
        raise InputError(
            expected=f"a gradient of maps that were put back by indices of shape {tuple(indices.shape)}",
            found=f"shape {tuple(gradient.shape)}",
            do="give ∂L/∂y of the same forward pass",
        )
    return gradient.flatten(2).gather(2, indices.flatten(2)).view_as(indices)
