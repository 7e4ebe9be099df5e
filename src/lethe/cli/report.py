"""`lethe report`: one HTML page about one or more audited runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from lethe.cli.terminal import Json, Quiet, print_json, progress
from lethe.errors import ConfigurationError, StorageError

NAME, CELLS = "report.html", "cells"


def report(
    runs: Annotated[list[Path], typer.Argument(help="Run folders with evidence.json, or the folder of one grid.")],
    out: Annotated[Path | None, typer.Option(help="The file to write; else report.html in the only folder.")] = None,
    title: Annotated[str, typer.Option(help="Heading of the page.")] = "Unlearning report",
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Write a self-contained HTML page that compares audited runs; of a grid, its whole comparator.

    Example: lethe report runs/salun runs/ssd --out comparison.html

    Example: lethe report results
    """
    path = out or (runs[0] / NAME if len(runs) == 1 else Path(NAME))
    grids = [run for run in runs if (run / CELLS).is_dir()]
    if grids and len(runs) > 1:
        raise ConfigurationError(f"{grids[0]}: is a grid, which has a report of its own; give it alone")
    if grids:
        _compared(grids[0], path, quiet)
    else:
        from lethe.report import write_report

        write_report([_evidence(run) for run in runs], path, title)
    if as_json:
        print_json({"report": str(path)})
    elif not quiet:
        print(f"the report is in {path}")


def _compared(folder: Path, path: Path, quiet: bool) -> None:
    """Write the comparator of a grid as one file."""
    from lethe.run import Run
    from lethe.ui.comparator import Comparator
    from lethe.ui.page import write_static

    write_static(Comparator()(folder, Run(progress=progress(quiet))).bundle(), path)


def _evidence(run: Path) -> dict[str, Any]:
    """Return the evidence of a run folder; raises StorageError where there is none."""
    from lethe.store import EVIDENCE, read_json

    path = run / EVIDENCE
    if not path.exists():
        raise StorageError(f"{run}: holds no {EVIDENCE}; make it with lethe audit --run {run}")
    evidence = read_json(path)
    if not isinstance(evidence, dict):
        raise StorageError(f"{path}: not the evidence of an audit; make it again with lethe audit --run {run}")
    return evidence
