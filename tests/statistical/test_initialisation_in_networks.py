"""Initialisation of whole networks, and the size of a signal in them.

Seeds are fixed. A mean square over n independent normal weights has relative standard error √(2/n).
"""

from collections.abc import Callable
from math import log2, sqrt

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sightline.core.errors import ConfigurationError, InputError
from sightline.nn.connection_table import TableConvolution
from sightline.nn.initialisation import Scheme, fans, initialise
from sightline.nn.sub_sampling import SubSampling
from sightline.understand.signal import signal


def chance(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def weights_of(layer: nn.Module) -> Tensor:
    assert isinstance(layer.weight, Tensor)
    return layer.weight.detach()


VARIANCES: list[tuple[Scheme, Callable[[float, float], float]]] = [
    ("he", lambda fan_in, fan_out: 2 / fan_in),
    ("lecun", lambda fan_in, fan_out: 1 / fan_in),
    ("glorot", lambda fan_in, fan_out: 2 / (fan_in + fan_out)),
]


def layers() -> list[tuple[nn.Module, float, float]]:
    """Layers with fan_in and fan_out counted by hand."""
    return [
        (nn.Linear(300, 200), 300, 200),
        (nn.Conv2d(20, 40, (3, 5)), 15 * 20, 15 * 40),
        (nn.Conv2d(24, 48, 5, groups=4), 25 * 6, 25 * 12),
        (nn.ConvTranspose2d(24, 48, 4, stride=2, groups=2), 16 * 12 / 4, 16 * 24),
        (nn.Conv1d(64, 32, 9), 9 * 64, 9 * 32),
    ]


@pytest.mark.parametrize(("scheme", "variance"), VARIANCES)
@pytest.mark.parametrize("distribution", ["normal", "uniform"])
def test_the_variances_of_the_schemes(
    scheme: Scheme, variance: Callable[[float, float], float], distribution: str
) -> None:
    """Some 10,000 weights each or more: within 4.5 standard errors; erratum 27: Glorot's is not 1/fan_in."""
    for layer, fan_in, fan_out in layers():
        initialise(layer, scheme, distribution=distribution, generator=chance(0))  # type: ignore[arg-type]
        weight = weights_of(layer)
        expected = variance(fan_in, fan_out)
        error = sqrt((2 if distribution == "normal" else 0.8) / weight.numel())
        assert abs(float(weight.square().mean()) / expected - 1) < 4.5 * error
        assert abs(float(weight.mean())) < 4.5 * sqrt(expected / weight.numel())
        if distribution == "uniform":
            assert 0.99 * sqrt(3 * expected) < float(weight.abs().max()) <= sqrt(3 * expected) * (1 + 1e-6)
        if scheme == "glorot":
            assert abs(expected * fan_in - 1) > 4.5 * error
        assert not layer.bias.any()  # type: ignore[operator]


def test_normal_draws_are_torchs() -> None:
    ours, theirs = nn.Conv2d(6, 8, 3), nn.Conv2d(6, 8, 3)
    pairs: list[tuple[Scheme, Callable[..., Tensor]]] = [
        ("he", lambda w: nn.init.kaiming_normal_(w, nonlinearity="relu")),
        ("glorot", nn.init.xavier_normal_),
    ]
    for scheme, reference in pairs:
        torch.manual_seed(1)
        initialise(ours, scheme)
        torch.manual_seed(1)
        reference(theirs.weight)
        torch.testing.assert_close(ours.weight, theirs.weight, rtol=1e-6, atol=0)


def test_orthogonal_weights_group_by_group() -> None:
    linear, conv, grouped = nn.Linear(5, 9), nn.Conv2d(4, 6, 3), nn.Conv2d(4, 12, 1, groups=2)
    for layer in (linear, conv, grouped):
        initialise(layer, "orthogonal", generator=chance(2))
    for block in (linear.weight, conv.weight, *grouped.weight.chunk(2)):
        matrix = block.detach().flatten(1).double()
        gram = matrix @ matrix.mT if len(matrix) <= matrix.shape[1] else matrix.mT @ matrix
        assert float((gram - 2 * torch.eye(len(gram))).abs().max()) < 1e-6
    initialise(linear, "orthogonal", activation="identity")
    assert float((linear.weight.mT @ linear.weight - torch.eye(5)).detach().abs().max()) < 1e-6


def test_biases() -> None:
    """Zero, constant, random, and counted as one weight more; 8,000 of each, within 4.5 standard errors."""
    layer = nn.Linear(9, 8000)
    initialise(layer, "he", bias="constant", generator=chance(3))
    assert torch.equal(layer.bias, torch.full((8000,), 0.01))
    initialise(layer, "he", bias="random", bias_size=0.1, generator=chance(3))
    assert abs(float(layer.bias.detach().square().mean()) / 0.01 - 1) < 4.5 * sqrt(2 / 8000)
    for scheme, expected in (("he", 2 / 10), ("lecun", 1 / 10), ("glorot", 2 / (10 + 8000))):
        initialise(layer, scheme, bias="counted", generator=chance(4))  # type: ignore[arg-type]
        assert abs(float(layer.bias.detach().square().mean()) / expected - 1) < 4.5 * sqrt(2 / 8000)
        assert abs(float(layer.weight.detach().square().mean()) / expected - 1) < 4.5 * sqrt(2 / 72000)
    without = nn.Linear(9, 8000, bias=False)
    initialise(without, "lecun", bias="counted", generator=chance(4))
    assert abs(float(without.weight.detach().square().mean()) * 9 - 1) < 4.5 * sqrt(2 / 72000)


def test_gains_names_and_what_is_left_alone() -> None:
    shared = nn.Linear(50, 50)
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Sequential(shared, nn.ReLU()), shared)
    norm = weights_of(network[1]).clone()
    assert initialise(network, "he", activation="tanh", generator=chance(5)) == ["0", "2.0"]
    assert abs(float(shared.weight.detach().square().mean()) * 50 - 1) < 4.5 * sqrt(2 / 2500)
    assert torch.equal(weights_of(network[1]), norm)
    first = shared.weight.detach().clone()
    initialise(network, "he", activation="tanh", generator=chance(5))
    assert torch.equal(shared.weight, first)


