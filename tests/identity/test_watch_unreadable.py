"""Loops over what has no plain numbers, or odd ones: under the watch they run to the last bit as they do without."""

import warnings
from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.optim import SGD

from sightline.diagnose import Watch

Loop = Callable[[], nn.Module]


def perceptron() -> nn.Sequential:
    return nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 3))


def batches() -> list[tuple[Tensor, Tensor]]:
    x = torch.randn(64, 8)
    return [(part, part[:, :3].argmax(1)) for part in x.split(16)]


def trained(net: nn.Module, pairs: list[tuple[Tensor, Tensor]], loss: Callable[[Tensor, Tensor], Tensor]) -> nn.Module:
    """After one update a pair."""
    sgd = SGD(net.parameters(), lr=0.05)
    for x, y in pairs:
        sgd.zero_grad()
        loss(net(x), y).backward()
        sgd.step()
    return net


class Product(nn.Module):
    """x W for matrices of any layout."""

    def __init__(self, *, sparse_output: bool = False) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(8, 3))
        self.sparse_output = sparse_output

    def forward(self, x: Tensor) -> Tensor:
        y = torch.tanh(x) @ self.weight
        return y.to_sparse() if self.sparse_output else y


def sparse_inputs() -> nn.Module:
    return trained(Product(), [(x.relu().to_sparse(), y) for x, y in batches()], F.cross_entropy)


def compressed_inputs() -> nn.Module:
    return trained(Product(), [(x.relu().to_sparse_csr(), y) for x, y in batches()], F.cross_entropy)


def sparse_answers() -> nn.Module:
    return trained(Product(sparse_output=True), batches(), lambda o, y: F.cross_entropy(o.to_dense(), y))


def complex_numbers() -> nn.Module:
    pairs = [(torch.randn(16, 8, dtype=torch.cfloat), torch.randn(16, 4, dtype=torch.cfloat)) for _ in range(4)]
    return trained(nn.Linear(8, 4, dtype=torch.cfloat), pairs, F.l1_loss)


def eight_bits() -> nn.Module:
    net, pairs = perceptron(), [(x.to(torch.float8_e4m3fn), y) for x, y in batches()]
    return trained(nn.Sequential(Wide(), net), pairs, F.cross_entropy)


class Wide(nn.Module):
    """To 32 bits."""

    def forward(self, x: Tensor) -> Tensor:
        return x.float()


def nested_inputs() -> nn.Module:
    net = perceptron()
    for x, _ in batches():
        for layout in (torch.strided, torch.jagged):
            torch.tanh(net(torch.nested.nested_tensor([x[:3], x[3:10]], layout=layout)))
    return trained(net, batches(), F.cross_entropy)


def no_numbers_yet() -> nn.Module:
    return trained(_called(nn.Sequential(nn.LazyLinear(16), nn.ReLU(), nn.LazyLinear(3))), batches(), F.cross_entropy)


def _called(net: nn.Module) -> nn.Module:
    net(torch.randn(2, 8))
    return net


def no_numbers_at_all() -> nn.Module:
    with torch.device("meta"):
        shape = nn.Sequential(nn.Linear(8, 4), nn.Tanh(), nn.ReLU(), nn.Linear(4, 3))
        F.cross_entropy(shape(torch.empty(16, 8)), torch.empty(16, dtype=torch.long))
    with FakeTensorMode(allow_non_fake_inputs=True):
        F.cross_entropy(perceptron()(torch.empty(16, 8)), torch.zeros(16, dtype=torch.long))
    return trained(perceptron(), batches(), F.cross_entropy)


def a_column_of_nothing() -> nn.Module:
    class Both(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net = perceptron()

        def forward(self, x: Tensor, extra: Tensor) -> Tensor:
            return self.net(torch.cat([x, extra], 1))  # type: ignore[no-any-return]

    both = Both()
    sgd = SGD(both.parameters(), lr=0.1)
    for x, y in batches():
        F.cross_entropy(both(x, torch.empty(len(x), 0)), y).backward()
        sgd.step()
    return both


def vectorised() -> nn.Module:
    net = perceptron()

    def loss(weights: dict[str, Tensor], x: Tensor, y: Tensor) -> Tensor:
        return F.cross_entropy(torch.func.functional_call(net, weights, (x[None],)), y[None])

    for x, y in batches():
        weights = {name: p.detach() for name, p in net.named_parameters()}
        torch.func.vmap(torch.func.grad(loss), (None, 0, 0))(weights, x, y)
        torch.func.jacrev(net)(x[0])
        trained(net, [(x, y)], F.cross_entropy)
    net.eval()
    with torch.no_grad():
        torch.func.vmap(lambda x, y: net(x).argmax() == y)(x, y)
    return net


def traced() -> nn.Module:
    net = perceptron()
    for x, y in batches():
        torch.jit.trace(net, x)(x)
        torch.fx.symbolic_trace(net)(x)
        trained(net, [(x, y)], F.cross_entropy)
    return net


def one_by_one() -> nn.Module:
    net = trained(perceptron(), [(x[0], y[0]) for x, y in batches()], F.cross_entropy)
    net.eval()
    with torch.no_grad():
        for x, y in batches():
            F.cross_entropy(net(x[0]), y[0])
    return net


def counted_into_given_memory() -> nn.Module:
    net = trained(perceptron(), batches(), F.cross_entropy)
    net.eval()
    with torch.no_grad():
        for x, y in batches():
            for kind in (torch.float32, torch.uint8, torch.long):
                torch.eq(net(x).argmax(1), y, out=torch.empty(len(x), dtype=kind))
            (net(x) > 0).to(torch.cfloat).eq(y[:, None].to(torch.cfloat))
    return net


LOOPS: tuple[Loop, ...] = (
    *(sparse_inputs, compressed_inputs, sparse_answers, complex_numbers, eight_bits, nested_inputs, no_numbers_yet),
    *(no_numbers_at_all, a_column_of_nothing, vectorised, traced, one_by_one, counted_into_given_memory),
)


def run(loop: Loop) -> tuple[dict[str, Tensor], Tensor]:
    """What it leaves."""
    torch.manual_seed(0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch's own, of nested tensors and of tracing
        return loop().state_dict(), torch.get_rng_state()


@pytest.mark.parametrize("loop", LOOPS, ids=lambda loop: loop.__name__)
def test_what_cannot_be_looked_at_is_let_through(loop: Loop) -> None:
    weights, random = run(loop)
    with Watch() as w:
        watched, after = run(loop)
    assert all(torch.equal(weights[name], watched[name]) for name in weights)
    assert torch.equal(random, after)
    assert "constant-input" not in [finding.cause for finding in w.findings()]


def test_lazy_parameters_are_met_once_they_are_made() -> None:
    net = nn.Sequential(nn.LazyLinear(16), nn.ReLU(), nn.LazyLinear(3))
    with Watch(net) as w:
        _called(net)
        trained(net, batches(), F.cross_entropy)
    assert [(p.name, p.in_optimizer) for p in w.record.parameters] == [
        (name, True) for name in ("0.weight", "0.bias", "2.weight", "2.bias")
    ]


def test_there_are_thirteen_loops() -> None:
    assert len(LOOPS) == 13
