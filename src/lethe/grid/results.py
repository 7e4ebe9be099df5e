"""Results: every value of every cell in one table, a Parquet file that pandas, Polars and DuckDB read."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from lethe.errors import InputError
from lethe.grid.cells import CELL, CELLS, VERSION
from lethe.store import EVIDENCE, RECORD, atomic, read_json

RESULTS = "results.parquet"

COLUMNS = (
    "setting", "method", "slug", "seed", "options", "status", "reason", "seconds", "cpu_seconds", "steps", "examples",
    "peak_bytes", "verdict", "metric", "title", "unit", "kind", "goal", "value", "original", "gold", "gold_spread",
    "gap", "gap_in_spreads", "low", "high", "power", "folder",
)  # fmt: skip
"""A row a metric of a cell; a cell that failed is one row without a metric."""


def collect(out: Path) -> pd.DataFrame:
    """Return the table of all cells in a grid's folder, finished or failed.

    Raises:
        InputError: there is no cell, or one is of another version of lethe.
    """
    rows = [row for path in sorted((out / CELLS).rglob(CELL)) for row in _rows(out, path.parent)]
    if not rows:
        raise InputError(f"{out}: holds no finished cell; run lethe grid there first")
    return pd.DataFrame(rows, columns=list(COLUMNS))


def write(out: Path, table: pd.DataFrame) -> None:
    """Write the table to results.parquet, in one step."""
    buffer = io.BytesIO()
    table.to_parquet(buffer, index=False)
    atomic(out / RESULTS, buffer.getvalue())


def read(out: Path) -> pd.DataFrame:
    """Return the table of a grid's folder, or of a Parquet file that was made of one.

    Raises:
        InputError: there is no such table, or it lacks a column.
    """
    path = out / RESULTS if out.is_dir() else out
    if not path.exists():
        return collect(out)
    try:
        table = pd.read_parquet(path)
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: is no whole Parquet file ({error}); run lethe grid again, it is made anew") from None
    missing = [name for name in COLUMNS if name not in table.columns]
    if missing:
        raise InputError(f"{path}: lacks the column '{missing[0]}': made by another version; run lethe grid again")
    return table


def _rows(out: Path, folder: Path) -> list[dict[str, Any]]:
    cell = read_json(folder / CELL)
    if cell.get("version") != VERSION:
        raise InputError(
            f"{folder / CELL}: is of version {cell.get('version')}, and this lethe reads {VERSION}; run the grid again "
            "in a folder of its own"
        )
    common = {
        "setting": cell["setting"],
        "method": cell["method"],
        "slug": cell["slug"],
        "seed": cell["seed"],
        "options": json.dumps(cell["options"], sort_keys=True),
        "status": cell["status"],
        "reason": cell.get("reason", ""),
        "folder": str(folder.relative_to(out)),
    }
    if cell["status"] != "done":
        return [common]
    cost, evidence = read_json(folder / RECORD)["cost"], read_json(folder / EVIDENCE)
    common |= {name: cost[name] for name in ("seconds", "cpu_seconds", "steps", "examples", "peak_bytes")}
    common["verdict"] = evidence["verdict"]["outcome"]
    entries = [*evidence["metrics"], *evidence["attacks"], *_average(evidence), *_nominal(cell)]
    return [common | _values(entry) for entry in entries]


def _values(entry: Mapping[str, Any]) -> dict[str, Any]:
    low, high = entry["interval"] or (None, None)
    return {
        "metric": entry["name"], "title": entry["title"], "unit": entry["unit"], "kind": entry["kind"],
        "goal": entry["goal"], "value": entry["value"], "original": entry["original"], "gold": entry["gold_mean"],
        "gold_spread": entry["gold_spread"], "gap": entry["gap"], "gap_in_spreads": entry["gap_in_spreads"],
        "low": low, "high": high, "power": entry["power"]["has_power"],
    }  # fmt: skip


def _average(evidence: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the average gap as an entry of its own."""
    gap = evidence["average_gap"]
    if not gap:
        return []
    gold: Sequence[float] = gap["gold"]
    return [_gap("average_gap", "Average gap", gap, sum(gold) / len(gold) if gold else None)]


def _nominal(cell: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the nominal gap, which stands for the average gap where there is no gold, as an entry of its own."""
    gap = cell.get("nominal_gap")
    return [_gap("nominal_gap", "Nominal gap", gap, None)] if gap else []


def _gap(name: str, title: str, gap: Mapping[str, float], gold: float | None) -> dict[str, Any]:
    return {
        "name": name, "title": title, "unit": "%", "kind": "distance", "goal": "min", "value": gap["value"],
        "original": gap["original"], "gold_mean": gold, "gold_spread": None,
        "gap": gap["value"] - gold if gold is not None else None, "gap_in_spreads": None, "interval": None,
        "power": {"has_power": None},
    }  # fmt: skip
