"""Typed, frozen, validated configuration: one strict reader for Python, YAML and the command line.

A field's meaning stands beside its type, ``lr: Annotated[float, Option("learning rate", above=0)]``.
A part of a run that is picked by name (a model, an optimiser) is a :class:`Choice` from a registry,
whose options are the annotated keyword-only parameters of the registered function or class.
"""

import dataclasses
import inspect
import types
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from math import isfinite
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

import yaml

from sightline.core.errors import ConfigurationError, near
from sightline.core.memory import telling_memory
from sightline.core.registry import Registry

Same = TypeVar("Same", bound="Config")


@dataclass(frozen=True)
class Option:
    """What a field means and which values it may take.

    Args:
        help: one phrase for ``--help``.
        unit: the unit of a number ("epochs", "seconds"), empty where it has none.
        minimum: smallest value allowed.
        maximum: largest value allowed.
        above: the value must be greater than this.
        below: the value must be smaller than this.
    """

    help: str
    unit: str = ""
    minimum: float | None = None
    maximum: float | None = None
    above: float | None = None
    below: float | None = None

    def range(self) -> str:
        """The allowed interval in words, empty where every value is allowed."""
        bounds = [
            f"{sign} {bound:g}"
            for sign, bound in (
                ("≥", self.minimum),
                (">", self.above),
                ("≤", self.maximum),
                ("<", self.below),
            )
            if bound is not None
        ]
        return " and ".join(bounds)

    def allows(self, value: float) -> bool:
        """Whether a number lies in the allowed interval; NaN and infinity never do."""
        return isfinite(value) and not (
            (self.minimum is not None and value < self.minimum)
            or (self.maximum is not None and value > self.maximum)
            or (self.above is not None and value <= self.above)
            or (self.below is not None and value >= self.below)
        )


@dataclass(frozen=True)
class OneOf:
    """Marks a :class:`Choice` field with the registry it chooses from."""

    registry: Registry[Any]


@dataclass(frozen=True)
class Choice:
    """A named entry of a registry and the options it is built with.

    Example:
        >>> Choice("adamw", {"lr": 0.001}).name
        'adamw'
    """

    name: str
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Parameter:
    """One configurable field: its dotted path, type, meaning and default."""

    path: str
    type: Any
    option: Option
    default: Any


@dataclass(frozen=True)
class Config:
    """Base of every configuration: a frozen dataclass whose fields are checked when it is made.

    Raises:
        ConfigurationError: for a value of the wrong type or out of its range.
    """

    def __post_init__(self) -> None:
        for name, (kind, option, registry) in fields_of(type(self)).items():
            object.__setattr__(self, name, check(getattr(self, name), kind, option, registry, name))

    def replace(self: Same, **changes: Any) -> Same:
        """A copy with some fields changed, checked again."""
        return dataclasses.replace(self, **changes)


C = TypeVar("C", bound=Config)


def fields_of(target: Any) -> dict[str, tuple[Any, Option, OneOf | None]]:
    """Type, meaning and registry of each configurable parameter of a dataclass or callable."""
    function = target if dataclasses.is_dataclass(target) or not inspect.isclass(target) else target.__init__
    hints = get_type_hints(function, include_extras=True)
    found = {}
    for name, parameter in inspect.signature(target).parameters.items():
        if parameter.kind is parameter.KEYWORD_ONLY or dataclasses.is_dataclass(target):
            kind, option, registry = hints[name], Option(""), None
            if get_origin(kind) is Annotated:
                kind, *extras = get_args(kind)
                option = next((e for e in extras if isinstance(e, Option)), option)
                registry = next((e for e in extras if isinstance(e, OneOf)), None)
            found[name] = (kind, option, registry)
    return found


