"""Loops that learn well, as people write them: a diagnosis has nothing to warn of."""

from pathlib import Path

import pytest

from healthy import said

LOOPS = {path.stem: path for path in sorted((Path(__file__).parent / "healthy_loops").glob("*.py"))}
assert len(LOOPS) == 96
EVERY_TIME = (
    "adversarial_training",
    "boolean_rules",
    "byol_target_inside",
    "class_visualisation",
    "monte_carlo_dropout",
    "reinforce_corridor",
    "stochastic_weight_averaging",
    "triplet_margin",
)
"""Quick ones that need no folder of data, each at risk of another false alarm."""


@pytest.fixture(scope="module")
def every_time() -> dict[str, tuple[str, list[str]]]:
    return said([LOOPS[name] for name in EVERY_TIME])


@pytest.mark.parametrize("name", EVERY_TIME)
def test_nothing_speaks_against_a_healthy_loop(name: str, every_time: dict[str, tuple[str, list[str]]]) -> None:
    assert every_time[name] == ("", [])


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(set(LOOPS) - set(EVERY_TIME)))
def test_nothing_speaks_against_any_healthy_loop(name: str, real_data: Path) -> None:
    assert said([LOOPS[name]], str(real_data))[name] == ("", [])
