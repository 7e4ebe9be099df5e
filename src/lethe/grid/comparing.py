"""Comparing: a line a method and setting, means over seeds, the best of each group of methods marked."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd

from lethe.grid.cells import Spec
from lethe.grid.classification import GROUPS, MAX_STEPS, Outcome, group, reads
from lethe.numbers import number

PARTS = ("forget_accuracy", "retain_accuracy", "holdout_accuracy", "mia_confidence")
GAPS = ("nominal_gap", "average_gap")
MEASURED = (*PARTS, "mia_loss", "relearn")
ACCURACIES = PARTS[:3]
COLUMNS = {
    "gap": "Average gap",
    "accuracy_gap": "Gap of accuracies",
    "forget_accuracy": "Forget acc.",
    "retain_accuracy": "Retain acc.",
    "holdout_accuracy": "Test acc.",
    "mia_confidence": "MIA conf.",
    "mia_loss": "MIA loss",
    "relearn": "Relearn",
    "seconds": "CPU seconds",
}
ORIGINAL, GOLD = "original", "gold"


@dataclass(frozen=True)
class Line:
    """One line of the table of a setting.

    Attributes:
        label: the method, or `original` or `gold`.
        group: of the method; empty for the two.
        reads: what it reads beside the model and the forget set.
        seeds: runs that were done.
        values: mean by column of `COLUMNS`; what was not measured is missing.
        spreads: standard deviation over seeds, by column; missing for one seed.
        gaps: mean distance from gold with its sign, by column; missing without gold.
        best: whether its gap is the smallest of its group.
    """

    label: str
    group: str
    reads: str
    seeds: int
    values: dict[str, float]
    spreads: dict[str, float]
    gaps: dict[str, float]
    best: bool = False


def lines(outcome: Outcome, setting: str, specs: Sequence[Spec]) -> list[Line]:
    """Return original and gold, and then the methods that were done, group by group, the smallest gap first."""
    done = outcome.table[(outcome.table["setting"] == setting) & (outcome.table["status"] == "done")]
    found = [line for spec in specs if (line := _method(done, spec)) is not None]
    if not found:
        return []
    ordered = list[Line]()
    for name in GROUPS:
        own = sorted((one for one in found if one.group == name), key=lambda one: one.values["gap"])
        ordered += [replace(one, best=i == 0) for i, one in enumerate(own)]
    return [*_references(done, outcome.retraining.get(setting)), *ordered]


def has_gold(outcome: Outcome, setting: str) -> bool:
    """Whether anything was set beside gold in a setting."""
    return bool(outcome.table[outcome.table["setting"] == setting]["gold"].notna().any())


def text(line: Line, column: str) -> str:
    """Return a number as it stands in the table: mean, spread of the gap, distance from gold in parentheses."""
    if column not in line.values:
        return "-"
    unit = "" if column in ("relearn", "seconds") else "%"
    value = line.values[column]
    said = number(value, unit)
    if column == "relearn" and value >= MAX_STEPS:
        return f"≥ {MAX_STEPS}"
    if column == "gap" and column in line.spreads:
        said += f" ± {number(line.spreads[column], unit)}"
    if column in line.gaps and unit:
        gap = line.gaps[column]
        said += f" ({'+' if gap > 0 else ''}{number(gap, unit)})"
    return said


def absent(outcome: Outcome, setting: str) -> list[tuple[str, str]]:
    """Return the methods of which a run is missing in a setting, and why: impossible, or failed with so many seeds."""
    reasons: dict[tuple[str, str], int] = {}
    for one in outcome.planned:
        if one.cell.setting.name == setting and one.state != "done":
            key = one.cell.spec.label, " ".join(one.reason.split()) or "not run"
            reasons[key] = reasons.get(key, 0) + 1
    every = {one.cell.seed for one in outcome.planned}
    return [
        (label, reason if count == len(every) else f"{count} of {len(every)} seeds: {reason}")
        for (label, reason), count in reasons.items()
    ]


def plain(line: Line) -> dict[str, Any]:
    """Return a line as plain data."""
    return vars(line).copy()


def _method(done: pd.DataFrame, spec: Spec) -> Line | None:
    own = done[done["method"] == spec.label]
    if own.empty:
        return None
    runs = [_run(cell) for _, cell in own.groupby("folder")]
    table = pd.DataFrame(runs)
    spreads = table.std() if len(runs) > 1 else pd.Series(dtype=float)
    by_metric = own.groupby("metric")["gap"].mean()
    return Line(
        label=spec.label,
        group=group(spec),
        reads=reads(spec),
        seeds=len(runs),
        values={str(name): float(value) for name, value in table.mean().dropna().items()},
        spreads={str(name): float(value) for name, value in spreads.dropna().items()},
        gaps={name: float(by_metric[name]) for name in MEASURED if pd.notna(by_metric.get(name))},
    )


def _run(cell: pd.DataFrame) -> dict[str, float]:
    """Return the columns of one run."""
    by_metric = cell.set_index("metric")
    value = by_metric["value"]
    found = {name: float(value[name]) for name in MEASURED if name in value}
    found |= _gap(value) | _accuracy_gap(by_metric["gap"].dropna())
    return found | {"seconds": float(cell["cpu_seconds"].iloc[0])}


def _gap(values: pd.Series[float]) -> dict[str, float]:
    return {"gap": float(values[name]) for name in GAPS if name in values}  # noqa: B035 - a run has one of them


def _accuracy_gap(gaps: pd.Series[float]) -> dict[str, float]:
    if any(name not in gaps for name in ACCURACIES):
        return {}
    return {"accuracy_gap": sum(abs(float(gaps[name])) for name in ACCURACIES) / len(ACCURACIES)}


def _references(done: pd.DataFrame, seconds: float | None) -> Iterator[Line]:
    """Yield the original, and gold with what one retraining takes; they are the same in every run of a setting."""
    first = done[done["folder"] == done["folder"].iloc[0]].set_index("metric")
    for label, column in ((ORIGINAL, "original"), (GOLD, "gold")):
        known = first[column].dropna()
        values = {name: float(known[name]) for name in MEASURED if name in known}
        values |= _gap(known)
        gaps = {}
        if label == ORIGINAL:
            gold = first["gold"].dropna()
            gaps = {name: values[name] - float(gold[name]) for name in MEASURED if name in gold and name in values}
            values |= _accuracy_gap(pd.Series(gaps, dtype=float))
        elif not values:
            continue
        elif seconds is not None:
            values["seconds"] = seconds
        yield Line(label, "", "", 0, values, {}, gaps)
