"""`lethe audit`: what an unlearned model still knows, beside the original and models retrained without the data."""

from __future__ import annotations

import dataclasses
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lethe.cli.options import Device, Gold, Holdout, Retain, Seed, device_named, stoppable
from lethe.cli.terminal import Json, Quiet, note, print_json, progress, stdout
from lethe.errors import ConfigurationError, InputError, StorageError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import nn

    from lethe.auditing import Audit, Evidence
    from lethe.problem import Problem
    from lethe.run import Run
    from lethe.sources import Inputs

MEASUREMENTS = "measurements"


def audit(
    run: Annotated[Path | None, typer.Option(help="Folder of a run of lethe unlearn; names all but --gold.")] = None,
    model: Annotated[str, typer.Option(help="The unlearned model, where there is no run.")] = "",
    original: Annotated[str, typer.Option(help="The model before unlearning.")] = "",
    gold: Gold = [],  # noqa: B006
    data: Annotated[str, typer.Option(help="Training data: image folder, .parquet, .npz, or folder of datasets.")] = "",
    forget: Annotated[str, typer.Option(help="What was to be forgotten: a file of ids, or a filter.")] = "",
    retain: Retain = None,
    holdout: Holdout = None,
    metrics: Annotated[str, typer.Option(help="Names of metrics, with commas between; else all.")] = "",
    attacks: Annotated[str, typer.Option(help="Names of attacks, with commas between, or none; else all.")] = "",
    originals: Annotated[
        list[str], typer.Option(help="Folder of a further model trained on all, of another seed.")
    ] = [],  # noqa: B006
    siblings: Annotated[list[str], typer.Option(help="Folder of a model unlearned alike, from another seed.")] = [],  # noqa: B006
    retrain_seconds: Annotated[
        float | None, typer.Option(help="What retraining takes, to set the cost beside.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Where evidence.json goes; else the run folder.")] = None,
    seed: Seed = 0,
    device: Device = "auto",
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
    given = {"data": data, "forget": forget, "retain": retain, "holdout": holdout, "gold": tuple(gold)}
    named = {name: value for name, value in given.items() if value}
    subject = _of_run(run, model, original, named) if run else _of_folders(model, original, named)
    folder = out or run
    subject = dataclasses.replace(
        subject, originals=tuple(originals), siblings=tuple(siblings), retrain_seconds=retrain_seconds
    )
    evidence = _audited(chosen, subject, folder, Run(seed=seed, device=where, progress=shown))
    if as_json:
        print_json(evidence.to_json())
    else:
        _print(evidence)
        if folder is not None and not quiet:
            stdout().print(f"next: lethe report {shlex.quote(str(folder))}", highlight=False, soft_wrap=True)


@dataclass(frozen=True)
class Subject:
    """What is audited.

    Attributes:
        name: what tables call it.
        model: its folder.
        inputs: the problem it was made for.
        record: the record of the run that made it, where there is one.
        originals: folders of further models trained on everything.
        siblings: folders of further models unlearned in the same way.
        retrain_seconds: what retraining takes; None where nobody measured it.
    """

    name: str
    model: str
    inputs: Inputs
    record: Mapping[str, Any] | None = None
    originals: tuple[str, ...] = ()
    siblings: tuple[str, ...] = ()
    retrain_seconds: float | None = None


def _parts(kind: str, names: str) -> Any:
    """Return the metrics or attacks of these names, or None for all; raises ConfigurationError for an unknown one."""
    from lethe import configure

    if not names:
        return None
    slugs = [] if names == "none" else [name.strip() for name in names.split(",") if name.strip()]
    return tuple(configure.build(slug, {}, kind=kind) for slug in slugs)


def _of_run(run: Path, model: str, original: str, named: Mapping[str, Any]) -> Subject:
    """Return what a run folder holds; paths given beside it replace those of its record.

    Raises:
        StorageError: the folder holds no finished run.
    """
    from lethe.sources import Inputs
    from lethe.store import RECORD, RunFolder

    if model:
        raise ConfigurationError("--run and --model both name the model to audit; leave one of them out")
    folder = RunFolder(run)
    record = folder.record()
    if record is None:
        raise StorageError(f"{run}: holds no {RECORD}; give the --out of a lethe unlearn")
    if record["status"] != "done":
        raise StorageError(f"{run}: the run is not done ({record['status']}); finish it with the same lethe unlearn")
    inputs = Inputs.from_dict(record["inputs"], f"{run / RECORD}")
    instead = {**named, **({"model": original} if original else {})}
    return Subject(run.resolve().name, str(folder.model), dataclasses.replace(inputs, **instead), record)


def _of_folders(model: str, original: str, named: Mapping[str, Any]) -> Subject:
    """Return what the options name; raises ConfigurationError where one is missing."""
    from lethe.sources import Inputs

    needed = {"--model": model, "--original": original, "--data": named.get("data"), "--forget": named.get("forget")}
    missing = [option for option, value in needed.items() if not value]
    if missing:
        raise ConfigurationError(f"{' and '.join(missing)} is missing; give --run, or all of {', '.join(needed)}")
    return Subject(Path(model).resolve().name, model, Inputs(model=original, **named))


def _audited(audit: Audit, subject: Subject, folder: Path | None, run: Run) -> Evidence:
    """Audit the subject and write evidence.json to the folder."""
    from lethe.sources import assemble, load_like
    from lethe.store import EVIDENCE, Checkpoints, RunFolder, write_json

    problem = assemble(subject.inputs, folder, run.progress)
    model = load_like(problem, subject.model, "--model")
    if subject.record is not None:
        _check_unchanged(subject, problem, model)
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


def _check_unchanged(subject: Subject, problem: Problem, model: nn.Module) -> None:
    """Raise InputError where the model, the original or the data are not those of the run any more."""
    from lethe.models import fingerprint

    assert subject.record is not None
    before, now = subject.record["configuration"]["problem"], problem.fingerprint()
    changed = [name for name in ("model", "forget", "retain") if before[name] != now[name]]
    if changed:
        names = {"model": "the original model", "forget": "the forget set", "retain": "the retain set"}
        raise InputError(
            f"{' and '.join(names[name] for name in changed)} changed since {subject.name} was made; restore "
            f"{subject.inputs.model} and {subject.inputs.data}, or unlearn again"
        )
    if fingerprint(model) != subject.record["result"]:
        raise InputError(f"{subject.model}: the weights are not those the run ended with; run lethe unlearn again")


def _print(evidence: Evidence) -> None:
    """Print the table of the evidence, what could not be computed, and the verdict."""
    from lethe.auditing import tables

    console = stdout()
    console.print(tables.terminal([evidence], console.width))
    for one in evidence.skipped:
        console.print(f"not computed: {one['name']}: {one['reason']}", style="dim", markup=False, highlight=False)
    console.print(evidence.verdict.sentence, style="bold", markup=False, highlight=False)
