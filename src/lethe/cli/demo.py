"""`lethe demo`: the whole way on real handwritten digits, from training to the report, with nothing downloaded."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer

from lethe.cli.terminal import Json, Quiet, note, print_json, progress, stdout

REPORT = "report.html"
INPUTS = "inputs"


def demo(
    out: Annotated[Path, typer.Option(help="Folder for models, evidence and the report; go on there when stopped.")],
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Unlearn mislabelled digits with five methods, audit all of them, and write a report.

    Example: lethe demo --out demo
    """
    from lethe.auditing import tables
    from lethe.demo import demonstrate, write_inputs
    from lethe.report import write_report

    if not quiet:
        note("1,297 real handwritten digits, 129 of them with a wrong label; the models have to forget those 129.")
    shown = progress(quiet)
    found = demonstrate(out, shown)
    evidences = [evidence.to_json() for evidence in found]
    write_inputs(out / INPUTS)
    write_report(evidences, out / REPORT, "Forgetting mislabelled digits")
    if as_json:
        print_json(evidences)
        return
    console = stdout()
    console.print(tables.terminal(found, console.width))
    for evidence in found:
        console.print(f"{evidence.name}: {evidence.verdict.sentence}", markup=False, highlight=False)
    if not quiet:
        inputs, report = shlex.quote(str(out / INPUTS)), out / REPORT
        console.print(f"\nreport: {report}", highlight=False, soft_wrap=True)
        console.print(
            f"next, the command line on a model of your own; one to try it on is in {inputs}:\n"
            f"lethe unlearn --model {inputs}/original --data {inputs}/digits.npz --forget {inputs}/forget.txt "
            f"--method salun --out run",
            highlight=False,
            soft_wrap=True,
        )
