"""Folders: which runs lie below a folder, whatever made them: a grid, a benchmark, or lethe unlearn by itself."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lethe import catalogue
from lethe.auditing.evidence import Evidence
from lethe.errors import InputError, LetheError, StorageError
from lethe.grid.cells import CELL
from lethe.grid.cells import VERSION as CELL_VERSION
from lethe.store import EVIDENCE, MODEL, RECORD, read_json

COMPARE = "compare"
_SKIPPED = {MODEL, "checkpoint", "measurements", COMPARE}


@dataclass(frozen=True)
class Unreadable:
    """A folder that looks like a run and cannot be shown, and why."""

    folder: str
    reason: str


@dataclass(frozen=True)
class Found:
    """A run folder.

    Attributes:
        folder: where it lies.
        name: its path below the folder that is compared.
        setting: what its grid calls the problem; empty where no grid made it.
        facts: the grid's description of the problem.
        method: what tables call the method.
        slug: its name in the catalogue; empty where it is not there.
        seed: of the run.
        options: hyperparameters that are not the method's defaults, as text.
        status: `done`, `failed` or `incomplete`.
        reason: why it is not done.
        problem: hashes of `model`, `forget`, `retain`, `holdout`; empty where nothing was started.
        result: hash of the unlearned weights; empty where there are none.
        inputs: paths that lethe unlearn read; empty where the problem came from elsewhere.
        seconds: what unlearning took.
        steps: optimiser steps.
        history: what was measured on the way.
        evidence: of its audit, as plain data; None without one.
        complaint: what is wrong with the evidence; empty where nothing is.
    """

    folder: Path
    name: str
    setting: str = ""
    facts: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    method: str = ""
    slug: str = ""
    seed: int | None = None
    options: Mapping[str, str] = dataclasses.field(default_factory=dict)
    status: str = "done"
    reason: str = ""
    problem: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    result: str = ""
    inputs: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    seconds: float | None = None
    steps: int | None = None
    history: tuple[Mapping[str, float], ...] = ()
    evidence: Mapping[str, Any] | None = None
    complaint: str = ""


def runs_below(root: Path) -> tuple[list[Found], list[Unreadable]]:
    """Return the runs below a folder, and what looks like one but cannot be shown.

    Raises:
        InputError: there is no such folder, or no run in it that can be shown.
    """
    if not root.is_dir():
        raise InputError(f"{root}: there is no such folder; give one with runs of lethe unlearn, grid or bench")
    runs: list[Found] = []
    unreadable: list[Unreadable] = []
    for folder in _run_folders(root):
        name = str(folder.relative_to(root)) if folder != root else root.resolve().name
        try:
            found = _read(folder, name)
        except LetheError as error:
            unreadable.append(Unreadable(name, str(error)))
        except (KeyError, TypeError, AttributeError) as error:
            unreadable.append(Unreadable(name, f"{RECORD} or {CELL} is damaged ({error!r}); run the cell again"))
        else:
            runs += [found] if found is not None else []
    if not runs:
        because = f"; {unreadable[0].folder}: {unreadable[0].reason}" if unreadable else ""
        more = because or "; give the --out of lethe unlearn, lethe grid or lethe bench, or a folder of such folders"
        raise InputError(f"{root}: holds no run that can be shown{more}")
    return runs, unreadable


def _run_folders(root: Path) -> Iterator[Path]:
    """Yield every folder with a record or a cell, in the order of names."""
    for path, folders, files in os.walk(root):
        folders[:] = sorted(one for one in folders if one not in _SKIPPED and not one.startswith("."))
        if RECORD in files or CELL in files:
            yield Path(path)


def _read(folder: Path, name: str) -> Found | None:
    """Return the run in a folder; None where it is no unlearning: a model that a benchmark trained."""
    cell = read_json(folder / CELL) if (folder / CELL).exists() else None
    record = read_json(folder / RECORD) if (folder / RECORD).exists() else None
    found = Found(folder, name)
    if cell is not None:
        found = _of_cell(found, cell, record)
    if record is None:
        return found
    configuration = record["configuration"]
    if "forget" not in configuration["problem"]:
        return None
    if record["version"] != 1:
        raise InputError(f"its record is of version {record['version']}, and this lethe reads 1; unlearn again")
    found = _of_record(found, record)
    return _audited(found) if found.status == "done" else found


def _of_cell(found: Found, cell: Mapping[str, Any], record: Any) -> Found:
    if cell.get("version") != CELL_VERSION:
        raise InputError(
            f"its cell is of version {cell.get('version')}, and this lethe reads {CELL_VERSION}; run the grid again in "
            "a folder of its own"
        )
    if cell["status"] == "done" and record is None:
        raise StorageError(f"half-written: {RECORD} is missing; remove the folder and run the grid again")
    return dataclasses.replace(
        found,
        setting=cell["setting"],
        facts=cell["problem"],
        method=cell["method"],
        slug=cell["slug"],
        seed=cell["seed"],
        options={key: str(value) for key, value in cell["options"].items()},
        status=cell["status"],
        reason=cell.get("reason", ""),
    )


def _of_record(found: Found, record: Mapping[str, Any]) -> Found:
    configuration, cost = record["configuration"], record["cost"]
    method = configuration["method"]
    slug, defaults = _in_catalogue(method["type"])
    status, reason = found.status, found.reason
    if status == "done" and record["status"] != "done":
        status = "failed" if record["status"] == "diverged" else "incomplete"
        reason = record.get("error") or f"the run is not done ({record['status']}); the same command goes on with it"
    return dataclasses.replace(
        found,
        method=found.method or slug or method["type"],
        slug=found.slug or slug,
        seed=configuration["seed"],
        options=found.options if found.setting else _options(method, defaults),
        status=status,
        reason=reason,
        problem=configuration["problem"],
        result=record.get("result", ""),
        inputs=record.get("inputs") or {},
        seconds=cost["seconds"],
        steps=cost["steps"],
        history=tuple(record["history"]),
    )


def _audited(found: Found) -> Found:
    path = found.folder / EVIDENCE
    if not path.exists():
        return found
    try:
        plain = read_json(path)
        return dataclasses.replace(found, evidence=Evidence.from_json(plain).to_json())
    except LetheError as error:
        return dataclasses.replace(found, complaint=f"its {EVIDENCE} cannot be read: {error}")


def _in_catalogue(kind: str) -> tuple[str, Mapping[str, Any]]:
    """Return slug and defaults of the method whose class has this name; nothing where the catalogue has none."""
    for entry in catalogue.entries("method").values():
        if entry.path.endswith(f":{kind}"):
            return entry.slug, {one.name: _default(one) for one in dataclasses.fields(entry.load())}
    return "", {}


def _default(field: dataclasses.Field[Any]) -> Any:
    """Return a field's default; the name of the class where it is a part."""
    made = field.default_factory() if field.default_factory is not dataclasses.MISSING else field.default
    return type(made).__name__ if dataclasses.is_dataclass(made) else made


def _options(method: Mapping[str, Any], defaults: Mapping[str, Any]) -> dict[str, str]:
    """Return the settings of a method that are not its defaults; parts by their names."""
    plain = {name: value["type"] if isinstance(value, Mapping) else value for name, value in method.items()}
    return {name: str(value) for name, value in plain.items() if name != "type" and value != defaults.get(name, value)}
