"""The affine layer's backward pass by hand against autograd."""

import pytest
import torch

from sightline.core.errors import InputError
from sightline.nn.affine import affine, affine_backward


@pytest.mark.parametrize("batch", [(), (5,), (2, 3), (0,)])
def test_by_hand_is_as_by_autograd(batch: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    x, weight, bias = (torch.randn(*shape, dtype=torch.float64) for shape in ((*batch, 4), (3, 4), (3,)))
    gradient = torch.randn(*batch, 3, dtype=torch.float64)
    saved = [t.requires_grad_() for t in (x, weight, bias)]
    y = affine(x, weight, bias)
    torch.testing.assert_close(y, torch.einsum("...j,ij->...i", x, weight) + bias, rtol=1e-12, atol=1e-12)
    expected = torch.autograd.grad(y, saved, gradient)
    found = affine_backward(gradient, x, weight)
    for by_hand, by_autograd in zip(found, expected, strict=True):
        torch.testing.assert_close(by_hand, by_autograd, rtol=1e-12, atol=1e-12)


@pytest.mark.usefixtures("as_a_user_calls")
def test_one_bias_for_all_outputs_is_refused() -> None:
    with pytest.raises(InputError, match="one value for each output, a vector of 3"):
        affine(torch.zeros(2, 4), torch.zeros(3, 4), torch.zeros(1))
