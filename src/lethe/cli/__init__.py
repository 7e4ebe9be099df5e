"""The command line: a file a command, one line an error, and exit codes that scripts can rely on."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import typer

from lethe.cli.audit import audit
from lethe.cli.bench import bench
from lethe.cli.compare import compare
from lethe.cli.demo import demo
from lethe.cli.describe import describe
from lethe.cli.grid import grid
from lethe.cli.hardest import hardest
from lethe.cli.methods import methods
from lethe.cli.plot import plot
from lethe.cli.recommend import recommend
from lethe.cli.report import report
from lethe.cli.stream import stream
from lethe.cli.table import table
from lethe.cli.terminal import guarded
from lethe.cli.unlearn import unlearn
from lethe.cli.verify import verify

# The files of the commands import torch inside their functions, so that `lethe --help` answers at once.
COMMANDS = (
    demo,
    unlearn,
    audit,
    verify,
    bench,
    grid,
    table,
    plot,
    compare,
    stream,
    hardest,
    report,
    methods,
    describe,
    recommend,
)

app = typer.Typer(
    name="lethe",
    help="Remove data from a trained model, and show whether it is really gone.",
    add_completion=False,
    pretty_exceptions_enable=False,
)
for command in COMMANDS:
    app.command()(command)


@app.callback()
def lethe() -> None:
    """Remove data from a trained model, and show whether it is really gone."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code.

    0: done. 2: the input or the configuration is wrong. 3: the run diverged, or an audit could not finish.
    130: interrupted.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    return guarded(lambda: app(args=given or ["--help"], prog_name="lethe", standalone_mode=False))