@pytest.mark.parametrize("layer", [nn.ConvTranspose2d(64, 64, 4, stride=2), nn.Conv2d(128, 64, 3, groups=2)])
def test_convolutions_keep_the_second_moment(layer: nn.Module) -> None:
    """LeCun, standard normal maps: E[y²] = E[x²] = 1 away from the border, within 5 %."""
    torch.manual_seed(6)
    initialise(layer, "lecun")
    y = layer(torch.randn(4, 64 if isinstance(layer, nn.ConvTranspose2d) else 128, 12, 12)).detach()
    assert abs(float(y[:, :, 4:-4, 4:-4].square().mean()) - 1) < 0.05


def deep(width: int, depth: int) -> nn.Sequential:
    parts = [part for _ in range(depth) for part in (nn.Linear(width, width), nn.ReLU())]
    return nn.Sequential(*parts)


def test_he_keeps_the_variance_through_fifty_relu_layers_and_lecun_does_not() -> None:
    """Width 512, 50 layers, 12 networks, 8 inputs: the median over networks of E[z²]/E[x²] by layer.

    A single network's second moment strays as exp of a random walk of variance about 5·l/width, 0.49 at the end;
    the median has standard error 1.25·√(0.49/12) = 0.25 in the logarithm, and [½, 2] is ±0.69.
    LeCun: 2^−l, l = 49 halvings before the last layer's output, within a factor of 2 as well.
    """
    generator = chance(7)
    network = deep(512, 50)
    x = torch.randn(8, 512, generator=generator)
    found: dict[Scheme, list[list[float]]] = {"he": [], "lecun": []}
    for _ in range(12):
        initialise(network, "he", generator=generator)
        found["he"].append([row.relative / 2 for row in signal(network, x).layers])
        with torch.no_grad():  # the same draws at half the variance: LeCun's
            for layer in network:
                if isinstance(layer, nn.Linear):
                    layer.weight.mul_(sqrt(0.5))
        found["lecun"].append([row.relative for row in signal(network, x).layers])
    he, lecun = (torch.tensor(found[scheme]).double().median(0).values for scheme in ("he", "lecun"))
    assert len(he) == len(lecun) == 50
    assert 0.5 < float(he.min()) <= float(he.max()) < 2
    assert float(lecun[-1]) < 1e-13
    halvings = torch.arange(50).double()
    assert float((lecun.log2() + halvings).abs().max()) < 1
    assert log2(float(lecun[0])) == pytest.approx(0, abs=0.1)


def test_signal_by_hand() -> None:
    """Two inputs through a layer of three units, of which the last is dead."""
    below, above = nn.Linear(2, 3), nn.Linear(3, 1, bias=False)
    network = nn.Sequential(below, nn.ReLU(), above)
    with torch.no_grad():
        below.weight.copy_(torch.tensor([[1.0, 0.0], [-1.0, 0.0], [0.0, 0.0]]))
        below.bias.copy_(torch.tensor([0.0, 0.0, -1.0]))
        above.weight.copy_(torch.tensor([[1.0, 2.0, 3.0]]))
    x = torch.tensor([[1.0, 1.0], [-1.0, 1.0]])
    first, relu, last = signal(network, x, gradient=True).rows
    assert (first.name, relu.name, last.name) == ("0", "1", "2")
    assert [first.mean, relu.mean, last.mean] == pytest.approx([-1 / 3, 1 / 3, 1.5])
    assert first.variance == pytest.approx(1 - 1 / 9)
    assert [first.relative, relu.relative, last.relative] == pytest.approx([1, 1 / 3, 2.5])
    assert relu.dead == pytest.approx(1 / 3)
    assert first.dead is last.dead is None
    # ½·mean(y²) with y = (1, 2): ∂/∂w = mean of y·h, and ∂/∂W₁ = y·w₁/2·x for example 1
    assert last.gradient == pytest.approx(sqrt(0.5**2 + 1**2))
    assert first.gradient == pytest.approx(sqrt(2 * 0.5**2 + 2 * 2**2))
    assert relu.gradient is None
    with torch.no_grad():
        below.bias.zero_()
    once, thrice = signal(network, x), signal(network, 3 * x)
    for one, other in zip(once.rows, thrice.rows, strict=True):
        assert other.relative == pytest.approx(one.relative)
        assert other.variance == pytest.approx(9 * one.variance)


