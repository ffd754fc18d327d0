"""The vision transformer: an image as a sentence of patches."""

from collections import OrderedDict
from collections.abc import Sequence
from typing import Annotated, Any, Literal, TypeVar

import torch
from jaxtyping import Float
from torch import Tensor, nn

from sightline.core.config import Option
from sightline.core.errors import ConfigurationError
from sightline.core.schema import Schema
from sightline.models.fitness import require_images
from sightline.models.registry import model
from sightline.models.staged import StagedPredictor
from sightline.models.truncated_normal import start_truncated_normal
from sightline.nn.patch_embedding import PatchEmbedding, interpolate_positions
from sightline.nn.stochastic_depth import checked_probability, linear_decay
from sightline.nn.transformer_block import BlockForm, TransformerBlock

Size = Literal["tiny", "small", "base", "large"]

SIZES: dict[Size, tuple[int, int, int]] = {
    # blocks, width, heads
    "tiny": (12, 192, 3),
    "small": (12, 384, 6),
    "base": (12, 768, 12),
    "large": (24, 1024, 16),
}
"""Base and large: Dosovitskiy et al. 2021, table 1; tiny and small: Touvron et al. 2021 (DeiT), table 1."""

V = TypeVar("V", bound="ViT")


class ViT(StagedPredictor):
    """Patches become tokens, encoder blocks mix them, the class token goes through a linear head.

    ``stages`` are "embedding", "block1", "block2", … and "norm". Block l of L, counted from 0, is dropped with
    probability drop_path · l/(L − 1). Weights of the convolution and the linear layers, the class token and the
    positions start normal with deviation 0.02, biases at 0.

    Positions are learned for one size of images. Another size is refused; :meth:`for_image_size` gives the same
    network with interpolated positions.

    Shapes:
        x (batch, in_channels, height, width) → (batch, num_outputs); after each stage tokens
        (batch, 1 + patches, width), the class's first

    Args:
        in_channels: channels of an image.
        num_outputs: classes, or 1 for a number.
        image_size: side of a square image in pixels, or height and width.
        patch_size: side of a patch in pixels; it divides height and width.
        depth: blocks.
        width: numbers in a token.
        num_heads: heads of the attention, a divisor of the width.
        mlp_width: hidden units of a block's second branch; none: 4 times the width.
        dropout: probability of setting a number to 0 after the embedding and the linear layers in training.
        attention_dropout: the same for an attention weight.
        drop_path: probability that the last block's branches are dropped in training, in [0, 1).
        norm_eps: ε of all norms.

    Raises:
        ConfigurationError: for patches that don't cover the image, heads that don't divide the width, no block, or
            a probability outside [0, 1).

    Source: Dosovitskiy et al. 2021, "An Image is Worth 16x16 Words", §3.1; initial weights Touvron et al. 2021,
        "Training data-efficient image transformers" (DeiT), §6

    Lecture: V3

    Example:
        >>> import torch
        >>> small = ViT(in_channels=3, num_outputs=10, image_size=8, patch_size=4, depth=1, width=8, num_heads=2)
        >>> small(torch.zeros(2, 3, 8, 8)).shape
        torch.Size([2, 10])
    """

    def __init__(
        self,
        *,
        in_channels: int,
        num_outputs: int,
        image_size: int | Sequence[int] = 224,
        patch_size: int = 16,
        depth: int = 12,
        width: int = 192,
        num_heads: int = 3,
        mlp_width: int | None = None,
        dropout: float = 0.0,
        attention_dropout: float = 0.0,
        drop_path: float = 0.0,
        norm_eps: float = 1e-6,
    ) -> None:
        super().__init__()
        if depth < 1:
            raise ConfigurationError(expected="a depth of at least 1 block", found=f"depth = {depth}", do="use 12")
        last = checked_probability(drop_path, "drop_path")
        stages: OrderedDict[str, nn.Module] = OrderedDict()
        stages["embedding"] = PatchEmbedding(
            in_channels=in_channels,
            image_size=_height_and_width(image_size),
            patch_size=patch_size,
            width=width,
            dropout=dropout,
        )
        probabilities = [0.0, *linear_decay(depth - 1, last)] if depth > 1 else [0.0]
        for number, probability in enumerate(probabilities, 1):
            stages[f"block{number}"] = TransformerBlock(
                width=width,
                num_heads=num_heads,
                mlp_width=4 * width if mlp_width is None else mlp_width,
                dropout=dropout,
                attention_dropout=attention_dropout,
                drop_probability=probability,
                form=BlockForm(eps=norm_eps),
            )
        stages["norm"] = nn.LayerNorm(width, eps=norm_eps)
        self.stages = nn.Sequential(stages)
        self.head = nn.Linear(width, num_outputs)
        start_truncated_normal(self)

    def gather(self, maps: Float[Tensor, "batch ..."]) -> Float[Tensor, "batch num_features"]:
        """The class token."""
        return maps[:, 0]

    def for_image_size(self: V, image_size: int | Sequence[int]) -> V:
        """A copy for images of another size, its positions interpolated bicubically between these.

        Args:
            image_size: side of a square image in pixels, or height and width; multiples of the patch's side.

        Returns:
            a network of its own, on the same device; its parts are in the same modes, and the same parameters ask for a
            gradient. ``self`` is not changed, and no random number is drawn.

        Raises:
            ConfigurationError: for patches that don't cover the image.

        Source: Dosovitskiy et al. 2021, §3.2
        """
        new = _height_and_width(image_size)
        arguments: dict[str, Any] = {**(self._hub_mixin_config or {}), "image_size": list(new)}  # type: ignore[dict-item]
        weights = {name: value.clone() for name, value in self.state_dict().items()}
        key = "stages.embedding.positions"
        embedding = self.stages.get_submodule("embedding")
        with torch.device("meta"):  # first weights that would be thrown away are not drawn
            copy = type(self)(**arguments)
        patch = arguments["patch_size"]
        grid = (new[0] // patch, new[1] // patch)
        weights[key] = interpolate_positions(weights[key], embedding.grid, grid)  # type: ignore[arg-type]
        copy.load_state_dict(weights, assign=True)
        for name, parameter in copy.named_parameters():
            parameter.requires_grad_(self.get_parameter(name).requires_grad)
        for name, module in copy.named_modules():
            module.training = self.get_submodule(name).training
        return copy


def _height_and_width(image_size: int | Sequence[int]) -> tuple[int, int]:
    if isinstance(image_size, int):
        return image_size, image_size
    if len(image_size) != 2:
        raise ConfigurationError(
            expected="an image_size of one number or two, height and width",
            found=f"{list(image_size)}",
            do="give (height, width) in pixels",
        )
    return image_size[0], image_size[1]


def vit_tiny_patch16(*, in_channels: int = 3, num_outputs: int = 1000, image_size: int = 224) -> ViT:
    """ViT-Ti/16: 12 blocks, width 192, 3 heads; 5.7 million parameters (Touvron et al. 2021)."""
    return _sized("tiny", in_channels, num_outputs, image_size)


def vit_small_patch16(*, in_channels: int = 3, num_outputs: int = 1000, image_size: int = 224) -> ViT:
    """ViT-S/16: 12 blocks, width 384, 6 heads; 22.1 million parameters (Touvron et al. 2021)."""
    return _sized("small", in_channels, num_outputs, image_size)


def vit_base_patch16(*, in_channels: int = 3, num_outputs: int = 1000, image_size: int = 224) -> ViT:
    """ViT-B/16: 12 blocks, width 768, 12 heads; 86.6 million parameters (Dosovitskiy et al. 2021, table 1)."""
    return _sized("base", in_channels, num_outputs, image_size)


def vit_large_patch16(*, in_channels: int = 3, num_outputs: int = 1000, image_size: int = 224) -> ViT:
    """ViT-L/16: 24 blocks, width 1024, 16 heads; 304.3 million parameters (Dosovitskiy et al. 2021, table 1)."""
    return _sized("large", in_channels, num_outputs, image_size)


def _sized(size: Size, in_channels: int, num_outputs: int, image_size: int) -> ViT:
    depth, width, num_heads = SIZES[size]
    return ViT(
        in_channels=in_channels,
        num_outputs=num_outputs,
        image_size=image_size,
        patch_size=16,
        depth=depth,
        width=width,
        num_heads=num_heads,
    )


@model("vit")
def vit(
    schema: Schema,
    *,
    size: Annotated[Size, Option("blocks, width and heads")] = "tiny",
    patch: Annotated[
        int | None,
        Option(
            "side of a patch, a divisor of the image's sides; none: 16 for images of 112 pixels or more on the "
            "shorter side, else 4",
            "pixels",
            minimum=1,
        ),
    ] = None,
    depth: Annotated[int | None, Option("blocks, instead of the size's", "blocks", minimum=1)] = None,
    width: Annotated[int | None, Option("numbers in a token, instead of the size's", minimum=1)] = None,
    heads: Annotated[
        int | None, Option("heads of the attention, a divisor of the width, instead of the size's", "heads", minimum=1)
    ] = None,
    dropout: Annotated[float, Option("probability of setting a number to 0 in training", minimum=0, below=1)] = 0.0,
    drop_path: Annotated[
        float, Option("probability that the last block is dropped in training", minimum=0, below=1)
    ] = 0.0,
) -> ViT:
    """A vision transformer for images that its patches cover (Dosovitskiy et al. 2021)."""
    require_images(schema, "vit")
    channels, *sides = schema.input_shape
    size_depth, size_width, size_heads = SIZES[size]
    return ViT(
        in_channels=channels,
        num_outputs=schema.num_outputs,
        image_size=sides,
        patch_size=patch or (16 if min(sides) >= 112 else 4),
        depth=depth or size_depth,
        width=width or size_width,
        num_heads=heads or size_heads,
        dropout=dropout,
        drop_path=drop_path,
    )
