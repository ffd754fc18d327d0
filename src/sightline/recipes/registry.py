"""The table of recipes: functions that return a complete run specification."""

from collections.abc import Callable

from sightline.core.registry import Registry
from sightline.train.spec import RunSpec

RECIPES: Registry[Callable[[], RunSpec]] = Registry("recipe")
