"""Facts that a recommendation rests on: what this project measured of a method, what it costs, what class it is of."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from lethe.descent import Descent
from lethe.methods.base import Method
from lethe.methods.edits.edit import Edit
from lethe.methods.edits.negmerge import Negation
from lethe.numbers import number

Approach = str


@dataclass(frozen=True)
class Measured:
    """A result of this project.

    Attributes:
        words: what was measured, and what came out.
        distance: how far from gold the method ended, as a share of the original's distance: 0 is gold, 1 no change.
    """

    words: str
    distance: float


@dataclass(frozen=True)
class Passes:
    """What a run with default settings costs, in passes over a set: one example forward and backward is the unit.

    Attributes:
        forget: passes over the forget set.
        retain: passes over the retain set.
    """

    forget: float
    retain: float

    @property
    def words(self) -> str:
        """The passes in words."""
        parts = [f"{number(value, '')} over the {name} set" for name, value in vars(self).items() if value >= 0.05]
        return f"training passes: {' and '.join(parts)}" if parts else "less than one training pass"

    def examples(self, forget: int, retain: int | None) -> float | None:
        """Return the work for sets of these sizes in examples; None where it depends on a size nobody knows."""
        if retain is None and self.retain >= 0.05:
            return None
        return self.forget * forget + self.retain * (retain or 0)


def measured(slug: str, task: str, goal: str) -> Measured | None:
    """Return the project's own result of a method on a problem of this kind, None where there is none.

    Where the goal is left open the result farther from gold counts: a method that fails on one kind is no safe choice.
    """
    found = [
        Measured(one["words"], one["distance"])
        for one in _table("measured.json")
        if one["method"] == slug and one["task"] == task and goal in ("", *one["goals"])
    ]
    return max(found, key=lambda one: one.distance, default=None)


def passes(slug: str) -> Passes | None:
    """Return the passes of a method with its defaults, None where they were not counted."""
    found: Mapping[str, Any] | None = _table("passes.json").get(slug)
    return Passes(**found) if found else None


def approach(kind: type[Method]) -> Approach:
    """Return the class of method, by what it works with.

    Source: the three classes of Si et al. 2023, arXiv:2311.15766, and editing, which that survey sets apart.
    """
    if kind.acts_on in ("prompt", "outputs", "logits", "activations"):
        return "control at inference"
    if issubclass(kind, Negation):
        return "parameter merging"
    if issubclass(kind, Edit):
        return "parameter editing"
    if issubclass(kind, Descent):
        return "parameter optimisation"
    return "several stages" if kind.exactness == "approximate" else "deletion by construction"


@cache
def _table(name: str) -> Any:
    return json.loads((files("lethe.recommend") / name).read_text("utf-8"))
