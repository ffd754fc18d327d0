"""Random streams: each goes on by itself, whatever the others draw."""

import random

import numpy as np
import torch

from sightline.core.checkpoint import pack, unpack
from sightline.core.seeds import STREAMS, Seeds


def draws(seeds: Seeds, name: str, count: int = 3) -> list[float]:
    with seeds.scope(name):  # type: ignore[arg-type]
        return [v for _ in range(count) for v in (float(torch.rand(())), random.random(), float(np.random.rand()))]  # noqa: NPY002


def test_there_are_six_streams_and_no_two_are_alike() -> None:
    assert len(STREAMS) == 6
    assert len({tuple(draws(Seeds(0), name)) for name in STREAMS}) == 6
    assert len({Seeds(s).number("order", e) for s in range(10) for e in range(10)}) == 100


def test_drawing_from_one_does_not_move_another() -> None:
    plain, mixed = Seeds(1), Seeds(1)
    expected = draws(plain, "dropout") + draws(plain, "dropout")
    found = draws(mixed, "dropout")
    draws(mixed, "evaluate", 7)
    torch.rand(5, generator=mixed.stream("sample"))
    assert found + draws(mixed, "dropout") == expected


def test_a_scope_leaves_the_global_generators_alone() -> None:
    torch.manual_seed(5)
    before = torch.get_rng_state()
    draws(Seeds(0), "init")
    assert torch.equal(before, torch.get_rng_state())


def test_a_keyed_scope_starts_afresh() -> None:
    seeds = Seeds(2)
    found = []
    for _ in range(2):
        with seeds.scope("evaluate", 10):
            found.append(float(torch.rand(())))
    assert found[0] == found[1]


def test_state_survives_a_checkpoint_even_inside_a_scope() -> None:
    seeds = Seeds(3)
    with seeds.scope("dropout"):
        torch.rand(4)
        state = unpack(*pack(seeds.state_dict()))
        expected = torch.rand(3)
    other = Seeds(0)
    other.load_state_dict(state)
    with other.scope("dropout"):
        assert torch.equal(torch.rand(3), expected)
