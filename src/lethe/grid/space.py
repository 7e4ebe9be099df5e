"""Space: which values of a method's hyperparameters tuning tries, from the grid or from the method's defaults."""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lethe.errors import ConfigurationError
from lethe.grid.cells import Spec
from lethe.methods.base import Method

REACH = 10.0
"""How far around a published default its numbers are searched, as a factor either way."""

FIXED = ("seed", "batch_size", "momentum", "weight_decay", "warmup_epochs", "micro_batch")
"""Numbers that are not searched unless the grid asks for it."""


@dataclass(frozen=True)
class Range:
    """Numbers from low to high.

    Args:
        low: smallest.
        high: largest.
        log: whether orders of magnitude are equally likely.
        whole: whether only whole numbers are tried.
    """

    low: float
    high: float
    log: bool = False
    whole: bool = False


@dataclass(frozen=True)
class Choices:
    """Any of several values, as text."""

    values: tuple[str, ...]


Dimension = Range | Choices


def space(spec: Spec) -> dict[str, Dimension]:
    """Return what is tried: what the grid names, else a factor of ten around the defaults of the method's numbers.

    Raises:
        ConfigurationError: an entry of the grid is neither a range nor choices, or no option of the method.
    """
    method = spec.build()
    if spec.space:
        hints = typing.get_type_hints(type(method))
        for name in spec.space:
            if name.split(".")[0] not in hints:
                spec.build({name: "0"})  # says which options there are
        return {name: _read(spec.label, name, value, hints.get(name)) for name, value in spec.space.items()}
    return defaults(method, spec.options)


def defaults(method: Method, given: Mapping[str, str]) -> dict[str, Dimension]:
    """Return a range around every positive number of a method that is not given, by orders of magnitude.

    A share (a number up to 1 that is no rate) stays below 1; epochs go up to twice the default.
    """
    found: dict[str, Dimension] = {}
    hints = typing.get_type_hints(type(method))
    for option in dataclasses.fields(type(method)):  # type: ignore[arg-type]
        value = getattr(method, option.name)
        if option.name in given or option.name in FIXED or isinstance(value, bool) or not option.init:
            continue
        if hints[option.name] is float and value > 0:
            share = value < 1 and ("share" in option.name or option.name in ("keep", "fraction", "density", "ratio"))
            high = min(value * REACH, 0.99) if share else value * REACH
            found[option.name] = Range(value / REACH, high, log=True)
        elif option.name == "epochs" and value > 0:
            found["epochs"] = Range(1, max(2, 2 * value), whole=True)
    return found


def _read(label: str, name: str, value: Any, hint: Any) -> Dimension:
    if isinstance(value, Mapping) and list(value) == ["choices"] and isinstance(value["choices"], list):
        return Choices(tuple(map(str, value["choices"])))
    numbers = isinstance(value, list) and len(value) in (2, 3) and all(isinstance(v, (int, float)) for v in value[:2])
    if not numbers or (len(value) == 3 and value[2] != "log") or not value[0] < value[1]:
        raise ConfigurationError(
            f"space of {label}: {name} must be [low, high], [low, high, log], or {{choices: [a, b]}}, not {value!r}"
        )
    log = len(value) == 3
    if log and value[0] <= 0:
        raise ConfigurationError(f"space of {label}: {name} runs over orders of magnitude; its low end must be above 0")
    return Range(float(value[0]), float(value[1]), log, whole=hint is int)
