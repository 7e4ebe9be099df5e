"""From text to values: `--method salun --set keep=0.3 --scope last_layers --set scope.count=2` becomes a Method."""

from __future__ import annotations

import dataclasses
import inspect
import re
import types
import typing
from collections.abc import Mapping
from typing import Any

from lethe import catalogue
from lethe.errors import ConfigurationError, nearest
from lethe.methods.base import Method

PARTS = ("scope", "step", "weighting")


@dataclasses.dataclass(frozen=True)
class Option:
    """One hyperparameter: its name, type as written, default and meaning."""

    name: str
    type: str
    default: Any
    meaning: str


def options(kind: type[Any]) -> list[Option]:
    """Return the hyperparameters of a method, scope, step … with the meanings its docstring gives."""
    meanings: dict[str, str] = {}
    for base in reversed(kind.__mro__):
        meanings |= _documented(base)
    hints = typing.get_type_hints(kind)
    return [
        Option(f.name, _spelled(hints[f.name]), _default(f), meanings.get(f.name, ""))
        for f in dataclasses.fields(kind)
        if f.init
    ]


def build(
    slug: str, settings: Mapping[str, str], parts: Mapping[str, str] | None = None, *, kind: str = "method"
) -> Any:
    """Return the method (or scope, step …) of that name with these settings.

    Args:
        slug: name in the catalogue.
        settings: option to text; `scope.keep` sets the option `keep` of the part `scope`, and where an option is
            itself a method, `method` its slug and `method.keep` an option of that.
        parts: part (`scope`, `step`, `weighting`) to its slug.
        kind: `method`, or the kind of part to build.

    Raises:
        ConfigurationError: an unknown name or option (the nearest is named), a value that does not parse,
            or a combination that is impossible.
    """
    chosen = {name: value for name, value in (parts or {}).items() if value}
    loaded = catalogue.find(kind, slug)
    foreign = sorted(chosen.keys() - {f.name for f in dataclasses.fields(loaded)})
    if foreign:
        raise ConfigurationError(
            f"{slug} takes no --{foreign[0]}: it does not run on the descent loop, so there is no "
            f"{' or '.join(foreign)} to exchange"
        )
    methods = {name for name, hint in typing.get_type_hints(loaded).items() if hint is Method}
    chosen |= {name: text for name, text in settings.items() if name in methods}
    own = {name: text for name, text in settings.items() if "." not in name and name not in methods}
    values = _parse_all(slug, loaded, own)
    for name in {n.split(".", 1)[0] for n in settings if "." in n} - chosen.keys():
        raise ConfigurationError(
            f"a setting '{name}.…' needs the part it belongs to: choose it with --{name} (parts: {', '.join(PARTS)})"
        )
    for name, part in chosen.items():
        inner = {key.split(".", 1)[1]: text for key, text in settings.items() if key.startswith(f"{name}.")}
        values[name] = build(part, inner, kind="method" if name in methods else name)
    made = loaded(**values)
    if isinstance(made, Method):
        made.check()
    return made


def _parse_all(slug: str, kind: type[Any], settings: Mapping[str, str]) -> dict[str, Any]:
    hints = typing.get_type_hints(kind)
    known = [f.name for f in dataclasses.fields(kind) if f.init]
    values: dict[str, Any] = {}
    for name, text in settings.items():
        if name not in known:
            raise ConfigurationError(f"{slug} has no option '{name}'{nearest(name, known)}")
        if name in PARTS:
            raise ConfigurationError(f"choose the {name} with --{name} {text}, its options with --set {name}.option=…")
        try:
            values[name] = parse(text, hints[name])
        except ValueError as error:
            raise ConfigurationError(f"{slug}: option {name}={text}: {error}") from None
    return values


def parse(text: str, hint: Any) -> Any:
    """Return the text as a value of the type; raises ValueError saying what was expected.

    >>> parse("0.5", float), parse("true", bool), parse("a,b", tuple[str, ...]), parse("none", int | None)
    (0.5, True, ('a', 'b'), None)
    """
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        if text.lower() == "none" and type(None) in arguments:
            return None
        return parse(text, next(a for a in arguments if a is not type(None)))
    if origin is typing.Literal:
        for choice in arguments:
            if str(choice) == text:
                return choice
        raise ValueError(f"expected one of {', '.join(map(str, arguments))}")
    if origin is tuple:
        return tuple(parse(part.strip(), arguments[0]) for part in text.split(",") if part.strip())
    if hint is bool:
        if text.lower() in ("true", "yes", "1", "false", "no", "0"):
            return text.lower() in ("true", "yes", "1")
        raise ValueError("expected true or false")
    if hint in (int, float):
        try:
            return hint(text)
        except ValueError:
            raise ValueError(f"expected {'a whole number' if hint is int else 'a number'}") from None
    if hint is str:
        return text
    raise ValueError(f"cannot be set as text; it takes a {_spelled(hint)}, from Python")


def _documented(kind: type[Any]) -> dict[str, str]:
    """Return option to meaning, from the `Args:` section of the class's docstring."""
    text = inspect.cleandoc(kind.__doc__ or "")
    match = re.search(r"^Args:\n((?:[ \t]+.*\n?|\n)*)", text, flags=re.MULTILINE)
    if not match:
        return {}
    found: dict[str, str] = {}
    for item in re.finditer(r"^ {4}(\w+): (.*(?:\n {5,}.*)*)", match.group(1), flags=re.MULTILINE):
        found[item.group(1)] = " ".join(item.group(2).split())
    return found


def _default(field: dataclasses.Field[Any]) -> Any:
    if field.default is not dataclasses.MISSING:
        return field.default
    return field.default_factory() if field.default_factory is not dataclasses.MISSING else None


def _spelled(hint: Any) -> str:
    if typing.get_origin(hint) is typing.Literal:
        return " | ".join(map(str, typing.get_args(hint)))
    return hint.__name__ if isinstance(hint, type) and not typing.get_args(hint) else str(hint).replace("typing.", "")
