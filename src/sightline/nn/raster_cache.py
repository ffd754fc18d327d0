"""What masked convolutions keep of the pixels before, so that a new pixel costs one window and not an image."""

from collections.abc import Callable, Hashable

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from sightline.core.errors import InputError


class RasterCache:
    """The maps that each layer of a network has been given so far, and the pixel that is looked at now.

    A masked convolution needs of the past only what is in its window; everything before the pixel never changes. A
    layer called with the cache gets the pixel's maps alone, stores them, and reads the window round them. The image
    itself is given whole: it is held already, and its pixel may change while its channels are drawn.

    It is used without gradients, and for one set of weights.

    Args:
        height: of the image, in pixels.
        width: of the image, in pixels.

    Raises:
        InputError: when moved to another pixel than the one after.

    Lecture: X2

    Example:
        >>> import torch
        >>> from sightline.nn.masked_convolution import MaskedConvolution2d
        >>> layer = MaskedConvolution2d(num_inputs=1, num_outputs=2, kernel_size=3, mask="B")
        >>> x, cache = torch.randn(1, 1, 1, 2), RasterCache(height=1, width=2)
        >>> with torch.no_grad():
        ...     cache.move(0, 0)
        ...     first = layer(x[..., :1], cache=cache)
        ...     cache.move(0, 1)
        ...     second = layer(x[..., 1:], cache=cache)
        >>> torch.allclose(torch.cat([first, second], 3), layer(x))
        True
    """

    def __init__(self, *, height: int, width: int) -> None:
        self.height, self.width = height, width
        self.row, self.column = 0, -1
        self._maps: dict[Hashable, Tensor] = {}
        self._once: dict[Hashable, Tensor] = {}
        self._of_row: dict[Hashable, tuple[int, tuple[Tensor, Tensor]]] = {}

    def move(self, row: int, column: int) -> None:
        """Look at a pixel: the one after the last, or the last again.

        Raises:
            InputError: for any other.
        """
        last = self.row * self.width + self.column
        inside = 0 <= row < self.height and 0 <= column < self.width
        if not inside or row * self.width + column not in (last, last + 1):
            following = divmod(last + 1, self.width)
            raise InputError(
                expected=f"the pixels of a {self.height} × {self.width} image one after the other, {following} now",
                found=f"({row}, {column})",
                do="ask for every pixel, row by row, or take a new cache",
            )
        self.row, self.column = row, column

    def window(
        self, layer: Hashable, x: Float[Tensor, "batch channels height width"], kernel_size: tuple[int, int]
    ) -> Float[Tensor, "batch numbers"]:
        """The window whose last row has the pixel in its middle, in raster order, channels fastest; zeros outside.

        Args:
            layer: whose.
            x: all maps, or the pixel's, which are stored.
            kernel_size: rows up to the pixel's, and columns.
        """
        rows, columns = kernel_size
        half = columns // 2
        if self._is_whole(x):
            top, left = self.row - rows + 1, self.column - half
            cut = x[:, :, max(0, top) : self.row + 1, max(0, left) : self.column + half + 1]
            right = max(0, self.column + half + 1 - self.width)
            return F.pad(cut, (max(0, -left), right, max(0, -top), 0)).permute(0, 2, 3, 1).flatten(1)
        if rows == columns == 1:
            return x.flatten(1)
        if layer not in self._maps:
            size = (self.height + rows - 1, self.width + 2 * half)
            self._maps[layer] = x.new_zeros(len(x), *size, x.shape[1])
        maps = self._maps[layer]
        maps[:, self.row + rows - 1, self.column + half] = x[:, :, 0, 0]
        return maps[:, self.row : self.row + rows, self.column : self.column + columns].flatten(1)

    def rows(
        self, layer: Hashable, x: Float[Tensor, "batch channels height width"], *, count: int, strictly: bool
    ) -> Float[Tensor, "batch channels count width"]:
        """The last rows; zeros outside.

        Args:
            layer: for whom.
            x: all maps, or the row's, which are stored.
            count: rows.
            strictly: only those above the pixel's row; otherwise it is the last of them.
        """
        end = self.row + (0 if strictly else 1)
        if self._is_whole(x):
            return F.pad(x[:, :, max(0, end - count) : end], (0, 0, max(0, count - end), 0))
        if layer not in self._maps:
            self._maps[layer] = x.new_zeros(*x.shape[:2], self.height + count, self.width)
        maps = self._maps[layer]
        maps[:, :, self.row + count] = x[:, :, 0]
        return maps[:, :, end : end + count]

    def once(self, key: Hashable, make: Callable[[], Tensor]) -> Tensor:
        """What is computed for the first pixel and kept: weights put in order."""
        if key not in self._once:
            self._once[key] = make()
        return self._once[key]

    def once_a_row(self, key: Hashable, make: Callable[[], tuple[Tensor, Tensor]]) -> tuple[Tensor, Tensor]:
        """What is computed for the first pixel of each row and kept for the others."""
        if key not in self._of_row or self._of_row[key][0] != self.row:
            self._of_row[key] = self.row, make()
        return self._of_row[key][1]

    def _is_whole(self, x: Tensor) -> bool:
        return tuple(x.shape[2:]) == (self.height, self.width)
