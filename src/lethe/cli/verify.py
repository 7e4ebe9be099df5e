"""`lethe verify`: whether an evidence belongs to these models and data, and says still what the audit found."""

from __future__ import annotations

import dataclasses
import html
import re
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lethe.cli.files import sha256_of
from lethe.cli.options import Device, device_named
from lethe.cli.report import NAME
from lethe.cli.terminal import Json, Quiet, print_json, progress
from lethe.errors import InputError, LetheError, StorageError

if TYPE_CHECKING:
    from lethe.auditing.evidence import Evidence
    from lethe.auditing.verification import Line
    from lethe.run import Run

MARKS = {True: "agrees ", False: "DIFFERS", None: "note   "}


def verify(
    run: Annotated[Path, typer.Argument(help="Run folder, or any folder, with evidence.json.")],
    key: Annotated[Path | None, typer.Option(help="File with the secret that the evidence was signed with.")] = None,
    no_measure: Annotated[bool, typer.Option("--no-measure", help="Compare hashes alone.")] = False,
    device: Device = "auto",
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Compare an evidence with the models, data and report it speaks of, line by line.

    Example: lethe verify run
    """
    from lethe.auditing.sealing import read_key
    from lethe.run import Run

    secret = read_key(key) if key is not None else None
    where = Run(device=device_named(device), progress=progress(quiet or as_json))
    lines = list(_lines(run, secret, where, not no_measure))
    wrong = [line for line in lines if line.agrees is False]
    if as_json:
        print_json([dataclasses.asdict(line) for line in lines])
    else:
        for line in lines:
            if line.agrees is False or not quiet:
                print(f"{MARKS[line.agrees]} {line.what}: {line.said}")
    if wrong:
        more = f" (and {len(wrong) - 1} more)" if len(wrong) > 1 else ""
        raise InputError(f"{run}: the evidence does not belong to this: {wrong[0].what}: {wrong[0].said}{more}")


def _lines(folder: Path, key: bytes | None, run: Run, measure: bool) -> Iterator[Line]:
    from lethe.auditing import verification
    from lethe.auditing.evidence import Evidence
    from lethe.store import EVIDENCE, read_json

    if not (folder / EVIDENCE).exists():
        raise StorageError(f"{folder}: holds no {EVIDENCE}; make it with lethe audit --run {folder}")
    value = read_json(folder / EVIDENCE)
    if not isinstance(value, Mapping):
        raise StorageError(f"{folder / EVIDENCE}: not the evidence of an audit; make it again with lethe audit")
    evidence = Evidence.from_json(value)
    yield from verification.of_document(value, evidence, key)
    yield from _page(folder / NAME, value)
    yield from _files(folder, evidence)
    yield from verification.of_versions(evidence)
    yield from _contents(folder, evidence, run, measure)


def _page(path: Path, value: Mapping[str, Any]) -> Iterator[Line]:
    """Yield whether the report beside the evidence is the page that this evidence makes."""
    from lethe.auditing.evidence import DIGEST
    from lethe.auditing.verification import Line
    from lethe.report import write_report

    if not path.exists():
        return
    text = path.read_text("utf-8", errors="replace")
    if f'content="{value.get(DIGEST)}"' not in text:
        yield Line(path.name, False, "made from another evidence")
        return
    title = re.search(r"<title>(.*?)</title>", text, re.DOTALL)
    with tempfile.TemporaryDirectory() as folder:
        again = Path(folder) / NAME
        try:
            write_report([value], again, html.unescape(title.group(1)) if title else "")
        except LetheError as error:
            yield Line(path.name, False, str(error))
            return
        same = again.read_text("utf-8") == text
    yield Line(path.name, same, "as this evidence makes it" if same else "edited, or made by another version of lethe")


def _files(folder: Path, evidence: Evidence) -> Iterator[Line]:
    from lethe.auditing.verification import Line

    if not evidence.files:
        yield Line("files", None, "the evidence names none (the audit was made in Python)")
    for file in evidence.files:
        path = folder / file.path
        what = f"{file.role}, {path}"
        if not path.is_file():
            yield Line(what, False, "is not there")
        else:
            same = sha256_of(path) == file.sha256
            yield Line(what, same, "as recorded" if same else "its content is not what was audited")


def _contents(folder: Path, evidence: Evidence, run: Run, measure: bool) -> Iterator[Line]:
    """Yield what loading models and data shows."""
    from lethe.auditing import verification
    from lethe.auditing.verification import Line
    from lethe.sources import Inputs, assemble, load_like

    if "inputs" not in evidence.settings:
        return
    try:
        named = evidence.settings["model"]
        inputs = Inputs.from_dict(evidence.settings["inputs"], "evidence.json")
        problem = assemble(inputs, None, run.progress)
        model = load_like(problem, str(folder / named) if (folder / named).exists() else named, "the unlearned model")
        yield from verification.of_contents(evidence, problem, model)
        if measure:
            yield from verification.measured_again(evidence, problem, model, run)
    except LetheError as error:
        yield Line("models and data", False, str(error))
