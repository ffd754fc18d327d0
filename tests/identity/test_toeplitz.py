"""The convolution's matrix: conv(x) = T vec(x), and its transpose is the way back."""

from itertools import product
from typing import Any

import pytest
import torch
import torch.nn.functional as F

from sightline.core.errors import ConfigurationError, InputError
from sightline.nn.convolution import convolution_backward
from sightline.nn.toeplitz import dense_kernel, toeplitz_matrix
from sightline.nn.transposed_convolution import transposed_convolution

CASES: list[dict[str, Any]] = [
    {},
    {"stride": 2, "padding": 1},
    {"dilation": 2, "padding": 3},
    {"groups": 2, "stride": 3, "padding": 2, "dilation": 2},
]


@pytest.mark.parametrize(("axes", "options"), [*product((1, 2), CASES), (2, {"stride": (2, 1), "padding": (1, 0)})])
def test_the_matrix_is_the_convolution(axes: int, options: dict[str, Any]) -> None:
    torch.manual_seed(0)
    size, kernel = (((9,), (3,)), ((6, 7), (2, 3)))[axes - 1]
    x = torch.randn(3, 4, *size, dtype=torch.float64)
    weight = torch.randn(6, 4 // options.get("groups", 1), *kernel, dtype=torch.float64)
    expected = (F.conv1d if axes == 1 else F.conv2d)(x, weight, None, **options)
    matrix = toeplitz_matrix(weight, size, **options)
    assert matrix.shape == (expected[0].numel(), x[0].numel())
    torch.testing.assert_close(x.flatten(1) @ matrix.T, expected.flatten(1), rtol=1e-12, atol=1e-12)

    # the same matrix, column by column, from what the convolution makes of each unit vector
    units = torch.eye(x[0].numel(), dtype=torch.float64).unflatten(1, x.shape[1:])
    columns = (F.conv1d if axes == 1 else F.conv2d)(units, weight, None, **options).flatten(1)
    torch.testing.assert_close(matrix, columns.T, rtol=0, atol=0)

    gradient = torch.randn_like(expected)
    back = (gradient.flatten(1) @ matrix).view_as(x)
    dx, _, _ = convolution_backward(gradient, x, weight, **options)
    torch.testing.assert_close(dx, back, rtol=1e-12, atol=1e-12)
    unseen = tuple(
        n - m for n, m in zip(size, transposed_convolution(gradient, weight, **options).shape[2:], strict=True)
    )
    lifted = transposed_convolution(gradient, weight, **options, output_padding=unseen)
    torch.testing.assert_close(lifted, back, rtol=1e-12, atol=1e-12)


def test_it_is_constant_along_diagonals_and_by_blocks() -> None:
    torch.manual_seed(0)
    matrix = toeplitz_matrix(torch.randn(1, 1, 3), (8,), padding=1)
    assert torch.equal(matrix[1:, 1:], matrix[:-1, :-1])
    assert torch.equal(matrix != 0, (torch.arange(8)[:, None] - torch.arange(8)).abs() <= 1)
    blocks = toeplitz_matrix(torch.randn(1, 1, 3, 3), (5, 4), padding=1).view(5, 4, 5, 4).transpose(1, 2)
    assert torch.equal(blocks[1:, 1:], blocks[:-1, :-1])
    assert torch.equal(blocks[..., 1:, 1:], blocks[..., :-1, :-1])


def test_groups_do_not_see_each_other() -> None:
    dense = dense_kernel(torch.arange(1.0, 9.0).view(4, 2, 1), groups=2)[..., 0]
    assert dense.tolist() == [[1, 2, 0, 0], [3, 4, 0, 0], [0, 0, 5, 6], [0, 0, 7, 8]]


@pytest.mark.usefixtures("as_a_user_calls")
def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(InputError, match="an input size of 2 axes"):
        toeplitz_matrix(torch.zeros(1, 1, 3, 3), (8,))
    with pytest.raises(InputError, match="window of the convolution: 3 or more"):
        toeplitz_matrix(torch.zeros(1, 1, 3), (2,))
    for groups in (0, -1, 2):  # of 3 output channels
        with pytest.raises(ConfigurationError, match=f"divides the 3 output channels\\n.*groups = {groups}"):
            toeplitz_matrix(torch.zeros(3, 1, 3), (8,), groups=groups)
