"""ConvNeXt and ViT: published sizes, what is built for which image, first weights, formats, bad input."""

from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sightline.core.errors import ConfigurationError, DataError, InputError
from sightline.core.schema import Schema
from sightline.models.convnext import ConvNeXt, convnext, convnext_base, convnext_large, convnext_small, convnext_tiny
from sightline.models.vit import ViT, vit, vit_base_patch16, vit_large_patch16, vit_small_patch16, vit_tiny_patch16
from sightline.nn.attention import Attention
from sightline.nn.convnext_block import ConvNeXtBlock, ScaledLinear
from sightline.nn.patch_embedding import PatchEmbedding, interpolate_positions
from sightline.nn.stochastic_depth import StochasticDepth
from sightline.nn.transformer_block import TransformerBlock


def images(*shape: int, task: Any = "classification") -> Schema:
    return Schema("image", task, shape, classes=("a", "b", "c") if task == "classification" else ())


def small_convnext(**changes: Any) -> ConvNeXt:
    return ConvNeXt(
        **{"in_channels": 3, "num_outputs": 4, "depths": [1, 2], "widths": [8, 12], "patch_size": 2, **changes}
    )


def small_vit(**changes: Any) -> ViT:
    small = {
        "in_channels": 3,
        "num_outputs": 4,
        "image_size": 8,
        "patch_size": 4,
        "depth": 2,
        "width": 8,
        "num_heads": 2,
    }
    return ViT(**{**small, **changes})


both = pytest.mark.parametrize("build", [small_convnext, small_vit])


@pytest.mark.parametrize(
    ("build", "parameters"),
    [
        (convnext_tiny, 28_589_128),
        (convnext_small, 50_223_688),
        (convnext_base, 88_591_464),
        (convnext_large, 197_767_336),
        (vit_tiny_patch16, 5_717_416),
        (vit_small_patch16, 22_050_664),
        (vit_base_patch16, 86_567_656),
        (vit_large_patch16, 304_326_632),
    ],
)
def test_published_numbers_of_parameters(build: Any, parameters: int) -> None:
    with torch.device("meta"):
        model = build()
    assert sum(p.numel() for p in model.parameters()) == parameters
    assert model.head.out_features == 1000


@both
def test_layers_start_narrow_and_without_bias(build: Any) -> None:
    torch.manual_seed(0)
    wide = build(widths=[64, 64], layer_scale=1e-6) if build is small_convnext else build(width=64)
    layers = [m for m in wide.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    assert len(layers) == (12 if build is small_convnext else 10)
    for layer in layers:
        assert layer.bias is not None
        assert not layer.bias.any()
        count = layer.weight.numel()
        assert layer.weight.std().item() == pytest.approx(0.02, rel=5 / (2 * count) ** 0.5)
        assert abs(layer.weight.mean().item()) < 5 * 0.02 / count**0.5
    for name in ("class_token", "positions") if build is small_vit else ():
        parameter = wide.get_parameter(f"stages.embedding.{name}")
        assert parameter.std().item() == pytest.approx(0.02, rel=5 / (2 * parameter.numel()) ** 0.5)
    assert all((m.scale == 1e-6).all() for m in wide.modules() if isinstance(m, ScaledLinear))


@both
def test_features_are_gathered_from_the_stages(build: Any) -> None:
    model = build().eval()
    x = torch.randn(3, 3, 8, 8)
    for stage in model.stages:
        x = stage(x)
        features = model.gather(x)
        assert features.dim() == 2
        assert len(features) == 3
    assert features.shape == (3, model.head.in_features)


@both
def test_every_parameter_gets_a_gradient_and_the_seed_decides(build: Any) -> None:
    torch.manual_seed(1)
    model = build(drop_path=0.1)
    x = torch.randn(16, 3, 8, 8)
    F.cross_entropy(model(x), torch.arange(16) % 4).backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert torch.isfinite(parameter.grad).all(), name
        assert parameter.grad.any(), name
    torch.manual_seed(1)
    again = build()
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), again.parameters(), strict=True))


