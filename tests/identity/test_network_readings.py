"""What a run leaves about its network is what its weights and its data say, computed the long way round."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim import SGD, Adagrad, Adam, AdamW, Optimizer, RMSprop

import sightline
from sightline.core.checkpoint import list_checkpoints, load_state, load_weights
from sightline.core.errors import ConfigurationError
from sightline.core.run_folder import RunFolder
from sightline.data import Split
from sightline.train import Plan, Run
from sightline.train.carry_out import _read_network
from sightline.train.changed_answers import ChangedAnswers, answers_by_look, most_changed, write_changed
from sightline.train.network_readings import embedding_map, layer_costs, weight_spectra
from sightline.train.sharpness_over_time import limit_of, preconditioner
from sightline.understand.layer_table import layer_table


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A small classifier of tables, trained for a few epochs, every checkpoint kept."""
    data = sightline.load("iris")
    model = sightline.models.mlp(data.schema, width=6, depth=2, seed=1)
    plan = Plan(epochs=4, batch_size=32, keep=20, log_steps=1)
    runs = tmp_path_factory.mktemp("runs")
    optim = sightline.optim.Adam(lr=0.02, weight_decay=0.01)
    return sightline.fit(model, data, plan, optim=optim, schedule="constant", name="tiny", runs=runs, quiet=True)


# -- at the end of a run -----------------------------------------------------------------------------------------------


def test_spectra_are_numpys(run: Run) -> None:
    told = weight_spectra(run.model)
    assert told == run.folder.read("readings/spectra.json")
    weights = {name: p.detach().double().numpy() for name, p in run.model.named_parameters() if p.dim() > 1}
    assert [row["name"] for row in told["weights"]] == list(weights)
    for row in told["weights"]:
        sigma = np.linalg.svd(weights[row["name"]], compute_uv=False)
        assert row["count"] == len(sigma)
        assert row["sigma"] == pytest.approx(sigma[row["place"]], rel=1e-3)
        assert row["condition"] == pytest.approx(sigma[0] / sigma[-1], rel=1e-3)
        shares = sigma / sigma.sum()
        assert row["effective_rank"] == pytest.approx(np.exp(-(shares * np.log(shares)).sum()), rel=1e-3)


def test_spectra_of_large_and_broken_matrices() -> None:
    network = nn.Sequential(nn.Linear(3, 200), nn.Linear(200, 3), nn.Linear(2, 2), nn.Embedding(1300, 1300))
    with torch.no_grad():
        network.get_parameter("2.weight")[0, 0] = torch.nan
    told = weight_spectra(network)
    assert told["left_out"] == ["2.weight", "3.weight"]
    wide = nn.Linear(100, 120)
    (row,) = weight_spectra(wide)["weights"]
    assert (row["count"], len(row["sigma"]), row["place"][0], row["place"][-1]) == (100, 48, 0, 99)


def test_the_map_is_a_projection_of_what_the_head_is_given(run: Run) -> None:
    told = run.folder.read("readings/embedding-map.json")
    split = run.data.test
    (batch,) = split.batches(batch_size=len(split))
    with torch.no_grad():
        features = run.model.features(batch.inputs).double().flatten(1).numpy()  # type: ignore[operator]
    centred = features - features.mean(0)
    u, sigma, _ = np.linalg.svd(centred, full_matrices=False)
    points, expected = np.array(told["points"]), (u * sigma)[:, :2]
    signs = np.sign((points * expected).sum(0))
    assert points == pytest.approx(expected * signs, abs=2e-3 * sigma[0])
    assert told["explained"] == pytest.approx((sigma[:2] ** 2 / (sigma**2).sum()).tolist(), rel=2e-3)
    assert told["labels"] == split.target.tolist()
    assert (told["width"], told["split"], told["classes"]) == (6, "test", list(run.schema.classes))


def test_a_network_without_a_map_has_none(run: Run) -> None:
    class Same(nn.Module):
        """Gives its last layer the same for every example."""

        def __init__(self) -> None:
            super().__init__()
            self.head = nn.Linear(4, 3)

        def forward(self, x: Tensor) -> Tensor:
            return self.head(x * 0)  # type: ignore[no-any-return]

    assert embedding_map(Same(), run.objective, run.data.test, run.schema) is None


