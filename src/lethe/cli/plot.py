"""`lethe plot`: forgetting against utility and cost, recovery by attacks, and streams, as pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lethe.cli.terminal import Json, Quiet, print_json
from lethe.errors import ConfigurationError, nearest


def plot(
    folder: Annotated[Path, typer.Argument(help="Folder of a grid, or of a lethe stream.")],
    out: Annotated[Path | None, typer.Option(help="Where the pictures go; else plots in that folder.")] = None,
    format_: Annotated[str, typer.Option("--format", help="svg, png or html.")] = "svg",
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Draw what the results allow, a file a picture.

    Example: lethe plot results --format png
    """
    from lethe.grid import plots, results
    from lethe.grid.cells import plain
    from lethe.grid.streams import stream_plot

    if format_ not in plots.FORMATS:
        raise ConfigurationError(f"--format {format_}: there is no such format{nearest(format_, plots.FORMATS)}")
    where = out or (folder if folder.is_dir() else folder.parent) / "plots"
    streams = stream_plot(folder)
    drawn = [streams] if streams is not None else list(plots.all_plots(results.read(folder), folder))
    plots.require_plots([name for name, _ in drawn])
    where.mkdir(parents=True, exist_ok=True)
    paths = [where / f"{plain(name)}.{format_}" for name, _ in drawn]
    for path, (_, figure) in zip(paths, drawn, strict=True):
        plots.save(figure, path)
    if as_json:
        print_json([str(path) for path in paths])
    elif not quiet:
        print("\n".join(map(str, paths)))
