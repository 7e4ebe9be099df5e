"""Cells: one method on one setting with one seed, where it lies, and whether it can run."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lethe import configure
from lethe.errors import LetheError, StorageError
from lethe.grid.settings import Setting
from lethe.methods.base import Method
from lethe.problem import Problem
from lethe.store import EVIDENCE, RECORD, read_json

CELLS, CELL = "cells", "cell.json"
VERSION = 2
"""Of a cell's file."""

PARTS = ("scope", "step", "weighting")


@dataclass(frozen=True)
class Spec:
    """A method as a grid names it.

    Args:
        label: what tables call it.
        slug: its name in the catalogue.
        options: hyperparameter to text, as after `--set`; `scope`, `step` and `weighting` name parts.
        space: hyperparameter to the values that tuning tries: `[low, high]`, `[low, high, "log"]`, or a list of choices
            under the key `choices`.
        tuned: whether its hyperparameters are chosen where the grid tunes.
    """

    label: str
    slug: str
    options: Mapping[str, str] = field(default_factory=dict)
    space: Mapping[str, Any] = field(default_factory=dict)
    tuned: bool = True

    def build(self, instead: Mapping[str, str] | None = None) -> Method:
        """Return the method, with some options replaced; raises ConfigurationError where it cannot be."""
        every = {**self.options, **(instead or {})}
        parts = {name: every.pop(name) for name in PARTS if name in every}
        method: Method = configure.build(self.slug, every, parts)
        return method

    def obstacle(self, problem: Problem) -> str:
        """Return why the method cannot run on the problem, in one line; nothing where it can."""
        try:
            method = self.build()
            if not isinstance(problem.task, method.tasks):
                kinds = " or ".join(kind.__name__ for kind in method.tasks)
                return f"works on {kinds}, and the setting is {type(problem.task).__name__}"
            problem.require(method.requirements(), self.label)
        except LetheError as error:
            return str(error)
        return ""


@dataclass(frozen=True)
class Cell:
    """One run of a grid.

    Args:
        setting: its problem.
        spec: its method.
        seed: of the run.
    """

    setting: Setting
    spec: Spec
    seed: int

    @property
    def name(self) -> str:
        """`setting/method/seed-0`."""
        return f"{plain(self.setting.name)}/{plain(self.spec.label)}/seed-{self.seed}"

    def folder(self, out: Path) -> Path:
        """Return where it lies: a run folder with evidence."""
        return out / CELLS / self.name


def plain(text: str) -> str:
    """Return the text as a file's name: letters, digits, points, dashes and underlines.

    >>> plain("NPO + SAM")
    'NPO_SAM'
    """
    return re.sub(r"[^\w.-]+", "_", text).strip("_.") or "unnamed"


def state(folder: Path) -> tuple[str, str]:
    """Return what became of a cell and why: `done`, `failed`, `broken` (half-written files), or `open`."""
    if (folder / CELL).exists():
        try:
            facts = read_json(folder / CELL)
            if facts["status"] == "failed":
                return "failed", str(facts["reason"])
            read_json(folder / EVIDENCE)
            read_json(folder / RECORD)
            return "done", ""
        except (StorageError, KeyError, TypeError) as error:
            return "broken", str(error)
    return "open", ""
