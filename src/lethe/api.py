"""The main calls: unlearn a problem with a method, and get the model with a record of what was done."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from lethe import models
from lethe.errors import ConfigurationError, Diverged, StorageError
from lethe.methods.base import Method, settings
from lethe.problem import Problem
from lethe.progress import Progress, Silent
from lethe.run import Keep, Run, Watch
from lethe.store import CHECKPOINT, Checkpoints, RunFolder
from lethe.versions import versions

RECORD_VERSION = 1


@dataclass(frozen=True, eq=False)
class Result:
    """What a run ends with.

    Attributes:
        model: the unlearned model, in eval mode.
        record: method, hyperparameters, hashes, seed, versions, cost, status and history as plain data.
    """

    model: nn.Module
    record: Mapping[str, Any]


def unlearn(
    problem: Problem,
    method: Method,
    *,
    seed: int = 0,
    out: str | Path | None = None,
    device: str | torch.device = "auto",
    progress: Progress | None = None,
    watch: Watch | None = None,
    watch_every: int = 0,
    keep: Keep | None = None,
    run: Run | None = None,
) -> Result:
    """Remove the forget set from the model: check the problem, run the method, record what was done.

    Args:
        problem: what is to be forgotten, from what; its model is not changed.
        method: the method with its hyperparameters.
        seed: the seed all randomness comes from.
        out: run folder for the record, checkpoints and the model; the same call again resumes or returns what is there.
        device: `auto` takes CUDA where there is one.
        progress: who is shown how far it is; None shows nothing.
        watch: measures the model while it is being unlearned: model -> values by name.
        watch_every: steps between two measurements.
        keep: take the state with the best of these values instead of the last.
        run: circumstances made by the caller (interruption, checkpoint intervals); overrides seed, device and progress.

    Returns:
        The unlearned model and the record.

    Raises:
        InputError: the data or the model are wrong.
        ConfigurationError: the method needs something the problem lacks, or its parts do not fit together.
        StorageError: the run folder is in use, belongs to another configuration, or cannot be written.
        Diverged: the run stopped at a number that is not finite; `out` holds the last finite checkpoint.
    """
    run = run or Run(seed=seed, device=pick_device(device), progress=progress or Silent())
    run.watch, run.watch_every, run.keep = watch or run.watch, watch_every or run.watch_every, keep or run.keep
    _require_task(problem, method)
    problem.require(method.requirements(), type(method).__name__)
    problem.check()
    configuration = {
        "method": settings(method),
        "problem": problem.fingerprint(),
        "seed": run.seed,
        **({"precision": run.precision} if run.precision != "fp32" else {}),
        "watch_every": run.watch_every,
        "keep": dataclasses.asdict(run.keep) if run.keep else None,
    }
    if out is None:
        return Result(_timed(problem, method, run), _record(configuration, run, "done"))
    folder = RunFolder(Path(out))
    # Of several processes that share the run one owns the folder; the others only read.
    with folder.owned() if run.leads else nullcontext():
        folder.claim(configuration)
        return _in_folder(problem, method, run, folder, configuration)


def _in_folder(
    problem: Problem, method: Method, run: Run, folder: RunFolder, configuration: Mapping[str, Any]
) -> Result:
    before = folder.record()
    run.checkpoints = Checkpoints(folder.path / CHECKPOINT)
    run.parallel.wait()
    if before is not None and before["status"] == "done":
        if run.leads:
            run.checkpoints.clear()
        return Result(_finished_model(problem, folder, before), before)

    def write(status: str, **more: object) -> dict[str, Any]:
        record = _record(configuration, run, status) | more
        if run.leads:
            folder.write_record(record)
        return record

    write("running")
    try:
        model = _timed(problem, method, run)
    except KeyboardInterrupt:
        write("interrupted")
        raise
    except Diverged as error:
        if error.model is not None and run.leads:
            models.save(error.model, folder.model)
        write("diverged", error=str(error))
        raise
    if run.leads:
        models.save(model, folder.model)
    record = write("done", result=models.fingerprint(model))
    run.parallel.wait()
    if run.leads:
        run.checkpoints.clear()
    return Result(model, record)


def _finished_model(problem: Problem, folder: RunFolder, record: Mapping[str, Any]) -> nn.Module:
    model = models.load_weights(problem.model, folder.model).eval()
    if models.fingerprint(model) != record["result"]:
        raise StorageError(
            f"{folder.model}: the weights are not those this run ended with; remove {folder.path} and run again"
        )
    return model


def _require_task(problem: Problem, method: Method) -> None:
    if not isinstance(problem.task, method.tasks):
        known = ", ".join(task.__name__ for task in method.tasks)
        raise ConfigurationError(
            f"{type(method).__name__} works on {known}, and the problem's task is {type(problem.task).__name__}; "
            "choose another method, lethe methods --task lists those of a task"
        )


def _timed(problem: Problem, method: Method, run: Run) -> nn.Module:
    moved = on_device(problem, run.device)
    run.spare = moved.model if moved is not problem else None
    problem = moved
    with deterministic(run.device), run.timed():
        model = method.unlearn(problem, run)
    return model.eval()


def _record(configuration: Mapping[str, Any], run: Run, status: str) -> dict[str, Any]:
    return {
        "version": RECORD_VERSION,
        "status": status,
        "configuration": dict(configuration),
        "inputs": dict(run.inputs),
        "device": str(run.device),
        "cost": run.cost.as_dict(),
        "history": run.history,
        "versions": versions(),
    }


def pick_device(name: str | torch.device) -> torch.device:
    """Return the device of that name; `auto` is CUDA where there is one, else the CPU."""
    if name == "auto":
        return torch.device("cuda", 0) if torch.cuda.is_available() else torch.device("cpu")
    return torch.device(name)


def on_device(problem: Problem, device: torch.device) -> Problem:
    """Return the problem with its model on the device; the caller's model stays where it is."""
    if next(problem.model.parameters()).device == device:
        return problem
    return dataclasses.replace(problem, model=models.copied(problem.model).to(device))


@contextmanager
def deterministic(device: torch.device) -> Iterator[None]:
    """Choose kernels that give the same bits every time, and give the caller's setting back afterwards."""
    before = torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark
    torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark = True, False
    try:
        yield
    finally:
        torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark = before


__all__ = ["Result", "unlearn"]
