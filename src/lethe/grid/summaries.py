"""Summaries of a grid: mean and spread over seeds, the gap to gold, and the best of each column."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd
from scipy import stats

from lethe.errors import ConfigurationError, nearest

ALPHA = 0.05
FIRST = ("forget_accuracy", "retain_accuracy", "holdout_accuracy", "mia_confidence", "average_gap")
"""What stands first where no metrics are asked for."""


@dataclass(frozen=True)
class Cell:
    """One number of a table.

    Attributes:
        mean: over seeds.
        spread: standard deviation over seeds; None for one.
        count: seeds.
        gap: mean gap to gold; None without gold.
        best: whether it is the best of its column: nearest gold, or largest, or smallest.
        differs: whether it differs from the best beyond chance (Welch's t-test over seeds, p < 0.05); None where there
            are fewer than two seeds of either.
    """

    mean: float
    spread: float | None
    count: int
    gap: float | None
    best: bool = False
    differs: bool | None = None


@dataclass(frozen=True)
class Summary:
    """A table of means.

    Attributes:
        rows: what names a row: values of the row columns.
        columns: metrics by name.
        titles: of the columns.
        units: of the columns.
        cells: by row and column; what was not measured is missing.
        row_names: what the row columns are called.
    """

    rows: Sequence[tuple[str, ...]]
    columns: Sequence[str]
    titles: Sequence[str]
    units: Sequence[str]
    cells: dict[tuple[tuple[str, ...], str], Cell]
    row_names: Sequence[str]


def summary(table: pd.DataFrame, rows: Sequence[str] = (), metrics: Sequence[str] = ()) -> Summary:
    """Return means and spreads over seeds.

    Args:
        table: as `results.read` gives it.
        rows: columns that name a row, `setting` and `method`; empty for both where there are several settings.
        metrics: columns of the result; empty for the accuracies and the average gap where they were measured, and
            what it cost, else all metrics of forgetting and utility.

    Raises:
        ConfigurationError: there is no such column or metric, or nothing was measured.
    """
    done = table[table["status"] == "done"]
    if done.empty:
        raise ConfigurationError("no cell of this grid is done; see why with lethe grid --plan")
    names = list(rows) or (["setting", "method"] if done["setting"].nunique() > 1 else ["method"])
    for name in names:
        if name not in ("setting", "method", "slug", "verdict"):
            raise ConfigurationError(f"rows cannot be '{name}'{nearest(name, ('setting', 'method'))}")
    known = list(dict.fromkeys(done["metric"]))
    for name in metrics:
        if name not in [*known, "seconds"]:
            raise ConfigurationError(f"the grid measured no '{name}'{nearest(name, [*known, 'seconds'])}")
    chosen = list(metrics) or _usual(done, known)
    keys = [tuple(map(str, key)) for key in dict.fromkeys(zip(*(done[name] for name in names), strict=True))]
    cells: dict[tuple[tuple[str, ...], str], Cell] = {}
    for column in chosen:
        found = {key: _cell(_select(done, names, key), column) for key in keys}
        cells |= {(key, column): one for key, one in _ranked(done, names, column, found).items()}
    facts = done.drop_duplicates("metric").set_index("metric")
    return Summary(
        rows=keys,
        columns=chosen,
        titles=["Seconds" if name == "seconds" else str(facts["title"][name]) for name in chosen],
        units=["" if name == "seconds" else str(facts["unit"][name]) for name in chosen],
        cells=cells,
        row_names=names,
    )


def _usual(done: pd.DataFrame, known: Sequence[str]) -> list[str]:
    there = [name for name in FIRST if name in known]
    if not there:
        kinds = done.drop_duplicates("metric").set_index("metric")["kind"]
        there = [name for name in known if kinds[name] in ("forgetting", "utility", "recovery")]
    return [*there, "seconds"]


def _select(done: pd.DataFrame, names: Sequence[str], key: Sequence[str]) -> pd.DataFrame:
    chosen = done
    for name, value in zip(names, key, strict=True):
        chosen = chosen[chosen[name].astype(str) == value]
    return chosen


def _values(part: pd.DataFrame, column: str) -> pd.DataFrame:
    """Return one row a cell with the value and gap of a column."""
    if column == "seconds":
        once = part.drop_duplicates("folder")
        return pd.DataFrame({"value": once["seconds"], "gap": math.nan, "goal": "min"})
    return part[part["metric"] == column][["value", "gap", "goal"]]


def _cell(part: pd.DataFrame, column: str) -> Cell | None:
    values = _values(part, column)
    numbers = values["value"].dropna()
    if numbers.empty:
        return None
    gaps = values["gap"].dropna()
    spread = float(numbers.std()) if len(numbers) > 1 else None
    return Cell(float(numbers.mean()), spread, len(numbers), float(gaps.mean()) if len(gaps) else None)


def _ranked(
    done: pd.DataFrame, names: Sequence[str], column: str, found: dict[tuple[str, ...], Cell | None]
) -> dict[tuple[str, ...], Cell]:
    """Return the cells with the best of each setting marked, and those that differ from it."""
    cells = {key: cell for key, cell in found.items() if cell is not None}
    ranked: dict[tuple[str, ...], Cell] = {}
    groups: dict[str, list[tuple[str, ...]]] = {}
    place = list(names).index("setting") if "setting" in names else None
    for key in cells:
        groups.setdefault(key[place] if place is not None else "", []).append(key)
    for keys in groups.values():
        samples = {key: _values(_select(done, names, key), column) for key in keys}
        losses = {key: _losses(sample) for key, sample in samples.items()}
        best = min(keys, key=lambda key: float(losses[key].mean()))
        for key in keys:
            own, other = losses[key], losses[best]
            differs = None
            if len(own) > 1 and len(other) > 1 and key != best:
                differs = _differ(own, other)
            cell = cells[key]
            ranked[key] = Cell(cell.mean, cell.spread, cell.count, cell.gap, key == best and len(keys) > 1, differs)
    return ranked


def _differ(own: pd.Series, other: pd.Series) -> bool:
    """Whether two samples differ in their mean beyond chance (Welch's t-test); those without spread by their value."""
    if float(own.std()) == 0 and float(other.std()) == 0:
        return float(own.mean()) != float(other.mean())
    return float(stats.ttest_ind(own, other, equal_var=False).pvalue) < ALPHA


def _losses(sample: pd.DataFrame) -> pd.Series:
    """Return what is to be small: the distance to gold, or the value, or its negative."""
    goal = str(sample["goal"].iloc[0])
    if goal == "gold" and sample["gap"].notna().any():
        return sample["gap"].abs()
    return -sample["value"] if goal == "max" else sample["value"]
