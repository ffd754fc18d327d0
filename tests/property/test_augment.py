"""Whatever the images and the augmentations: values finite and in [0, 1], shapes kept, or our error."""

import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from torch import Tensor

from sightline.core.errors import SightlineError
from sightline.core.schema import Schema
from sightline.core.seeds import Seeds
from sightline.data.augment import Augment, Augmenter
from sightline.data.augment.augmenter import Augmented


@st.composite
def augments(draw: st.DrawFn) -> Augment:
    """Any configuration, each part off half of the time."""

    def maybe(values: st.SearchStrategy[float], off: float = 0.0) -> float:
        return draw(st.just(off) | values)

    share = st.floats(0, 1)
    mirrors = draw(st.sampled_from([{}, {"flip": True}, {"alternating_flip": True}]))
    return Augment(
        **mirrors,
        crop=int(maybe(st.integers(0, 9))),
        rotation=maybe(st.floats(0, 180)),
        translation=maybe(share),
        scale=maybe(st.floats(0, 0.999)),
        brightness=maybe(share),
        autocontrast=maybe(share),
        posterise=int(maybe(st.integers(1, 8), 8)),
        cutout=int(maybe(st.integers(0, 20))),
        mixup=maybe(st.floats(1e-4, 100)),
        cutmix=maybe(st.floats(1e-4, 100)),
        pixmix=maybe(share),
        policy=draw(st.sampled_from(["none", "none", "rand", "trivial"])),
        policy_count=draw(st.integers(1, 3)),
        policy_magnitude=draw(st.floats(0, 10)),
    )


def run(augment: Augment, shape: tuple[int, int, int, int], seed: int = 0) -> tuple[Tensor, Augmented]:
    generator = torch.Generator().manual_seed(seed)
    images = torch.randint(0, 256, shape, dtype=torch.uint8, generator=generator)
    schema = Schema("image", "classification", shape[1:], classes=("a", "b", "c"))
    target = torch.arange(shape[0]) % 3
    before = images.clone()
    found = Augmenter(augment, schema, Seeds(seed)).epoch(1)(images, target, torch.arange(shape[0]), number=3)
    assert torch.equal(images, before)
    return images, found


ALL = Augment(flip=True, rotation=9, brightness=1, autocontrast=1, posterise=1, cutout=1, mixup=1, cutmix=1, pixmix=1)


@settings(max_examples=60)
@given(
    augment=augments(),
    batch=st.integers(0, 5),
    channels=st.sampled_from([1, 3, 3, 2, 4]),
    height=st.integers(1, 9),
    width=st.integers(1, 9),
    seed=st.integers(0, 2**40),
)
@example(augment=ALL.replace(policy="rand"), batch=1, channels=3, height=1, width=1, seed=0)
@example(augment=ALL.replace(policy="trivial"), batch=5, channels=1, height=1, width=3, seed=1)
@example(augment=ALL, batch=0, channels=3, height=4, width=4, seed=2)
def test_any_images_stay_images(
    augment: Augment, batch: int, channels: int, height: int, width: int, seed: int
) -> None:
    shape = (batch, channels, height, width)
    try:
        images, found = run(augment, shape, seed)
    except SightlineError:
        assert augment.crop >= min(height, width) or augment.cutout >= 2 * max(height, width) or channels in (2, 4)
        return
    assert augment.crop < min(height, width)
    assert augment.cutout < 2 * max(height, width) or not augment.cutout
    assert found.images.shape == shape
    if found.images.dtype == torch.uint8:
        assert batch == 0 or not (augment.warps or augment.recolours or augment.pixmix or augment.cutout)
    else:
        assert found.images.dtype == torch.float32
        assert torch.isfinite(found.images).all()
        assert bool((found.images >= 0).all())
        assert bool((found.images <= 1).all())
    assert torch.equal(found.target, torch.arange(batch) % 3)
    assert (found.mix is not None) == (augment.mixes and batch > 0)
    if found.mix is not None:
        assert bool(((found.mix.share >= 0) & (found.mix.share <= 1)).all())
        assert found.mix.partner.dtype == torch.int64
    if not augment.active:
        assert found.images is images


@given(alpha=st.floats(1e-4, 50), side=st.integers(1, 6), field=st.sampled_from(["mixup", "cutmix"]))
@settings(max_examples=20)
def test_an_example_mixed_with_itself_is_itself(alpha: float, side: int, field: str) -> None:
    images, found = run(Augment().replace(**{field: alpha}), (1, 3, side, side))
    torch.testing.assert_close(found.images, images.float() / 255, atol=1e-6, rtol=0)
    assert found.mix is not None
    assert torch.equal(found.mix.partner, found.target)
