"""Fields of a configuration set from the command line: ``--optim.lr 3e-4``, or ``--lr 3e-4`` where that is clear."""

import types
from collections.abc import Mapping, Sequence
from textwrap import wrap
from typing import Any, Union, get_args, get_origin

from sightline.core.config import C, Choice, OneOf, Parameter, fields_of, parameters, plain, read, type_name
from sightline.core.errors import ConfigurationError, near


def apply_overrides(config: C, words: Sequence[str]) -> C:
    """A copy of a configuration with fields set from words ``--path value`` or ``--path=value``.

    A path's last part alone is enough where no other field ends so. True/false fields may stand without
    a value (``--optim.nesterov``). Naming another component (``--optim adamw``) brings its own defaults.

    Raises:
        ConfigurationError: for an unknown field (near ones are suggested), a value that is missing, of the
            wrong type, or out of range.
        UnknownNameError: for a component that does not exist.
    """
    pairs = _pairs(words)
    # components first: `--optim.lr 1 --optim sgd` means the rate of sgd, in whatever order
    components = [p.path for p in parameters(config) if _is_component(config, p.path)]
    for path, text in pairs.items():
        if path in components:
            if text is None:
                raise ConfigurationError(expected=f"a name after --{path}", found="nothing", do=f"give --{path} NAME")
            config = _with(config, {path: {"name": text}})
    values: dict[str, Any] = {}
    for path, text in pairs.items():
        if path not in components:
            parameter = _find(config, path)
            if parameter.path in values:
                raise _twice(parameter.path, values[parameter.path], text)
            values[parameter.path] = _value(parameter, text)
    return _with(config, values)


def _pairs(words: Sequence[str]) -> dict[str, str | None]:
    """The fields that are named and the words after them."""
    pairs: dict[str, str | None] = {}
    rest = list(words)
    while rest:
        word = rest.pop(0)
        if not word.startswith("--") or len(word) == 2:
            raise ConfigurationError(
                expected="a field, --name value",
                found=repr(word),
                do="put -- and a field's name before the value",
            )
        path, equals, text = word[2:].partition("=")
        value: str | None = text if equals else None
        if not equals and rest and not (rest[0].startswith("--") and len(rest[0]) > 2):
            value = rest.pop(0)
        name = path.replace("-", "_")
        if name in pairs:
            raise _twice(path, pairs[name], value)
        pairs[name] = value
    return pairs


def _twice(path: str, first: object, second: object) -> ConfigurationError:
    return ConfigurationError(
        expected=f"--{_dashed(path)} once", found=f"{first!r}, then {second!r}", do="leave one of the two out"
    )


def _is_component(config: Any, path: str) -> bool:
    """Whether a path names a part chosen from a registry."""
    for part in path.split("."):
        fields = fields_of(type(config)) if not isinstance(config, Choice) else {}
        if part not in fields:
            return False
        if isinstance(fields[part][2], OneOf):
            return part == path.rpartition(".")[2]
        config = getattr(config, part)
    return False


def _find(config: Any, path: str) -> Parameter:
    known = list(parameters(config))
    matches = [p for p in known if p.path == path] or [p for p in known if p.path.rpartition(".")[2] == path]
    if len(matches) == 1:
        return matches[0]
    if matches:
        raise ConfigurationError(
            expected="a field's whole name",
            found=f"--{path}, which may be " + " or ".join(f"--{_dashed(p.path)}" for p in matches),
            do="write it in full",
        )
    names = {_dashed(p.path) for p in known} | {_dashed(p.path.rpartition(".")[2]) for p in known}
    raise ConfigurationError(expected="a field of the run", found=f"--{_dashed(path)}", do=near(_dashed(path), names))


def _value(parameter: Parameter, text: str | None) -> Any:
    """Text as the parameter's type; text that does not fit is left for the strict reader to refuse."""
    members = _members(parameter.type)
    if text is None:
        if bool in members:
            return True
        raise ConfigurationError(
            expected=f"{type_name(parameter.type)} after --{_dashed(parameter.path)}",
            found="nothing",
            do=f"give a value ({parameter.option.help})",
        )
    if text.lower() in ("none", "null") and type(None) in members:
        return None
    for kind in members:
        if kind is bool and text.lower() in _BOOLEANS:
            return _BOOLEANS[text.lower()]
        if kind in (int, float):
            try:
                return kind(text)
            except ValueError:
                continue
        if get_origin(kind) is tuple:
            item = get_args(kind)[0]
            return [item(t) if item in (int, float, str) else t for t in text.split(",") if t]
    return text


_BOOLEANS = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}


def _members(kind: Any) -> tuple[Any, ...]:
    return get_args(kind) if get_origin(kind) in (Union, types.UnionType) else (kind,)


def _with(config: C, values: Mapping[str, Any]) -> C:
    """A copy with values at dotted paths, checked as a whole."""
    tree = plain(config)
    for path, value in values.items():
        *parents, leaf = path.split(".")
        branch = tree
        for parent in parents:
            branch = branch[parent]
        branch[leaf] = value
    return read(type(config), tree)


def _dashed(path: str) -> str:
    return path.replace("_", "-")


def table(config: Any) -> str:
    """Every field with its meaning, default, unit and range, grouped as in spec.yaml."""
    lines, group = [], None
    rows = [p for p in parameters(config) if p.path != "name"]  # `--name` is the run folder's
    width = max(len(_dashed(p.path)) for p in rows) + 2
    for parameter in rows:
        head = parameter.path.partition(".")[0]
        if head != group and ("." in parameter.path or _is_component(config, parameter.path)):
            lines.append(f"\n{head}")
        group = head if "." in parameter.path or _is_component(config, parameter.path) else group
        default = "none" if parameter.default is None else _shown(parameter.default)
        unit = f" {parameter.option.unit}" if parameter.option.unit else ""
        bounds = parameter.option.range()
        about = f"{type_name(parameter.type)}{', ' + bounds if bounds else ''}; default {default}{unit}"
        margin = " " * (width + 4)
        text = [wrapped for part in (parameter.option.help, about) for wrapped in wrap(part, max(30, 116 - width))]
        lines.append(f"  --{_dashed(parameter.path):<{width}}" + f"\n{margin}".join(text))
    return "\n".join(lines)


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list | tuple):
        return ",".join(map(str, value)) or "empty"
    return str(value)
