"""Networks as differential equations: blocks are Euler steps, solvers converge at their order, adjoint = steps."""

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from sightline.core.errors import ConfigurationError, InputError
from sightline.models.ode_net import ConvolutionField, ODENet
from sightline.models.resnet import ResNet
from sightline.nn.adjoint import integrate_adjoint
from sightline.nn.convnext_block import ConvNeXtBlock
from sightline.nn.ode import BlockField, ODEBlock
from sightline.nn.ode_solver import EVALUATIONS, Method, integrate
from sightline.nn.pre_activation import PreActivationBlock, PreActivationBottleneck
from sightline.nn.residual import BasicBlock
from sightline.nn.transformer_block import TransformerBlock

ORDER: dict[Method, int] = {"euler": 1, "midpoint": 2, "rk4": 4}
methods = pytest.mark.parametrize("method", list(ORDER))


class Field(nn.Module):
    """Two layers of tanh, and the time: smooth, not linear, not autonomous."""

    def __init__(self, width: int = 3, hidden: int = 5) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.first, self.second = nn.Linear(width + 1, hidden), nn.Linear(hidden, width)
        self.calls: list[float] = []
        self.double()

    def forward(self, h: Tensor, t: float) -> Tensor:
        self.calls.append(t)
        change: Tensor = self.second(torch.tanh(self.first(torch.cat([h, torch.full_like(h[..., :1], t)], -1))))
        return change + math.sin(3 * t) * h


