"""U-Net for diffusion: an image with noise in, an image out, told the time and, if it likes, the class.

Legend: L levels, each at half the height and width of the one before; c condition, from time and class.
"""

from collections import OrderedDict
from collections.abc import Sequence
from typing import Annotated, ClassVar

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from sightline.core.config import Option
from sightline.core.errors import ConfigurationError, InputError
from sightline.core.schema import Schema
from sightline.models.fitness import Conditional, require_pictures
from sightline.models.predictor import Predictor
from sightline.models.registry import model
from sightline.nn.conditioned_block import ConditionedBlock, group_norm_of
from sightline.nn.map_attention import MapAttention
from sightline.nn.positions import BASE
from sightline.nn.time_embedding import TimeEmbedding


class UNet(Predictor):
    """Down L levels, through the middle, and up again, with what was seen on the way down set beside it on the way up.

    A level down is ``num_blocks`` residual blocks, then a 3×3 convolution of stride 2; a level up is one block more,
    each with one map from the way down as further channels, then doubling (nearest neighbour) and a 3×3 convolution.
    The middle is a block, attention, a block. c = embedding of the time + that of the class reaches every block.

    Heights and widths need not be divisible: 7 is halved to 4, and 4 doubled to 8 and cut to 7.

    The last layer of every branch begins at 0, and so does the last of all: the network begins by answering 0.

    Shapes:
        x (batch, in_channels, height, width), t (batch), labels (batch) → (batch, out_channels, height, width)

    Args:
        in_channels: of the image.
        out_channels: of the answer; none: as the image.
        widths: channels of each level.
        attention: for each level, whether attention follows its blocks; the middle always has it.
        head_width: channels of an attention head; none: one head.
        num_blocks: residual blocks of a level down.
        num_groups: of the group normalisations; it divides all widths.
        num_classes: K; none: the network is told no class. Class K is "none", for classifier-free guidance.
        dropout: probability of setting a value to 0 in training, in [0, 1).
        norm_eps: ε of the normalisations.
        time_base: the lowest frequency of the time's clock is about 1 over it.

    Raises:
        ConfigurationError: for no level, flags of another number, heads or groups that don't divide a width, or labels
            for a network without classes.
        InputError: for a label that is no class. On an accelerator labels are not looked at.

    Source: Ronneberger et al. 2015, "U-Net", §2; with time, group normalisation and attention Ho et al. 2020,
        "Denoising Diffusion Probabilistic Models", appendix B; "none" Ho & Salimans 2022, "Classifier-Free Diffusion
        Guidance", §3.2

    Lecture: X6

    Example:
        >>> unet = UNet(in_channels=1, widths=[8, 16], attention=[False, True], num_groups=4, num_classes=10)
        >>> unet(torch.zeros(2, 1, 28, 28), torch.tensor([1, 1000]), torch.tensor([3, unet.none])).shape
        torch.Size([2, 1, 28, 28])
    """

    makes_images: ClassVar[str] = "denoiser"

    def __init__(
        self,
        *,
        in_channels: int,
        out_channels: int | None = None,
        widths: Sequence[int] = (64, 128, 128),
        attention: Sequence[bool] = (False, False, True),
        head_width: int | None = None,
        num_blocks: int = 2,
        num_groups: int = 32,
        num_classes: int | None = None,
        dropout: float = 0.0,
        norm_eps: float = 1e-5,
        time_base: float = BASE,
    ) -> None:
        super().__init__()
        _require_levels(widths, attention, num_blocks, num_classes)
        condition = 4 * widths[0]
        self.num_classes = num_classes
        self.stem = nn.Conv2d(in_channels, widths[0], 3, padding=1)
        self.time = TimeEmbedding(width=widths[0], num_outputs=condition, base=time_base)
        self.classes = None if num_classes is None else nn.Embedding(num_classes + 1, condition)

        def block(num_inputs: int, num_outputs: int) -> ConditionedBlock:
            return ConditionedBlock(
                num_inputs=num_inputs,
                num_outputs=num_outputs,
                condition_width=condition,
                num_groups=num_groups,
                norm_eps=norm_eps,
                dropout=dropout,
            )

        def look(width: int, wanted: bool) -> nn.Module:
            if not wanted:
                return nn.Identity()
            return MapAttention(num_channels=width, head_width=head_width, num_groups=num_groups, norm_eps=norm_eps)

        seen = [widths[0]]  # channels of the maps that wait for the way up
        current, last = widths[0], len(widths) - 1
        self.down = nn.ModuleList()
        for level, (width, wanted) in enumerate(zip(widths, attention, strict=True)):
            blocks = [block(current if i == 0 else width, width) for i in range(num_blocks)]
            shrink = nn.Conv2d(width, width, 3, stride=2, padding=1) if level < last else None
            self.down.append(DownLevel(blocks, [look(width, wanted) for _ in blocks], shrink))
            seen += [width] * (num_blocks + (shrink is not None))
            current = width
        self.middle = Middle(block(current, current), look(current, True), block(current, current))
        self.up = nn.ModuleList()
        for level in range(last, -1, -1):
            width, blocks = widths[level], []
            for _ in range(num_blocks + 1):
                blocks.append(block(current + seen.pop(), width))
                current = width
            grow = nn.Conv2d(width, width, 3, padding=1) if level > 0 else None
            self.up.append(UpLevel(blocks, [look(width, attention[level]) for _ in blocks], grow))
        final = nn.Conv2d(current, in_channels if out_channels is None else out_channels, 3, padding=1)
        nn.init.zeros_(final.weight)
        nn.init.zeros_(final.bias)  # type: ignore[arg-type]  # it has one
        norm = group_norm_of(current, num_groups, norm_eps)
        self.head = nn.Sequential(OrderedDict(norm=norm, activation=nn.SiLU(), conv=final))

    @property
    def none(self) -> int:
        """The label that stands for no class.

        Raises:
            ConfigurationError: for a network without classes.
        """
        if self.num_classes is None:
            raise _without_classes("its label 'none' was asked for")
        return self.num_classes

    def forward(  # type: ignore[override]  # an image with noise is nothing without its time
        self,
        x: Float[Tensor, "batch in_channels height width"],
        t: Int[Tensor, " batch"] | Float[Tensor, " batch"],
        labels: Int[Tensor, " batch"] | None = None,
    ) -> Float[Tensor, "batch out_channels height width"]:
        """The prediction.

        Args:
            x: x_t.
            t: times.
            labels: classes; none: all are "none", where the network has classes.
        """
        outputs: Tensor = self.head(self.features(x, t, labels))
        return outputs

    def features(  # type: ignore[override]
        self,
        x: Float[Tensor, "batch in_channels height width"],
        t: Int[Tensor, " batch"] | Float[Tensor, " batch"],
        labels: Int[Tensor, " batch"] | None = None,
    ) -> Float[Tensor, "batch channels height width"]:
        """The maps that the last layers see."""
        condition = self.condition(x, t, labels)
        x = self.stem(x)
        seen = [x]
        for level in self.down:
            x = level(x, condition, seen)
        x = self.middle(x, condition)
        for level in self.up:
            x = level(x, condition, seen)
        return x

    def condition(
        self,
        x: Float[Tensor, "batch in_channels height width"],
        t: Int[Tensor, " batch"] | Float[Tensor, " batch"],
        labels: Int[Tensor, " batch"] | None = None,
    ) -> Float[Tensor, "batch condition_width"]:
        """SiLU(c), as every block is told it."""
        if t.shape != x.shape[:1]:
            raise InputError(
                expected=f"a time for each of {len(x)} examples",
                found=f"times of shape {tuple(t.shape)}",
                do="repeat one time by torch.full((batch,), t)",
            )
        told = self.time(t)
        if self.classes is None:
            if labels is not None:
                raise _without_classes("labels were given")
            return F.silu(told)
        if labels is None:
            labels = torch.full((len(x),), self.none, device=x.device)
        self._require_labels(labels, len(x))
        return F.silu(told + self.classes(labels))

    def _require_labels(self, labels: Tensor, batch: int) -> None:
        fits = labels.shape == (batch,)
        if fits and labels.is_cpu and labels.numel() and not torch.compiler.is_compiling():
            fits = bool(((labels >= 0) & (labels <= self.none)).all())
        if not fits:
            raise InputError(
                expected=f"{batch} labels from 0 to {self.none - 1}, or {self.none} for none",
                found=f"shape {tuple(labels.shape)}"
                + (f", from {int(labels.min())} to {int(labels.max())}" if labels.numel() else ""),
                do="count classes from 0",
            )


