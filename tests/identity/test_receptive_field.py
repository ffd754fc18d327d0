"""Receptive fields from the operations against the support of the gradient, the chain's recursion, and by hand."""

from collections.abc import Callable, Sequence
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sightline.core.errors import ConfigurationError, InputError, SightlineError
from sightline.core.schema import Schema
from sightline.models import MODELS
from sightline.understand.measured_receptive_field import measured_receptive_field
from sightline.understand.receptive_field import receptive_field, receptive_fields
from sightline.understand.tracked import UnknownOperationError
from small_models import SMALL, SMALL_IMAGES, SMALL_TEXT

DEEP = ("resnet34", "resnet101", "resnet152")
"""Made of the blocks of ResNet-18 and ResNet-50, more of them."""


class Through(nn.Module):
    """Layers used by a function."""

    def __init__(self, function: Callable[..., Tensor], *layers: nn.Module) -> None:
        super().__init__()
        self.layers, self.function = nn.ModuleList(layers), function

    def forward(self, x: Tensor) -> Tensor:
        return self.function(x, *self.layers)


def shaken(model: nn.Module) -> nn.Module:
    """No weight exactly zero, as none is after a step of training."""
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * (0.05 + parameter.std(correction=0)))
    return model


def built(name: str, schema: Schema) -> nn.Module:
    """The model, small."""
    return MODELS[name](schema, seed=0, **SMALL[name])


def conv(inputs: int, outputs: int, kernel: int | tuple[int, int], **options: Any) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, kernel, **options)


@pytest.mark.parametrize("name", [pytest.param(n, marks=pytest.mark.slow) if n in DEEP else n for n in sorted(SMALL)])
def test_analysis_is_measurement_for_every_model_of_the_registry(name: str) -> None:
    """The unit in the middle of the last maps, and the outputs: boxes equal; never smaller than measured anywhere."""
    torch.manual_seed(0)
    schema = Schema("image", "classification", (3, 32, 32), classes=("cat", "dog"))
    model = shaken(built(name, schema))
    found = receptive_fields(model, schema.input_shape)
    assert found.outputs.box() == measured_receptive_field(model, (3, 32, 32), draws=1).box() == ((0, 31), (0, 31))
    if found.maps is not None:
        measured = measured_receptive_field(model, (3, 32, 32), found.maps.layer, draws=2)
        assert measured.position == found.maps.centre
        assert found.maps.box() == measured.box()


def test_the_registry_is_all_there() -> None:
    assert set(MODELS) == set(SMALL) | set(SMALL_TEXT) | set(SMALL_IMAGES)
    assert len(SMALL) == 17


def attend(x: Tensor, embed: nn.Module, layer: nn.Module) -> Tensor:
    tokens: Tensor = layer(embed(x).flatten(2).transpose(1, 2))
    return tokens


def heads(x: Tensor, embed: nn.Module, layer: nn.MultiheadAttention) -> Tensor:
    tokens = embed(x).flatten(2).transpose(1, 2)
    attended: Tensor = layer(tokens, tokens, tokens)[0]
    return attended


