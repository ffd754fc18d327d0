"""The causes that are told apart, one a file."""

from importlib import import_module
from pkgutil import iter_modules

from sightline.diagnose.rules.registry import RULES, Rule

for _module in iter_modules(__path__):
    import_module(f"{__name__}.{_module.name}")

__all__ = ["RULES", "Rule"]