class DownLevel(nn.Module):
    """Blocks, each with attention or without, then half the height and width; all maps are kept for the way up."""

    def __init__(self, blocks: Sequence[nn.Module], attention: Sequence[nn.Module], shrink: nn.Conv2d | None) -> None:
        super().__init__()
        self.blocks, self.attention, self.shrink = nn.ModuleList(blocks), nn.ModuleList(attention), shrink

    def forward(self, x: Tensor, condition: Tensor, seen: list[Tensor]) -> Tensor:
        """The maps of the next level; ``seen`` grows by all there were."""
        for block, attention in zip(self.blocks, self.attention, strict=True):
            x = attention(block(x, condition))
            seen.append(x)
        if self.shrink is not None:
            x = self.shrink(x)
            seen.append(x)
        return x


class Middle(nn.Module):
    """A block, attention, a block, at the lowest resolution."""

    def __init__(self, before: nn.Module, attention: nn.Module, after: nn.Module) -> None:
        super().__init__()
        self.before, self.attention, self.after = before, attention, after

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        """Maps of the same size."""
        maps: Tensor = self.after(self.attention(self.before(x, condition)), condition)
        return maps


class UpLevel(nn.Module):
    """Blocks, each with one map from the way down beside its input, then twice the height and width."""

    def __init__(self, blocks: Sequence[nn.Module], attention: Sequence[nn.Module], grow: nn.Conv2d | None) -> None:
        super().__init__()
        self.blocks, self.attention, self.grow = nn.ModuleList(blocks), nn.ModuleList(attention), grow

    def forward(self, x: Tensor, condition: Tensor, seen: list[Tensor]) -> Tensor:
        """The maps of the level above; ``seen`` shrinks by those that were used, the last first."""
        for block, attention in zip(self.blocks, self.attention, strict=True):
            x = attention(block(torch.cat([x, seen.pop()], 1), condition))
        if self.grow is not None:
            height, width = seen[-1].shape[2:]
            x = self.grow(F.interpolate(x, scale_factor=2.0, mode="nearest")[:, :, :height, :width])
        return x