def check(value: Any, kind: Any, option: Option, registry: OneOf | None = None, path: str = "") -> Any:
    """The value, converted where nothing is lost (1 → 1.0, "a/b" → Path), or an error naming its path.

    Raises:
        ConfigurationError: for a wrong type or a value out of range.
    """
    members = get_args(kind)
    if registry is not None and not (value is None and type(None) in members):
        return resolve(value, registry.registry, path)
    if get_origin(kind) in (Union, types.UnionType):
        return _check_union(value, kind, option, path)
    if get_origin(kind) is Literal:
        if value in members:
            return value
        raise _wrong(f"{value!r}; {near(str(value), map(str, members))}", kind, option, path)
    if get_origin(kind) is tuple and isinstance(value, list | tuple):
        return tuple(check(v, members[0], option, None, f"{path}[{i}]") for i, v in enumerate(value))
    if isinstance(kind, type) and issubclass(kind, Config) and isinstance(value, Mapping):
        return read(kind, value, path)
    return _check_plain(value, kind, option, path)


def _check_union(value: Any, kind: Any, option: Option, path: str) -> Any:
    """The first of a union's types that the value fits, its own before others."""
    members = get_args(kind)
    if value is None and type(None) in members:
        return None
    own = [m for m in members if m is type(value)]
    for member in own or [m for m in members if m is not type(None)]:
        with suppress(ConfigurationError):
            return check(value, member, option, None, path)
    raise _wrong(repr(value), kind, option, path)


def _check_plain(value: Any, kind: Any, option: Option, path: str) -> Any:
    """A number, text, path, true/false, or a whole configuration."""
    if kind is Path and isinstance(value, str):
        return Path(value)
    if kind is float and type(value) is int:
        value = float(value)
    if get_origin(kind) is not None or not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise _wrong(f"{value!r} ({type(value).__name__})", kind, option, path)
    if kind in (int, float) and not option.allows(value):
        raise _wrong(str(value), kind, option, path)
    return value


def _wrong(found: str, kind: Any, option: Option, path: str) -> ConfigurationError:
    where = option.range()
    unit = f" ({option.unit})" if option.unit else ""
    return ConfigurationError(
        expected=f"{path}: {type_name(kind)}{unit}{', ' + where if where else ''}",
        found=found,
        do=f"give {path} another value" + (f" ({option.help})" if option.help else ""),
    )


def resolve(value: Any, registry: Registry[Any], path: str) -> Choice:
    """A choice with every option present and checked.

    Raises:
        UnknownNameError: for a name the registry does not hold.
        ConfigurationError: for an unknown option, or one of the wrong type or range.
    """
    if isinstance(value, str):
        value = Choice(value)
    if isinstance(value, Mapping) and "name" in value:
        value = Choice(value["name"], {k: v for k, v in value.items() if k != "name"})
    if not isinstance(value, Choice) or not isinstance(value.name, str):
        raise ConfigurationError(
            expected=f"{path}: a {registry.kind} with its 'name'",
            found=repr(value),
            do="sightline list shows them",
        )
    entry = registry[value.name]
    known = fields_of(entry)
    unknown = [name for name in value.options if name not in known]
    if unknown:
        raise ConfigurationError(
            expected=f"an option of the {registry.kind} {value.name!r}",
            found=f"{path}.{unknown[0]}",
            do=near(unknown[0], known),
        )
    defaults = _defaults(entry)
    options = {}
    for name, (kind, option, _) in known.items():
        if name not in value.options and name not in defaults:
            raise ConfigurationError(
                expected=f"{path}.{name}: {type_name(kind)}", found="nothing", do=f"set {path}.{name}"
            )
        options[name] = check(value.options.get(name, defaults.get(name)), kind, option, None, f"{path}.{name}")
    return Choice(value.name, options)


def choice_of(instance: object, registry: Registry[Any]) -> Choice:
    """The choice that would build a registered dataclass instance.

    Raises:
        ConfigurationError: when the instance's class is not registered.
    """
    for name in registry:
        if registry[name] is type(instance) and dataclasses.is_dataclass(instance):
            return Choice(name, {f.name: getattr(instance, f.name) for f in dataclasses.fields(instance)})
    raise ConfigurationError(
        expected=f"a registered {registry.kind}: {', '.join(registry)}",
        found=f"{type(instance).__name__}",
        do="pass one of those, or register the class",
    )


def _defaults(target: Any) -> dict[str, Any]:
    found = {}
    for name, parameter in inspect.signature(target).parameters.items():
        if parameter.default is not inspect.Parameter.empty:
            found[name] = parameter.default
    if dataclasses.is_dataclass(target):
        for f in dataclasses.fields(target):
            if f.default_factory is not dataclasses.MISSING:
                found[f.name] = f.default_factory()
    return found


