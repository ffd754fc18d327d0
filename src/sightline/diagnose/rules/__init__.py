"""The causes that are told apart, a rule a file."""

from importlib import import_module
from pkgutil import iter_modules

from sightline.diagnose.rules.registry import RULES, Rule, listed, told_by

for _module in iter_modules(__path__):
    import_module(f"{__name__}.{_module.name}")

CAUSES = listed()
"""Every cause that a finding may name, with what it is."""

__all__ = ["CAUSES", "RULES", "Rule", "told_by"]
