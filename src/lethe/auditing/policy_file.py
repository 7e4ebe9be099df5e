"""Policy files: a policy as YAML that people can read, and errors that name the file, the line and the key."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml

from lethe import catalogue
from lethe.auditing.policy import UNITS, Policy
from lethe.errors import ConfigurationError, nearest

KINDS = ("forgetting", "utility", "privacy", "distance", "recovery")
_MEANINGS = {
    "decide": "kinds of metrics (forgetting, privacy, recovery), or their names, that decide how the model behaves",
    "exempt": "metrics that decide nothing all the same",
    "bounds": "largest gap to gold: by metric or attack, or for all of a unit (%: 0.05 is five points)",
    "utility": "largest fall below gold and original of what should stay: by metric, or for all of a unit",
    "replaced": "how far confidence in wrong answers may lie above gold's",
    "said": "metrics of what it says: where these find it as gold or beyond, what attacks bring back is suppressed",
    "recovered": "largest share of the forgotten that an attack may bring back beyond what it brings out of gold",
    "tolerated": "share of the metrics of a kind that may miss their bound; one whose bound has its name may not",
    "undetermined": "share of what decides that may stay undetermined before the audit is inconclusive",
    "groups": "share of the way to the original from which a group of examples counts as not removed",
    "recoveries": "fewest attacks that have to be carried out before anything is called removed",
    "metrics": "metrics that have to be computed, else the audit is inconclusive",
    "attacks": "attacks that have to be carried out, with their budget, as  relearn: {max_steps: 100}",
}


def written(policy: Policy) -> str:
    """Return a policy as YAML with a comment at each key, to start one's own from."""
    parts = ["# What decides an audit: give it as  lethe audit ... --policy FILE\n"]
    for name, value in policy.to_dict().items():
        text = yaml.safe_dump({name: value}, sort_keys=False, default_flow_style=None, width=100)
        text = text if isinstance(value, (list, dict)) else f"{name}: {value}\n"
        parts.append(f"# {_MEANINGS[name]}\n{text}")
    return "\n".join(parts)


def read_policy(path: Path) -> Policy:
    """Read a policy; what it does not name keeps its default.

    Raises:
        ConfigurationError: the file is missing or no YAML, or a key or value is wrong; file, line and key are named.
    """
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8"
        raise ConfigurationError(
            f"--policy {path}: cannot be read ({reason}); start from lethe audit --print-policy"
        ) from None
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        values = yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"{path}:{mark.line + 1}" if mark is not None else str(path)
        said = getattr(error, "problem", None) or "damaged"
        raise ConfigurationError(f"{where}: not YAML ({said}); write KEY: VALUE a line") from None
    if not isinstance(values, dict) or not isinstance(root, yaml.MappingNode):
        raise ConfigurationError(f"{path}: a policy is a list of KEY: VALUE; start from lethe audit --print-policy")
    return _Reader(path, root).policy(values)


@dataclasses.dataclass(frozen=True)
class _Reader:
    """Checks what a file holds, and knows the line of each key.

    Args:
        path: the file.
        root: its syntax tree.
    """

    path: Path
    root: yaml.MappingNode

    def policy(self, values: Mapping[Any, Any]) -> Policy:
        """Return the policy with these values."""
        known = [field.name for field in dataclasses.fields(Policy)]
        read: dict[str, Any] = {}
        for key, value in values.items():
            if key not in known:
                raise self._error(key, said=f"there is no key '{key}'{nearest(str(key), known)}")
            read[key] = self._value(key, value)
        try:
            return Policy(**read)
        except ConfigurationError as error:
            said = str(error).removeprefix("policy: ")
            raise self._error(*said.split(" ")[0].split("."), said=said) from None

    def _value(self, key: str, value: Any) -> Any:
        if key in ("decide", "exempt", "said", "metrics"):
            more = KINDS if key == "decide" else ()
            return self._names(key, value, [*catalogue.entries("metric"), *more])
        if key in ("bounds", "utility", "replaced"):
            names = [*catalogue.entries("metric"), *(catalogue.entries("attack") if key == "bounds" else ())]
            return self._numbers(key, value, [*names, *(UNITS if key != "replaced" else ())])
        if key == "attacks":
            return self._attacks(value)
        if key == "recoveries" and (not isinstance(value, int) or isinstance(value, bool)):
            raise self._error(key, said=f"{key} must be a whole number, not {value!r}")
        return self._number((key,), value)

    def _names(self, key: str, value: Any, known: Iterable[str]) -> tuple[str, ...]:
        if not isinstance(value, list):
            raise self._error(key, said=f"{key} must be a list of names, as [forget_accuracy], not {value!r}")
        for name in value:
            if name not in known:
                raise self._error(key, said=f"{key}: there is no '{name}'{nearest(str(name), known)}")
        return tuple(value)

    def _numbers(self, key: str, value: Any, known: Iterable[str]) -> dict[str, float]:
        if not isinstance(value, dict):
            raise self._error(key, said=f'{key} must give a number by name, as {{"%": 0.05}}, not {value!r}')
        for name in value:
            if name not in known:
                raise self._error(key, name, said=f"{key}: there is no '{name}'{nearest(str(name), known)}")
        return {name: self._number((key, name), one) for name, one in value.items()}

    def _attacks(self, value: Any) -> dict[str, dict[str, Any]]:
        if isinstance(value, list):
            value = dict.fromkeys(value)
        if not isinstance(value, dict):
            raise self._error("attacks", said=f"attacks must be names, with settings or without, not {value!r}")
        known = list(catalogue.entries("attack"))
        for name, settings in value.items():
            if name not in known:
                raise self._error("attacks", name, said=f"attacks: there is no '{name}'{nearest(str(name), known)}")
            if settings is not None and not isinstance(settings, dict):
                raise self._error("attacks", name, said=f"attacks.{name} must be settings, as {{max_steps: 100}}")
        return {name: dict(settings or {}) for name, settings in value.items()}

    def _number(self, keys: tuple[str, ...], value: Any) -> float:
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise self._error(*keys, said=f"{'.'.join(keys)} must be a number, not {value!r}")
        return float(value)

    def _error(self, *keys: Any, said: str) -> ConfigurationError:
        return ConfigurationError(f"{self.path}:{self._line(keys)}: {said}")

    def _line(self, keys: tuple[Any, ...]) -> int:
        """Return the line of the innermost of these keys that stands in the file."""
        node: yaml.Node = self.root
        line = node.start_mark.line
        for key in keys:
            pairs = node.value if isinstance(node, yaml.MappingNode) else []
            inner = next(((k, v) for k, v in pairs if k.value == str(key)), None)
            if inner is None:
                break
            line, node = inner[0].start_mark.line, inner[1]
        return line + 1
