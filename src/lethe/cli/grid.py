"""`lethe grid`: many runs, planned, tuned alike, run side by side, and resumed with nothing run twice."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lethe.cli.options import RayAddress, Workers, pool_named
from lethe.cli.terminal import Json, Quiet, note, print_json, progress, stdout
from lethe.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lethe.grid.running import Grid, Planned


def grid(
    file: Annotated[Path | None, typer.Argument(help="Grid file (YAML): settings, methods, seeds.")] = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder of all cells and results; the same command again goes on there.")
    ] = None,
    workers: Workers = 1,
    ray: RayAddress = "",
    plan: Annotated[
        bool, typer.Option("--plan", help="Show what would run and what cannot, and start nothing.")
    ] = False,
    example: Annotated[bool, typer.Option("--example", help="Print a grid file to start from.")] = False,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Run methods on settings with seeds, and gather one table.

    Example: lethe grid grid.yaml --out results --workers 2
    """
    from lethe.grid.file import EXAMPLE, read_grid
    from lethe.grid.running import Grid

    if example:
        print(EXAMPLE, end="")
        return
    if file is None or out is None:
        missing = "the grid file" if file is None else "--out"
        raise ConfigurationError(f"{missing} is missing; lethe grid grid.yaml --out results, or --example for a file")
    asked = read_grid(file)
    cells = Grid(
        settings=asked.settings,
        specs=asked.specs,
        seeds=asked.seeds,
        trials=asked.trials,
        looking=asked.looking,
        out=out,
        pool=pool_named(workers, ray),
        progress=progress(quiet),
    )
    planned = cells.plan()
    if plan:
        _show_plan(planned, cells, as_json)
        return
    if not quiet:
        note(_summary(planned, cells.trials))
    try:
        table = cells()
    except KeyboardInterrupt:
        note(f"interrupted; the same command goes on with what is in {out}")
        raise
    if as_json:
        print_json(table.to_dict("records"))
        return
    _show(out, quiet)


def _show_plan(planned: Sequence[Planned], cells: Grid, as_json: bool) -> None:
    if as_json:
        print_json([
            {"cell": one.cell.name, "state": one.state, "reason": one.reason, "seconds": one.seconds} for one in planned
        ])  # fmt: skip
        return
    from rich.markup import escape
    from rich.table import Table

    table = Table("cell", "state", "seconds, by cells done", "why not", box=None, pad_edge=False, header_style="bold")
    for one in planned:
        seconds = f"{one.seconds:.1f}" if one.seconds is not None else "not known"
        table.add_row(escape(one.cell.name), one.state, seconds, escape(one.reason))
    stdout().print(table)
    print(_summary(planned, cells.trials))


def _summary(planned: Sequence[Planned], trials: int) -> str:
    """Return one line on what is done, what will run and what that takes."""
    counts = {what: sum(one.state == what for one in planned) for what in ("done", "impossible")}
    todo = [one for one in planned if one.state not in counts]
    pairs = {(one.cell.setting.name, one.cell.spec.label) for one in todo}
    known = [one.seconds for one in todo if one.seconds is not None]
    took = f", {sum(known):.0f} s of unlearning for the {len(known)} that can be estimated" if known else ""
    tuned = f" after {trials * len(pairs)} trials of tuning" if trials and todo else ""
    ran = f"{counts['done']} done, {len(todo)} to run{tuned}{took}, {counts['impossible']} impossible"
    return f"{len(planned)} cells: {ran}"


def _show(out: Path, quiet: bool) -> None:
    from lethe.grid import results, summaries, tables

    table = results.read(out)
    stdout().print(tables.terminal(summaries.summary(table)))
    for line in tables.failures(table):
        print(line)
    if not quiet:
        print(f"table: {out / results.RESULTS}; next: lethe table {out}, lethe plot {out}")