CASES: dict[str, tuple[tuple[int, ...], Callable[[], nn.Module]]] = {
    "dilated": ((2, 15, 13), lambda: nn.Sequential(conv(2, 3, 3, dilation=2), conv(3, 2, 3, stride=2, dilation=3))),
    "even kernel": ((1, 12, 11), lambda: nn.Sequential(conv(1, 2, 4, stride=3, padding=2), conv(2, 2, 2))),
    "not square": ((1, 14, 14), lambda: nn.Conv2d(1, 2, (1, 5), stride=(2, 1), padding=(0, 1), dilation=(1, 2))),
    "reflecting": ((1, 8, 8), lambda: conv(1, 2, 5, padding=2, padding_mode="reflect")),
    "same": ((1, 9, 9), lambda: conv(1, 2, 5, padding="same")),
    "depthwise": ((4, 9, 9), lambda: nn.Sequential(conv(4, 4, 3, groups=4), nn.BatchNorm2d(4), conv(4, 2, 1))),
    "transposed": ((2, 7, 7), lambda: nn.ConvTranspose2d(2, 2, 3, stride=2, padding=1, output_padding=1)),
    "transposed by three": ((2, 5, 6), lambda: nn.ConvTranspose2d(2, 4, 5, stride=3, padding=2, groups=2, dilation=2)),
    "transposed, then conv": ((1, 6, 6), lambda: nn.Sequential(nn.ConvTranspose2d(1, 2, 2, stride=2), conv(2, 1, 3))),
    "gap": ((1, 4, 4), lambda: nn.ConvTranspose2d(1, 2, 1, stride=2)),
    "ceiling": ((1, 8, 11), lambda: nn.Sequential(nn.AvgPool2d(3, stride=2, ceil_mode=True), nn.ReLU())),
    "pooling": ((1, 11, 11), lambda: nn.Sequential(conv(1, 3, 3), nn.MaxPool2d(3, 2, 1), nn.ReLU(True))),
    "dilated pooling": ((1, 11, 11), lambda: nn.Sequential(conv(1, 4, 1), nn.MaxPool2d(2, 1, dilation=3))),
    "adaptive": ((1, 10, 7), lambda: nn.AdaptiveAvgPool2d((4, 3))),
    "adaptive, regular": ((1, 8, 8), lambda: nn.Sequential(nn.AdaptiveAvgPool2d((4, 2)), conv(1, 1, 2))),
    "adaptive maximum": ((1, 10, 7), lambda: nn.AdaptiveMaxPool2d((3, 2))),
    "channels last": ((2, 6, 6), lambda: Through(
        lambda x, c, p: p(c(x).to(memory_format=torch.channels_last)), conv(2, 3, 3), nn.AdaptiveAvgPool2d(1))),
    "nearest": ((1, 6, 6), lambda: nn.Sequential(nn.Upsample(scale_factor=2), conv(1, 1, 3, padding=1))),
    "bilinear": ((1, 6, 5), lambda: nn.Upsample(size=(9, 13), mode="bilinear")),
    "bilinear, corners": ((1, 4, 4), lambda: nn.Upsample(size=(7, 7), mode="bilinear", align_corners=True)),
    "bicubic": ((1, 9, 9), lambda: nn.Upsample(scale_factor=1.5, mode="bicubic")),
    "bilinear, antialiased": ((1, 16, 11), lambda: Through(
        lambda x: F.interpolate(x, size=(6, 4), mode="bilinear", antialias=True))),
    "bicubic, antialiased": ((1, 24, 17), lambda: Through(
        lambda x: F.interpolate(x, size=(4, 9), mode="bicubic", antialias=True))),
    "gated halves": ((4, 9, 9), lambda: Through(
        lambda x, a: F.glu(torch.cat([x, a(x)], 1), 1), conv(4, 4, 5, padding=2))),
    "gated rows": ((1, 9, 9), lambda: Through(lambda x, a: F.glu(a(x), 2), conv(1, 2, 2))),
    "slopes": ((2, 9, 9), lambda: nn.Sequential(
        conv(2, 4, 3, stride=2), nn.PReLU(4), nn.RReLU(), nn.Hardswish(), nn.LogSigmoid())),
    "patches": ((1, 12, 12), lambda: Through(
        lambda x, a: a(x.reshape(-1, 1, 4, 3, 4, 3).permute(0, 1, 3, 5, 2, 4).reshape(-1, 9, 4, 4)), conv(9, 2, 2))),
    "every other": ((1, 12, 12), lambda: Through(
        lambda x, a, i: a(x[:, :, [0, 2, 4, 6, 8]])[:, :, :, [9, 6, 3]], conv(1, 2, 3, padding=1), nn.Identity())),
    "here and there": ((1, 12, 12), lambda: Through(lambda x: x[:, :, [0, 2, 3, 6, 8]])),
    "tokens back in place": ((1, 12, 12), lambda: Through(
        lambda x, a, b: b(a(x).flatten(2).transpose(1, 2).mT.unflatten(2, (4, 4))), conv(1, 4, 3, stride=3),
        conv(4, 1, 2))),
    "residual": ((1, 12, 12), lambda: Through(
        lambda x, a, b: F.relu(a(x)[:, :, ::2, ::2] + b(x)), conv(1, 2, 3, padding=1),
        conv(1, 2, 5, stride=2, padding=2))),
    "branches": ((1, 13, 13), lambda: Through(
        lambda x, a, b: torch.cat([a(x), b(x)[:, :, 2:-2, :], F.pad(x, (0, -2, 0, -4))[..., :11]], 1)[:, :, :, :7],
        conv(1, 2, (5, 3)), nn.Conv2d(1, 2, (1, 3)))),
    "split channels": ((4, 12, 12), lambda: Through(
        lambda x, a, b: torch.stack(torch.cat([a(x[:, :2]), x[:, 2:]], 1).chunk(2, 1))[1] * b(x).mean(),
        conv(2, 2, 5, padding=2), nn.Identity())),
    "one branch used": ((2, 12, 12), lambda: Through(
        lambda x, a, b: torch.cat([a(x), b(x)], 1)[:, 2:], conv(2, 2, 5, padding=2), conv(2, 3, 3, padding=1))),
    "grouped after branches": ((2, 12, 12), lambda: Through(
        lambda x, a, b, c: c(torch.cat([a(x), b(x)], 1))[:, 2:], conv(2, 2, 5, padding=2), conv(2, 2, 1),
        conv(4, 4, 3, groups=2))),
    "gate": ((2, 8, 8), lambda: Through(
        lambda x, a: x * torch.sigmoid(a(x.mean((2, 3), keepdim=True))), conv(2, 2, 1))),
    "mirror": ((1, 12, 12), lambda: Through(
        lambda x, a, b: b(a(x.flip(3))) - 2, conv(1, 2, 3, stride=2), conv(2, 2, 2, padding=1))),
    "rolled": ((1, 9, 9), lambda: Through(lambda x, a: a(x.roll((2, 1), (2, 3))), conv(1, 2, 3))),
    "shuffle": ((4, 6, 6), lambda: nn.Sequential(conv(4, 4, 3), nn.PixelShuffle(2), conv(1, 1, 2))),
    "unshuffle": ((1, 12, 12), lambda: nn.Sequential(nn.PixelUnshuffle(3), conv(9, 2, 2))),
    "channel norm": ((2, 9, 9), lambda: Through(
        lambda x, a, n, w: w(n(a(x).permute(0, 2, 3, 1))).permute(0, 3, 1, 2), conv(2, 3, 3, stride=2),
        nn.LayerNorm(3), nn.Linear(3, 2))),
    "group norm": ((2, 7, 7), lambda: nn.Sequential(conv(2, 4, 3), nn.GroupNorm(2, 4))),
    "instance norm": ((2, 7, 7), lambda: nn.Sequential(conv(2, 4, 3), nn.InstanceNorm2d(4))),
    "response norm": ((3, 9, 9), lambda: nn.Sequential(conv(3, 6, 3), nn.LocalResponseNorm(3), nn.Softplus())),
    "norm of rows": ((2, 7, 7), lambda: nn.Sequential(conv(2, 4, 3), nn.LayerNorm(5))),
    "softmax": ((2, 7, 7), lambda: nn.Sequential(conv(2, 4, 3), nn.Softmax2d())),
    "flat": ((2, 6, 6), lambda: nn.Sequential(conv(2, 2, 3), nn.Flatten(), nn.Linear(32, 3))),
    "strip": ((1, 8, 8), lambda: Through(lambda x, a: a(x).amax(3).cumsum(1) @ torch.ones(6, 2).to(x), conv(1, 2, 3))),
    "sum of rows": ((2, 8, 8), lambda: Through(lambda x, a: torch.ones(3, 6).to(x) @ a(x), conv(2, 2, 3))),
    "pooling by its own size": ((2, 9, 9), lambda: Through(lambda x, a: F.avg_pool2d(a(x), 2), conv(2, 2, 2))),
    "tokens": ((1, 8, 8), lambda: Through(lambda x, a: a(x).flatten(2).mT, conv(1, 4, 4, stride=4))),
    "convolution of tokens": ((1, 8, 8), lambda: Through(
        lambda x, a, b: b(a(x).flatten(2)).mT, conv(1, 2, 2, stride=2), nn.Conv1d(2, 2, 3))),
    "attention": ((1, 8, 8), lambda: Through(
        heads, conv(1, 4, 4, stride=4), nn.MultiheadAttention(4, 2, batch_first=True))),
    "transformer": ((1, 8, 8), lambda: Through(
        attend, conv(1, 4, 4, stride=4), nn.TransformerEncoderLayer(4, 2, 8, batch_first=True))),
    "one dimension": ((2, 20), lambda: nn.Sequential(nn.Conv1d(2, 3, 3, 2), nn.MaxPool1d(2), nn.Conv1d(3, 1, 2))),
    "three dimensions": ((1, 7, 8, 9), lambda: nn.Sequential(nn.Conv3d(1, 2, 3), nn.AvgPool3d(2, 1), nn.ReLU())),
    "vector": ((9,), lambda: Through(lambda x, a: a(x[:, 2:6]), nn.Linear(4, 2))),
}  # fmt: skip


