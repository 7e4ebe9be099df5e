"""`lethe audit`: what an unlearned model still knows, beside the original and models retrained without the data."""

from __future__ import annotations

import dataclasses
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lethe.cli.choosing import by_owner, parts
from lethe.cli.files import hashed, origin
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
from lethe.cli.terminal import Json, Quiet, note, print_json, progress, settings, stdout

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
    metrics: Annotated[str, typer.Option(help="Names of metrics, with commas between, or all.")] = "all",
    attacks: Annotated[str, typer.Option(help="Names of attacks, with commas between, none, or all.")] = "all",
    set_: Annotated[
        list[str], typer.Option("--set", help="NAME.OPTION=VALUE of a metric or attack, as relearn.max_steps=100.")
    ] = [],  # noqa: B006
    policy: Annotated[
        Path | None, typer.Option(help="YAML file that says what decides, with which bounds and attack budgets.")
    ] = None,
    print_policy: Annotated[
        bool, typer.Option("--print-policy", help="Print the policy (the default one, to start from) and stop.")
    ] = False,
    generator: Annotated[
        str, typer.Option(help="Language model, or template, that writes the texts of attacks which need some.")
    ] = "",
    judge: Annotated[str, typer.Option(help="Language model that judges answers, for attacks which take one.")] = "",
    originals: Annotated[
        list[str], typer.Option(help="Folder of a further model trained on all, of another seed.")
    ] = [],  # noqa: B006
    siblings: Annotated[list[str], typer.Option(help="Folder of a model unlearned alike, from another seed.")] = [],  # noqa: B006
    groups: Annotated[
        str, typer.Option(help="Column by whose values the metrics are computed as well: a class, a person.")
    ] = "",
    retrain_seconds: Annotated[
        float | None, typer.Option(help="What retraining takes; else what the gold runs took.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Where evidence.json goes; else the run folder.")] = None,
    key: Annotated[Path | None, typer.Option(help="File with a secret to sign the evidence with.")] = None,
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
    from lethe.auditing.policy import Policy
    from lethe.auditing.policy_file import read_policy, written
    from lethe.auditing.sealing import read_key, signed
    from lethe.run import Run

    decides = Policy() if policy is None else read_policy(policy)
    if print_policy:
        print(written(decides), end="")
        return
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
    options = by_owner(settings(set_))
    shared = {"generator": generator, "judge": judge}
    chosen = Audit(
        metrics=parts("metric", metrics, options, shared, subject.task),
        attacks=parts("attack", attacks, options, shared, subject.task, decides.attacks),
        policy=decides,
        groups=groups,
    )
    seal = read_key(key) if key is not None else None
    subject = dataclasses.replace(
        subject,
        originals=tuple(originals),
        siblings=tuple(siblings),
        retrain_seconds=recorded_seconds(subject.inputs.gold) if retrain_seconds is None else retrain_seconds,
    )
    files = hashed(subject, policy, folder)
    evidence = _audited(chosen, subject, folder, Run(seed=seed, device=where, progress=shown), quiet)
    evidence = dataclasses.replace(evidence, files=files, settings={**evidence.settings, **origin(subject, folder)})
    plain = evidence.to_json() if seal is None else signed(evidence.to_json(), seal)
    if folder is not None:
        _write(plain, folder)
    if as_json:
        print_json(plain)
    else:
        _print(evidence)
        if folder is not None and not quiet:
            print(f"next: lethe report {shlex.quote(str(folder))}")


def _audited(audit: Audit, subject: Subject, folder: Path | None, run: Run, quiet: bool) -> Evidence:
    """Audit the subject; what is measured is kept in the folder, so that the same command goes on."""
    from lethe.sources import assemble, load_like
    from lethe.store import RunFolder

    problem = assemble(subject.inputs, folder, run.progress)
    model = load_like(problem, subject.model, "--model")
    if subject.record is not None:
        check_unchanged(subject, problem, model)
    if folder is None:
        with stoppable(run):
            return _evidence(audit, subject, problem, model, run, quiet)
    kept = folder / MEASUREMENTS
    with RunFolder(folder).owned(), stoppable(run):
        return _evidence(dataclasses.replace(audit, folder=kept), subject, problem, model, run, quiet)


def _write(plain: Mapping[str, Any], folder: Path) -> None:
    """Write evidence.json, and remove the measurements that served to go on after an interruption."""
    from lethe.store import EVIDENCE, Checkpoints, RunFolder, write_json

    with RunFolder(folder).owned():
        write_json(folder / EVIDENCE, plain)
        Checkpoints(folder / MEASUREMENTS).clear()


def _evidence(audit: Audit, subject: Subject, problem: Problem, model: nn.Module, run: Run, quiet: bool) -> Evidence:
    from lethe.sources import load_like

    record = subject.record or {}
    others = [load_like(problem, path, "--originals") for path in subject.originals]
    alike = [load_like(problem, path, "--siblings") for path in subject.siblings]
    try:
        auditor = audit.on(problem, originals=others, run=run)
        if not quiet:
            note(f"auditing {subject.name}: {auditor.outline(len(alike))}")
        return auditor(
            model,
            name=subject.name,
            method=record["configuration"]["method"] if record else None,
            cost=record["cost"] if record else None,
            retrain_seconds=subject.retrain_seconds,
            siblings=alike,
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
    for caution in evidence.warnings:
        console.print(f"warning: {caution.about}: {caution.sentence}", style="yellow", markup=False, highlight=False)
    console.print(evidence.verdict.sentence, style="bold", markup=False, highlight=False)
    for line in evidence.verdict.failed:
        console.print(f"failed: {line}", markup=False, highlight=False)
