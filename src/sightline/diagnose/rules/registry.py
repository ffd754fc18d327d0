"""Where rules are kept: one cause, one function."""

from collections.abc import Callable

from sightline.core.registry import Registry
from sightline.diagnose.finding import Finding
from sightline.diagnose.reading import Reading

Rule = Callable[[Reading], Finding | None]
"""Looks at a reading; tells its cause, or nothing."""

RULES: Registry[Rule] = Registry("cause of bad training")