def state(batch: int = 4, width: int = 3) -> Tensor:
    return torch.randn(batch, width, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


def slope(errors: dict[int, float]) -> float:
    """The power at which errors fall with the number of steps: minus the fitted slope of log error on log n."""
    x = torch.tensor([math.log(n) for n in errors], dtype=torch.float64)
    y = torch.tensor([math.log(e) for e in errors.values()], dtype=torch.float64)
    x, y = x - x.mean(), y - y.mean()
    return -((x * y).sum() / x.square().sum()).item()


def test_residual_blocks_that_share_their_weights_are_euler_steps() -> None:
    field, x, n = Field(), state(), 7
    h = x
    for k in range(n):  # a residual block each
        h = h + (1 / n) * field(h, k / n)
    assert torch.equal(ODEBlock(field, steps=n, method="euler")(x), h)
    block = PreActivationBlock(num_inputs=4, num_outputs=4).double().eval()
    maps = torch.randn(2, 4, 5, 5, dtype=torch.float64)
    expected = block(block(block(maps)))
    assert torch.equal(ODEBlock(BlockField([block]), time=3, steps=3)(maps), expected)


def test_a_stage_of_a_residual_network_is_eulers_method_on_the_field_of_its_blocks() -> None:
    torch.manual_seed(0)
    net = ResNet(in_channels=1, num_outputs=2, depths=(4,), widths=(4,), block="pre-activation").double().eval()
    further = list(net.stages.get_submodule("stage1").children())[1:]  # the first activates its skip
    x = torch.randn(2, 4, 5, 5, dtype=torch.float64)
    expected = nn.Sequential(*further)(x)
    field = BlockField(further)
    assert torch.equal(ODEBlock(field, time=3, steps=3)(x), expected)
    assert (ODEBlock(field, time=3, steps=6)(x) - expected).abs().max() > 1e-3  # half steps are another network
    order: list[int] = []
    for index, block in enumerate(further):
        block.get_submodule("conv1").register_forward_hook(lambda *_, i=index: order.append(i))
    ODEBlock(field, time=3, steps=9)(x)
    assert order == [0, 0, 0, 1, 1, 1, 2, 2, 2]
    order.clear()
    ODEBlock(field, time=3, steps=3, method="rk4")(x)
    assert order == [0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 2]  # at t = T the last block


@methods
def test_a_linear_field_converges_to_the_matrix_exponential_at_the_methods_order(method: Method) -> None:
    A = torch.tensor([[0.1, 1.0, 0.0], [-1.0, 0.2, 0.3], [0.5, 0.0, -0.7]], dtype=torch.float64)
    x = state()
    exact = x @ torch.linalg.matrix_exp(2 * A).T
    errors = {
        n: (integrate(lambda h, _: h @ A.T, x, time=2, steps=n, method=method) - exact).norm().item()
        for n in (16, 32, 64, 128)
    }
    assert slope(errors) == pytest.approx(ORDER[method], abs=0.1)
    assert errors[128] < {"euler": 0.2, "midpoint": 2e-3, "rk4": 1e-7}[method]


@methods
def test_a_field_of_the_time_alone_is_its_quadrature(method: Method) -> None:
    """∫ cos from 0 to 2 by the left end, the middle, and Simpson's rule: exact to the last digit, sum by hand."""
    n, length = 5, 2 / 5
    found = integrate(
        lambda h, t: torch.full_like(h, math.cos(t)), torch.zeros(1).double(), time=2, steps=n, method=method
    )
    left, middle, right = ([math.cos((k + part) * length) for k in range(n)] for part in (0, 0.5, 1))
    rule = {
        "euler": sum(left),
        "midpoint": sum(middle),
        "rk4": sum((a + 4 * b + c) / 6 for a, b, c in zip(left, middle, right, strict=True)),
    }
    assert found.item() == pytest.approx(length * rule[method], abs=1e-14)


@methods
def test_a_field_that_is_neither_linear_nor_autonomous_converges_to_a_fine_solution(method: Method) -> None:
    field, x = Field(), state()
    with torch.no_grad():
        exact = integrate(field, x, steps=300, method="rk4")
        errors = {n: (integrate(field, x, steps=n, method=method) - exact).norm().item() for n in (16, 32, 64)}
    assert slope(errors) == pytest.approx(ORDER[method], abs=0.2)


@methods
def test_a_step_asks_the_field_as_often_as_stated_and_at_times_inside(method: Method) -> None:
    field = Field()
    integrate(field, state(), time=2.0, steps=3, method=method)
    assert len(field.calls) == 3 * EVALUATIONS[method]
    assert 0 <= min(field.calls) <= max(field.calls) <= 2


def test_going_back_undoes_going_forth() -> None:
    field, x = Field(), state()
    there = integrate(lambda h, _: field(h, 0.3), x, time=1, steps=20, method="rk4")
    back = integrate(lambda h, _: field(h, 0.3), there, time=-1, steps=20, method="rk4")
    assert (there - x).abs().max() > 0.1
    torch.testing.assert_close(back, x, rtol=0, atol=1e-6)


@methods
def test_gradients_through_the_steps(method: Method) -> None:
    field, x = Field(2, 2), state(1, 2).requires_grad_()
    weights = list(field.parameters())

    def solve(h: Tensor, *_: Tensor) -> Tensor:
        return integrate(field, h, time=0.8, steps=3, method=method)

    assert torch.autograd.gradcheck(solve, (x, *weights))
    assert torch.autograd.gradgradcheck(lambda h: solve(h), (x,))


def gradients(gradient: Any, steps: int, method: Method, field: Field, x: Tensor) -> list[Tensor]:
    x = x.clone().requires_grad_()
    block = ODEBlock(field, time=1.2, steps=steps, method=method, gradient=gradient)
    wanted = [x, *field.parameters()]
    return list(torch.autograd.grad((block(x) * torch.arange(1.0, 4)).sum(), wanted))


@methods
def test_the_adjoint_agrees_with_the_steps_to_the_methods_order(method: Method) -> None:
    field, x = Field(), state()
    exact = gradients("steps", 120, "rk4", field, x)
    apart, wrong = {}, {}
    for n in (16, 32, 64):
        steps, adjoint = gradients("steps", n, method, field, x), gradients("adjoint", n, method, field, x)
        apart[n] = max((a - b).norm().item() for a, b in zip(adjoint, steps, strict=True))
        wrong[n] = max((a - b).norm().item() for a, b in zip(adjoint, exact, strict=True))
    assert apart[16] > 1e-9  # two different approximations
    assert slope(apart) > ORDER[method] - 0.2
    assert slope(wrong) > ORDER[method] - 0.2
    assert wrong[64] < {"euler": 0.2, "midpoint": 2e-3, "rk4": 1e-6}[method] * max(g.norm().item() for g in exact)


def test_the_adjoint_by_finite_differences() -> None:
    field, x = Field(2, 2), state(1, 2).requires_grad_()
    weights = list(field.parameters())

    def solve(h: Tensor, *_: Tensor) -> Tensor:
        return integrate_adjoint(field, h, parameters=weights, time=0.8, steps=16, method="rk4")

    assert torch.autograd.gradcheck(solve, (x, *weights), atol=1e-5)
    with pytest.raises(ConfigurationError, match="set gradient to steps"):
        torch.autograd.grad(solve(x).sum(), x, create_graph=True)


def kept(solve: Callable[[], Tensor]) -> int:
    """Numbers that autograd keeps for the gradient."""
    count = 0

    def pack(tensor: Tensor) -> Tensor:
        nonlocal count
        count += tensor.numel()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        solve()
    return count


def test_the_adjoint_keeps_the_same_however_many_steps() -> None:
    field, x = Field(), state().requires_grad_()
    few, many = (kept(lambda n=n: ODEBlock(field, steps=n, gradient="adjoint")(x)) for n in (2, 20))  # type: ignore[misc]
    assert few == many == x.numel() + sum(p.numel() for p in field.parameters())
    few, many = (kept(lambda n=n: ODEBlock(field, steps=n)(x)) for n in (2, 20))  # type: ignore[misc]
    assert many > 5 * few


def test_the_adjoint_takes_fields_that_depend_on_little() -> None:
    x = state().requires_grad_()
    constant = integrate_adjoint(lambda h, t: torch.full_like(h, t, requires_grad=False), x, parameters=[], steps=3)
    torch.testing.assert_close(torch.autograd.grad(constant.sum(), x)[0], torch.ones_like(x))
    frozen = Field()
    frozen.first.requires_grad_(requires_grad=False)
    ODEBlock(frozen, steps=4, gradient="adjoint")(x).sum().backward()
    assert frozen.first.weight.grad is None
    assert frozen.second.weight.grad is not None
    used, further, unused = (nn.Linear(3, 3).double() for _ in range(3))  # the last block's time never comes
    blocks = BlockField([used, further, unused])
    integrate_adjoint(blocks, x, parameters=blocks.parameters(), steps=2).sum().backward()
    assert used.weight.grad is not None
    assert unused.weight.grad is not None
    assert used.weight.grad.any()
    assert not unused.weight.grad.any()


def test_the_adjoint_under_autocast_computes_as_the_forward_pass_did() -> None:
    torch.manual_seed(0)
    net = ConvolutionField(8)
    x = torch.randn(4, 8, 6, 6)
    found, formats = [], set()
    net.conv1.register_forward_hook(lambda _, __, maps: formats.add(maps.dtype))
    for gradient in ("steps", "adjoint"):
        block = ODEBlock(net, steps=16, method="rk4", gradient=gradient)
        net.zero_grad()
        with torch.autocast("cpu", dtype=torch.bfloat16):
            end = block(x)
        assert end.dtype == torch.float32
        end.square().sum().backward()
        found.append(torch.cat([p.grad.flatten() for p in net.parameters() if p.grad is not None]))
    assert formats == {torch.bfloat16}  # in the backward pass too, where the field is asked again
    steps, adjoint = found
    assert ((steps - adjoint).norm() / steps.norm()).item() < 0.05


def test_the_network_has_the_same_weights_however_many_steps_and_tends_to_a_limit() -> None:
    torch.manual_seed(0)
    x = torch.randn(2, 3, 8, 8, dtype=torch.float64)
    fine = ODENet(in_channels=3, num_outputs=4, widths=(4, 8), steps=64, method="rk4").double().eval()
    with torch.no_grad():
        expected, errors = fine(x), {}
        for n in (16, 32, 64):
            coarse = ODENet(in_channels=3, num_outputs=4, widths=(4, 8), steps=n, method="euler").double().eval()
            coarse.load_state_dict(fine.state_dict())
            errors[n] = (coarse(x) - expected).norm().item()
    assert slope(errors) == pytest.approx(1, abs=0.2)


def test_the_fields_own_time_matters() -> None:
    field = ConvolutionField(4).eval()
    h = torch.randn(1, 4, 3, 3)
    assert not torch.allclose(field(h, 0.0), field(h, 1.0))


@pytest.mark.usefixtures("as_a_user_calls")
def test_what_can_not_be_solved_is_refused() -> None:
    x = state()
    for options in ({"steps": 0}, {"method": "euler2"}):
        with pytest.raises(ConfigurationError, match=str(next(iter(options.values())))):
            integrate(Field(), x, **options)
        with pytest.raises(ConfigurationError):
            integrate_adjoint(Field(), x, parameters=[], **options)
        with pytest.raises(ConfigurationError):
            ODEBlock(Field(), **options)
    with pytest.raises(ConfigurationError, match="adjoints"):
        ODEBlock(Field(), gradient="adjoints")  # type: ignore[arg-type]
    with pytest.raises(ConfigurationError, match="at least one block"):
        BlockField([])
    with pytest.raises(ConfigurationError, match="set gradient to steps"):  # its jumps come a block too late
        ODEBlock(BlockField([nn.Linear(3, 3)]), gradient="adjoint")
    for time in (math.nan, math.inf, -math.inf, 0, -1.0):
        with pytest.raises(ConfigurationError, match="time"):
            ODEBlock(Field(), time=time)
    for steps in (2.5, 2.0, "2"):
        with pytest.raises(ConfigurationError, match="whole number"):
            ODEBlock(Field(), steps=steps)  # type: ignore[arg-type]
        with pytest.raises(ConfigurationError, match="whole number"):
            integrate_adjoint(Field(), x, parameters=[], steps=steps)  # type: ignore[arg-type]
        with pytest.raises(ConfigurationError, match="whole number"):
            ODENet(in_channels=1, num_outputs=2, steps=steps)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="4 × 1"):  # would broadcast
        integrate(lambda h, _: h[:, :1], x)
    with pytest.raises(InputError, match="4 × 1"):
        integrate_adjoint(lambda h, _: h[:, :1], x, parameters=[])
    for widths in ((), (4, 0)):
        with pytest.raises(ConfigurationError, match="widths"):
            ODENet(in_channels=1, num_outputs=2, widths=widths)


