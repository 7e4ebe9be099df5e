"""`lethe demo`: the whole way on a small image classifier and a small language model, with nothing downloaded."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lethe.cli.terminal import Json, Quiet, note, print_json, progress, stdout

if TYPE_CHECKING:
    from lethe.auditing import Evidence

REPORT = "report.html"
INPUTS = "inputs"
PEOPLE = "people"
PARTS = ("digits", PEOPLE)


def demo(
    out: Annotated[Path, typer.Option(help="Folder for models, evidence and the report; go on there when stopped.")],
    part: Annotated[str, typer.Option(help="digits or people; else both.")] = "",
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Unlearn mislabelled digits with five methods and fictitious people with three, audit all, and write reports.

    Example: lethe demo --out demo
    """
    from lethe.errors import ConfigurationError, nearest

    if part and part not in PARTS:
        raise ConfigurationError(f"--part {part}: there is no such part{nearest(part, PARTS)}")
    found: list[Evidence] = []
    for name, run in (("digits", _digits), (PEOPLE, _people)):
        if part in ("", name):
            found += run(out, quiet, as_json)
    if as_json:
        print_json([evidence.to_json() for evidence in found])


def _digits(out: Path, quiet: bool, as_json: bool) -> list[Evidence]:
    """Run the part on a classifier."""
    from lethe.demo import digits

    if not quiet:
        note("1,297 real handwritten digits, 129 of them with a wrong label; the models have to forget those 129.")
    found = digits.demonstrate(out, progress(quiet))
    digits.write_inputs(out / INPUTS)
    inputs = shlex.quote(str(out / INPUTS))
    command = (
        f"lethe unlearn --model {inputs}/original --data {inputs}/digits.npz --forget {inputs}/forget.txt "
        "--method salun --out run"
    )
    _show(found, out / REPORT, "Forgetting mislabelled digits", command, quiet, as_json)
    return found


def _people(out: Path, quiet: bool, as_json: bool) -> list[Evidence]:
    """Run the part on a language model."""
    from lethe.demo import people

    if not quiet:
        note("40 fictitious people whom a small Llama knows by heart; the models have to forget 4 of them.")
    found = people.demonstrate(out / PEOPLE, progress(quiet))
    people.write_inputs(out / PEOPLE / INPUTS)
    inputs = shlex.quote(str(out / PEOPLE / INPUTS))
    command = (
        f"lethe unlearn --model {inputs}/original --forget {inputs}/forget.jsonl --retain {inputs}/retain.jsonl "
        "--method npo --set learning_rate=5e-4 --out run"
    )
    _show(found, out / PEOPLE / REPORT, "Forgetting people", command, quiet, as_json)
    return found


def _show(found: list[Evidence], report: Path, title: str, command: str, quiet: bool, as_json: bool) -> None:
    """Write the report of a part, and print its table and what to try next."""
    from lethe.auditing import tables
    from lethe.report import write_report

    write_report([evidence.to_json() for evidence in found], report, title)
    if as_json:
        return
    console = stdout()
    console.print(tables.terminal(found, console.width))
    for evidence in found:
        console.print(f"{evidence.name}: {evidence.verdict.sentence}", markup=False, highlight=False)
    if not quiet:
        console.print(f"\nreport: {report}", highlight=False, soft_wrap=True)
        console.print(
            f"next, on a model of your own; one to try it on lies there:\n{command}\n", highlight=False, soft_wrap=True
        )
