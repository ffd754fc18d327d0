"""No pixel sees the future, by gradients; likelihoods sum to 1; sampling with a cache is sampling without."""

from itertools import product
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from pixel_models import KINDS, all_images, log_probabilities, make
from sightline.generate.raster_scan import sample_pixels, sample_pixels_by_full_passes
from sightline.models.gated_pixelcnn import GatedPixelCNN
from sightline.models.image_transformer import ImageTransformer
from sightline.models.pixel_predictor import PixelPredictor
from sightline.models.pixelcnn import MaskedPixels, PixelCNN

SIZE = (4, 6)
SMALL = (4, 4)
EXACT: dict[str, Any] = {"rtol": 1e-10, "atol": 1e-10}


def images_of(levels: int, channels: int, batch: int = 3, size: tuple[int, int] = SIZE) -> Tensor:
    return torch.randint(levels, (batch, channels, *size), generator=torch.Generator().manual_seed(3))


def entries(channels: int, size: tuple[int, int] = SIZE) -> list[tuple[int, int, int]]:
    """Channel, row and column in the order of a flattened image."""
    return list(product(range(channels), range(size[0]), range(size[1])))


def ranks(model: PixelPredictor) -> Tensor:
    """The place of each entry of a flattened image in the model's order, (C·H·W,)."""
    order = {pixel: number for number, pixel in enumerate(model.pixel_order(height=SIZE[0], width=SIZE[1]))}
    assert len(order) == SIZE[0] * SIZE[1]
    channels = model.in_channels
    return torch.tensor([order[row, column] * channels + channel for channel, row, column in entries(channels)])


def dependence(model: PixelPredictor, images: Tensor, labels: Tensor | None) -> Tensor:
    """Whether output entry o has a gradient in input entry t, (outputs, inputs): summed over the batch and levels.

    Levels are whole numbers, so gradients are taken where they first become real: at the scaled levels, and at the
    rows of the transformer's embedding.
    """
    found: dict[nn.Module, Tensor] = {}

    def keep(module: nn.Module, inputs: Any, output: Tensor) -> Tensor:
        found[module] = output.detach().requires_grad_()
        return found[module]

    parts = [model.scale] if isinstance(model, MaskedPixels) else [model.scale, model.embedding]
    handles = [part.register_forward_hook(keep) for part in parts if isinstance(part, nn.Module)]
    logits = model(images, labels=labels)
    for handle in handles:
        handle.remove()
    weights = torch.randn(logits.shape, generator=torch.Generator().manual_seed(4), dtype=logits.dtype)
    outputs = (logits * weights).sum((0, 1)).flatten()
    rows = []
    for output in outputs:
        gradients = torch.autograd.grad(output, [found[part] for part in found], retain_graph=True, allow_unused=True)
        sizes = [torch.zeros(()) if g is None else g.abs().sum(0) for g in gradients]
        rows.append(sizes[0].flatten() if isinstance(model, MaskedPixels) else by_entry(model, sizes))
    return torch.stack(rows) > 0


