"""Gradient descent and its stochastic form against autograd and ``torch.optim.SGD``, to 1e-12 over 200 steps.

The map: lr = η on the loss ‖Xw − y‖², weight_decay = 2λ; a batch's loss is multiplied by n/b.
"""

import pytest
import torch

from matrices import draw, relative
from sightline.linear import svd_coordinates
from sightline.linear.descent_rates import stability_limit
from sightline.linear.gradient_descent import gradient_descent, gradient_descent_iterates
from sightline.linear.stochastic_gradient import stochastic_gradient_iterates


@pytest.mark.parametrize("part", [0.3, 1.0, 1.05])
@pytest.mark.parametrize("ridge", [0.0, 0.4])
@pytest.mark.parametrize(("n", "d", "outputs"), [(10, 4, 0), (4, 7, 2)])
def test_it_is_torch_sgd_on_the_same_loss(n: int, d: int, outputs: int, ridge: float, part: float) -> None:
    drawn = draw(n, d, rank=min(n, d), condition=20, seed=3, outputs=outputs)
    start = torch.randn(d, *drawn.y.shape[1:], dtype=torch.float64, generator=torch.Generator().manual_seed(5))
    problem = svd_coordinates(drawn.X, drawn.y)
    rate = part * stability_limit(problem.sigma, ridge)
    w = start.clone().requires_grad_()
    optimizer = torch.optim.SGD([w], lr=rate, weight_decay=2 * ridge)
    theirs = [start]
    for _ in range(200):
        optimizer.zero_grad()
        (drawn.X @ w - drawn.y).square().sum().backward()
        optimizer.step()
        theirs.append(w.detach().clone())
    ours = gradient_descent_iterates(drawn.X, drawn.y, rate, 200, start, ridge)
    closed = gradient_descent(problem, rate, range(201), start, ridge)
    for step, expected in enumerate(theirs):
        assert relative(ours[step], expected) < 1e-12
        assert relative(closed[step], expected) < 1e-12


def test_a_stochastic_run_is_torch_sgd_on_the_same_rows() -> None:
    drawn = draw(12, 3, rank=3, condition=5, seed=1)
    rate, batch, steps = 0.05, 4, 200
    ours = stochastic_gradient_iterates(
        drawn.X, drawn.y, rate, batch, steps, generator=torch.Generator().manual_seed(7)
    )[:, 0]
    generator = torch.Generator().manual_seed(7)
    w = torch.zeros(3, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.SGD([w], lr=rate)
    for step in range(steps):
        rows = torch.randint(12, (1, batch), generator=generator)[0]
        optimizer.zero_grad()
        ((12 / batch) * (drawn.X[rows] @ w - drawn.y[rows]).square().sum()).backward()
        optimizer.step()
        assert relative(ours[step + 1], w.detach()) < 1e-12
