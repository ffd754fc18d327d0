"""Positions: a shift is a rotation, rotary scores tell distances alone, relative buckets, what is refused."""

import cmath
import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from sightline.core.errors import ConfigurationError, InputError
from sightline.nn.attention import Attention
from sightline.nn.positions import (
    ConcatenatedPositions,
    LearnableFrequencies,
    LearnedPositions,
    SinusoidalPositions,
    frequencies,
    sinusoidal_positions,
    sinusoids,
)
from sightline.nn.relative_bias import RelativeBias, relative_buckets
from sightline.nn.rotary import RotaryPositions

EXACT: dict[str, Any] = {"rtol": 1e-12, "atol": 1e-12}


def test_sinusoids_are_the_papers() -> None:
    found = sinusoidal_positions(40, 6)
    assert found.dtype == torch.float32
    for t in range(40):
        for i in range(3):
            angle = t / 10_000 ** (2 * i / 6)
            assert found[t, 2 * i].item() == pytest.approx(math.sin(angle), abs=1e-7)
            assert found[t, 2 * i + 1].item() == pytest.approx(math.cos(angle), abs=1e-7)
    other = sinusoidal_positions(5, 4, base=100.0)
    assert other[3, 2].item() == pytest.approx(math.sin(0.3), abs=1e-7)


@pytest.mark.parametrize("shift", [1, 7, -3, 500])
def test_a_shift_of_position_is_a_rotation_wherever_it_starts(shift: int) -> None:
    omega = frequencies(8, dtype=torch.float64)
    start = torch.tensor([0, 1, 2, 17, 300])
    before, after = (sinusoids(t, omega).unflatten(-1, (4, 2)) for t in (start, start + shift))
    for i in range(4):
        turn = float(omega[i]) * shift
        rotation = torch.tensor(
            [[math.cos(turn), math.sin(turn)], [-math.sin(turn), math.cos(turn)]], dtype=torch.float64
        )
        torch.testing.assert_close(before[:, i] @ rotation.T, after[:, i], **EXACT)


def added(width: int) -> list[nn.Module]:
    return [SinusoidalPositions(width=width), LearnableFrequencies(width=width)]


