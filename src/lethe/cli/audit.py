"""`lethe audit`: what an unlearned model still knows, beside the original and models retrained without the data."""

from __future__ import annotations

import dataclasses
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lethe.cli.options import (
    Columns,
    Context,
    Data,
    Device,
    Gold,
    Holdout,
    LongExamples,
    Retain,
    Seed,
    Template,
    device_named,
    stoppable,
)
from lethe.cli.subject import Subject, check_unchanged, of_folders, of_run, recorded_seconds
from lethe.cli.terminal import Json, Quiet, note, print_json, progress, stdout

if TYPE_CHECKING:
    from torch import nn

    from lethe.auditing import Audit, Evidence
    from lethe.problem import Problem
    from lethe.run import Run

MEASUREMENTS = "measurements"


def audit(
    run: Annotated[Path | None, typer.Option(help="Folder of a run of lethe unlearn; names all but --gold.")] = None,
    model: Annotated[str, typer.Option(help="The unlearned model, where there is no run.")] = "",
    original: Annotated[str, typer.Option(help="The model before unlearning.")] = "",
    gold: Gold = [],  # noqa: B006
    data: Data = "",
    forget: Annotated[
        str, typer.Option(help="What was to be forgotten: a file of text; with --data, a file of ids, or a filter.")
    ] = "",
    retain: Retain = None,
    holdout: Holdout = None,
    metrics: Annotated[str, typer.Option(help="Names of metrics, with commas between; else all.")] = "",
    attacks: Annotated[str, typer.Option(help="Names of attacks, with commas between, or none; else all.")] = "",
    originals: Annotated[
        list[str], typer.Option(help="Folder of a further model trained on all, of another seed.")
    ] = [],  # noqa: B006
    siblings: Annotated[list[str], typer.Option(help="Folder of a model unlearned alike, from another seed.")] = [],  # noqa: B006
    retrain_seconds: Annotated[
        float | None, typer.Option(help="What retraining takes; else what the gold runs took.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Where evidence.json goes; else the run folder.")] = None,
    seed: Seed = 0,
    device: Device = "auto",
    template: Template = "",
    columns: Columns = "",
    too_long: LongExamples = "",
    context: Context = 0,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Measure and attack an unlearned model.

    Example: lethe audit --run run --gold retrained-1 --gold retrained-2
    """
    from lethe.auditing import Audit
    from lethe.run import Run

    chosen = Audit(metrics=_parts("metric", metrics), attacks=_parts("attack", attacks))
    where, shown = device_named(device), progress(quiet)
    given = {
        "data": data,
        "forget": forget,
        "retain": retain,
        "holdout": holdout,
        "gold": tuple(gold),
        "template": template,
        "columns": columns,
        "too_long": too_long,
        "context": context,
    }
    named = {name: value for name, value in given.items() if value}
    subject = of_run(run, model, original, named) if run else of_folders(model, original, named)
    folder = out or run
    subject = dataclasses.replace(
        subject,
        originals=tuple(originals),
        siblings=tuple(siblings),
        retrain_seconds=recorded_seconds(subject.inputs.gold) if retrain_seconds is None else retrain_seconds,
    )
    evidence = _audited(chosen, subject, folder, Run(seed=seed, device=where, progress=shown))
    if as_json:
        print_json(evidence.to_json())
    else:
        _print(evidence)
        if folder is not None and not quiet:
            print(f"next: lethe report {shlex.quote(str(folder))}")


def _parts(kind: str, names: str) -> Any:
    """Return the metrics or attacks of these names, or None for all; raises ConfigurationError for an unknown one."""
    from lethe import configure

    if not names:
        return None
    slugs = [] if names == "none" else [name.strip() for name in names.split(",") if name.strip()]
    return tuple(configure.build(slug, {}, kind=kind) for slug in slugs)


def _audited(audit: Audit, subject: Subject, folder: Path | None, run: Run) -> Evidence:
    """Audit the subject and write evidence.json to the folder."""
    from lethe.sources import assemble, load_like
    from lethe.store import EVIDENCE, Checkpoints, RunFolder, write_json

    problem = assemble(subject.inputs, folder, run.progress)
    model = load_like(problem, subject.model, "--model")
    if subject.record is not None:
        check_unchanged(subject, problem, model)
    if folder is None:
        with stoppable(run):
            return _evidence(audit, subject, problem, model, run)
    kept = folder / MEASUREMENTS
    with RunFolder(folder).owned(), stoppable(run):
        evidence = _evidence(dataclasses.replace(audit, folder=kept), subject, problem, model, run)
        write_json(folder / EVIDENCE, evidence.to_json())
        # They served to go on after an interruption.
        Checkpoints(kept).clear()
    return evidence


def _evidence(audit: Audit, subject: Subject, problem: Problem, model: nn.Module, run: Run) -> Evidence:
    from lethe.sources import load_like

    record = subject.record or {}
    others = [load_like(problem, path, "--originals") for path in subject.originals]
    alike = [load_like(problem, path, "--siblings") for path in subject.siblings]
    try:
        return audit(
            problem,
            model,
            name=subject.name,
            method=record["configuration"]["method"] if record else None,
            cost=record["cost"] if record else None,
            retrain_seconds=subject.retrain_seconds,
            originals=others,
            siblings=alike,
            run=run,
        )
    except KeyboardInterrupt:
        note("interrupted; the same command goes on with what was measured")
        raise


def _print(evidence: Evidence) -> None:
    """Print the table of the evidence, what could not be computed, and the verdict."""
    from lethe.auditing import tables

    console = stdout()
    console.print(tables.terminal([evidence], console.width))
    reasons: dict[str, list[str]] = {}
    for one in evidence.skipped:
        reasons.setdefault(one["reason"], []).append(one["name"])
    for reason, names in reasons.items():
        console.print(f"not computed: {', '.join(names)}: {reason}", style="dim", markup=False, highlight=False)
    console.print(evidence.verdict.sentence, style="bold", markup=False, highlight=False)
