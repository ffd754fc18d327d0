"""Sightline: design, train, adapt, generate with, and see through deep networks.

Everything named here is imported when it is first used, so that ``import sightline`` costs nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sightline import (
        data,
        diagnose,
        explain,
        generate,
        linear,
        models,
        nn,
        objectives,
        optim,
        recipes,
        report,
        train,
        understand,
    )
    from sightline.core.errors import SightlineError
    from sightline.data.load import load
    from sightline.models.pretrained import from_pretrained
    from sightline.report.page import write_report
    from sightline.train.fit import fit, resume
    from sightline.train.run import Run, open_run
    from sightline.watching import watch

_HOME = {
    "SightlineError": "sightline.core.errors",
    "load": "sightline.data.load",
    "from_pretrained": "sightline.models.pretrained",
    "fit": "sightline.train.fit",
    "resume": "sightline.train.fit",
    "Run": "sightline.train.run",
    "open_run": "sightline.train.run",
    "write_report": "sightline.report.page",
    "watch": "sightline.watching",
}
_ROOMS = (
    "data",
    "diagnose",
    "explain",
    "generate",
    "linear",
    "models",
    "nn",
    "objectives",
    "optim",
    "recipes",
    "report",
    "train",
    "understand",
)

__all__ = [
    "Run",
    "SightlineError",
    "data",
    "diagnose",
    "explain",
    "fit",
    "from_pretrained",
    "generate",
    "linear",
    "load",
    "models",
    "nn",
    "objectives",
    "open_run",
    "optim",
    "recipes",
    "report",
    "resume",
    "train",
    "understand",
    "watch",
    "write_report",
]


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(_HOME[name]), name)
    if name in _ROOMS:
        return import_module(f"sightline.{name}")
    raise AttributeError(f"module 'sightline' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