def test_added_and_concatenated_sinusoids() -> None:
    torch.manual_seed(0)
    tokens = torch.randn(2, 3, 4, dtype=torch.float64)
    positions = torch.tensor([[0, 0, 1], [5, 6, 7]])
    expected = sinusoids(positions, frequencies(4, dtype=torch.float64))
    for layer in added(4):
        # the learnable frequencies start in float32
        torch.testing.assert_close(layer(tokens, positions), tokens + expected, rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(SinusoidalPositions(width=4)(tokens, positions), tokens + expected, **EXACT)
    beside = ConcatenatedPositions(position_width=4)(tokens, positions)
    assert torch.equal(beside[..., :4], tokens)
    torch.testing.assert_close(beside[..., 4:], expected, **EXACT)
    faster = [math.sin(2), math.cos(2), math.sin(0.2), math.cos(0.2)]
    for layer, width in (
        (ConcatenatedPositions(position_width=4, base=100.0), 1),
        (SinusoidalPositions(width=4, base=100.0), 4),
        (LearnableFrequencies(width=4, base=100.0), 4),
    ):
        found = layer(torch.zeros(1, 1, width), torch.tensor([[2]])).flatten()[-4:]
        assert found.tolist() == pytest.approx(faster, abs=1e-6)


@pytest.mark.parametrize(
    "layer",
    [*added(4), ConcatenatedPositions(position_width=4), LearnedPositions(num_positions=9, width=4)],
    ids=lambda layer: type(layer).__name__,
)
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
def test_one_row_of_positions_serves_the_batch_and_the_format_is_kept(layer: nn.Module, dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    layer = layer.to(dtype)
    tokens = torch.randn(3, 2, 4, dtype=dtype)
    found = layer(tokens, torch.tensor([[4, 8]]))
    assert found.dtype == dtype
    assert torch.equal(found, layer(tokens, torch.tensor([[4, 8]]).expand(3, 2)))
    assert len(layer(tokens[:0], torch.tensor([[4, 8]]))) == 0
    layer.float()


def test_angles_are_not_rounded_to_sixteen_bits() -> None:
    """Position 257 is 256 in bfloat16, and ω = 0.01 has an error of 0.2 per cent: half a turn at position 1500."""
    tokens = torch.zeros(1, 1, 4, dtype=torch.bfloat16)
    for t in (257, 1501):
        expected = sinusoidal_positions(t + 1, 4)[t].bfloat16()
        for layer in (SinusoidalPositions(width=4), LearnableFrequencies(width=4)):
            torch.testing.assert_close(layer(tokens, torch.tensor([[t]]))[0, 0], expected, rtol=0, atol=0.01)
        rounded = LearnableFrequencies(width=4).bfloat16()  # ω is, the angle is not
        torch.testing.assert_close(rounded(tokens, torch.tensor([[t]]))[0, 0, :2], expected[:2], rtol=0, atol=0.01)
        heads = torch.tensor([1.0, 1, 0, 0], dtype=torch.bfloat16).expand(1, 1, 1, 4)
        turned = RotaryPositions(head_width=4).at(torch.tensor([[t]]))(heads)[0, 0, 0]
        torch.testing.assert_close(turned, expected[[1, 3, 0, 2]], rtol=0, atol=0.01)


def test_frequencies_learn() -> None:
    torch.manual_seed(0)
    layer = LearnableFrequencies(width=4).double()
    tokens, positions = torch.zeros(1, 3, 4, dtype=torch.float64), torch.tensor([[0, 3, 11]])
    weights = torch.randn(1, 3, 4, dtype=torch.float64)
    (layer(tokens, positions) * weights).sum().backward()
    expected = torch.zeros(2, dtype=torch.float64)
    for n, t in enumerate((0, 3, 11)):
        for i in range(2):
            angle = layer.frequencies[i].detach() * t
            expected[i] += t * (weights[0, n, 2 * i] * angle.cos() - weights[0, n, 2 * i + 1] * angle.sin())
    assert layer.frequencies.grad is not None
    torch.testing.assert_close(layer.frequencies.grad, expected, **EXACT)


def test_learned_positions_are_rows_of_a_table() -> None:
    torch.manual_seed(0)
    layer = LearnedPositions(num_positions=500, width=40)
    # the deviation of N normal numbers has a standard error of σ/√(2N)
    assert layer.weight.std().item() == pytest.approx(0.02, rel=5 / math.sqrt(2 * 20_000))
    tokens = torch.randn(2, 3, 40)
    positions = torch.tensor([[0, 0, 1], [499, 3, 3]])
    found = layer(tokens, positions)
    for b in range(2):
        for n in range(3):
            assert torch.equal(found[b, n], tokens[b, n] + layer.weight[positions[b, n]])


@pytest.mark.parametrize("where", [[[0, 1, 2, 3, 0]], [[0, 4]], [[-1, 0]]])
def test_more_tokens_than_learned_positions_are_refused(where: list[list[int]]) -> None:
    layer = LearnedPositions(num_positions=4, width=2)
    with pytest.raises(InputError, match="at most 4 tokens"):
        layer(torch.zeros(1, len(where[0]), 2), torch.tensor(where))


@pytest.mark.parametrize(
    ("build", "words"),
    [
        (lambda: sinusoidal_positions(3, 5), "even width"),
        (lambda: frequencies(0), "even width"),
        (lambda: frequencies(4, base=1.0), "base above 1"),
        (lambda: SinusoidalPositions(width=3), "even width"),
        (lambda: SinusoidalPositions(width=4, base=0.5), "base above 1"),
        (lambda: ConcatenatedPositions(position_width=1), "even width"),
        (lambda: LearnableFrequencies(width=7), "even width"),
        (lambda: LearnedPositions(num_positions=0, width=4), "at least 1 position"),
        (lambda: LearnedPositions(num_positions=4, width=0), "at least 1 position"),
        (lambda: RotaryPositions(head_width=3), "even width"),
        (lambda: RotaryPositions(head_width=4, base=math.nan), "base above 1"),
        (lambda: RelativeBias(num_heads=0), "at least 1 head"),
        (lambda: RelativeBias(num_heads=2, num_buckets=5), "at least 2 buckets"),
        (lambda: RelativeBias(num_heads=2, num_buckets=2), "at least 2 buckets"),
        (lambda: RelativeBias(num_heads=2, max_distance=8), "beyond the 8"),
        (lambda: RelativeBias(num_heads=2, max_distance=16, bidirectional=False), "beyond the 16"),
    ],
)
def test_positions_that_cannot_be(build: Callable[[], Any], words: str) -> None:
    with pytest.raises(ConfigurationError, match=words):
        build()


# Rotary


def heads(*shape: int) -> Tensor:
    torch.manual_seed(0)
    return torch.randn(shape, dtype=torch.float64)


def test_rotary_is_a_product_of_complex_numbers() -> None:
    """Coordinates i and i + d/2 as one complex number, times e^{jωt}."""
    x = heads(2, 3, 4, 6)
    positions = torch.tensor([[0, 0, 1, 2], [5, 6, 7, 8]])
    found = RotaryPositions(head_width=6, base=500.0).at(positions)(x)
    for b in range(2):
        for n in range(4):
            for i in range(3):
                turn = cmath.exp(1j * 500 ** (-2 * i / 6) * float(positions[b, n]))
                turned = torch.complex(x[b, :, n, i], x[b, :, n, i + 3]) * turn
                torch.testing.assert_close(found[b, :, n, i], turned.real, **EXACT)
                torch.testing.assert_close(found[b, :, n, i + 3], turned.imag, **EXACT)


def test_the_papers_pairs_are_ours_in_another_order() -> None:
    """The paper turns neighbours (2i, 2i + 1) by a block-diagonal matrix; scores are the same."""
    d, t = 6, 11
    query, key = heads(2, 1, 1, 1, d)
    order = [0, 2, 4, 1, 3, 5]
    matrix = torch.zeros(d, d, dtype=torch.float64)
    for i in range(d // 2):
        angle = t * 10_000 ** (-2 * i / d)
        c, s = math.cos(angle), math.sin(angle)
        matrix[2 * i : 2 * i + 2, 2 * i : 2 * i + 2] = torch.tensor([[c, -s], [s, c]], dtype=torch.float64)
    rotate = RotaryPositions(head_width=d).at(torch.tensor([[t]]))
    ours = rotate(query[..., order])
    torch.testing.assert_close(ours, (query @ matrix.T)[..., order], **EXACT)
    torch.testing.assert_close((ours * key[..., order]).sum(), (query @ matrix.T * key).sum(), **EXACT)


def scores(query: Tensor, key: Tensor, at: Callable[[int], Callable[[Tensor], Tensor]], t: int, s: int) -> Tensor:
    """Of every query at position t and every key at position s."""
    return at(t)(query) @ at(s)(key).transpose(-1, -2)


def test_rotary_scores_depend_on_the_distance_alone_and_added_sinusoids_do_not() -> None:
    """Sums of sinusoids that are added to queries and keys are no rotary encoding, though some notes call them so."""
    query, key = heads(2, 1, 2, 3, 8)
    rotary = RotaryPositions(head_width=8)

    def turned(t: int) -> Callable[[Tensor], Tensor]:
        return rotary.at(torch.full((1, 3), t))

    def summed(t: int) -> Callable[[Tensor], Tensor]:
        return lambda x: x + sinusoids(torch.tensor(t), frequencies(8, dtype=torch.float64))

    for t, s in ((3, 5), (9, 2), (4, 4)):
        near, far = (scores(query, key, turned, t + shift, s + shift) for shift in (0, 300))
        torch.testing.assert_close(near, far, rtol=1e-10, atol=1e-10)
        added_near, added_far = (scores(query, key, summed, t + shift, s + shift) for shift in (0, 300))
        assert (added_near - added_far).abs().max() > 0.5
    assert (scores(query, key, turned, 3, 5) - scores(query, key, turned, 3, 6)).abs().max() > 0.1
    torch.testing.assert_close(turned(77)(query).norm(dim=-1), query.norm(dim=-1), **EXACT)
    assert (summed(77)(query).norm(dim=-1) - query.norm(dim=-1)).abs().max() > 0.1
    assert torch.equal(turned(0)(query), query)


def test_attention_with_rotary_positions_does_not_see_where_a_text_starts() -> None:
    torch.manual_seed(0)
    layer = Attention(width=8, num_heads=2).double()
    tokens = torch.randn(2, 5, 8, dtype=torch.float64)
    rotary = RotaryPositions(head_width=4)
    here, there = (layer(tokens, causal=True, rotate=rotary.at(torch.arange(5)[None] + t)) for t in (0, 40))
    torch.testing.assert_close(here, there, rtol=1e-10, atol=1e-10)
    assert (here - layer(tokens, causal=True)).abs().max() > 0.01


# Relative bias


def slow_bucket(distance: int, num_buckets: int, max_distance: int, bidirectional: bool) -> int:
    """By counting the borders that a distance has reached: border k is near·(max_distance/near)^(k/far)."""
    first = 0
    if bidirectional:
        num_buckets //= 2
        first = num_buckets if distance > 0 else 0
        distance = abs(distance)
    else:
        distance = max(-distance, 0)
    near = num_buckets // 2
    if distance < near:
        return first + distance
    far = num_buckets - near
    borders: list[float] = [near * (max_distance / near) ** (k / far) for k in range(1, far)]
    return first + near + sum(distance >= border * (1 - 1e-9) for border in borders)


@pytest.mark.parametrize("bidirectional", [True, False])
@pytest.mark.parametrize(("num_buckets", "max_distance"), [(32, 100), (8, 20), (10, 50), (4, 7)])
def test_buckets_by_counting_borders(num_buckets: int, max_distance: int, bidirectional: bool) -> None:
    distance = torch.arange(-150, 151)
    found = relative_buckets(distance, num_buckets=num_buckets, max_distance=max_distance, bidirectional=bidirectional)
    expected = [slow_bucket(int(d), num_buckets, max_distance, bidirectional) for d in distance]
    assert found.tolist() == expected
    assert set(expected) == set(range(num_buckets)) - ({num_buckets // 2} if bidirectional else set())


@pytest.mark.parametrize("bidirectional", [True, False])
def test_the_bias_of_new_tokens_is_the_last_rows_of_that_of_all(bidirectional: bool) -> None:
    torch.manual_seed(0)
    layer = RelativeBias(num_heads=3, num_buckets=8, max_distance=20, bidirectional=bidirectional)
    assert not layer.weight.any()
    nn.init.normal_(layer.weight)
    whole = layer(30, 30)
    assert whole.shape == (1, 3, 30, 30)
    for i in range(30):
        for j in range(30):
            assert torch.equal(whole[0, :, i, j], layer.weight[slow_bucket(j - i, 8, 20, bidirectional)])
    for offset, new in ((29, 1), (10, 4), (0, 30)):
        assert torch.equal(layer(new, offset + new, offset), whole[:, :, offset : offset + new, : offset + new])
    assert torch.equal(layer(4, 6), whole[:, :, :4, :6])
    with pytest.raises(InputError, match="offset"):
        layer(1, 1, -1)


def test_every_bucket_that_is_used_gets_its_gradient() -> None:
    layer = RelativeBias(num_heads=2, num_buckets=4, max_distance=4, bidirectional=False).double()
    layer(5, 5).sum().backward()
    assert layer.weight.grad is not None
    counts = [sum(slow_bucket(j - i, 4, 4, False) == b for i in range(5) for j in range(5)) for b in range(4)]
    assert layer.weight.grad.tolist() == [[c, c] for c in counts]
