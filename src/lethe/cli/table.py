"""`lethe table`: the results of a grid as a table, for the terminal, a page, or a paper."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lethe.cli.terminal import Json, Quiet, print_json, stdout
from lethe.errors import ConfigurationError, nearest


def table(
    folder: Annotated[Path, typer.Argument(help="Folder of a grid, or its results.parquet.")],
    format_: Annotated[str, typer.Option("--format", help="terminal, markdown, latex or csv.")] = "terminal",
    rows: Annotated[str, typer.Option(help="What names a row: method, or setting,method.")] = "",
    columns: Annotated[str, typer.Option(help="Metrics, with commas between, and seconds; else the usual ones.")] = "",
    show: Annotated[str, typer.Option(help="value, gap (to gold), or both.")] = "both",
    best: Annotated[str, typer.Option(help="How the best of a column is marked: bold, or none.")] = "bold",
    settings: Annotated[str, typer.Option(help="Settings, with commas between; else all.")] = "",
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Print mean ± spread over seeds, and the gap to gold; * differs from the best beyond chance.

    Example: lethe table results --format latex --columns forget_accuracy,retain_accuracy
    """
    from lethe.grid import results, summaries, tables

    for option, value, known in (
        ("--format", format_, tables.FORMATS),
        ("--show", show, ("value", "gap", "both")),
        ("--best", best, ("bold", "none")),
    ):
        if value not in known:
            raise ConfigurationError(f"{option} {value}: there is no such choice{nearest(value, known)}")
    found = results.read(folder)
    wanted = _listed(settings)
    if wanted:
        there = list(dict.fromkeys(found["setting"]))
        for name in wanted:
            if name not in there:
                raise ConfigurationError(f"--settings: there is no setting '{name}'{nearest(name, there)}")
        found = found[found["setting"].isin(wanted)]
    summary = summaries.summary(found, _listed(rows), _listed(columns))
    if as_json:
        print_json(tables.plain(summary))
        return
    bold = best == "bold"
    if format_ == "terminal":
        stdout().print(tables.terminal(summary, show))  # type: ignore[arg-type]
        for line in () if quiet else tables.failures(found):
            print(line)
    elif format_ == "csv":
        print(tables.csv(summary), end="")
    else:
        make = tables.markdown if format_ == "markdown" else tables.latex
        print(make(summary, show, bold), end="")  # type: ignore[arg-type]


def _listed(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]
