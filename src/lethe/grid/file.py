"""Grid files: YAML in, settings, methods and seeds out, with the line of whatever is wrong."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from lethe import catalogue
from lethe.errors import ConfigurationError, LetheError, nearest
from lethe.grid.cells import Spec
from lethe.grid.settings import FilesSetting, Setting, WorldSetting
from lethe.grid.space import space
from lethe.grid.working import Looking

KEYS = ("settings", "methods", "seeds", "tune", "metrics", "attacks", "resamples", "space")

EXAMPLE = """\
settings:                       # the problems, by name: a world, or a model and data of yours
  digits-class: {world: digits, forget: class}
  mine:
    model: vit
    data: digits.npz
    forget: label == 3
    gold: [retrained-1, retrained-2]
    tuned_on: {forget: label == 5, gold: [without-5]}
methods:                        # by name in tables; the method's own name where `method` says nothing
  finetune:
  salun: {keep: 0.5}
  salun+sam: {method: salun, step: sam}
seeds: [0, 1, 2]
tune: 10                        # trials a method and setting; leave out to take the options as they are
space:                          # what is tried; else a factor of ten around the defaults
  salun: {learning_rate: [1.0e-4, 1.0e-1, log], keep: [0.1, 0.9]}
metrics: [forget_accuracy, retain_accuracy, holdout_accuracy, mia_confidence]   # leave out for all
attacks: [relearn]              # leave out for none
"""


@dataclass(frozen=True)
class GridFile:
    """What a grid file asks for.

    Attributes:
        settings: the problems.
        specs: the methods.
        seeds: of the runs.
        trials: of tuning; 0 for none.
        looking: what is measured.
    """

    settings: tuple[Setting, ...]
    specs: tuple[Spec, ...]
    seeds: tuple[int, ...]
    trials: int
    looking: Looking


def read_grid(path: Path) -> GridFile:
    """Read a grid file.

    Raises:
        ConfigurationError: the file is missing or no YAML, or a key, method, metric or option is unknown or wrong; file
            and line are named, and the nearest name that exists.
    """
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8"
        raise ConfigurationError(f"{path}: cannot be read ({reason}); lethe grid --example prints one") from None
    try:
        root, values = yaml.compose(text, Loader=yaml.SafeLoader), yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"{path}:{mark.line + 1}" if mark is not None else str(path)
        raise ConfigurationError(f"{where}: not YAML ({getattr(error, 'problem', None) or 'damaged'})") from None
    if not isinstance(values, dict) or not isinstance(root, yaml.MappingNode):
        raise ConfigurationError(f"{path}: a grid is a list of KEY: VALUE; lethe grid --example prints one")
    return _Reader(path, root).grid(values)


@dataclass(frozen=True)
class _Reader:
    path: Path
    root: yaml.MappingNode

    def grid(self, values: Mapping[str, Any]) -> GridFile:
        for key in values:
            if key not in KEYS:
                raise self.error((key,), f"there is no key '{key}'{nearest(str(key), KEYS)}")
        spaces = self.mapping(("space",), values.get("space") or {})
        methods = self.mapping(("methods",), values.get("methods") or {})
        for label in spaces:
            if label not in methods:
                raise self.error(("space", label), f"space: no method is called '{label}'{nearest(label, methods)}")
        settings = self.mapping(("settings",), values.get("settings") or {})
        return GridFile(
            settings=tuple(self.setting(name, value) for name, value in settings.items()),
            specs=tuple(self.spec(label, value, spaces.get(label) or {}) for label, value in methods.items()),
            seeds=tuple(self.whole("seeds", seed) for seed in self.listed("seeds", values.get("seeds", [0]))),
            trials=self.whole("tune", values.get("tune", 0)),
            looking=Looking(
                metrics=self.names("metric", values.get("metrics") or []),
                attacks=self.names("attack", values.get("attacks") or []),
                resamples=self.whole("resamples", values.get("resamples", 100)),
            ),
        )

    def setting(self, name: str, value: Any) -> Setting:
        at = ("settings", name)
        options = dict(self.mapping(at, value or {}))
        tuned_on = self.mapping((*at, "tuned_on"), options.pop("tuned_on", None) or {})
        try:
            if "world" in options:
                return WorldSetting(name, str(options.pop("world")), options, tuned_on)
            return FilesSetting(name, options, tuned_on)
        except LetheError as error:
            raise self.error((*at, *self._named(options, str(error))), f"settings.{name}: {error}") from None

    def spec(self, label: str, value: Any, searched: Any) -> Spec:
        at = ("methods", label)
        options = dict(self.mapping(at, value or {}))
        slug = str(options.pop("method", label))
        known = catalogue.entries("method")
        if slug not in known:
            raise self.error(at, f"methods: there is no method '{slug}'{nearest(slug, known)}")
        text = {name: _text(option) for name, option in self._flat(options).items()}
        spec = Spec(label, slug, text, dict(self.mapping(("space", label), searched)))
        try:
            spec.build()
        except LetheError as error:
            raise self.error((*at, *self._named(options, str(error))), f"methods.{label}: {error}") from None
        try:
            space(spec)
        except LetheError as error:
            raise self.error(("space", label, *self._named(spec.space, str(error))), str(error)) from None
        return spec

    def names(self, kind: str, value: Any) -> tuple[str, ...]:
        known = catalogue.entries(kind)
        for name in self.listed(f"{kind}s", value):
            if name not in known:
                raise self.error((f"{kind}s",), f"{kind}s: there is no '{name}'{nearest(str(name), known)}")
        return tuple(value)

    def mapping(self, at: tuple[str, ...], value: Any) -> Mapping[str, Any]:
        if not isinstance(value, Mapping):
            raise self.error(at, f"{'.'.join(at)} must be a list of KEY: VALUE, not {value!r}")
        return {str(key): inner for key, inner in value.items()}

    def listed(self, key: str, value: Any) -> Sequence[Any]:
        if not isinstance(value, list):
            raise self.error((key,), f"{key} must be a list, as [a, b], not {value!r}")
        return value

    def whole(self, key: str, value: Any) -> int:
        if not isinstance(value, int) or isinstance(value, bool) or value < 0:
            raise self.error((key,), f"{key}: must be a whole number from 0, not {value!r}")
        return value

    def error(self, at: Sequence[Any], said: str) -> ConfigurationError:
        return ConfigurationError(f"{self.path}:{self._line(at)}: {said}")

    def _flat(self, options: Mapping[str, Any]) -> dict[str, Any]:
        """Return options with those of parts as `scope.keep`: they may stand in a mapping of their own."""
        flat: dict[str, Any] = {}
        for name, value in options.items():
            if isinstance(value, Mapping):
                inner = dict(value)
                if "name" in inner:
                    flat[name] = inner.pop("name")
                flat |= {f"{name}.{key}": one for key, one in inner.items()}
            else:
                flat[name] = value
        return flat

    @staticmethod
    def _named(options: Mapping[str, Any], said: str) -> tuple[str, ...]:
        """Return the option that a message speaks of, for its line."""
        return tuple(name for name in options if f"'{name}'" in said or f" {name}" in said)[:1]

    def _line(self, at: Sequence[Any]) -> int:
        """Return the line of the innermost of these keys that stands in the file."""
        node: yaml.Node = self.root
        line = node.start_mark.line
        for key in at:
            pairs = node.value if isinstance(node, yaml.MappingNode) else []
            inner = next(((k, v) for k, v in pairs if k.value == str(key)), None)
            if inner is None:
                break
            line, node = inner[0].start_mark.line, inner[1]
        return int(line) + 1


def _text(value: Any) -> str:
    """Return an option as it stands after `--set`."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return ",".join(_text(one) for one in value)
    return "none" if value is None else str(value)