NOT_EQUAL = (
    "reflecting", "gap", "channels last", "nearest", "bilinear", "bilinear, corners", "bicubic",
    "bilinear, antialiased", "bicubic, antialiased", "split channels", "gate", "rolled", "shuffle", "group norm",
    "instance norm", "flat", "strip", "tokens", "convolution of tokens", "attention", "transformer", "vector",
)  # fmt: skip
"""From one position to the next is not equally far, or there are no maps."""

STRIDES: dict[str, tuple[float | None, ...]] = {
    **{name: (None,) * (1 if name == "vector" else 2) for name in NOT_EQUAL},
    **dict.fromkeys(("same", "depthwise", "dilated pooling", "branches", "one branch used", "gated halves",
                     "gated rows", "grouped after branches", "response norm", "softmax"), (1, 1)),
    **dict.fromkeys(("dilated", "ceiling", "pooling", "residual", "mirror", "channel norm", "slopes",
                     "pooling by its own size"), (2, 2)),
    **dict.fromkeys(("even kernel", "unshuffle", "patches", "tokens back in place", "adaptive maximum"), (3, 3)),
    **dict.fromkeys(("transposed", "transposed, then conv"), (0.5, 0.5)),
    "transposed by three": (1 / 3, 1 / 3),
    "not square": (2, 1),
    "adaptive": (None, 2),
    "adaptive, regular": (2, 4),
    "every other": (2, 3),
    "here and there": (None, 1),
    "norm of rows": (1, None),
    "sum of rows": (None, 1),
    "one dimension": (4,),
    "three dimensions": (1, 1, 1),
}  # fmt: skip
"""Input positions from one to the next, by hand."""


