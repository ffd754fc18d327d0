"""The tangent kernel by layers against explicit derivatives, one at a time; what it predicts of a step."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from sightline.core.errors import ConfigurationError, InputError
from sightline.understand.kernel_product import KernelProduct
from sightline.understand.output_features import output_features
from sightline.understand.tangent_kernel import alignment, drift, predicted_change, tangent_kernel


class Twice(nn.Module):
    """One layer called twice, one used without its module, one frozen."""

    def __init__(self) -> None:
        super().__init__()
        self.shared, self.bare, self.frozen, self.head = (nn.Linear(4, 4) for _ in range(4))
        self.frozen.requires_grad_(False)

    def forward(self, x: Tensor) -> Tensor:
        """Four numbers."""
        x = torch.tanh(self.shared(torch.tanh(self.shared(x))))
        x = self.frozen(nn.functional.linear(x, self.bare.weight, self.bare.bias))
        y: Tensor = self.head(x)
        return y


class Tokens(nn.Module):
    """An embedding, a dense layer on tokens, a normalisation, attention and a recurrent layer."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding, self.dense, self.norm = nn.Embedding(5, 4, padding_idx=0), nn.Linear(4, 4), nn.LayerNorm(4)
        self.attention, self.recurrent = nn.TransformerEncoderLayer(4, 2, 6, batch_first=True), nn.GRU(4, 3)
        self.head = nn.Linear(3, 2)

    def forward(self, x: Tensor) -> Tensor:
        """Two numbers."""
        tokens = self.embedding((x.abs() * 2).long().clamp(max=4))
        tokens = self.attention(self.norm(torch.relu(self.dense(tokens))))
        y: Tensor = self.head(self.recurrent(tokens.transpose(0, 1))[0][-1])
        return y


NETWORKS: dict[str, Callable[[], nn.Module]] = {
    "dense": lambda: nn.Sequential(nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 3, bias=False), nn.Tanh(), nn.Linear(3, 2)),
    "twice": Twice,
    "tokens": Tokens,
    "one dimension": lambda: nn.Sequential(
        nn.Unflatten(1, (2, 2)),
        nn.Conv1d(2, 4, 2, padding=1, groups=2),
        nn.BatchNorm1d(4),
        nn.SiLU(),
        nn.Flatten(),
        nn.Linear(12, 2),
    ),
    "two dimensions": lambda: nn.Sequential(
        nn.Unflatten(1, (1, 2, 2)),
        nn.Conv2d(1, 4, 2, padding=(2, 1), stride=(2, 1), dilation=2),
        nn.GroupNorm(2, 4),
        nn.GELU(),
        nn.Flatten(),
        nn.LazyLinear(2),
    ),
    "one output": lambda: nn.Sequential(nn.Linear(4, 3), nn.Tanh(), nn.Linear(3, 1), nn.Flatten(0)),
}


def prepared(name: str) -> tuple[nn.Module, Tensor, Tensor]:
    torch.manual_seed(1)
    model, x, z = NETWORKS[name](), torch.randn(5, 4), torch.randn(3, 4)
    model(x)
    model = model.double()
    with torch.no_grad():  # norms that begin at 1 and 0 hide mistakes
        for p in model.parameters():
            p.add_(torch.randn_like(p) * 0.3)
    return model, x.double(), z.double()


def explicit(model: nn.Module, x: Tensor) -> Tensor:
    """J of all trained parameters in their order: a row for every example and output, by autograd alone."""
    trained = [p for p in model.parameters() if p.requires_grad]
    model.eval()
    rows = []
    for i in range(len(x)):
        y = model(x[i : i + 1]).reshape(-1)
        for a in range(len(y)):
            parts = torch.autograd.grad(y[a], trained, retain_graph=True, materialize_grads=True)
            rows.append(torch.cat([part.flatten() for part in parts]))
    return torch.stack(rows).view(len(x), -1, len(rows[0]))


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("route", ["layers", "examples"])
def test_it_is_the_product_of_explicit_derivatives(name: str, route: str) -> None:
    model, x, z = prepared(name)
    J, Jz = explicit(model, x), explicit(model, z)
    model.train()
    found = tangent_kernel(model, x, z, route=route)  # type: ignore[arg-type]
    expected = torch.einsum("iap,jbp->iajb", J, Jz)
    torch.testing.assert_close(found.matrix, expected, rtol=1e-10, atol=1e-10)
    mean = tangent_kernel(model, x, z, outputs="mean", route=route)  # type: ignore[arg-type]
    torch.testing.assert_close(mean.matrix, expected.diagonal(dim1=1, dim2=3).mean(-1), rtol=1e-10, atol=1e-10)
    assert all(module.training for module in model.modules())
    names = {n for n, p in model.named_parameters() if p.requires_grad}
    assert {*found.by_layers, *found.by_examples} == names
    assert route == "layers" or not found.by_layers


