"""Configuration: a YAML round trip changes nothing; what does not fit is refused with three parts."""

from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sightline.core.config import Choice, Config, OneOf, Option, from_yaml, parameters, to_yaml
from sightline.core.errors import ConfigurationError, SightlineError, UnknownNameError
from sightline.core.registry import Registry

SHAPES: Registry[type] = Registry("shape")


@SHAPES.register("circle")
@dataclass(frozen=True)
class Circle(Config):
    radius: Annotated[float, Option("its radius", unit="metres", above=0)] = 1.0


@SHAPES.register("square")
@dataclass(frozen=True)
class Square(Config):
    side: Annotated[float, Option("its side", unit="metres", above=0)] = 2.0


@dataclass(frozen=True)
class Inner(Config):
    count: Annotated[int, Option("how many", minimum=0, maximum=10)] = 3
    share: Annotated[float | None, Option("what part", minimum=0, below=1)] = None


@dataclass(frozen=True)
class Outer(Config):
    shape: Annotated[Choice, OneOf(SHAPES), Option("a shape")]
    maybe: Annotated[Choice | None, OneOf(SHAPES), Option("another")] = None
    inner: Inner = field(default_factory=Inner)
    name: Annotated[str, Option("a name")] = "x"
    path: Annotated[Path, Option("a path")] = Path()
    mode: Annotated[Literal["fast", "slow"], Option("how")] = "fast"
    flag: Annotated[bool, Option("whether")] = False


outers = st.builds(
    Outer,
    shape=st.one_of(
        st.builds(lambda r: Choice("circle", {"radius": r}), st.floats(min_value=1e-6, allow_infinity=False)),
        st.just(Choice("square")),
    ),
    maybe=st.sampled_from([None, Choice("square")]),
    inner=st.builds(
        Inner, count=st.integers(0, 10), share=st.none() | st.floats(0, 1, exclude_max=True, allow_nan=False)
    ),
    name=st.text(st.characters(codec="utf-8", exclude_characters="\x85\u2028\u2029"), max_size=20),
    mode=st.sampled_from(["fast", "slow"]),
    flag=st.booleans(),
)


@given(outers)
def test_yaml_round_trip(config: Outer) -> None:
    assert from_yaml(Outer, to_yaml(config)) == config


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("shape: {name: circle, radius: -1}", "-1.0"),
        ("shape: {name: circle, radius: .nan}", "nan"),
        ("shape: {name: circle, radius: big}", "'big'"),
        ("shape: {name: circle, raduis: 1}", "shape.raduis"),
        ("shape: circle\ninner: {count: 11}", "11"),
        ("shape: circle\ninner: {count: 1.5}", "1.5"),
        ("shape: circle\ninner: {count: true}", "True"),
        ("shape: circle\ninner: {share: 1.0}", "1.0"),
        ("shape: circle\nmode: quick", "'quick'"),
        ("shape: circle\nflag: 1", "1"),
        ("shape: circle\nnmae: y", "nmae"),
        ("name: y", "nothing"),
        ("shape: 3", "3"),
        ("- 1", "list"),
        ("a: [", ""),
    ],
)
def test_what_does_not_fit_is_refused(text: str, found: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        from_yaml(Outer, text)
    assert found in caught.value.found
    assert caught.value.expected
    assert caught.value.do


def test_a_misspelt_component_suggests_the_near_one() -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'circle'"):
        from_yaml(Outer, "shape: circel")


def test_checked_when_made_in_python_too() -> None:
    with pytest.raises(ConfigurationError):
        Inner(count=-1)
    assert Outer(shape=Choice("circle")).shape.options == {"radius": 1.0}


def test_every_leaf_is_listed_with_its_unit() -> None:
    leaves = {p.path: p for p in parameters(Outer(shape=Choice("circle")))}
    assert len(leaves) == 9
    assert leaves["shape.radius"].option.unit == "metres"
    assert leaves["inner.count"].option.range() == "≥ 0 and ≤ 10"


@given(st.text(max_size=60))
def test_any_text_is_read_or_refused(text: str) -> None:
    with suppress(SightlineError):
        assert isinstance(from_yaml(Outer, text), Outer)
