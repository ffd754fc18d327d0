"""The table of topics that can be explained."""

from collections.abc import Callable

from sightline.core.registry import Registry
from sightline.explain.explanation import Explanation

EXPLANATIONS: Registry[Callable[..., Explanation]] = Registry("topic")
"""Each takes a :class:`~sightline.explain.problem.Problem` and keyword options, and gives an explanation."""
