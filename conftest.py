"""What every test may ask for."""

import os
from collections.abc import Iterator
from pathlib import Path

import jaxtyping
import pytest
import torch
from hypothesis import settings

settings.register_profile("sightline", deadline=None)  # how long an example takes says nothing of whether it is right
settings.load_profile("sightline")


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real data sets; a test that needs it is skipped, saying so, where it is absent."""
    folder = os.environ.get("SIGHTLINE_DATA")
    if not folder or not Path(folder).is_dir():
        pytest.skip("SIGHTLINE_DATA names no folder of data sets")
    return Path(folder).resolve()


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No test reads or leaves anything in the user's cache."""
    monkeypatch.setenv("SIGHTLINE_CACHE", str(tmp_path / "sightline-cache"))
    state = torch.get_rng_state()
    yield
    torch.set_rng_state(state)


@pytest.fixture
def as_a_user_calls() -> Iterator[None]:
    """Without the tests' checks of shapes, which a user does not have: our own errors must do."""
    disabled = jaxtyping.config.jaxtyping_disable
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", disabled)


@pytest.fixture(autouse=True)
def own_folder(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Examples in docstrings and the README leave their runs in a folder of their own."""
    if isinstance(request.node, pytest.DoctestItem):
        monkeypatch.chdir(tmp_path)
