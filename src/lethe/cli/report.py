"""`lethe report`: one HTML page about one or more audited runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from lethe.cli.terminal import Json, Quiet, print_json
from lethe.errors import StorageError

NAME = "report.html"


def report(
    runs: Annotated[list[Path], typer.Argument(help="Run folders with evidence.json.")],
    out: Annotated[
        Path | None, typer.Option(help="The file to write; else report.html in the only run folder.")
    ] = None,
    title: Annotated[str, typer.Option(help="Heading of the page.")] = "Unlearning report",
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Write a self-contained HTML page that compares audited runs.

    Example: lethe report runs/salun runs/ssd --out comparison.html
    """
    from lethe.report import write_report

    path = out or (runs[0] / NAME if len(runs) == 1 else Path(NAME))
    write_report([_evidence(run) for run in runs], path, title)
    if as_json:
        print_json({"report": str(path)})
    elif not quiet:
        print(f"the report is in {path}")


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
