"""Two stacks of convolutions that together see all of the past: rows above, and the row itself to the left.

A masked k × k kernel leaves a blind spot: to the right its window widens by ⌊k/2⌋ columns for every row upwards and
not within a row, so what is further right is never seen, however many layers there are. The vertical stack needs no
mask inside a row, since it never sees the pixel's own.

Legend: v maps of the vertical stack, h of the horizontal one, p their number, k kernel size, e label embedding.
"""

import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from sightline.core.errors import ConfigurationError
from sightline.nn.masked_convolution import Mask, MaskedConvolution2d, checked_kernel
from sightline.nn.raster_cache import RasterCache

Rows = Float[Tensor, "batch num_inputs rows width"]
Maps = Float[Tensor, "batch num_inputs height columns"]


class GatedMaskedConvolution2d(nn.Module):
    """One layer of both stacks, each with a gate: tanh(a) ⊙ σ(b).

        s = W_v * v + e_v              v' = tanh(s_a) ⊙ σ(s_b)
        r = W_h * h + W_s s + e_h      h' = W_o (tanh(r_a) ⊙ σ(r_b)) + h

    W_v is k wide and has the rows above, in layers of mask B the pixel's own row of v as well: v' at row i depends on
    rows of the image above i alone. W_h is the masked 1 × k convolution. With mask A, for the first layer, v and h are
    the image, and "+ h" is left out: it would show a pixel to itself.

    Shapes:
        v, h (batch, num_inputs, height, width) → v', h' (batch, num_outputs, height, width); with a cache
        v' (batch, num_outputs, 1, width), h' (batch, num_outputs, 1, 1)

    Args:
        num_inputs: maps of each stack coming in.
        num_outputs: p, maps of each stack going out; the same number with mask B.
        kernel_size: k, odd, at least 3.
        mask: "A" for the first layer, "B" for the others.
        num_groups: channels of the image, in order; it divides both numbers of maps.
        num_classes: classes that images are drawn for; none: no label. Embeddings start at 0.

    Raises:
        ConfigurationError: for an even kernel or one below 3, another mask, maps that the channels don't divide, or
            another number of maps going out with mask B.

    Source: van den Oord et al. 2016, "Conditional Image Generation with PixelCNN Decoders", §2.1-2.3, figure 2

    Lecture: X2

    Example:
        >>> import torch
        >>> first = GatedMaskedConvolution2d(num_inputs=1, num_outputs=4, kernel_size=7, mask="A")
        >>> image = torch.zeros(2, 1, 5, 5)
        >>> [tuple(maps.shape) for maps in first(image, image)]
        [(2, 4, 5, 5), (2, 4, 5, 5)]
    """

    def __init__(
        self,
        *,
        num_inputs: int,
        num_outputs: int,
        kernel_size: int,
        mask: Mask,
        num_groups: int = 1,
        num_classes: int | None = None,
    ) -> None:
        super().__init__()
        checked_kernel(kernel_size, smallest=3)
        if mask == "B" and num_inputs != num_outputs:
            raise ConfigurationError(
                expected="as many maps going out as coming in: with mask B they are added",
                found=f"{num_inputs} and {num_outputs}",
                do="make num_outputs equal to num_inputs",
            )
        self.horizontal = MaskedConvolution2d(
            num_inputs=num_inputs,
            num_outputs=2 * num_outputs,
            kernel_size=(1, kernel_size),
            mask=mask,
            num_groups=num_groups,
        )
        self.strictly, self.num_groups = mask == "A", num_groups
        self.num_rows, self.reach = kernel_size // 2 + (0 if self.strictly else 1), kernel_size // 2
        self.vertical = nn.Conv2d(num_inputs, 2 * num_outputs, (self.num_rows, kernel_size), padding=(0, self.reach))
        self.link = nn.Conv2d(2 * num_outputs, 2 * num_outputs, 1)
        self.output = MaskedConvolution2d(
            num_inputs=num_outputs, num_outputs=num_outputs, kernel_size=1, mask="B", num_groups=num_groups
        )
        self.label = None if num_classes is None else nn.Embedding(num_classes, 4 * num_outputs)
        if self.label is not None:
            nn.init.zeros_(self.label.weight)

    def forward(
        self,
        v: Rows,
        h: Maps,
        *,
        labels: Int[Tensor, " batch"] | None = None,
        cache: RasterCache | None = None,
    ) -> tuple[
        Float[Tensor, "batch num_outputs new_rows width"], Float[Tensor, "batch num_outputs new_height new_columns"]
    ]:
        """The next maps of both stacks; with a cache, of the pixel at which it stands.

        Args:
            v: maps of the vertical stack; with a cache, all of them or those of the row.
            h: maps of the horizontal stack; with a cache, all of them or those of the pixel.
            labels: the class of each image.
            cache: what was seen of the pixels before.
        """
        to_v, to_h = self._shifts(labels)
        if cache is None:
            changed, linked = self._down(self._above(v), to_v)
        else:
            changed, linked = cache.once_a_row(
                self, lambda: self._down(cache.rows(self, v, count=self.num_rows, strictly=self.strictly), to_v)
            )
            linked = linked[:, :, :, cache.column : cache.column + 1]
        mixed = self.horizontal(h, cache=cache) + linked
        if to_h is not None:
            mixed = mixed + to_h
        # a channel's maps lie side by side, so each channel has its own tanh and its own gate
        content, gate = mixed.unflatten(1, (self.num_groups, 2, -1)).unbind(2)
        across = self.output((content.tanh() * gate.sigmoid()).flatten(1, 2), cache=cache)
        return changed, across if self.strictly else across + h

    def _above(self, v: Tensor) -> Tensor:
        """v with zeros above; where its own row is not to be seen, without the last."""
        return F.pad(v, (0, 0, self.reach, -1 if self.strictly else 0))

    def _down(self, rows: Tensor, shift: Tensor | None) -> tuple[Tensor, Tensor]:
        """v' and W_s s from the rows that the kernel covers."""
        maps = self.vertical(rows)
        if shift is not None:
            maps = maps + shift
        content, gate = maps.chunk(2, 1)
        return content.tanh() * gate.sigmoid(), self.link(maps)

    def _shifts(self, labels: Tensor | None) -> tuple[Tensor | None, Tensor | None]:
        """e_v and e_h, (B, 2p, 1, 1)."""
        if self.label is None or labels is None:
            return None, None
        to_v, to_h = self.label(labels)[:, :, None, None].chunk(2, 1)
        return to_v, to_h