@both
def test_formats(build: Any, tmp_path: Path) -> None:
    model = build(layer_scale=0.5).eval() if build is small_convnext else build().eval()
    x = torch.randn(3, 3, 8, 8)
    expected = model(x)
    assert model(x[:0]).shape == (0, 4)
    last = x.contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(model(last), expected, rtol=1e-5, atol=1e-5)
    model.save_pretrained(tmp_path)
    assert torch.equal(type(model).from_pretrained(tmp_path)(x), expected)
    model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    torch.testing.assert_close(model(last), expected, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(model.double()(x.double()).float(), expected, rtol=1e-5, atol=1e-5)
    half = model.to(torch.bfloat16)(x.to(torch.bfloat16))
    assert half.dtype == torch.bfloat16
    torch.testing.assert_close(half.float(), expected, rtol=0.1, atol=0.05)


@both
@pytest.mark.usefixtures("as_a_user_calls")
def test_can_be_traced(build: Any) -> None:
    model = build().eval()
    x = torch.randn(3, 3, 8, 8)
    assert torch.equal(torch.fx.symbolic_trace(model)(x), model(x))


@pytest.mark.slow
@both
@pytest.mark.usefixtures("as_a_user_calls")
def test_can_be_exported(build: Any) -> None:
    model = build().eval()
    x = torch.randn(5, 3, 8, 8)
    batch = torch.export.Dim("batch", min=1, max=64)
    program = torch.export.export(model, (x,), dynamic_shapes=({0: batch},)).module()
    for size in (1, 3):
        torch.testing.assert_close(program(x[:size]), model(x[:size]))


def test_convnext_keeps_its_maps_in_channels_last_whatever_comes_in() -> None:
    model = small_convnext()
    x = torch.randn(2, 3, 8, 8)
    for stage in list(model.stages)[:-1]:
        x = stage(x)
        assert x.is_contiguous(memory_format=torch.channels_last)


def test_the_convnext_block_equals_its_formula() -> None:
    """Written out with convolutions, at every step in the channels' own place."""
    torch.manual_seed(0)
    block = ConvNeXtBlock(num_channels=6, layer_scale=1.0).double()
    with torch.no_grad():
        for parameter in block.parameters():
            parameter.copy_(torch.randn_like(parameter) * 0.5)
    x = torch.randn(2, 6, 5, 9, dtype=torch.float64)
    padded = torch.zeros(2, 6, 11, 15, dtype=torch.float64)
    padded[:, :, 3:-3, 3:-3] = x
    y = block.depthwise.bias.view(1, 6, 1, 1).expand_as(x).clone()  # type: ignore[union-attr]
    for row in range(7):
        for column in range(7):
            kernel = block.depthwise.weight[:, 0, row, column].view(1, 6, 1, 1)
            y += kernel * padded[:, :, row : row + 5, column : column + 9]
    y = (y - y.mean(1, keepdim=True)) / (y.var(1, correction=0, keepdim=True) + 1e-6).sqrt()
    y = y * block.norm.weight.view(1, 6, 1, 1) + block.norm.bias.view(1, 6, 1, 1)
    y = torch.einsum("bchw,oc->bohw", y, block.expand.weight) + block.expand.bias.view(1, 24, 1, 1)
    y = y * 0.5 * (1 + torch.erf(y / 2**0.5))
    y = torch.einsum("bchw,oc->bohw", y, block.contract.weight) + block.contract.bias.view(1, 6, 1, 1)
    torch.testing.assert_close(block(x), x + block.contract.scale.view(1, 6, 1, 1) * y, rtol=1e-12, atol=1e-12)


def test_attention_equals_a_loop_over_heads_and_queries() -> None:
    torch.manual_seed(0)
    attention = Attention(width=6, num_heads=3).double()
    tokens = torch.randn(2, 4, 6, dtype=torch.float64)
    packed = attention.query_key_value(tokens)
    query, key, value = packed[..., :6], packed[..., 6:12], packed[..., 12:]
    gathered = torch.zeros_like(tokens)
    for example in range(2):
        for head in range(3):
            own = slice(2 * head, 2 * head + 2)
            for token in range(4):
                scores = torch.stack([query[example, token, own] @ key[example, t, own] for t in range(4)]) / 2**0.5
                share = scores.exp() / scores.exp().sum()
                gathered[example, token, own] = sum(share[t] * value[example, t, own] for t in range(4))
    torch.testing.assert_close(attention(tokens), attention.output(gathered), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(
    "build",
    [
        lambda: ScaledLinear(3, 2, scale=0.5),
        lambda: ConvNeXtBlock(num_channels=2, layer_scale=1.0),
        lambda: Attention(width=4, num_heads=2),
        lambda: TransformerBlock(width=4, num_heads=2, mlp_width=6),
        lambda: PatchEmbedding(in_channels=1, image_size=(2, 4), patch_size=2, width=3),
    ],
)
def test_gradcheck(build: Any) -> None:
    torch.manual_seed(0)
    layer = build().double()
    shapes = {ScaledLinear: (2, 3), ConvNeXtBlock: (1, 2, 3, 3), PatchEmbedding: (2, 1, 2, 4)}
    x = torch.randn(shapes.get(type(layer), (2, 3, 4)), dtype=torch.float64, requires_grad=True)
    parameters = tuple(layer.parameters())

    def call(x: Tensor, *values: Tensor) -> Tensor:
        named = dict(zip([name for name, _ in layer.named_parameters()], values, strict=True))
        outputs: Tensor = torch.func.functional_call(layer, named, (x,))
        return outputs

    assert torch.autograd.gradcheck(call, (x, *parameters))


@pytest.mark.parametrize("automatic", [True, False])
def test_attention_trains_in_bfloat16_as_it_evaluates(automatic: bool) -> None:
    torch.manual_seed(0)
    attention = Attention(width=8, num_heads=2)
    tokens = torch.randn(3, 5, 8)
    expected = attention(tokens)
    if not automatic:
        attention, tokens = attention.to(torch.bfloat16), tokens.to(torch.bfloat16)
    with torch.autocast("cpu", torch.bfloat16, enabled=automatic):
        found = attention(tokens)
        evaluated = attention.eval()(tokens)
    assert found.dtype == evaluated.dtype == torch.bfloat16
    torch.testing.assert_close(found, evaluated, rtol=0.02, atol=0.02)
    torch.testing.assert_close(found.float(), expected, rtol=0.05, atol=0.02)
    found.sum().backward()
    assert attention.query_key_value.weight.grad is not None
    dropping = Attention(width=8, num_heads=2, dropout=0.5).to(torch.bfloat16)
    half = tokens.to(torch.bfloat16)
    assert not torch.equal(dropping(half), dropping(half))


@pytest.mark.parametrize("units", [True, False])
def test_attention_leaves_bfloat16_only_where_there_are_no_units_for_it(
    units: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.manual_seed(0)
    seen: list[torch.dtype] = []
    kernel = F.scaled_dot_product_attention

    def spy(query: Tensor, *rest: Any, **options: Any) -> Tensor:
        seen.append(query.dtype)
        return kernel(query, *rest, **options)

    monkeypatch.setattr("sightline.nn.attention._MATRIX_UNITS", units)
    monkeypatch.setattr(F, "scaled_dot_product_attention", spy)
    for dtype in (torch.bfloat16, torch.float32):
        attention = Attention(width=8, num_heads=2).to(dtype)
        tokens = torch.randn(3, 5, 8, dtype=dtype)
        attention(tokens)
        attention.eval()(tokens)
    assert seen == [torch.bfloat16 if units else torch.float32, torch.bfloat16, torch.float32, torch.float32]


@pytest.mark.parametrize("automatic", [True, False])
def test_a_layer_scale_does_not_vanish_in_float16(automatic: bool) -> None:
    """1e-6 · 0.02 is nought in float16; 1e-6 · (xWᵀ + b) is not. The format is kept, and so is the gradient."""
    torch.manual_seed(0)
    layer, x = ScaledLinear(64, 8, scale=1e-6), 100 * torch.randn(5, 64)
    nn.init.normal_(layer.weight, std=0.02)
    with torch.no_grad():
        expected = layer(x)
        assert expected.abs().max() > 1e-5
    if not automatic:
        layer, x = layer.to(torch.float16), x.to(torch.float16)
    with torch.autocast("cpu", torch.float16, enabled=automatic):
        found = layer(x)
    assert found.dtype == torch.float16
    torch.testing.assert_close(found.float(), expected, rtol=0.05, atol=1e-6)
    found.sum().backward()
    assert all(p.grad is not None and p.grad.any() for p in layer.parameters())


def test_a_layer_scale_is_folded_into_the_weights_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """In float32 and bfloat16 the maps are passed over once: one product, of scaled weights."""
    seen: list[Tensor] = []
    plain = F.linear

    def spy(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        seen.append(weight)
        return plain(x, weight, bias)

    layer = ScaledLinear(4, 3, scale=0.5)
    monkeypatch.setattr(F, "linear", spy)
    layer(torch.ones(2, 4))
    with torch.autocast("cpu", torch.bfloat16):
        layer(torch.ones(2, 4))
    assert len(seen) == 2
    assert all(torch.equal(weight, 0.5 * layer.weight) for weight in seen)


def test_patches_are_read_row_by_row_after_the_class_token() -> None:
    embed = PatchEmbedding(in_channels=1, image_size=(4, 6), patch_size=2, width=1)
    with torch.no_grad():
        embed.patches.weight.fill_(0.25)
        embed.patches.bias.zero_()  # type: ignore[union-attr]
        embed.class_token.fill_(9)
        embed.positions.zero_()
    numbers = torch.arange(6.0).view(2, 3).repeat_interleave(2, 0).repeat_interleave(2, 1).view(1, 1, 4, 6)
    assert embed(numbers).flatten().tolist() == pytest.approx([9, 0, 1, 2, 3, 4, 5])


def cubic(distance: float) -> float:
    """Keys' kernel with a = −0.75: what a neighbour at this distance counts."""
    d = abs(distance)
    if d <= 1:
        return 1.25 * d**3 - 2.25 * d**2 + 1
    return -0.75 * (d**3 - 5 * d**2 + 8 * d - 4) if d < 2 else 0.0


def test_positions_between_are_bicubic_along_their_own_axes() -> None:
    grid = torch.rand(4, 6, 2)
    positions = torch.cat((torch.full((1, 1, 2), 7.0), grid.view(1, 24, 2)), 1)
    assert torch.equal(interpolate_positions(positions, (4, 6), (4, 6)), positions)
    found = interpolate_positions(positions, (4, 6), (8, 12))[0]
    assert found.shape == (1 + 96, 2)
    assert found[0].tolist() == [7, 7]
    row, column = 3, 5  # of the new grid; (3 + ½)/2 − ½ = 1.25 and 2.25 of the old one
    expected = sum(cubic(1.25 - r) * cubic(2.25 - c) * grid[r, c] for r in range(4) for c in range(6))
    torch.testing.assert_close(found[1 + row * 12 + column], expected)
    with pytest.raises(InputError, match="1 \\+ 5 × 6 positions"):
        interpolate_positions(positions, (5, 6), (8, 12))


def test_the_tokens_of_a_block_take_both_branches() -> None:
    torch.manual_seed(0)
    block = TransformerBlock(width=4, num_heads=2, mlp_width=6).double()
    tokens = torch.randn(2, 3, 4, dtype=torch.float64)
    middle = tokens + block.attention(block.attention_norm(tokens))
    expected = middle + F.linear(
        F.gelu(F.linear(block.mlp_norm(middle), block.expand.weight, block.expand.bias)),
        block.contract.weight,
        block.contract.bias,
    )
    torch.testing.assert_close(block(tokens), expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("kind", ["dropout", "attention_dropout", "drop_probability"])
def test_each_way_of_dropping_acts_in_training_only(kind: str) -> None:
    torch.manual_seed(0)
    dropping: Any = {kind: 0.5}
    block = TransformerBlock(width=4, num_heads=2, mlp_width=6, **dropping)
    tokens = torch.randn(1, 5, 4).expand(8, -1, -1)
    assert (block(tokens) - block(tokens)).abs().max() > 0.01
    block.eval()
    assert torch.equal(block(tokens), block(tokens))


def test_what_is_dropped() -> None:
    """Both branches; every linear layer's outputs but the queries', keys' and values'; the embedding."""
    block = TransformerBlock(width=4, num_heads=2, mlp_width=6)
    seen: list[tuple[str, int]] = []
    block.dropout.register_forward_pre_hook(lambda _, given: seen.append(("dropout", given[0].shape[-1])))
    block.hidden_dropout.register_forward_pre_hook(lambda _, given: seen.append(("hidden", given[0].shape[-1])))
    block.drop.register_forward_pre_hook(lambda _, given: seen.append(("drop", given[0].shape[-1])))
    block(torch.randn(1, 3, 4))
    assert seen == [("dropout", 4), ("drop", 4), ("hidden", 6), ("dropout", 4), ("drop", 4)]
    assert block.hidden_dropout.p == block.dropout.p
    embed = PatchEmbedding(in_channels=1, image_size=(4, 4), patch_size=2, width=8, dropout=0.5)
    x = torch.randn(1, 1, 4, 4)
    assert not embed(x).all()
    assert torch.equal(embed.eval()(x), embed(x))


@both
def test_stochastic_depth_rises_from_nought_to_the_last(build: Any) -> None:
    model = build(depths=[2, 3], drop_path=0.4) if build is small_convnext else build(depth=5, drop_path=0.4)
    found = [layer.drop_probability for layer in model.modules() if isinstance(layer, StochasticDepth)]
    assert found == pytest.approx([0, 0.1, 0.2, 0.3, 0.4])
    one = build(depths=[1], widths=[4], drop_path=0.4) if build is small_convnext else build(depth=1, drop_path=0.4)
    assert [m.drop_probability for m in one.modules() if isinstance(m, StochasticDepth)] == [0]


@pytest.mark.parametrize(
    ("shape", "options", "patch", "widths"),
    [
        ((3, 224, 224), {"size": "tiny"}, 4, [96, 192, 384, 768]),
        ((3, 112, 200), {}, 4, [40, 80, 160, 320]),
        ((3, 32, 32), {"width": 4}, 2, [4, 8, 16, 32]),
        ((1, 28, 28), {"width": 4}, 2, [4, 8, 16, 32]),
        ((1, 27, 40), {"width": 4}, 1, [4, 8, 16, 32]),
        ((1, 8, 8), {"width": 4}, 1, [4, 8, 16, 32]),
        ((3, 9, 7), {"width": 4}, 1, [4, 8, 16]),
        ((3, 9, 7), {"width": 4, "patch": 7}, 7, [4]),
        ((1, 1, 5), {"width": 4}, 1, [4]),
    ],
)
def test_convnext_for_images_of_any_size(shape: tuple[int, ...], options: Any, patch: int, widths: list[int]) -> None:
    with torch.device("meta"):
        model = convnext(images(*shape), drop_path=0.25, **options)
        assert isinstance(model, ConvNeXt)
        assert model(torch.zeros(2, *shape)).shape == (2, 3)
    stem = model.stages.get_submodule("stem.conv")
    assert isinstance(stem, nn.Conv2d)
    assert stem.stride == stem.kernel_size == (patch, patch)
    found = [
        m.depthwise.out_channels
        for stage in model.stages
        for m in list(stage.children())[-1:]
        if isinstance(m, ConvNeXtBlock)
    ]
    assert found == widths
    drops = [m.drop_probability for m in model.modules() if isinstance(m, StochasticDepth)]
    assert max(drops) == drops[-1] == 0.25


@pytest.mark.parametrize(
    ("shape", "options", "patch", "blocks", "heads"),
    [
        ((3, 224, 224), {}, 16, 12, 3),
        ((3, 32, 32), {"depth": 2, "width": 8, "heads": 4}, 4, 2, 4),
        ((1, 28, 28), {"size": "small", "depth": 1}, 4, 1, 6),
        ((3, 9, 6), {"patch": 3, "depth": 1}, 3, 1, 3),
    ],
)
def test_vit_for_images_its_patches_cover(
    shape: tuple[int, ...], options: Any, patch: int, blocks: int, heads: int
) -> None:
    with torch.device("meta"):
        model = vit(images(*shape, task="regression"), dropout=0.5, drop_path=0.25, **options)
        assert isinstance(model, ViT)
        assert model(torch.zeros(2, *shape)).shape == (2, 1)
    embedding = model.stages.get_submodule("embedding")
    assert isinstance(embedding, PatchEmbedding)
    assert embedding.patch_size == patch
    assert embedding.dropout.p == 0.5
    found = [m for m in model.stages if isinstance(m, TransformerBlock)]
    assert len(found) == blocks
    assert {m.attention.num_heads for m in found} == {heads}
    assert {m.dropout.p for m in found} == {0.5}
    assert found[-1].drop.drop_probability == (0.25 if blocks > 1 else 0)


def test_another_image_size_leaves_the_network_as_it_was() -> None:
    model = small_vit(image_size=(8, 12)).double().train()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    other = model.for_image_size(16)
    assert other.training
    assert other(torch.zeros(1, 3, 16, 16, dtype=torch.float64)).dtype == torch.float64
    assert model.stages.get_submodule("embedding").positions.shape == (1, 7, 8)
    assert other.stages.get_submodule("embedding").positions.shape == (1, 17, 8)
    with torch.no_grad():
        other.get_parameter("head.weight").zero_()
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())
    back = other.for_image_size((8, 12))
    assert back.stages.get_submodule("embedding").grid == (2, 3)


def test_another_image_size_keeps_what_is_frozen_and_draws_nothing() -> None:
    model = small_vit(dropout=0.5)
    model.stages.requires_grad_(requires_grad=False)
    model.stages.get_submodule("norm").requires_grad_()
    model.stages.get_submodule("block1").eval()
    model.head.to(torch.float64)
    state = torch.get_rng_state()
    other = model.for_image_size((8, 16))
    assert torch.equal(torch.get_rng_state(), state)
    before = dict(model.named_parameters())
    for name, parameter in other.named_parameters():
        assert (parameter.requires_grad, parameter.dtype) == (before[name].requires_grad, before[name].dtype)
        assert parameter.data_ptr() != before[name].data_ptr()
        if name != "stages.embedding.positions":
            assert torch.equal(parameter, before[name])
    assert {name: part.training for name, part in other.named_modules()} == {
        name: part.training for name, part in model.named_modules()
    }


@pytest.mark.usefixtures("as_a_user_calls")
@pytest.mark.parametrize(
    ("build", "shape", "words"),
    [
        (small_vit, (2, 3, 9, 8), "images of 3 × 8 × 8"),  # a convolution would leave the ninth row out
        (small_vit, (2, 3, 4, 16), "images of 3 × 8 × 8"),  # as many patches
        (small_vit, (2, 1, 8, 8), "images of 3 × 8 × 8"),
        (small_vit, (3, 8, 8), "images of 3 × 8 × 8"),
        (small_convnext, (2, 1, 8, 8), "stages.stem.conv"),
        (small_convnext, (2, 3, 1, 8), "stages.stem.conv"),
        (small_convnext, (2, 3, 2, 2), "stages.stage2.conv"),
        (small_convnext, (3, 8, 8), "stages.stem"),
    ],
)
def test_images_that_do_not_fit(build: Any, shape: tuple[int, ...], words: str) -> None:
    with pytest.raises(InputError, match=words):
        build()(torch.zeros(shape))


@pytest.mark.parametrize(
    ("build", "changes", "words"),
    [
        (small_convnext, {"depths": [1]}, "as many stages"),
        (small_convnext, {"depths": [], "widths": []}, "as many stages"),
        (small_convnext, {"depths": [1, 0]}, "at least 1"),
        (small_convnext, {"widths": [8, -1]}, "at least 1"),
        (small_convnext, {"patch_size": 0}, "at least 1"),
        (small_convnext, {"layer_scale": 0.0}, "other than 0"),
        (small_convnext, {"drop_path": 1.0}, r"\[0, 1\)"),
        (small_convnext, {"depths": [1], "widths": [4], "drop_path": -0.1}, r"\[0, 1\)"),
        (small_vit, {"image_size": 9}, "among 1, 3, 9"),
        (small_vit, {"image_size": (8, 10)}, "among 1, 2,"),
        (small_vit, {"image_size": (8, 8, 8)}, "height and width"),
        (small_vit, {"image_size": 0}, "cover the image"),
        (small_vit, {"patch_size": 0}, "cover the image"),
        (small_vit, {"num_heads": 3}, "among 1, 2, 4, 8"),
        (small_vit, {"num_heads": 0}, "heads divides"),
        (small_vit, {"depth": 0}, "at least 1 block"),
        (small_vit, {"dropout": 1.5}, r"\[0, 1\)"),
        (small_vit, {"attention_dropout": 1.0}, r"\[0, 1\)"),
        (small_vit, {"depth": 1, "drop_path": 2.0}, r"\[0, 1\)"),
    ],
)
def test_options_that_make_no_network(build: Any, changes: Any, words: str) -> None:
    with pytest.raises(ConfigurationError, match=words):
        build(**changes)


@pytest.mark.parametrize("dropout", [1.0, 1.5, -0.1])
def test_a_block_that_would_drop_everything_is_refused(dropout: float) -> None:
    for kind in ("dropout", "attention_dropout", "drop_probability"):
        dropping: Any = {kind: dropout}
        with pytest.raises(ConfigurationError, match=rf"{kind.removeprefix('attention_')} in \[0, 1\)"):
            TransformerBlock(width=4, num_heads=2, mlp_width=6, **dropping)


@pytest.mark.parametrize("builder", [convnext, vit])
def test_tables_and_patches_that_do_not_fit_are_refused(builder: Any) -> None:
    with pytest.raises(DataError, match="'mlp'"):
        builder(Schema("table", "regression", (5,)))
    with pytest.raises(ConfigurationError, match=r"larger than the image|cover the image"):
        builder(images(3, 9, 7), patch=8)
    with pytest.raises(ConfigurationError, match="patch"):
        builder(images(3, 8, 8), patch=0)
    with pytest.raises(ConfigurationError, match="size"):
        builder(images(3, 8, 8), size="huge")