def test_it_says_which_parameters_it_could_not_follow() -> None:
    model, x, _ = prepared("twice")
    found = tangent_kernel(model, x)
    assert found.by_examples == ("bare.bias", "bare.weight", "shared.bias", "shared.weight")
    assert found.by_layers == ("head.bias", "head.weight")
    model, x, _ = prepared("two dimensions")
    assert not tangent_kernel(model, x).by_examples


@pytest.mark.parametrize("name", ["dense", "tokens"])
def test_its_products_need_no_matrix(name: str) -> None:
    model, x, _ = prepared(name)
    K = tangent_kernel(model, x).flat
    product = KernelProduct(model, x)
    V = torch.randn(product.shape).double()
    torch.testing.assert_close(product(V).flatten(), K @ V.flatten(), rtol=1e-10, atol=1e-10)
    found = product.largest(2, tolerance=1e-10)
    torch.testing.assert_close(found.values, torch.linalg.eigvalsh(K).flip(0)[:2], rtol=1e-8, atol=0)


@pytest.mark.parametrize("name", ["dense", "two dimensions"])
def test_features_written_out_are_the_derivatives_in_the_order_of_the_parameters(name: str) -> None:
    model, x, _ = prepared(name)
    features = output_features(model, x)
    written = torch.cat([group.explicit() for group in features.groups.values()], 2)
    torch.testing.assert_close(written, explicit(model, x), rtol=1e-10, atol=1e-10)


def test_it_predicts_one_small_step() -> None:
    """The error of the linearised prediction is of second order: halve the rate, and it is a quarter."""
    model, x, z = prepared("dense")
    model.eval()
    target, before = torch.randn(5, 2).double(), model(z).detach()
    y = model(x)
    loss = (y - target).square().mean()
    (slope,) = torch.autograd.grad(loss, y, retain_graph=True)
    gradients = torch.autograd.grad(loss, list(model.parameters()))
    kernel = tangent_kernel(model, z, x).matrix
    errors = []
    for lr in (1e-3, 5e-4):
        with torch.no_grad():
            for p, g in zip(model.parameters(), gradients, strict=True):
                p.sub_(lr * g)
            change = model(z) - before
            for p, g in zip(model.parameters(), gradients, strict=True):
                p.add_(lr * g)
        predicted = predicted_change(kernel, slope, lr)
        errors.append(float((predicted - change).norm()))
        assert errors[-1] < 0.02 * float(change.norm())
    assert errors[0] / errors[1] == pytest.approx(4, rel=0.05)


def test_spectrum_alignment_and_drift() -> None:
    model, x, _ = prepared("dense")
    kernel = tangent_kernel(model, x)
    values = kernel.spectrum()
    assert bool((values > -1e-9).all())
    assert float(values.sum()) == pytest.approx(float(explicit(model, x).square().sum()))
    Y = torch.eye(3).double()[[0, 1, 2, 0, 1]]
    centred = Y - Y.mean(0)
    assert alignment(centred @ centred.T + 5, Y) == pytest.approx(1)  # a constant is no difference between examples
    assert alignment(-(centred @ centred.T), Y) == pytest.approx(-1)
    assert drift(3 * kernel.matrix, kernel.matrix) == pytest.approx(0, abs=1e-12)
    assert drift(torch.diag(torch.tensor([1.0, 0.0])), torch.diag(torch.tensor([0.0, 1.0]))) == 1


def test_mistakes_are_told(as_a_user_calls: None) -> None:
    model, x, _ = prepared("dense")
    with pytest.raises(InputError, match="examples"):
        alignment(torch.eye(2), torch.zeros(3, 1))
    with pytest.raises(InputError, match="two kernels"):
        drift(torch.eye(2), torch.eye(3))
    with pytest.raises(InputError, match="kernel"):
        predicted_change(torch.zeros(1, 2, 3, 2), torch.zeros(2, 2), 0.1)
    with pytest.raises(ConfigurationError, match="route"):
        tangent_kernel(model, x, route="fast")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="depend on the parameters"):
        tangent_kernel(nn.Sequential(nn.Linear(4, 2), nn.Flatten(0)).double(), x)
    with pytest.raises(InputError, match="every example and output"):
        KernelProduct(model, x)(torch.zeros(2, 2).double())
    model.requires_grad_(False)
    with pytest.raises(InputError, match="parameter that is trained"):
        tangent_kernel(model, x)