def by_entry(model: PixelPredictor, sizes: list[Tensor]) -> Tensor:
    """Sizes of gradients by patch and place in it as those of a flattened image's entries."""
    assert isinstance(model, ImageTransformer)
    P, columns, channels = model.patch_size, model.grid[1], model.in_channels
    patch = torch.tensor([i // P * columns + j // P for _, i, j in entries(channels)])
    place = torch.tensor([(i % P * P + j % P) * channels + channel for channel, i, j in entries(channels)])
    total = torch.zeros(len(patch), dtype=torch.float64)
    for size in sizes:
        if size.ndim:
            whole = size.sum(2) if size.ndim == 3 else size
            whole = torch.cat([whole, whole.new_zeros(1, whole.shape[1])])  # the last patch is never embedded
            total += whole[patch, place]
    return total


@pytest.mark.parametrize(("levels", "channels", "classes"), [(2, 1, None), (3, 3, 2)])
@pytest.mark.parametrize("kind", KINDS)
def test_no_output_depends_on_the_future(kind: str, levels: int, channels: int, classes: int | None) -> None:
    """Every output, every input; and of all but the plain network every output depends on all of its past."""
    options = {} if classes is None else {"num_classes": classes}
    model = make(kind, SIZE, levels=levels, in_channels=channels, **options)
    labels = None if classes is None else torch.arange(8) % 2
    seen, rank = dependence(model, images_of(levels, channels, batch=8), labels), ranks(model)
    past = rank[None, :] < rank[:, None]
    assert seen.shape == past.shape == (24 * channels, 24 * channels)
    assert not bool((seen & ~past).any())
    if kind != "plain":
        assert torch.equal(seen, past)
    else:
        assert torch.equal(seen, reachable(channels, 5, 3, 2))


def reachable(channels: int, first: int, later: int, depth: int) -> Tensor:
    """What windows of one layer after the other can reach: a product of relations, from the picture alone."""

    def relation(kernel: int, own: bool) -> Tensor:
        reach = kernel // 2
        places = entries(channels)
        rows = [
            [
                abs(i - k) <= reach
                and abs(j - m) <= reach
                and ((k, m, q) < (i, j, g) or (own and (k, m, q) == (i, j, g)))
                for q, k, m in places
            ]
            for g, i, j in places
        ]
        return torch.tensor(rows).double()

    reached = relation(first, own=False)
    for _ in range(depth):
        reached = relation(later, own=True) @ reached
    return reached > 0


def test_the_plain_network_has_a_blind_spot_and_the_gated_one_has_not() -> None:
    """3 × 3 kernels: pixel (1, 0) never sees (0, 2), two to the right of the one above it, however deep the network."""
    torch.manual_seed(0)
    images = images_of(2, 1, batch=8)
    models = [PixelCNN(width=12, depth=6, kernel_size=3), GatedPixelCNN(width=6, depth=6, kernel_size=3)]
    seen = [dependence(model.double(), images, None)[SIZE[1], :4].tolist() for model in models]
    assert seen == [[True, True, False, False], [True, True, True, True]]


@pytest.mark.parametrize("kind", KINDS)
def test_a_later_pixel_changes_nothing(kind: str) -> None:
    """The same by changing each entry to each other level: logits of what is not after it stay what they were."""
    model = make(kind, SIZE, levels=3, in_channels=2)
    image, rank = images_of(3, 2, batch=1), ranks(model)
    changes = [(entry, step) for entry in range(image.numel()) for step in (1, 2)]
    images = image.flatten().repeat(1 + len(changes), 1)
    for number, (entry, step) in enumerate(changes, 1):
        images[number, entry] = (images[number, entry] + step) % 3
    with torch.no_grad():
        before, *after = model(images.unflatten(1, image.shape[1:])).flatten(2)
    for (entry, _), logits in zip(changes, after, strict=True):
        moved = (logits - before).abs().amax(0)
        assert moved[rank <= rank[entry]].max() < 1e-13
        assert entry == rank.argmax() or moved.max() > 1e-6


@pytest.mark.parametrize(
    ("kind", "levels", "channels", "size"),
    [
        *[(kind, 2, 1, (2, 3)) for kind in ("plain", "gated", "pixels")],
        ("patches", 2, 1, (2, 4)),
        *[(kind, 2, 2, (2, 2)) for kind in KINDS],
        *[(kind, 3, 3, (1, 2)) for kind in ("plain", "gated", "pixels")],
    ],
)
def test_likelihoods_of_all_images_sum_to_1(kind: str, levels: int, channels: int, size: tuple[int, int]) -> None:
    model = make(kind, size, levels=levels, in_channels=channels, num_classes=2, strength=0.6)
    images = all_images(levels, channels, size)
    both = [log_probabilities(model, images, label=label) for label in range(2)]
    for found in both:
        torch.testing.assert_close(found.exp().sum().item(), 1.0, rtol=0, atol=1e-12)
        assert found.std() > 0.1  # not the uniform distribution, which would sum to 1 whatever it saw
    assert (both[0] - both[1]).abs().max() > 0.1


@pytest.mark.parametrize(("levels", "channels", "classes"), [(2, 1, None), (3, 3, 2)])
@pytest.mark.parametrize("kind", KINDS)
def test_logits_with_a_cache_are_those_without(kind: str, levels: int, channels: int, classes: int | None) -> None:
    """What comes later in the image is noise: with a cache it may hold anything."""
    options = {} if classes is None else {"num_classes": classes}
    model = make(kind, SMALL, levels=levels, in_channels=channels, **options)
    labels = None if classes is None else torch.tensor([0, 1, 1])
    images = images_of(levels, channels, size=SMALL)
    cache = model.new_cache(height=SMALL[0], width=SMALL[1])
    so_far = torch.randint(levels, images.shape, generator=torch.Generator().manual_seed(5))
    with torch.no_grad():
        whole = model(images, labels=labels)
        for row, column in model.pixel_order(height=SMALL[0], width=SMALL[1]):
            for channel in range(channels):
                cache.move(row, column)
                one = model(so_far, labels=labels, cache=cache)
                assert one.shape == (3, levels, channels, 1, 1)
                torch.testing.assert_close(one[:, :, channel, 0, 0], whole[:, :, channel, row, column], **EXACT)
                so_far[:, channel, row, column] = images[:, channel, row, column]


@pytest.mark.parametrize(("kind", "rows"), [*[(kind, 2) for kind in KINDS], ("gated", None), ("patches", None)])
def test_samples_with_a_cache_are_those_without(kind: str, rows: int | None) -> None:
    model = make(kind, SMALL, levels=3, in_channels=2, num_classes=2, strength=0.5)
    given = None if rows is None else images_of(3, 2, batch=5, size=SMALL)[:, :, :rows]
    options: dict[str, Any] = {"count": 5, "image_size": SMALL, "labels": torch.tensor([0, 1, 0, 1, 1]), "given": given}
    cached, anew = (
        sample(model, **options, generator=torch.Generator().manual_seed(0))
        for sample in (sample_pixels, sample_pixels_by_full_passes)
    )
    assert torch.equal(cached, anew)
    assert cached.dtype == torch.int64
    assert set(cached.unique().tolist()) == {0, 1, 2}
    if given is not None:
        assert torch.equal(cached[:, :, :rows], given)
        assert not torch.equal(cached[0, :, rows:], cached[2, :, rows:])


def test_a_seed_tells_the_samples_and_a_temperature_changes_them() -> None:
    model = make("gated", (2, 3), levels=3)
    first, again, other, warm = (
        sample_pixels(
            model, count=9, image_size=(2, 3), temperature=heat, generator=torch.Generator().manual_seed(seed)
        )
        for seed, heat in ((0, 1.0), (0, 1.0), (1, 1.0), (0, 3.0))
    )
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert not torch.equal(first, warm)


@pytest.mark.parametrize("kind", ["plain", "gated"])
@pytest.mark.parametrize("size", [(1, 1), (1, 5), (5, 1), (2, 3)])
def test_small_images_too(kind: str, size: tuple[int, int]) -> None:
    """Where a row, or a pixel, is all there is."""
    model = make(kind, size, in_channels=2, levels=4, strength=0.5)
    first, second = (
        sample(model, count=7, image_size=size, generator=torch.Generator().manual_seed(0))
        for sample in (sample_pixels, sample_pixels_by_full_passes)
    )
    assert torch.equal(first, second)


def test_cold_samples_are_the_likeliest_pixels() -> None:
    model = make("gated", SMALL, levels=3)
    found = sample_pixels(model, count=2, image_size=SMALL, temperature=1e-6)
    with torch.no_grad():
        assert torch.equal(model(found).argmax(1), found)
    assert torch.equal(found[0], found[1])


def test_a_patch_tells_later_ones_where_its_levels_stand() -> None:
    model = make("patches", (2, 4))
    images = torch.zeros(2, 1, 2, 4, dtype=torch.int64)
    images[0, 0, 0, 0] = images[1, 0, 1, 1] = 1
    with torch.no_grad():
        logits = model(images)
    assert (logits[0, :, :, 0, 2] - logits[1, :, :, 0, 2]).abs().max() > 1e-3


def test_orders() -> None:
    raster = [(i, j) for i in range(4) for j in range(6)]
    for kind in ("plain", "gated", "pixels"):
        assert make(kind, SIZE).pixel_order(height=4, width=6) == raster
    by_patches = make("patches", SIZE).pixel_order(height=4, width=6)
    assert by_patches[:6] == [(0, 0), (0, 1), (1, 0), (1, 1), (0, 2), (0, 3)]
    assert sorted(by_patches) == raster