def test_costs_are_those_of_a_pass_over_zeros(run: Run) -> None:
    rows = layer_costs(run.model, run.objective, run.data.test, run.schema)
    assert rows == run.folder.read("readings/layers.json")
    expected = layer_table(run.model, run.schema.input_shape).rows
    assert [(r["name"], r["multiply_adds"], r["bytes"]) for r in rows] == [
        (row.name, row.multiply_adds, row.bytes) for row in expected
    ]
    assert sum(r["multiply_adds"] for r in rows) == 4 * 6 + 6 * 6 + 6 * 3
    assert sum(r["parameters"] for r in rows) == sum(p.numel() for p in run.model.parameters())


def test_the_network_is_as_it_was(run: Run) -> None:
    before = {name: tensor.clone() for name, tensor in run.model.state_dict().items()}
    state = torch.get_rng_state()
    run.read_network()
    assert torch.equal(state, torch.get_rng_state())
    assert all(torch.equal(before[name], tensor) for name, tensor in run.model.state_dict().items())
    assert not run.model.training


def test_a_network_that_can_not_be_read_does_not_cost_the_run(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def odd(self: Run) -> None:
        raise RuntimeError("no such operator")

    assert _read_network(run) == ""
    monkeypatch.setattr(Run, "read_network", odd)
    assert _read_network(run) == "cost, spectra and map of the network are missing: RuntimeError: no such operator"


# -- answers from look to look -----------------------------------------------------------------------------------------


def test_answers_kept_are_those_that_were_measured(run: Run) -> None:
    kept = run.folder.read("readings/answers.json")
    rows = [row for row in run.folder.metrics() if row["kind"] == "validation"]
    assert kept["steps"] == [row["step"] for row in rows]
    targets = run.data.validation.target.tolist()
    assert kept["targets"] == targets
    for look, row in zip(answers_by_look(kept), rows, strict=True):
        right = sum(a == b for a, b in zip(look, targets, strict=True)) / len(targets)
        assert right == pytest.approx(row["accuracy"])


class Given(nn.Module):
    """Answers as it is told."""

    def __init__(self) -> None:
        super().__init__()
        self.answers = torch.zeros(0, dtype=torch.long)

    def forward(self, x: Tensor) -> Tensor:
        return F.one_hot(self.answers, 3).float()


class Examples(Split):
    """Targets alone."""

    def cut(self, epoch: Any, device: Any) -> Any:
        raise NotImplementedError


def follow(folder: RunFolder, looks: dict[int, list[int]]) -> ChangedAnswers:
    """Looks at five examples, in two batches each, with calls in training mode among them."""
    model = Given()
    follower = ChangedAnswers(folder, model, Examples("validation", torch.tensor([0, 1, 2, 0, 1])), 3)
    with follower.listening():
        for step, answers in looks.items():
            model.train().answers = torch.tensor([2])
            model(torch.zeros(1))
            with torch.no_grad():
                model.eval()
                for part in (answers[:2], answers[2:]):
                    model.answers = torch.tensor(part)
                    model(torch.zeros(1))
                follower(step)
                model(torch.zeros(1))  # a sample after the look: the next look starts afresh
                follower.heard.clear()
    return follower


def test_changes_are_told_and_a_run_that_is_set_back_forgets(tmp_path: Path) -> None:
    folder = RunFolder.create(tmp_path, "run")
    looks = {10: [0, 0, 0, 0, 1], 20: [0, 1, 0, 2, 1], 30: [0, 2, 2, 0, 1]}
    follow(folder, looks)
    kept = folder.read("readings/answers.json")
    assert (kept["steps"], answers_by_look(kept)) == ([10, 20, 30], list(looks.values()))
    follow(folder, {30: [0, 1, 2, 0, 1], 40: [0, 1, 2, 1, 1]})  # resumed at 20
    kept = folder.read("readings/answers.json")
    course = [[0, 0, 0, 0, 1], [0, 1, 0, 2, 1], [0, 1, 2, 0, 1], [0, 1, 2, 1, 1]]
    assert (kept["steps"], answers_by_look(kept)) == ([10, 20, 30, 40], course)
    assert most_changed(course, 9) == [3, 2, 1]  # three times; once, later first
    schema = sightline.load("iris").schema
    write_changed(folder, Examples("validation", torch.tensor([0, 1, 2, 0, 1])), schema)
    told = folder.read("readings/changed.json")
    assert told["count"] == 5
    shares = [(look["step"], look["changed"], look["forgotten"]) for look in told["looks"]]
    assert shares == [(20, 0.4, 0.2), (30, 0.4, 0.0), (40, 0.2, 0.2)]
    first = told["examples"][0]
    names = schema.classes
    assert (first["index"], first["target"], first["changes"]) == (3, names[0], 3)
    assert first["answers"] == [[10, names[0]], [20, names[2]], [30, names[0]], [40, names[1]]]


# -- sharpness ---------------------------------------------------------------------------------------------------------


def test_sharpness_is_the_dense_preconditioned_hessians(run: Run) -> None:
    told = run.sharpness()
    checkpoints = [path for path in list_checkpoints(run.folder) if not path.name.endswith("-000000000")]
    assert [point.step for point in told.points] == [int(path.name[5:]) for path in checkpoints]
    assert told.preconditioned
    assert told.factor == pytest.approx(2 * 1.9 / 0.1)
    (batch,) = run.data.train.batches(batch_size=len(run.data.train))
    for point, path in list(zip(told.points, checkpoints, strict=True))[-2:]:
        model = sightline.models.mlp(run.schema, width=6, depth=2)
        model.load_state_dict(load_weights(path))
        model.double()
        parameters = dict(model.named_parameters())
        state = load_state(path)["algorithm"]["optimizer"]
        decayed = [name for name, p in parameters.items() if p.dim() > 1]

        def loss(*values: Tensor, names: Any = tuple(parameters), weights: Any = decayed, net: Any = model) -> Tensor:
            given = dict(zip(names, values, strict=True))
            out = torch.func.functional_call(net, given, (batch.inputs.double(),))
            decay = torch.stack([given[n].square().sum() for n in weights]).sum()
            return F.cross_entropy(out, batch.target) + 0.005 * decay

        blocks = torch.autograd.functional.hessian(loss, tuple(parameters.values()))
        sizes = [p.numel() for p in parameters.values()]
        H = torch.cat(
            [
                torch.cat([b.reshape(m, n) for b, n in zip(row, sizes, strict=True)], 1)
                for row, m in zip(blocks, sizes, strict=True)
            ]
        )
        order = [*decayed, *(name for name in parameters if name not in decayed)]  # as the optimiser's groups have them
        square = {name: state["state"][k]["exp_avg_sq"] for k, name in enumerate(order)}
        steps = float(state["state"][0]["step"])
        D = torch.cat([(square[n].double() / (1 - 0.999**steps)).sqrt().flatten() + 1e-8 for n in parameters])
        expected = torch.linalg.eigvalsh(H / (D.sqrt()[:, None] * D.sqrt()))[-1]
        assert point.sharpness == pytest.approx(float(expected), rel=0.02)
        assert point.limit == pytest.approx(38 / 0.02)
        assert point.converged


@pytest.mark.parametrize(
    ("make", "factor"),
    [
        (lambda p: SGD(p, lr=0.1), 2.0),
        (lambda p: SGD(p, lr=0.1, momentum=0.9), 3.8),
        (lambda p: SGD(p, lr=0.1, momentum=0.9, nesterov=True), 3.8 / 2.8),
        (lambda p: RMSprop(p, lr=0.1), 2.0),
        (lambda p: Adagrad(p, lr=0.1), 2.0),
        (lambda p: Adam(p, lr=0.1, betas=(0.8, 0.99)), 2 * 1.8 / 0.2),
        (lambda p: AdamW(p, lr=0.1), 38.0),
    ],
)
def test_what_steps_are_divided_by(make: Any, factor: float) -> None:
    """An update after some steps with one gradient is rate · gradient / D, whatever the optimiser's momentum."""
    torch.manual_seed(0)
    model = nn.Linear(3, 2)
    optimizer: Optimizer = make(model.parameters())
    optimizer.param_groups[0]["weight_decay"] = 0.0
    gradients = [torch.randn_like(p) for p in model.parameters()]
    for _ in range(400):
        before = torch.cat([p.detach().flatten() for p in model.parameters()])
        for p, g in zip(model.parameters(), gradients, strict=True):
            p.grad = g.clone()
        optimizer.step()
    after = torch.cat([p.detach().flatten() for p in model.parameters()])
    assert limit_of(optimizer) * 0.1 == pytest.approx(factor)
    scale = preconditioner(model, optimizer)
    if isinstance(optimizer, SGD):
        assert scale is None
        return
    assert scale is not None
    expected = -0.1 * torch.cat([g.flatten() for g in gradients]) / scale
    assert (after - before).numpy() == pytest.approx(expected.numpy(), rel=2e-3, abs=1e-6)


def test_two_players_and_a_run_without_an_update_are_refused(run: Run, tmp_path: Path) -> None:
    folder = RunFolder.create(tmp_path, "empty")
    for name in ("spec.yaml", "schema.json"):
        folder.write(name, run.folder.text(name))
    with pytest.raises(ConfigurationError, match="none"):
        Run(folder, run.model, run.data).sharpness()
