"""`lethe compare`: many unlearned models in the browser, screened, contrasted and attacked."""

from __future__ import annotations

import webbrowser
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lethe.cli.options import Device, device_named, stoppable
from lethe.cli.terminal import Json, Quiet, note, print_json, progress

if TYPE_CHECKING:
    from lethe.ui.comparison import Comparison


def compare(
    folder: Annotated[Path, typer.Argument(help="Folder of a grid, of a benchmark, of one run, or of several runs.")],
    port: Annotated[int, typer.Option(min=0, max=65535, help="Where the page is; 0 for any port that is free.")] = 8050,
    browser: Annotated[bool, typer.Option("--browser/--no-browser", help="Open the page in the browser.")] = True,
    static: Annotated[
        Path | None, typer.Option(help="Write the whole comparison to this HTML file instead, and stop.")
    ] = None,
    device: Device = "auto",
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Compare unlearned models in the browser; what is measured is kept in the folder's compare/.

    Example: lethe compare results

    Example: lethe compare results --static comparison.html
    """
    from lethe.run import Run
    from lethe.ui.comparator import Comparator
    from lethe.ui.page import write_static

    run = Run(device=device_named(device), progress=progress(quiet))
    try:
        with stoppable(run):
            comparison = Comparator()(folder, run)
    except KeyboardInterrupt:
        note(f"interrupted; the same command goes on with what is in {folder / 'compare'}")
        raise
    if static is not None:
        write_static(comparison.bundle(), static)
    if as_json:
        print_json(comparison.runs())
    elif static is not None and not quiet:
        print(f"the comparison is in {static}")
    if static is None and not as_json:
        _serve(comparison, port, browser, quiet)


def _serve(comparison: Comparison, port: int, browser: bool, quiet: bool) -> None:
    """Answer the browser until Ctrl-C, which is how a comparison ends."""
    from lethe.ui.server import Server

    with Server(comparison, port) as server:
        if not quiet:
            said = [f"{one['folder']}: {one['reason']}" for one in comparison.overview.unreadable]
            said += [f"{one.folder or one.id}: {one.reason}" for one in comparison.overview.runs if one.reason]
            for line in said:
                note(f"note: {line}")
        print(f"the comparator is at {server.address} (Ctrl-C ends it)", flush=True)
        if browser:
            webbrowser.open(server.address)
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            return
