"""Masked convolution is its formula, tap by tap; the two gated stacks are theirs; with a cache nothing changes."""

import math
from itertools import product
from typing import Any

import pytest
import torch
from torch import Tensor

from sightline.core.errors import ConfigurationError, InputError
from sightline.models.pixelcnn import MaskedResidualBlock, PixelHead
from sightline.nn.gated_masked_convolution import GatedMaskedConvolution2d
from sightline.nn.grid_positions import GridPositions
from sightline.nn.masked_convolution import Mask, MaskedConvolution2d
from sightline.nn.raster_cache import RasterCache

EXACT: dict[str, Any] = {"rtol": 1e-12, "atol": 1e-12}


def random(*shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def roughen(layer: torch.nn.Module) -> None:
    """Weights everywhere, also where the layer should not look."""
    torch.manual_seed(2)
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.copy_(torch.randn_like(parameter))


def is_past(tap: tuple[int, int], source: int, served: int, mask: Mask) -> bool:
    """Whether a tap (rows down, columns right) of channel ``source`` is seen by channel ``served``."""
    if tap != (0, 0):
        return tap < (0, 0)  # tuples compare as raster order does: by row, then by column
    return source < served or (mask == "B" and source == served)


def by_loop(layer: MaskedConvolution2d, x: Tensor, kernel: tuple[int, int], groups: int, mask: Mask) -> Tensor:
    """The formula, one product at a time, from the layer's weight without its mask."""
    batch, inputs, height, width = x.shape
    outputs = layer.out_channels
    weight, bias = layer.weight.detach(), layer.bias
    y = x.new_zeros(batch, outputs, height, width)
    for o, c, i, j in product(range(outputs), range(inputs), range(height), range(width)):
        for a, b in product(range(kernel[0]), range(kernel[1])):
            tap = (a - kernel[0] // 2, b - kernel[1] // 2)
            row, column = i + tap[0], j + tap[1]
            inside = 0 <= row < height and 0 <= column < width
            if inside and is_past(tap, c * groups // inputs, o * groups // outputs, mask):
                y[:, o, i, j] += weight[o, c, a, b] * x[:, c, row, column]
    return y if bias is None else y + bias.detach()[:, None, None]


@pytest.mark.parametrize("mask", ["A", "B"])
@pytest.mark.parametrize(
    ("inputs", "outputs", "kernel", "groups"),
    [(1, 2, (3, 3), 1), (3, 6, (3, 5), 3), (4, 2, (1, 3), 2), (6, 3, (1, 1), 3)],
)
def test_it_is_the_formula(mask: Mask, inputs: int, outputs: int, kernel: tuple[int, int], groups: int) -> None:
    layer = MaskedConvolution2d(
        num_inputs=inputs, num_outputs=outputs, kernel_size=kernel, mask=mask, num_groups=groups
    ).double()
    roughen(layer)
    x = random(2, inputs, 4, 3)
    torch.testing.assert_close(layer(x), by_loop(layer, x, kernel, groups, mask), **EXACT)


@pytest.mark.parametrize("mask", ["A", "B"])
def test_its_matrix_is_lower_triangular(mask: Mask) -> None:
    """Inputs and outputs written as one vector in raster order, channels fastest: a past is what stands before."""
    layer = MaskedConvolution2d(
        num_inputs=3, num_outputs=3, kernel_size=5, mask=mask, num_groups=3, bias=False
    ).double()
    roughen(layer)
    basis = torch.eye(3 * 4 * 5, dtype=torch.float64).reshape(-1, 4, 5, 3).permute(0, 3, 1, 2)
    matrix = layer(basis).permute(0, 2, 3, 1).flatten(1).T  # column t: what input t does
    assert torch.equal(matrix, matrix.tril(-1 if mask == "A" else 0))
    below = (matrix != 0).sum()
    near = sum(
        abs(i - k) <= 2 and abs(j - m) <= 2 and ((k, m, q) < (i, j, g) or (mask == "B" and (k, m, q) == (i, j, g)))
        for i, j, g in product(range(4), range(5), range(3))
        for k, m, q in product(range(4), range(5), range(3))
    )
    assert below == near


def test_what_is_not_seen_starts_at_0_and_has_no_gradient() -> None:
    layer = MaskedConvolution2d(num_inputs=3, num_outputs=3, kernel_size=3, mask="A", num_groups=3)
    layer(torch.randn(2, 3, 4, 4)).square().sum().backward()
    assert layer.weight.grad is not None
    for numbers in (layer.weight, layer.weight.grad):
        assert torch.equal(numbers != 0, layer.mask != 0)
    bounds = layer.mask.sum((1, 2, 3)).rsqrt()
    assert bool((layer.weight.abs().amax((1, 2, 3)) <= bounds).all())
    assert bool((layer.weight.abs().amax((1, 2, 3)) > 0.5 * bounds).all())


def gated_by_loop(
    layer: GatedMaskedConvolution2d, v: Tensor, h: Tensor, labels: Tensor | None, groups: int, kernel: int
) -> tuple[Tensor, Tensor]:
    """The formulas, pixel by pixel; maps of the horizontal stack are a, then b, of one channel after the other."""
    batch, inputs, height, width = v.shape
    p = layer.output.out_channels
    first = layer.horizontal.mask_type == "A"
    reach, shift = kernel // 2, torch.zeros(batch, 4 * p, dtype=v.dtype)
    if layer.label is not None and labels is not None:
        shift = layer.label.weight.detach()[labels]
    W_v, W_s, W_h = (part.weight.detach() for part in (layer.vertical, layer.link, layer.horizontal))
    biases = [part.bias.detach() for part in (layer.vertical, layer.link, layer.horizontal) if part.bias is not None]
    below, across = v.new_zeros(batch, p, height, width), v.new_zeros(batch, p, height, width)
    for i, j in product(range(height), range(width)):
        s = biases[0] + shift[:, : 2 * p]
        for a, b in product(range(W_v.shape[2]), range(kernel)):
            row, column = i - reach + a, j - reach + b
            if row >= 0 and 0 <= column < width:
                s = s + v[:, :, row, column] @ W_v[:, :, a, b].T
        below[:, :, i, j] = s[:, :p].tanh() * s[:, p:].sigmoid()
        r = biases[2] + shift[:, 2 * p :] + biases[1] + s @ W_s[:, :, 0, 0].T
        for b in range(reach + 1):
            for o, c in product(range(2 * p), range(inputs)):
                seen = b < reach or is_past((0, 0), c * groups // inputs, o * groups // (2 * p), "A" if first else "B")
                if seen and j - reach + b >= 0:
                    r[:, o] = r[:, o] + h[:, c, i, j - reach + b] * W_h[o, c, 0, b]
        each = p // groups
        gate = torch.cat(
            [
                r[:, 2 * g * each : (2 * g + 1) * each].tanh() * r[:, (2 * g + 1) * each : 2 * (g + 1) * each].sigmoid()
                for g in range(groups)
            ],
            1,
        )
        for o, c in product(range(p), range(p)):
            if c * groups // p <= o * groups // p:
                across[:, o, i, j] += layer.output.weight.detach()[o, c, 0, 0] * gate[:, c]
        assert layer.output.bias is not None
        across[:, :, i, j] += layer.output.bias.detach()
    return below, across if first else across + h


@pytest.mark.parametrize("mask", ["A", "B"])
@pytest.mark.parametrize(("kernel", "groups", "classes"), [(3, 1, None), (5, 2, 3)])
def test_gated_stacks_are_their_formulas(mask: Mask, kernel: int, groups: int, classes: int | None) -> None:
    inputs = 4 if mask == "B" else groups
    layer = GatedMaskedConvolution2d(
        num_inputs=inputs, num_outputs=4, kernel_size=kernel, mask=mask, num_groups=groups, num_classes=classes
    ).double()
    roughen(layer)
    v, h = random(2, inputs, 4, 4), random(3, inputs, 4, 4)[1:]
    labels = None if classes is None else torch.tensor([2, 0])
    for found, wanted in zip(
        layer(v, h, labels=labels), gated_by_loop(layer, v, h, labels, groups, kernel), strict=True
    ):
        torch.testing.assert_close(found, wanted, **EXACT)


@pytest.mark.parametrize("classes", [None, 3])
def test_a_residual_block_and_the_head_are_their_formulas(classes: int | None) -> None:
    block = MaskedResidualBlock(width=8, kernel_size=3, num_groups=2, num_classes=classes).double()
    head = PixelHead(num_channels=2, levels=3, width=8, head_width=4).double()
    for part in (block, head):
        roughen(part)
    x, labels = random(2, 8, 4, 3), None if classes is None else torch.tensor([2, 0])
    inner = by_loop(block.contract, x.clamp(min=0), (1, 1), 2, "B")
    if block.label is not None:
        inner = inner + block.label.weight.detach()[labels][:, :, None, None]
    inner = by_loop(block.across, inner.clamp(min=0), (3, 3), 2, "B").clamp(min=0)
    torch.testing.assert_close(block(x, labels=labels), x + by_loop(block.expand, inner, (1, 1), 2, "B"), **EXACT)
    hidden = by_loop(head.inner, x.clamp(min=0), (1, 1), 2, "B").clamp(min=0)
    flat, logits = by_loop(head.output, hidden, (1, 1), 2, "B"), head(x)
    for level, channel in product(range(3), range(2)):
        torch.testing.assert_close(logits[:, level, channel], flat[:, 3 * channel + level], **EXACT)


def test_its_size_and_first_weights_are_seen_in_print() -> None:
    layer = MaskedConvolution2d(num_inputs=3, num_outputs=6, kernel_size=(5, 3), mask="B", num_groups=3)
    assert str(layer) == "MaskedConvolution2d(3, 6, kernel_size=(5, 3), mask=B, num_groups=3)"
    assert layer.weight.shape == (6, 3, 3, 3)


@pytest.mark.parametrize("kernel", [0, 2, -1, (3, 4), (1, 2, 3)])
@pytest.mark.usefixtures("as_a_user_calls")
def test_kernels_without_a_middle_are_refused(kernel: int | tuple[int, int]) -> None:
    with pytest.raises(ConfigurationError, match="odd kernel_size"):
        MaskedConvolution2d(num_inputs=1, num_outputs=1, kernel_size=kernel, mask="A")


def test_other_options_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="channels divide"):
        MaskedConvolution2d(num_inputs=3, num_outputs=4, kernel_size=3, mask="A", num_groups=3)
    with pytest.raises(ConfigurationError, match="at least 3"):
        GatedMaskedConvolution2d(num_inputs=1, num_outputs=1, kernel_size=1, mask="A")
    with pytest.raises(ConfigurationError, match="they are added"):
        GatedMaskedConvolution2d(num_inputs=1, num_outputs=2, kernel_size=3, mask="B")


@pytest.mark.usefixtures("as_a_user_calls")
def test_other_masks_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="mask: one of A, B"):
        MaskedConvolution2d(num_inputs=1, num_outputs=1, kernel_size=3, mask="C")  # type: ignore[arg-type]


@pytest.mark.parametrize("place", [(0, 2), (1, 0), (0, -1), (2, 0), (0, 3)])
def test_a_cache_takes_one_pixel_after_the_other(place: tuple[int, int]) -> None:
    cache = RasterCache(height=2, width=3)
    cache.move(0, 0)
    cache.move(0, 0)
    with pytest.raises(InputError, match=r"\(0, 1\) now"):
        cache.move(*place)
    cache.move(0, 1)


def test_grid_positions_are_sums_of_two_learned_vectors() -> None:
    place = GridPositions(grid=(2, 3), width=4)
    tokens = torch.randn(2, 2, 4)
    placed = place(tokens, torch.tensor([1, 5]))
    torch.testing.assert_close(placed[:, 0], tokens[:, 0] + place.rows[0] + place.columns[1])
    torch.testing.assert_close(placed[:, 1], tokens[:, 1] + place.rows[1] + place.columns[2])
    torch.testing.assert_close(
        place(tokens, torch.tensor([4, 0]))[:, 0], tokens[:, 0] + place.rows[1] + place.columns[1]
    )
    assert math.isclose(GridPositions(grid=(50, 50), width=40, std=0.5).rows.std().item(), 0.5, rel_tol=0.1)
    for number in (-1, 6):
        with pytest.raises(InputError, match="0 to 5"):
            place(tokens, torch.tensor([0, number]))
    with pytest.raises(ConfigurationError, match="at least 1 row"):
        GridPositions(grid=(0, 3), width=4)