def read(kind: type[C], mapping: Mapping[str, Any], path: str = "") -> C:
    """Build a configuration from plain nested mappings; the inverse of :func:`plain`.

    Raises:
        ConfigurationError: for a field that does not exist, is missing, or has a wrong value.
    """
    known, values = fields_of(kind), {}
    for name, value in mapping.items():
        dotted = f"{path}.{name}" if path else str(name)
        if name not in known:
            raise ConfigurationError(expected=f"a field of {kind.__name__}", found=dotted, do=near(str(name), known))
        field_type, option, registry = known[name]
        values[name] = check(value, field_type, option, registry, dotted)
    missing = [name for name in known if name not in values and name not in _defaults(kind)]
    if missing:
        dotted = f"{path}.{missing[0]}" if path else missing[0]
        raise ConfigurationError(expected=f"a value for {dotted}", found="nothing", do=f"set {dotted}")
    return kind(**values)


def plain(value: Any) -> Any:
    """Configuration as nested dicts, lists and scalars: what YAML and JSON can hold."""
    if isinstance(value, Choice):
        return {"name": value.name, **{k: plain(v) for k, v in value.options.items()}}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {k: plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [plain(v) for v in value]
    return str(value) if isinstance(value, Path) else value


def to_yaml(config: Config) -> str:
    """The configuration as YAML text."""
    return yaml.safe_dump(plain(config), sort_keys=False, allow_unicode=True)


def from_yaml(kind: type[C], text: str) -> C:
    """Read :func:`to_yaml`'s text back, checked as strictly as everything else.

    Raises:
        ConfigurationError: for text that is not a YAML mapping, or whose fields are wrong.
    """
    try:
        mapping = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ConfigurationError(
            expected="a YAML configuration", found=str(error), do="mend the file, or write it anew"
        ) from error
    if not isinstance(mapping, Mapping):
        raise ConfigurationError(expected="a YAML mapping of fields", found=type(mapping).__name__, do="mend the file")
    return read(kind, mapping)


def parameters(config: Config, path: str = "") -> Iterator[Parameter]:
    """Every leaf of a configuration, depth first, with its dotted path, meaning and present value.

    A choice gives its name as a leaf of its own (``optim``) and its options below it (``optim.lr``).
    """
    for name, (kind, option, registry) in fields_of(type(config)).items():
        dotted = f"{path}.{name}" if path else name
        value = getattr(config, name)
        if registry is not None:
            names = Literal[tuple(registry.registry)]  # type: ignore[valid-type]
            yield Parameter(dotted, names, option, value.name if value is not None else None)
            if value is None:
                continue
            entry = fields_of(registry.registry[value.name])
            for key, (key_kind, key_option, _) in entry.items():
                yield Parameter(f"{dotted}.{key}", key_kind, key_option, value.options[key])
        elif isinstance(value, Config):
            yield from parameters(value, dotted)
        else:
            yield Parameter(dotted, kind, option, value)


def type_name(kind: Any) -> str:
    """A type as a user reads it.

    Example:
        >>> type_name(float | None)
        'a number or none'
    """
    plain_names: dict[Any, str] = {
        int: "a whole number", float: "a number", str: "text", bool: "true or false", Path: "a path",
        type(None): "none",
    }  # fmt: skip
    if kind in plain_names:
        return plain_names[kind]
    if get_origin(kind) in (Union, types.UnionType):
        return " or ".join(type_name(k) for k in get_args(kind))
    if get_origin(kind) is Literal:
        return "one of " + ", ".join(map(str, get_args(kind)))
    if get_origin(kind) is tuple:
        return "a list, each " + type_name(get_args(kind)[0])
    return getattr(kind, "__name__", str(kind))


def build(choice: Choice, registry: Registry[Callable[..., Any]], *arguments: Any) -> Any:
    """Call a registry entry with its chosen options, after any positional arguments.

    Raises:
        ConfigurationError: for options that ask for more memory than there is.
    """
    with telling_memory(f"{choice.name!r} with these options", "give smaller numbers"):
        return registry[choice.name](*arguments, **choice.options)
