"""A decoder over the patches of an image in raster order, with positions in two dimensions.

Legend: B batch, C channels, P side of a patch, Q = P²·C numbers in a patch, N patches, D width, L levels.
"""

from collections.abc import Sequence
from typing import Annotated, ClassVar

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int, Integer
from torch import Tensor, nn

from sightline.core.config import Option
from sightline.core.errors import ConfigurationError, InputError
from sightline.core.schema import Schema
from sightline.models.fitness import Conditional, require_pictures
from sightline.models.normal_start import start_normal
from sightline.models.pixel_predictor import CentredLevels, Levels, PixelPredictor
from sightline.models.registry import model
from sightline.nn.grid_positions import GridPositions
from sightline.nn.stochastic_depth import checked_probability
from sightline.nn.transformer_block import BlockForm, TransformerBlock
from sightline.nn.transformer_stack import TransformerStack

Images = Integer[Tensor, "batch channels height width"]
Labels = Int[Tensor, " batch"]


class ImageTransformer(PixelPredictor):
    """Token n is patch n − 1 at the position of patch n; causal blocks mix them; a masked head gives patch n's logits.

        z_n = Σ_q E[q, x_{n−1,q}] + R[row of n] + S[column of n],  z_0 with a start token: one, or one for each class

    The order is that of patches, row by row, and within a patch row by row again, the channels of a pixel last. So the
    likelihood is exact for any patch: the head sees the patches before through the blocks, and the numbers before it
    in its own patch directly. With P = 1 this is the raster order of pixels, each a token. Larger patches make the
    sequence P² times shorter; pixels inside one are tied by the head alone.

    Shapes:
        images (batch, in_channels, *image_size), whole numbers from 0 to levels − 1 → (batch, levels, in_channels,
        height, width)

    Args:
        image_size: side of a square image in pixels, or height and width.
        in_channels: C.
        levels: L.
        patch_size: P, in pixels; it divides height and width.
        depth: blocks.
        width: D.
        num_heads: heads of the attention, a divisor of D.
        head_width: hidden units of the head; none: D.
        dropout: probability of setting a number to 0 after the embedding and each branch in training, in [0, 1).
        num_classes: classes that images are drawn for; none: no label.

    Raises:
        ConfigurationError: for patches that don't cover the image, heads that don't divide the width, a probability
            outside [0, 1), or a number below its least.
        InputError: when called with images or labels that are none of this network's.

    Source: Parmar et al. 2018, "Image Transformer", §3 (raster order, positions); Chen et al. 2020, "Generative
        Pretraining from Pixels", §3; the head Germain et al. 2015, "MADE", §3

    Lecture: X2

    Example:
        >>> model = ImageTransformer(image_size=4, patch_size=2, depth=1, width=8, num_heads=2)
        >>> model(torch.zeros(3, 1, 4, 4, dtype=torch.int64)).shape
        torch.Size([3, 2, 1, 4, 4])
    """

    def __init__(
        self,
        *,
        image_size: int | Sequence[int],
        in_channels: int = 1,
        levels: int = 2,
        patch_size: int = 1,
        depth: int = 4,
        width: int = 128,
        num_heads: int = 4,
        head_width: int | None = None,
        dropout: float = 0.0,
        num_classes: int | None = None,
    ) -> None:
        super().__init__(in_channels=in_channels, levels=levels, num_classes=num_classes)
        self.image_size, self.patch_size = _checked_size(image_size, patch_size), patch_size
        self.grid = (self.image_size[0] // patch_size, self.image_size[1] // patch_size)
        self.num_places = patch_size * patch_size * in_channels
        self.scale = CentredLevels(levels=levels)
        self.embedding = nn.Embedding(self.num_places * levels, width)
        self.start = nn.Embedding(1 if num_classes is None else num_classes, width)
        self.positions = GridPositions(grid=self.grid, width=width)
        self.dropout = nn.Dropout(checked_probability(dropout, "dropout"))
        form = BlockForm(activation="gelu-tanh", eps=1e-5)
        self.stack = TransformerStack(
            depth=depth,
            block=lambda drop: TransformerBlock(
                width=width,
                num_heads=num_heads,
                mlp_width=4 * width,
                form=form,
                dropout=dropout,
                hidden_dropout=0.0,
                attention_dropout=dropout,
                drop_probability=drop,
            ),
            norm=form.make_norm(width),
        )
        self.head = PatchHead(
            num_places=self.num_places,
            levels=levels,
            width=width,
            head_width=width if head_width is None else head_width,
        )
        start_normal(self, residual_depth=depth)

    def features(
        self, images: Images, *, labels: Labels | None = None, cache: "PatchCache | None" = None
    ) -> Float[Tensor, "batch num_patches num_features"]:
        """What the blocks make of the patches before each, (B, N, D); with a cache, (B, 1, D) of its patch."""
        self._check(images, labels)
        return self._mix(self._patches(images), labels, cache)

    def forward(
        self, images: Images, *, labels: Labels | None = None, cache: "PatchCache | None" = None
    ) -> Float[Tensor, "batch levels channels out_height out_width"]:
        """Logits of every pixel's levels; see :class:`~sightline.models.pixel_predictor.PixelPredictor`."""
        self._check(images, labels)
        patches = self._patches(images)
        context = self._mix(patches, labels, cache)
        if cache is None:
            logits: Tensor = self.head(context, self.scale(patches, context.dtype))
            rows, columns, P = *self.grid, self.patch_size
            whole: Tensor = logits.unflatten(1, (rows, columns)).unflatten(
                3, (P, P, -1)
            )  # B, rows, columns, P, P, C, L
            return whole.permute(0, 6, 5, 1, 3, 2, 4).flatten(5, 6).flatten(3, 4)
        own = self.scale(patches[:, cache.patch : cache.patch + 1], context.dtype)
        first = cache.place * self.in_channels
        one: Tensor = self.head(context, own, places=slice(first, first + self.in_channels))
        return one[:, 0].transpose(1, 2)[:, :, :, None, None]

    def new_cache(self, *, height: int, width: int) -> "PatchCache":
        """An empty cache for images of this size, which must be the network's."""
        if (height, width) != self.image_size:
            raise self._other_size(f"{height} × {width}")
        return PatchCache(self)

    def pixel_order(self, *, height: int, width: int) -> list[tuple[int, int]]:
        """Patch by patch, row by row in each.

        Example:
            >>> model = ImageTransformer(image_size=(2, 4), patch_size=2, depth=1, width=4, num_heads=1)
            >>> model.pixel_order(height=2, width=4)
            [(0, 0), (0, 1), (1, 0), (1, 1), (0, 2), (0, 3), (1, 2), (1, 3)]
        """
        P = self.patch_size
        return [
            (P * row + i, P * column + j)
            for row in range(height // P)
            for column in range(width // P)
            for i in range(P)
            for j in range(P)
        ]

    def _check(self, images: Tensor, labels: Tensor | None) -> None:
        self.check(images, labels)
        if tuple(images.shape[2:]) != self.image_size:
            raise self._other_size(" × ".join(map(str, images.shape[2:])))

    def _other_size(self, found: str) -> InputError:
        return InputError(
            expected=f"images of {self.image_size[0]} × {self.image_size[1]} pixels: every position is learned",
            found=found,
            do="resize the images, or build the network for this size",
        )

    def _patches(self, images: Tensor) -> Tensor:
        """(B, N, Q) levels, the channels of a pixel side by side."""
        P = self.patch_size
        tiles: Tensor = images.unflatten(3, (-1, P)).unflatten(2, (-1, P))  # B, C, rows, P, columns, P
        return tiles.permute(0, 2, 4, 3, 5, 1).flatten(3).flatten(1, 2)

    def _mix(self, patches: Tensor, labels: Tensor | None, cache: "PatchCache | None") -> Tensor:
        if cache is None:
            mixed: Tensor = self.stack(self._tokens(patches, labels, 0, patches.shape[1]), causal=True)
            return mixed
        if cache.stack.length <= cache.patch:
            new = self._tokens(patches, labels, cache.stack.length, cache.patch + 1)
            cache.context = self.stack(new, causal=True, cache=cache.stack)[:, -1:]
        assert cache.context is not None, "the first patch was read"
        return cache.context

    def _tokens(self, patches: Tensor, labels: Tensor | None, first: int, end: int) -> Tensor:
        """z_first … z_{end−1}, (B, end − first, D)."""
        numbers = torch.arange(first, end, device=patches.device)
        offsets = torch.arange(self.num_places, device=patches.device) * self.levels
        before = self.embedding(patches[:, max(0, first - 1) : end - 1].long() + offsets).sum(2)
        if first == 0:
            start = self.start(labels if labels is not None else numbers.new_zeros(len(patches)))
            before = torch.cat((start[:, None], before), 1)
        tokens: Tensor = self.dropout(self.positions(before, numbers))
        return tokens


class PatchHead(nn.Module):
    """logits_q = V gelu(A c + a_q + Σ_{r < q} U[r, q] x_r) + b: a patch number by number, given what came before it.

    Shapes:
        context (batch, num_patches, width), x (batch, num_patches, Q) → (batch, num_patches, Q or fewer, levels)

    Args:
        num_places: Q.
        levels: L.
        width: D.
        head_width: hidden units of each number.

    Source: Germain et al. 2015, "MADE: Masked Autoencoder for Distribution Estimation", §3

    Lecture: X2

    Example:
        >>> head = PatchHead(num_places=4, levels=2, width=8, head_width=8)
        >>> head(torch.zeros(3, 5, 8), torch.zeros(3, 5, 4)).shape
        torch.Size([3, 5, 4, 2])
    """

    not_regularised: ClassVar[frozenset[str]] = frozenset({"places"})

    past: Tensor

    def __init__(self, *, num_places: int, levels: int, width: int, head_width: int) -> None:
        super().__init__()
        self.context = nn.Linear(width, head_width)
        self.places = nn.Parameter(torch.empty(num_places, head_width).normal_(std=0.02))
        self.within = nn.Parameter(torch.randn(num_places, num_places, head_width) * num_places**-0.5)
        self.output = nn.Linear(head_width, levels)
        earlier = torch.ones(num_places, num_places).triu(1)[:, :, None]  # [r, q] is 1 where r < q
        self.register_buffer("past", earlier, persistent=False)

    def forward(
        self,
        context: Float[Tensor, "batch num_patches width"],
        x: Float[Tensor, "batch num_patches num_places"],
        *,
        places: slice = slice(None),
    ) -> Float[Tensor, "batch num_patches asked levels"]:
        """The logits.

        Args:
            context: c, what came before the patch.
            x: the patch's numbers, from −1 to 1.
            places: the numbers that are asked for.
        """
        weight = (self.within[:, places] * self.past[:, places]).flatten(1)
        own = (x @ weight).unflatten(-1, (-1, self.within.shape[2]))
        hidden = self.context(context)[:, :, None] + self.places[places] + own
        logits: Tensor = self.output(F.gelu(hidden, approximate="tanh"))
        return logits


class PatchCache:
    """Keys and values of the patches read so far, and the patch and the pixel in it that are looked at now.

    Args:
        model: whose.

    Raises:
        InputError: when moved to another pixel than the one after in the network's order.

    Lecture: X2, T7

    Example:
        >>> model = ImageTransformer(image_size=2, patch_size=2, depth=1, width=4, num_heads=1)
        >>> cache = PatchCache(model)
        >>> cache.move(0, 0)
        >>> cache.patch, cache.place
        (0, 0)
    """

    def __init__(self, model: ImageTransformer) -> None:
        rows, columns = model.grid
        self.stack = model.stack.new_cache(capacity=rows * columns)
        self.context: Tensor | None = None
        self.patch, self.place = 0, -1
        self._grid, self._side = model.grid, model.patch_size

    def move(self, row: int, column: int) -> None:
        """Look at a pixel: the one after the last in the order, or the last again."""
        P = self._side
        patch, place = row // P * self._grid[1] + column // P, row % P * P + column % P
        inside = 0 <= row < P * self._grid[0] and 0 <= column < P * self._grid[1]
        last = self.patch * P * P + self.place
        if not inside or patch * P * P + place not in (last, last + 1):
            raise InputError(
                expected="every pixel in the network's order, pixel_order()",
                found=f"({row}, {column}), number {patch * P * P + place}, after number {last}",
                do="ask for one after the other, or take a new cache",
            )
        self.patch, self.place = patch, place


def _checked_size(image_size: int | Sequence[int], patch_size: int) -> tuple[int, int]:
    """Height and width, if whole patches cover them."""
    sizes = (image_size, image_size) if isinstance(image_size, int) else tuple(image_size)
    if patch_size < 1 or len(sizes) != 2 or any(size < 1 or size % patch_size for size in sizes):
        raise ConfigurationError(
            expected="patches that cover the image exactly",
            found=f"patches of {patch_size} × {patch_size} in images of {' × '.join(map(str, sizes))} pixels",
            do="choose a patch_size that divides height and width",
        )
    return sizes[0], sizes[1]


@model("image-transformer")
def image_transformer(
    schema: Schema,
    *,
    levels: Levels = 2,
    patch: Annotated[int, Option("side of a patch, which is one token", "pixels", minimum=1)] = 1,
    depth: Annotated[int, Option("blocks", minimum=1)] = 4,
    width: Annotated[int, Option("numbers in a token", minimum=1)] = 64,
    num_heads: Annotated[int, Option("heads of the attention, a divisor of the width", minimum=1)] = 4,
    dropout: Annotated[float, Option("probability of setting a number to 0 in training", minimum=0, below=1)] = 0.0,
    conditional: Conditional = False,
) -> ImageTransformer:
    """Transformer over the pixels or patches of an image, row by row, with two-dimensional positions.

    Raises:
        ConfigurationError: for options that don't fit the images.
        DataError: for data that are no images, or a condition without classes.

    Lecture: X2
    """
    channels, height, across = require_pictures(schema, "image-transformer", conditional=conditional)
    return ImageTransformer(
        image_size=(height, across),
        in_channels=channels,
        levels=levels,
        patch_size=patch,
        depth=depth,
        width=width,
        num_heads=num_heads,
        dropout=dropout,
        num_classes=len(schema.classes) if conditional else None,
    )
