"""Working: what a process does for one cell or one trial, and what it reports."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lethe import configure
from lethe.api import unlearn
from lethe.auditing import Audit, Evidence
from lethe.errors import LetheError, StorageError
from lethe.grid.cells import CELL, VERSION, Cell, Spec
from lethe.grid.gaps import WORST, mean_gap, nominal_gap
from lethe.grid.settings import Setting
from lethe.problem import Problem
from lethe.run import Run
from lethe.store import EVIDENCE, RunFolder, write_json


@dataclass(frozen=True)
class Looking:
    """What is measured of every model of a grid.

    Args:
        metrics: names of metrics; empty for all that fit.
        attacks: names of attacks; empty for none.
        resamples: bootstrap samples for intervals.
        options: of metrics and attacks, by their name: option to text.
    """

    metrics: tuple[str, ...] = ()
    attacks: tuple[str, ...] = ()
    resamples: int = 100
    options: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    def audit(self, folder: Path | None = None) -> Audit:
        """Return the audit that measures it; raises ConfigurationError for an unknown name."""
        metrics = (
            tuple(configure.build(name, self.options.get(name, {}), kind="metric") for name in self.metrics) or None
        )
        attacks = tuple(configure.build(name, self.options.get(name, {}), kind="attack") for name in self.attacks)
        return Audit(metrics=metrics, attacks=attacks, golds=0, resamples=self.resamples, folder=folder)


@dataclass(frozen=True)
class CellJob:
    """A cell to work on.

    Args:
        cell: which.
        options: what tuning chose, in the place of the grid's options.
        looking: what is measured.
        out: folder of the grid.
    """

    cell: Cell
    options: Mapping[str, str]
    looking: Looking
    out: Path


@dataclass(frozen=True)
class TrialJob:
    """A trial of a tuning.

    Args:
        setting: where it is tried.
        spec: the method.
        options: what is tried.
        looking: what is measured.
        measured: folder of measurements that trials share.
    """

    setting: Setting
    spec: Spec
    options: Mapping[str, str]
    looking: Looking
    measured: Path


def work_cell(job: CellJob) -> None:
    """Unlearn and audit in the cell's folder; what is there already is kept. A reason why not is left there, too."""
    folder = job.cell.folder(job.out)
    try:
        method, problem = job.cell.spec.build(job.options), job.cell.setting.problem()
        result = unlearn(problem, method, out=folder, run=Run(seed=job.cell.seed))
        record = result.record
        evidence = _audited(job.looking, problem, job.out / "measurements", record, result.model, job.cell.name)
    except LetheError as error:
        write_json(folder / CELL, {"status": "failed", "reason": str(error), **facts_of(job)})
        raise
    with RunFolder(folder).owned():
        write_json(folder / EVIDENCE, evidence.to_json())
        nominal = None if problem.gold else nominal_gap(evidence, problem, job.cell.setting.alike())
        found = {"nominal_gap": vars(nominal)} if nominal is not None else {}
        write_json(folder / CELL, {"status": "done", **facts_of(job), **found})


def work_trial(job: TrialJob) -> dict[str, Any]:
    """Return the mean gap to gold that the options reach, and what they took; a trial that fails has the worst gap."""
    try:
        problem = job.setting.problem()
        result = unlearn(problem, job.spec.build(job.options), run=Run(seed=0))
        evidence = _audited(job.looking, problem, job.measured, result.record, result.model, job.spec.label)
    except (StorageError, OSError):
        raise
    except LetheError as error:
        return {"gap": WORST, "seconds": 0.0, "said": str(error)}
    except Exception as error:  # of these options; the next may do
        return {"gap": WORST, "seconds": 0.0, "said": f"{type(error).__name__}: {error}"}
    gap = mean_gap(evidence, problem, job.setting.alike())
    return {"gap": gap, "seconds": float(result.record["cost"]["seconds"]), "said": ""}


def _audited(
    looking: Looking, problem: Problem, measured: Path, record: Mapping[str, Any], model: Any, name: str
) -> Evidence:
    return looking.audit(measured)(
        problem, model, name=name, method=record["configuration"]["method"], cost=record["cost"], run=Run()
    )


def facts_of(job: CellJob) -> dict[str, Any]:
    """Return what a cell's file says of it, beside what became of it."""
    return {
        "version": VERSION,
        "setting": job.cell.setting.name,
        "problem": job.cell.setting.facts(),
        "method": job.cell.spec.label,
        "slug": job.cell.spec.slug,
        "options": {**job.cell.spec.options, **job.options},
        "tuned": sorted(job.options),
        "seed": job.cell.seed,
    }