def test_the_cases_are_all_there() -> None:
    assert len(CASES) == 57
    assert set(STRIDES) == set(CASES)


@pytest.mark.parametrize("name", CASES)
def test_analysis_is_measurement(name: str) -> None:
    """At the first, middle and last position, of whatever a network is made."""
    torch.manual_seed(1)
    shape, make = CASES[name]
    model = shaken(make())
    found = receptive_field(model, shape)
    assert found.stride == STRIDES[name]
    corners = {tuple(0 for _ in found.positions), found.centre, tuple(n - 1 for n in found.positions)}
    for position in corners:
        measured = measured_receptive_field(model, shape, position=position, draws=12)
        assert found.box(position) == measured.box(), position


@pytest.mark.parametrize("seed", range(6))
def test_a_chains_size_and_stride_are_the_recursions(seed: int) -> None:
    """r ← r + (k − 1)·d·j, j ← j·s; and the box of every position is the interval clipped, where padding allows."""
    generator = torch.Generator().manual_seed(seed)

    def draw(low: int, high: int) -> int:
        return int(torch.randint(low, high + 1, (), generator=generator))

    layers: list[nn.Module] = []
    size, step, first, shape = 1, 1, 0, (1, 40, 40)
    for place in range(4):
        kernel, stride, dilation = draw(1, 4), draw(1, 2), draw(1, 2)
        padding = draw(0, kernel // 2)
        pooled = place == 2
        layers += [
            nn.MaxPool2d(kernel, stride, padding, dilation)
            if pooled
            else conv(1, 1, kernel, stride=stride, padding=padding, dilation=dilation),
            nn.BatchNorm2d(1),
        ]
        first -= step * padding
        size += (kernel - 1) * dilation * step
        step *= stride
    found = receptive_field(nn.Sequential(*layers), shape)
    assert found.size == (size, size)
    assert found.stride == (step, step)
    for place in range(found.positions[0]):
        begin = first + step * place
        if begin >= 0 and begin + size <= 40:
            assert found.box((place, found.centre[1]))[0] == (begin, begin + size - 1)  # type: ignore[index]


def test_published_sizes() -> None:
    """VGG-16 212, ResNet-18 435 (Araujo et al. 2019, table 1), at 32 × 32 pixels too, of which they see all."""
    vgg: list[nn.Module] = []
    for convolutions in (2, 2, 3, 3, 3):
        vgg += [conv(1, 1, 3, padding=1) for _ in range(convolutions)] + [nn.MaxPool2d(2)]
    found = receptive_field(nn.Sequential(*vgg), (1, 32, 32))
    assert (found.size, found.stride, found.box()) == ((212, 212), (32, 32), ((0, 31), (0, 31)))
    schema = Schema("image", "classification", (3, 64, 64), classes=("cat", "dog"))
    last = receptive_fields(built("resnet18", schema), (3, 64, 64)).maps
    assert last is not None
    assert (last.size, last.stride) == ((435, 435), (32, 32))


def test_a_mirror_image_has_the_same_sizes() -> None:
    chain = [conv(1, 1, 3, stride=2, padding=1), nn.MaxPool2d(3, 1, padding=1), conv(1, 1, 5, padding=2)]
    there = receptive_field(nn.Sequential(*chain), (1, 24, 24))
    back = receptive_field(Through(lambda x, net: net(x.flip(2, 3)), nn.Sequential(*chain)), (1, 24, 24))
    assert there.size == back.size == (15, 15)
    assert there.stride == back.stride == (2, 2)


@pytest.mark.parametrize("size", [9, 2])
def test_leaving_positions_out_makes_the_stride_longer(size: int) -> None:
    """Also where one position is left; a branch of another stride leaves none to tell."""
    found = receptive_field(Through(lambda x, a: a(x)[:, :, ::2, ::3], conv(1, 1, 1)), (1, size, size))
    assert found.stride == (2, 3)
    both = receptive_field(Through(lambda x: x[:, :, :4, :4] + x[:, :, 1::2, 4 : 5 + 3]), (1, 9, 9))
    assert both.stride == (None, 1)


@pytest.mark.parametrize(
    ("function", "stride"),
    [
        (lambda x: F.pixel_unshuffle(x, 4), (None, None)),
        (lambda x: x.reshape(1, 1, 1, 4, 1, 4).permute(0, 1, 3, 5, 2, 4).reshape(1, 16, 1, 1), (None, None)),
        (lambda x: F.max_pool2d(F.pixel_unshuffle(x, 2), 2), (4, 4)),
        (lambda x: F.avg_pool2d(x[:, :, [0, 2]], 2, (1, 2)), (2, 2)),
        (lambda x: F.pixel_shuffle(F.max_pool2d(x, 4).expand(1, 4, 1, 1), 2)[:, :, :1, 1:], (None, None)),
        (lambda x: F.avg_pool2d(x, 4).flatten(1)[..., None, None], (4, 4)),
        (lambda x: F.avg_pool2d(x, 2).mean(2, keepdim=True), (None, 2)),
        (lambda x: torch.cat([F.avg_pool2d(x, 4), x[:, :, :1, :1]], 1).mean((2, 3), keepdim=True), (None, None)),
    ],
)
def test_the_stride_of_one_position_that_is_left(
    function: Callable[[Tensor], Tensor], stride: tuple[float | None, ...]
) -> None:
    """It is what was known before, unless positions went elsewhere."""
    assert receptive_field(Through(function), (1, 4, 4)).stride == stride


def test_a_padding_that_alone_is_seen_is_nothing() -> None:
    found = receptive_field(conv(1, 1, 1, padding=2), (1, 4, 4))
    assert found.box((0, 0)) is None
    assert found.box((2, 5)) == ((0, 0), (3, 3))
    assert measured_receptive_field(conv(1, 1, 1, padding=2), (1, 4, 4), position=(0, 0)).box() is None


def test_layers_by_name_and_the_last_maps() -> None:
    network = nn.Sequential(conv(1, 2, 3), nn.ReLU(), conv(2, 2, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    found = receptive_fields(network, (1, 9, 9))
    assert [one.layer for one in found.layers] == ["0", "1", "2", "3", "4", ""]
    assert found.maps is not None
    assert found.maps.layer == "2"
    assert found["2"].box((0, 4)) == ((0, 4), (4, 8))
    assert found.outputs.stride == (None, None)
    assert found.outputs.box(()) == ((0, 8), (0, 8))
    assert measured_receptive_field(network, (1, 9, 9), "2", position=(0, 4)).box() == ((0, 4), (4, 8))


def viewed_before(x: Tensor, a: nn.Module, b: nn.Module) -> Tensor:
    y: Tensor = a(x)
    before = y.flatten(2)
    y += b(x)
    return before.view_as(x)


def viewed_after(x: Tensor, a: nn.Module, b: nn.Module) -> Tensor:
    y: Tensor = a(x)
    _, before = y.flatten(2), x.split(1, 1)[0]
    y += b(x)
    after: Tensor = y.flatten(2) + before.flatten(2)
    return after.view_as(x)


def left_behind(x: Tensor, a: nn.Module, b: nn.Module) -> Tensor:
    y: Tensor = a(x)
    first: Tensor = y.split(4, 3)[0]
    y += b(x)
    return first


def into_another(x: Tensor, a: nn.Module, b: nn.Module) -> Tensor:
    y: Tensor = a(x)
    torch.add(y, b(x), out=y)
    return y


def test_a_change_in_place_is_not_lost_on_views() -> None:
    """Views taken after it are right; those of before are refused, whether used or returned."""
    layers = conv(1, 1, 1), conv(1, 1, 5, padding=2)
    found = receptive_field(Through(viewed_after, *layers), (1, 8, 8))
    assert found.size == (5, 5)
    assert found.box() == measured_receptive_field(Through(viewed_after, *layers), (1, 8, 8)).box()
    for function, what in ((viewed_before, "a view of"), (left_behind, "a view of"), (into_another, "into out")):
        with pytest.raises(UnknownOperationError, match=what):
            receptive_field(Through(function, *layers), (1, 8, 8))


def test_the_network_is_as_before() -> None:
    network = nn.Sequential(conv(1, 2, 3), nn.BatchNorm2d(2), nn.Dropout(0.5)).train()
    network[1].eval()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    receptive_fields(network, (1, 6, 6))
    measured_receptive_field(network, (1, 6, 6), draws=1)
    assert network.training
    assert not network[1].training
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in network.modules())
    assert torch.backends.mha.get_fastpath_enabled()


def write(x: Tensor) -> Tensor:
    y = torch.zeros(1, 2, 4, 4)
    y[:, :1] = x
    return y


def change_part(x: Tensor) -> Tensor:
    y = x * 1
    y[:, :, 0] += x[:, :, 3]
    return y


@pytest.mark.parametrize(
    ("function", "operation"),
    [
        (lambda x: x * x.mean().item(), "_local_scalar_dense"),
        (lambda x: F.grid_sample(x, torch.zeros(1, 2, 2, 2), align_corners=False), "grid_sampler_2d"),
        (lambda x: torch.fft.fft(x).real, "_fft"),
        (lambda x: F.max_unpool2d(*F.max_pool2d(x, 2, return_indices=True), [2]), "max_unpool2d"),
        (lambda x: F.conv2d(x, x), "convolution"),
        (lambda x: x[:, :, (x[0, 0, :, 0] > 0).long()], "index"),
        (lambda x: torch.as_strided(x, (1, 1, 2, 2), (16, 16, 4, 1)), "as_strided"),
        (write, "copy_"),
        (lambda x: F.pad(x, (1, 1, 1, 1), mode="circular"), "copy_"),
        (lambda x: F.unfold(x, 2), "im2col"),
        (change_part, "add_"),
    ],
)
def test_what_is_not_known_is_refused_by_name(function: Callable[[Tensor], Tensor], operation: str) -> None:
    with pytest.raises(UnknownOperationError) as caught:
        receptive_field(Through(function), (1, 4, 4))
    assert operation in caught.value.found
    assert "measured_receptive_field" in caught.value.do


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda net: receptive_field(net, ()), InputError),
        (lambda net: receptive_field(net, (1, 0, 4)), InputError),
        (lambda net: receptive_field(net, (1, 8, 8), "3"), ConfigurationError),
        (lambda net: receptive_field(net, (1, 8, 8)).box((6, 0)), InputError),
        (lambda net: receptive_field(net, (1, 8, 8)).box((0,)), InputError),
        (lambda net: measured_receptive_field(net, (1, 8, 8), draws=0), ConfigurationError),
        (lambda net: measured_receptive_field(net, (1, 8, 8), "3"), ConfigurationError),
        (lambda net: measured_receptive_field(net, (1, 8, 8), position=(0, 9)), InputError),
        (lambda net: receptive_field(Through(lambda x: torch.ones(1, 2)), (1, 8, 8)), InputError),
    ],
)
@pytest.mark.usefixtures("as_a_user_calls")
def test_mistakes(call: Callable[[nn.Module], object], error: type[SightlineError]) -> None:
    with pytest.raises(error) as caught:
        call(nn.Sequential(conv(1, 2, 3), nn.ReLU()))
    assert all((caught.value.expected, caught.value.found, caught.value.do))


def test_a_unit_far_from_the_border_sees_as_much_as_its_size_says() -> None:
    shapes: Sequence[tuple[int, int]] = [(40, 40), (41, 39)]
    for height, width in shapes:
        network = nn.Sequential(conv(1, 1, 3, stride=2, padding=1), nn.MaxPool2d(2), conv(1, 1, 3, padding=1))
        found = receptive_field(network, (1, height, width))
        box = found.box()
        assert box is not None
        assert tuple(last - first + 1 for first, last in box) == found.size == (13, 13)