@pytest.mark.parametrize(
    ("block", "words"),
    [
        (BasicBlock(num_inputs=4, num_outputs=4), "relu after the sum"),
        (PreActivationBlock(num_inputs=4, num_outputs=4, activate_skip=True), "activated"),
        (PreActivationBlock(num_inputs=4, num_outputs=4, shortcut="none"), "without h"),
        (PreActivationBlock(num_inputs=4, num_outputs=4, stride=2), "changes the shape"),
        (PreActivationBottleneck(num_inputs=4, num_outputs=8, shortcut="projection"), "changes the shape"),
        (ConvNeXtBlock(num_channels=4, layer_scale=1.0), "adds h itself"),
        (TransformerBlock(width=4, num_heads=2, mlp_width=6), "adds h itself"),
    ],
)
def test_blocks_that_are_no_euler_step_are_refused(block: nn.Module, words: str) -> None:
    with pytest.raises(ConfigurationError, match=f"block 1.*{words}"):
        BlockField([PreActivationBlock(num_inputs=4, num_outputs=4), block])


def test_the_adjoint_under_a_function_transform_is_told() -> None:
    field, x = Field(), state()
    block = ODEBlock(field, steps=2, gradient="adjoint")
    for transform in (torch.func.grad(lambda h: block(h).sum()), torch.func.vmap(block)):
        with pytest.raises(ConfigurationError, match="set gradient to steps"):
            transform(x)
    steps = ODEBlock(field, steps=2)
    found = torch.func.grad(lambda h: steps(h).sum())(x)
    wanted = x.clone().requires_grad_()
    torch.testing.assert_close(found, torch.autograd.grad(steps(wanted).sum(), wanted)[0])
