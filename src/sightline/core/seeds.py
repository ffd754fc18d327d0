"""Separate random streams, so that one use of chance never shifts another.

Drawing more numbers for evaluation must not change the training; adding a layer must not change the
order of the data. Each purpose has its own stream, derived from the run's one seed by hashing.
"""

import hashlib
import random
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Literal, get_args

import numpy as np
import torch
from torch import Tensor

Stream = Literal["init", "order", "augment", "dropout", "evaluate", "sample"]
STREAMS: tuple[Stream, ...] = get_args(Stream)


class Seeds:
    """The random streams of one run.

    Args:
        seed: the run's seed, any whole number.
        rank: which of several processes this is: scopes draw different numbers in each, seed numbers
            and generators are the same in all.

    Example:
        >>> seeds = Seeds(0)
        >>> a = torch.rand(2, generator=seeds.stream("init"))
        >>> b = torch.rand(2, generator=Seeds(0).stream("init"))
        >>> bool((a == b).all()), seeds.number("order", 1) == seeds.number("order", 2)
        (True, False)
    """

    def __init__(self, seed: int, rank: int = 0) -> None:
        self.seed, self.rank = seed, rank
        self._generators: dict[Stream, torch.Generator] = {}
        self._states: dict[Stream, dict[str, Any]] = {}
        self._active: list[Stream] = []

    def number(self, stream: Stream, *keys: int) -> int:
        """A seed that depends on the run's seed, the stream and the keys only (63 bits)."""
        text = ":".join(map(str, (self.seed, stream, *keys)))
        return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1

    def stream(self, name: Stream) -> torch.Generator:
        """The generator of one purpose, on the CPU; the same object at every call."""
        if name not in self._generators:
            self._generators[name] = torch.Generator().manual_seed(self.number(name))
        return self._generators[name]

    @contextmanager
    def scope(self, name: Stream, *keys: int) -> Iterator[None]:
        """Let code that draws from the global generators (dropout, ``nn.init``) draw from one stream.

        On entry the global states are set aside and the stream's own put in place; on leaving, the
        stream's progress is kept and the global states are as before. With ``keys``, the stream starts
        afresh from its name and keys instead (evaluation: the same numbers every time).
        """
        outside = _global_state()
        if name in self._states and not keys:
            _set_global_state(self._states[name])
        else:
            _seed_global(self.number(name, *keys, *([self.rank] if self.rank else [])))
        self._active.append(name)
        try:
            yield
        finally:
            self._active.pop()
            if not keys:
                self._states[name] = _global_state()
            _set_global_state(outside)

    def state_dict(self) -> dict[str, Any]:
        """Progress of every stream, the one in use right now included."""
        states = dict(self._states)
        if self._active:
            states[self._active[-1]] = _global_state()
        return {
            "seed": self.seed,
            "generators": {name: g.get_state() for name, g in self._generators.items()},
            "scopes": states,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue every stream from :meth:`state_dict`; a scope entered already continues too."""
        self.seed = state["seed"]
        for name, generator in state["generators"].items():
            self.stream(name).set_state(generator)
        self._states = dict(state["scopes"])
        if self._active and self._active[-1] in self._states:
            _set_global_state(self._states[self._active[-1]])


def _global_state() -> dict[str, Any]:
    kind, keys, position, has_gauss, gauss = np.random.get_state(legacy=True)  # noqa: NPY002
    version, python, gauss_next = random.getstate()
    state: dict[str, Any] = {
        "torch": torch.get_rng_state(),
        "numpy": [str(kind), torch.from_numpy(np.asarray(keys).astype(np.int64)), position, has_gauss, gauss],
        "python": [version, torch.tensor(python, dtype=torch.int64), gauss_next],
    }
    if torch.cuda.is_available() and torch.cuda.is_initialized():
        state["cuda"] = list(torch.cuda.get_rng_state_all())
    return state


def _set_global_state(state: Mapping[str, Any]) -> None:
    torch.set_rng_state(state["torch"])
    kind, keys, position, has_gauss, gauss = state["numpy"]
    np.random.set_state((kind, keys.numpy().astype(np.uint32), position, has_gauss, gauss))  # noqa: NPY002
    version, python, gauss_next = state["python"]
    random.setstate((version, tuple(python.tolist()), gauss_next))
    if "cuda" in state and torch.cuda.is_available():
        torch.cuda.set_rng_state_all(state["cuda"])


def _seed_global(number: int) -> None:
    torch.manual_seed(number)
    np.random.seed(number % 2**32)  # noqa: NPY002
    random.seed(number)


def permutation(count: int, number: int) -> Tensor:
    """A random order of ``count`` items that depends on the seed number alone.

    Shapes:
        returns (count,) int64
    """
    return torch.randperm(count, generator=torch.Generator().manual_seed(number))
