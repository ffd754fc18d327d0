"""Singular values against the dense maps they belong to."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sightline.core.errors import ConfigurationError, InputError
from sightline.understand.effective_rank import effective_rank
from sightline.understand.singular_values import (
    Spectrum,
    activation_singular_values,
    convolution_singular_values,
    spectrum_changes,
    weight_singular_values,
)


@pytest.mark.parametrize(("outputs", "inputs", "kernel", "size"), [(2, 3, (3,), (5,)), (3, 2, (3, 2), (4, 5))])
def test_a_convolution_is_the_map_it_is(
    outputs: int, inputs: int, kernel: tuple[int, ...], size: tuple[int, ...]
) -> None:
    torch.manual_seed(0)
    weight = torch.randn(outputs, inputs, *kernel, dtype=torch.float64)
    columns = []
    for one in torch.eye(inputs * torch.Size(size).numel(), dtype=torch.float64):
        x = one.view(1, inputs, *size)
        pads = [n for k in reversed(kernel) for n in (0, k - 1)]
        circular = F.pad(x, pads, mode="circular")
        convolve = F.conv1d if len(kernel) == 1 else F.conv2d
        columns.append(convolve(circular, weight).flatten())
    expected = torch.linalg.svdvals(torch.stack(columns, 1))
    torch.testing.assert_close(convolution_singular_values(weight, size), expected, rtol=1e-9, atol=1e-9)


def test_of_weights() -> None:
    torch.manual_seed(0)
    shared = nn.Linear(4, 4)
    model = nn.Sequential(nn.Conv2d(2, 6, 3), shared, nn.BatchNorm1d(4), shared)
    rows = weight_singular_values(model).rows
    assert [(row.name, len(row.sigma)) for row in rows] == [("0.weight", 6), ("1.weight", 4)]
    weight = model.get_parameter("0.weight").detach().double().reshape(6, 18)
    gram = torch.linalg.eigvalsh(weight @ weight.T).flip(0)
    torch.testing.assert_close(rows[0].sigma.square(), gram)
    assert rows[0].condition == pytest.approx(float((gram[0] / gram[-1]).sqrt()))
    assert rows[0].stable_rank == pytest.approx(float(gram.sum() / gram[0]))
    assert "0.weight" in str(weight_singular_values(model))


def test_ranks_of_known_spectra() -> None:
    assert effective_rank(torch.tensor([3.0, 3.0, 3.0])) == pytest.approx(3)
    assert effective_rank(torch.tensor([3.0, 0.0])) == pytest.approx(1)
    assert effective_rank(torch.tensor([0.75, 0.25])) == pytest.approx(0.75**-0.75 * 0.25**-0.25)
    assert effective_rank(torch.zeros(2)) == 0
    spectrum = Spectrum("", torch.tensor([2.0, 0.0]))
    assert (spectrum.condition, spectrum.stable_rank) == (float("inf"), 1)


def test_of_activations() -> None:
    torch.manual_seed(0)
    model, x = nn.Sequential(nn.Conv2d(1, 3, 3), nn.ReLU(), nn.Flatten(), nn.Linear(12, 2)), torch.randn(8, 1, 4, 4)
    first, relu, last = activation_singular_values(model, x).rows
    maps = model[0](x).detach().movedim(1, -1).reshape(-1, 3).double()
    torch.testing.assert_close(first.sigma, torch.linalg.svdvals(maps - maps.mean(0)))
    plain = activation_singular_values(model, x, centred=False).rows[1]
    torch.testing.assert_close(plain.sigma, torch.linalg.svdvals(maps.relu()))
    assert float(relu.sigma[0]) < float(plain.sigma[0])
    assert len(last.sigma) == 2


def test_what_normalisation_and_dropout_do() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.BatchNorm1d(3), nn.Dropout(0.5))
    x = torch.randn(200, 3) * torch.tensor([9.0, 1.0, 3.0]) + 20
    norm, dropout = spectrum_changes(model, x)
    torch.testing.assert_close(norm.before.sigma, torch.linalg.svdvals(x.double()))
    torch.testing.assert_close(norm.after.sigma, dropout.before.sigma)
    assert norm.after.condition < 1.5 < 5 < norm.before.condition
    assert not torch.allclose(dropout.after.sigma, dropout.before.sigma)
    assert bool((model.get_buffer("0.running_mean") == 0).all())
    _, dropout = spectrum_changes(model.eval(), x)
    assert torch.equal(dropout.after.sigma, dropout.before.sigma)


def test_mistakes_are_told(as_a_user_calls: None) -> None:
    with pytest.raises(ConfigurationError, match="sizes of the maps"):
        convolution_singular_values(torch.ones(1, 1, 3), [2])
    with pytest.raises(InputError, match="normalisation or dropout"):
        spectrum_changes(nn.Linear(2, 2), torch.ones(3, 2))
    x: Tensor = torch.full((3, 2), float("nan"))
    assert bool(activation_singular_values(nn.Linear(2, 2), x).rows[0].sigma.isnan().all())
