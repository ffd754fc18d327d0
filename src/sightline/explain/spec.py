"""What to explain: a topic with its options, and the problem to explain it on."""

from dataclasses import dataclass, field
from typing import Annotated

from sightline.core.config import Choice, Config, OneOf, Option, build
from sightline.explain.explanation import Explanation
from sightline.explain.problem import ProblemSpec, problem_of
from sightline.explain.registry import EXPLANATIONS


@dataclass(frozen=True)
class ExplainSpec(Config):
    """A topic and a problem.

    Raises:
        ConfigurationError: for a value of the wrong type or out of its range.
        UnknownNameError: for a topic that does not exist.
    """

    topic: Annotated[Choice, OneOf(EXPLANATIONS), Option("what to explain")]
    problem: Annotated[ProblemSpec, Option("what to explain it on")] = field(default_factory=ProblemSpec)


def explain(spec: ExplainSpec) -> Explanation:
    """Work a topic out.

    Raises:
        DataError: when the problem's data can't be read.
        ConfigurationError: for an option that does not fit the problem.

    Example:
        >>> print(explain(ExplainSpec(topic=Choice("ridge"))).title)
        Ridge regression
    """
    explanation: Explanation = build(spec.topic, EXPLANATIONS, problem_of(spec.problem))
    return explanation