def _require_levels(widths: Sequence[int], attention: Sequence[bool], num_blocks: int, num_classes: int | None) -> None:
    if any(width < 1 for width in widths):
        raise ConfigurationError(
            expected="widths of at least 1 each", found=f"widths = {list(widths)}", do="use tens of maps, such as 32,64"
        )
    if not widths or len(attention) != len(widths):
        raise ConfigurationError(
            expected="a width for each of one level or more, and as many flags for attention",
            found=f"widths = {list(widths)}, attention = {list(attention)}",
            do="give both lists one length",
        )
    if num_blocks < 1 or (num_classes is not None and num_classes < 1):
        raise ConfigurationError(
            expected="at least 1 block a level, and at least 1 class where there are any",
            found=f"num_blocks = {num_blocks}, num_classes = {num_classes}",
            do="use 2 blocks; leave num_classes out for a network without classes",
        )


def _without_classes(found: str) -> ConfigurationError:
    return ConfigurationError(
        expected="no labels: this network was built without classes", found=found, do="build it with num_classes="
    )


@model("unet")
def unet(
    schema: Schema,
    *,
    widths: Annotated[tuple[int, ...], Option("channels of each level, every one half as large as the one before")] = (
        32,
        64,
        64,
    ),
    num_blocks: Annotated[int, Option("residual blocks of a level on the way down", minimum=1)] = 1,
    num_groups: Annotated[int, Option("of the group normalisations; it divides all widths", minimum=1)] = 8,
    dropout: Annotated[float, Option("probability of setting a number to 0 in training", minimum=0, below=1)] = 0.0,
    conditional: Conditional = False,
) -> UNet:
    """U-Net for diffusion: from an image with noise to the noise; attention at its smallest level.

    Raises:
        ConfigurationError: for options that don't fit the images.
        DataError: for data that are no images, or a condition without classes.

    Lecture: X6
    """
    channels, _, _ = require_pictures(schema, "unet", conditional=conditional)
    return UNet(
        in_channels=channels,
        widths=widths,
        attention=[level == len(widths) - 1 for level in range(len(widths))],
        num_blocks=num_blocks,
        num_groups=num_groups,
        num_classes=len(schema.classes) if conditional else None,
        dropout=dropout,
    )
