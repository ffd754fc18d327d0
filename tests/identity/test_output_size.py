"""The sizes that the formulas give are those of torch's layers; what torch refuses, they refuse."""

from typing import Any

import pytest
import torch
import torch.nn.functional as F

from sightline.core.errors import ConfigurationError, InputError
from sightline.nn.output_size import convolution_size, per_axis, pooling_size, same_padding, transposed_size


@pytest.mark.parametrize(
    ("size", "kernel", "stride", "padding", "expected"),
    [(224, 7, 2, 3, 112), (227, 11, 4, 0, 55), (32, 5, 1, 0, 28), (7, 3, 2, 1, 4), (8, 3, 2, 1, 4), (1, 1, 5, 0, 1)],
)
def test_sizes_known_from_papers(size: int, kernel: int, stride: int, padding: int, expected: int) -> None:
    assert convolution_size(size, kernel, stride, padding) == expected


@pytest.mark.parametrize("dilation", [1, 2, 3])
@pytest.mark.parametrize("kernel", [1, 3, 5, 7])
def test_half_of_the_window_on_each_side_keeps_the_size(kernel: int, dilation: int) -> None:
    """Erratum 13: k − 1, as the notes have it, is the sum of both sides; on each side it makes the map grow."""
    kept = same_padding(kernel, dilation)
    assert convolution_size(20, kernel, padding=kept, dilation=dilation) == 20
    assert 2 * kept == dilation * (kernel - 1)
    x, weight = torch.zeros(1, 1, 20), torch.zeros(1, 1, kernel)
    assert F.conv1d(x, weight, padding=kept, dilation=dilation).shape[2] == 20
    assert F.conv1d(x, weight, padding=kernel - 1).shape[2] == 20 + kernel - 1


def test_an_even_window_cannot_be_padded_evenly() -> None:
    with pytest.raises(ConfigurationError, match="use a kernel of 3 or 5"):
        same_padding(4)
    assert same_padding(4, dilation=2) == 3  # d(k − 1) = 6 is even


def test_transposed_size_is_the_way_back() -> None:
    for size in range(3, 30):
        for kernel, stride, padding in [(3, 1, 0), (3, 2, 1), (5, 3, 2), (2, 2, 0)]:
            small = convolution_size(size, kernel, stride, padding)
            unseen = (size + 2 * padding - kernel) % stride
            assert transposed_size(small, kernel, stride, padding, output_padding=unseen) == size


def test_pooling_steps_by_its_kernel_unless_told() -> None:
    assert pooling_size(12, 3) == 4
    assert pooling_size(12, 3, 1) == 10
    assert pooling_size(112, 3, 2, ceil_mode=True) == 56


def test_a_window_larger_than_the_input_is_refused_with_the_sizes() -> None:
    with pytest.raises(InputError) as refused:
        convolution_size(4, 3, padding=1, dilation=4, layer="stage 3's convolution")
    assert "window of stage 3's convolution: 7 or more" in refused.value.expected
    assert refused.value.found == "size 4 with padding 1, 6 in all, for a kernel of 3 with dilation 4, which spans 9"
    with pytest.raises(InputError, match="size 1 with padding 0, 1 in all, for a kernel of 2"):
        pooling_size(1, 2)
    with pytest.raises(InputError, match="1 positions, of which padding 2 takes away 4"):
        transposed_size(1, 1, padding=2)
    with pytest.raises(InputError, match="size 0"):
        convolution_size(0, 1, padding=1)


@pytest.mark.parametrize("option", ["kernel", "stride", "dilation", "padding"])
def test_options_out_of_range_are_named(option: str) -> None:
    options: dict[str, Any] = {"kernel": 3, option: -1 if option == "padding" else 0}
    for function in (convolution_size, transposed_size, pooling_size):
        with pytest.raises(ConfigurationError, match=f"{option} = {options[option]}"):
            function(8, **options)
    with pytest.raises(ConfigurationError, match="output_padding = 2"):
        transposed_size(8, 3, stride=2, output_padding=2)
    with pytest.raises(ConfigurationError, match="at most 1, half of a kernel of 3"):
        pooling_size(8, 3, padding=2)


def test_an_option_for_each_axis() -> None:
    assert per_axis(3, 2, "stride") == (3, 3)
    assert per_axis((1, 2), 2, "stride") == (1, 2)
    with pytest.raises(ConfigurationError, match=r"stride = \(1, 2\)"):
        per_axis((1, 2), 1, "stride")
