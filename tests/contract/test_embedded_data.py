"""Every embedded data set: shapes, a fixed test split, finite inputs, a schema that survives JSON."""

import json

import pytest
import torch

from sightline.core.files import to_json
from sightline.core.schema import Schema
from sightline.data import DATASETS, Split, load, load_like

EXPECTED = {
    "breast_cancer": ((30,), 2, 569),
    "diabetes": ((10,), 0, 442),
    "digits": ((1, 8, 8), 10, 1797),
    "iris": ((4,), 3, 150),
    "wine": ((13,), 3, 178),
}


def test_all_are_here() -> None:
    assert list(DATASETS) == sorted(EXPECTED)
    assert len(DATASETS) == 5


@pytest.mark.parametrize("name", EXPECTED)
class TestEach:
    def test_shapes(self, name: str) -> None:
        shape, classes, count = EXPECTED[name]
        data = load(name)
        assert data.schema.input_shape == shape
        assert len(data.schema.classes) == classes
        splits = (data.train, data.validation, data.test)
        assert [s.name for s in splits] == ["train", "validation", "test"]
        assert sum(map(len, splits)) == count
        assert len(data.test) == round(0.2 * count)
        for split in splits:
            assert isinstance(split, Split)
            batch = next(split.batches(batch_size=8))
            assert batch.inputs.shape == (8, *shape)
            assert batch.inputs.dtype == torch.float32
            assert torch.isfinite(batch.inputs).all()
            assert batch.target.dtype == (torch.int64 if classes else torch.float64)

    def test_the_test_split_never_changes(self, name: str) -> None:
        a, b = load(name), load(name, split_seed=7, validation_fraction=0.3)
        assert torch.equal(a.test.target, b.test.target)
        assert len(a.validation) != len(b.validation)
        assert a.fingerprint == load(name).fingerprint

    def test_what_is_found_is_json_and_text(self, name: str) -> None:
        data = load(name)
        plain = json.loads(to_json(data.found.to_dict()))
        assert plain["counts"]["train"] == len(data.train)
        assert name in str(data.found)
        for split, counts in data.found.balance.items():
            assert sum(counts.values()) == data.found.counts[split]

    def test_schema_round_trip(self, name: str) -> None:
        schema = load(name).schema
        assert Schema.from_dict(json.loads(json.dumps(schema.to_dict()))) == schema

    def test_has_a_summary(self, name: str) -> None:
        assert DATASETS.summary(name).endswith(".")

    def test_like_itself(self, name: str) -> None:
        data = load(name)
        whole = load_like(name, data.schema)
        assert len(whole) == EXPECTED[name][2]
        pool = {tuple(x.flatten().tolist()) for b in data.test.batches(batch_size=50) for x in b.inputs}
        again = {tuple(x.flatten().tolist()) for b in whole.batches(batch_size=50) for x in b.inputs}
        assert pool <= again


def test_table_inputs_are_standardised_by_training() -> None:
    data = load("wine")
    x = next(data.train.batches(batch_size=len(data.train))).inputs
    assert x.mean(0).abs().max() < 1e-5
    assert (x.std(0, correction=0) - 1).abs().max() < 1e-5


def test_regression_statistics() -> None:
    data = load("diabetes")
    assert data.schema.target_mean == pytest.approx(data.train.target.mean().item())
    assert data.schema.target_std == pytest.approx(data.train.target.std(correction=0).item())
