"""`lethe unlearn`: a trained model, its data and what to forget in; an unlearned model and its record out."""

from __future__ import annotations

import shlex
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lethe.cli.options import (
    TEXT,
    Columns,
    Context,
    Data,
    Device,
    Gold,
    Holdout,
    LongExamples,
    RayAddress,
    Retain,
    Seed,
    Template,
    Workers,
    pool_named,
    precision_named,
    processes,
    stoppable,
)
from lethe.cli.terminal import Json, Quiet, note, print_json, progress, settings
from lethe.errors import ConfigurationError, Diverged, LetheWarning

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lethe.methods.base import Method
    from lethe.problem import Problem
    from lethe.run import Run


def unlearn(
    model: Annotated[
        str, typer.Option(help="Folder of a Hugging Face image classifier or language model, or its name on the hub.")
    ],
    forget: Annotated[
        str,
        typer.Option(
            help="What to forget: a text file (.jsonl, .csv, .parquet, folder of datasets, owner/name:config:split); "
            "with --data, a file of ids, one a line, or a filter: 'label == 3'."
        ),
    ],
    method: Annotated[str, typer.Option(help="Name of a method; lethe methods lists them.")],
    out: Annotated[Path, typer.Option(help="Run folder; the same command again resumes there.")],
    data: Data = "",
    retain: Retain = None,
    holdout: Holdout = None,
    set_: Annotated[
        list[str], typer.Option("--set", help="NAME=VALUE, a hyperparameter; scope.count=2 of a part.")
    ] = [],  # noqa: B006
    scope: Annotated[str, typer.Option(help="Which weights may move, in place of the method's own choice.")] = "",
    step: Annotated[str, typer.Option(help="How gradients become an update, such as sam.")] = "",
    weighting: Annotated[str, typer.Option(help="How much each forget example counts, such as loreun.")] = "",
    seed: Seed = 0,
    device: Device = "auto",
    evaluate_every: Annotated[int, typer.Option(min=0, help="Steps between two measurements; 0 measures nothing.")] = 0,
    keep: Annotated[str, typer.Option(help="Result: best:METRIC, min:METRIC or max:METRIC; else the last state.")] = "",
    gold: Gold = [],  # noqa: B006
    log_to: Annotated[
        list[str], typer.Option(help="Log the losses to tensorboard, wandb or another tracker that is installed.")
    ] = [],  # noqa: B006
    precision: Annotated[
        str, typer.Option(help="fp32, bf16 (weights in bfloat16) or mixed (bfloat16 arithmetic on float32 weights).")
    ] = "fp32",
    micro_batch: Annotated[
        int,
        typer.Option(min=0, help="Most examples in one forward pass; the gradients of a batch add up. 0: no limit."),
    ] = 0,
    checkpointing: Annotated[
        bool, typer.Option("--checkpointing", help="Recompute activations for the gradient: less memory, more time.")
    ] = False,
    workers: Workers = 1,
    ray: RayAddress = "",
    merge: Annotated[
        bool,
        typer.Option("--merge", rich_help_panel=TEXT, help="With --scope lora: merge the adapter into the weights."),
    ] = False,
    template: Template = "",
    columns: Columns = "",
    too_long: LongExamples = "error",
    context: Context = 0,
    quiet: Quiet = False,
    as_json: Json = False,
    checkpoint_seconds: Annotated[float, typer.Option(hidden=True, envvar="LETHE_CHECKPOINT_SECONDS")] = 20.0,
) -> None:
    """Remove examples from a trained language model or image classifier.

    Example: lethe unlearn --model llama --forget forget.jsonl --retain retain.jsonl --method npo --out run

    Example: lethe unlearn --model vit --data digits.npz --forget 'label == 3' --method salun --set keep=0.5 --out run
    """
    from lethe import configure
    from lethe.run import Run
    from lethe.sources import Inputs, assemble, settled
    from lethe.tracking import tracked

    parts = {"scope": scope, "step": step, "weighting": weighting}
    chosen = configure.build(method, _settings(set_, scope, merge, micro_batch, checkpointing), parts)
    _check_watching(chosen, evaluate_every, keep)
    parallel, where = processes(device)
    quiet = quiet or parallel.rank > 0
    shown = progress(quiet)
    run = Run(
        seed=seed,
        device=where,
        progress=shown,
        checkpoint_seconds=checkpoint_seconds,
        precision=precision_named(precision),
        parallel=parallel,
        pool=pool_named(workers, ray),
    )
    inputs = Inputs(
        model=model,
        data=data,
        forget=forget,
        retain=retain,
        holdout=holdout,
        gold=tuple(gold),
        template=template,
        columns=columns,
        too_long=too_long,
        context=context,
        precision=run.precision,
    ).absolute()
    problem = assemble(inputs, folder=out, progress=shown)
    _warn_of_few(problem, chosen)
    run.inputs = settled(inputs, problem).as_dict()
    _watch(run, problem, chosen, evaluate_every, keep)
    with tracked(shown, tuple(log_to) if run.leads else (), out) as run.progress:
        record = _run(problem, chosen, run, out, model)
    if as_json and run.leads:
        print_json(record)
    elif not quiet:
        _summarise(record, out, has_gold=bool(gold))