class Functional(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm = nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2)

    def forward(self, x: Tensor) -> Tensor:
        return torch.tanh(F.relu(self.norm(self.conv(x)))).relu()


def test_functions_are_seen_as_layers_are_and_nothing_is_disturbed() -> None:
    torch.manual_seed(9)
    network = nn.Sequential(Functional(), nn.Dropout(0.5)).train()
    x = torch.randn(8, 1, 5, 5)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    state = torch.get_rng_state()
    trained, evaluated = signal(network, x, training=True), signal(network, x)
    assert [(row.name, row.kind) for row in trained.rows] == [
        ("0.conv", "Conv2d"), ("0.norm", "BatchNorm2d"), ("0:relu", "relu"), ("0:tanh", "tanh"), ("0:relu", "relu")
    ]  # fmt: skip
    assert len(trained.layers) == 2
    assert len(trained.activations) == 3
    assert trained.rows[1].variance == pytest.approx(1, abs=1e-3)
    assert evaluated.rows[1].variance == pytest.approx(evaluated.rows[0].variance, rel=1e-3)
    assert trained.rows[2].dead == 0
    assert torch.equal(state, torch.get_rng_state())
    assert network.training
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert "0.norm" in str(trained)
    assert len({len(line.split()) for line in str(trained).splitlines()[1:]}) >= 1


@pytest.mark.usefixtures("as_a_user_calls")
@pytest.mark.parametrize(
    ("call", "what"),
    [
        (lambda net: initialise(net, "xavier"), "scheme"),  # type: ignore[arg-type]
        (lambda net: initialise(net, "he", distribution="cauchy"), "distribution"),  # type: ignore[arg-type]
        (lambda net: initialise(net, "he", bias="fan"), "bias"),  # type: ignore[arg-type]
        (lambda net: initialise(net, "he", activation="cos"), "activation"),  # type: ignore[arg-type]
        (lambda net: initialise(net, "he", bias_size=-1.0), "bias_size"),
        (lambda net: initialise(net, "orthogonal", distribution="uniform"), "orthogonal"),
        (lambda net: initialise(net, "orthogonal", bias="counted"), "orthogonal"),
        (lambda net: initialise(nn.ReLU(), "he"), "layers"),
        (lambda net: initialise(nn.LazyLinear(3), "he"), "shapes"),
        (lambda net: initialise(nn.utils.parametrizations.weight_norm(nn.Linear(2, 2)), "he"), "drawn"),
    ],
)
def test_mistakes_are_refused(call: Callable[[nn.Module], object], what: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        call(nn.Linear(2, 2))
    assert what in caught.value.expected


@pytest.mark.usefixtures("as_a_user_calls")
def test_a_signal_of_nothing_is_refused() -> None:
    for x in (torch.zeros(3, 2), torch.ones(0, 2)):
        with pytest.raises(InputError):
            signal(nn.Linear(2, 2), x)


@pytest.mark.usefixtures("as_a_user_calls")
def test_layers_with_other_weights_than_a_kernel_a_pair_are_left_alone() -> None:
    """A connection table's fans differ from row to row, a sub-sampling's taps share a weight: they start by their own
    rule, 20,000 kernels of 9 a row within 4.5 standard errors."""
    table = TableConvolution(num_inputs=4, table=[[0]] * 2000 + [[0, 1, 2, 3]] * 500, kernel=3)
    ones, fours = table.weight.detach()[:2000], table.weight.detach()[2000:]
    for weight, fan_in in ((ones, 9), (fours, 36)):
        assert abs(float(weight.square().mean()) * fan_in / 2 - 1) < 4.5 * sqrt(2 / weight.numel())
    assert not table.bias.any()
    network = nn.Sequential(table, SubSampling(num_channels=2500), nn.Conv2d(2500, 2, 1))
    before = {name: value.clone() for name, value in network.state_dict().items()}
    schemes: tuple[Scheme, ...] = ("he", "orthogonal", "glorot")
    for scheme in schemes:
        assert initialise(network, scheme, bias="constant") == ["2"]
    assert all(torch.equal(value, before[name]) == (name[0] != "2") for name, value in network.state_dict().items())
    for layer in list(network)[:2]:
        with pytest.raises(ConfigurationError, match="a weight of shape"):
            fans(layer)  # type: ignore[arg-type]
        with pytest.raises(ConfigurationError, match="linear or convolutional layers"):
            initialise(layer, "he")


def test_fans() -> None:
    for layer, fan_in, fan_out in layers():
        assert fans(layer) == (fan_in, fan_out)  # type: ignore[arg-type]