def _settings(pairs: list[str], scope: str, merge: bool, micro_batch: int, checkpointing: bool) -> Mapping[str, str]:
    """Return what --set says together with the options that stand for a setting."""
    if merge and scope != "lora":
        raise ConfigurationError("--merge merges an adapter into the weights; choose one with --scope lora")
    named = {
        "micro_batch": str(micro_batch) if micro_batch else "",
        "checkpointing": "true" if checkpointing else "",
        "scope.merge": "true" if merge else "",
    }
    return settings([*pairs, *(f"{name}={value}" for name, value in named.items() if value)])


def _warn_of_few(problem: Problem, method: Method) -> None:
    """Say so where the forget set does not fill one batch: every step then sees all of it."""
    from lethe.descent import Descent

    if not isinstance(method, Descent) or not isinstance(problem.task, method.tasks):
        return
    if len(problem.forget) < method.batch_size:
        warnings.warn(
            f"the forget set has {len(problem.forget)} examples, less than a batch of {method.batch_size}; "
            "choose a smaller one with --set batch_size=N",
            LetheWarning,
            2,
        )


def _check_watching(method: Method, evaluate_every: int, keep: str) -> None:
    """Raise ConfigurationError where nothing would be measured, or what is kept would never be."""
    from lethe.descent import Descent

    if keep and not evaluate_every:
        raise ConfigurationError(f"--keep {keep} chooses among measured states; say how often with --evaluate-every N")
    if evaluate_every and not isinstance(method, Descent):
        raise ConfigurationError(
            f"{type(method).__name__} changes the weights at once, there are no steps to measure between; "
            "leave out --evaluate-every"
        )


def _watch(run: Run, problem: Problem, method: Method, evaluate_every: int, keep: str) -> None:
    """Tell the run what to measure on its way and which state to keep."""
    if not evaluate_every:
        return
    from lethe.cli import watching

    # Before the gold models are measured: a problem that the method refuses must cost nothing.
    problem.require(method.requirements(), type(method).__name__)
    run.keep = watching.keep(keep, problem.task, problem.parts) if keep else None
    run.watch, run.watch_every = watching.watcher(problem, run), evaluate_every


def _run(problem: Problem, method: Method, run: Run, out: Path, model: str) -> dict[str, Any]:
    """Run the method in the run folder and return the record."""
    import lethe.api

    try:
        with stoppable(run):
            result = lethe.api.unlearn(problem, method, out=out, run=run)
    except KeyboardInterrupt:
        note(f"interrupted; the same command goes on from the last checkpoint in {out}")
        raise
    except Diverged as error:
        _copy_companions(model, out)
        raise Diverged(f"{error} (saved in {out / 'model'})") from None
    if run.leads:
        _copy_companions(model, out)
    return dict(result.record)


def _copy_companions(model: str, out: Path) -> None:
    """Put the original's tokenizer or preprocessing beside the unlearned weights: they are fed alike."""
    from lethe.sources import companions
    from lethe.store import MODEL, atomic

    folder = out / MODEL
    if folder.exists():
        for source in companions(model):
            atomic(folder / source.name, source.read_bytes())


def _summarise(record: dict[str, Any], out: Path, has_gold: bool) -> None:
    cost, method = record["cost"], record["configuration"]["method"]["type"]
    print(
        f"{method}: done in {cost['seconds']:.1f} s, {cost['steps']} steps, {cost['examples']} examples; "
        f"the model is in {out / 'model'}"
    )
    if record["history"]:
        step, values = _kept(record["history"], record["configuration"]["keep"])
        print(f"the state after step {step}: {values}")
    gold = "" if has_gold else " --gold RETRAINED_MODEL"
    print(f"next: lethe audit --run {shlex.quote(str(out))}{gold}")


def _kept(history: list[dict[str, Any]], keep: dict[str, Any] | None) -> tuple[int, str]:
    """Return the step whose state is the result, and what was measured there."""
    # As the loop chooses: of equally good states the first.
    chosen = max(history, key=lambda entry: keep["sign"] * entry[keep["metric"]]) if keep else history[-1]
    return chosen["step"], "  ".join(f"{name} {value:.4f}" for name, value in chosen.items() if name != "step")
