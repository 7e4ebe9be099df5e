"""Preparation: the models a benchmark starts from and compares with, trained once in folders of their own."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol

from torch import nn

from lethe import models
from lethe.api import deterministic, on_device
from lethe.examples import Examples
from lethe.methods.base import settings
from lethe.methods.baselines.finetune import FineTune
from lethe.problem import Problem
from lethe.run import Run
from lethe.sources import companions
from lethe.store import CHECKPOINT, MODEL, Checkpoints, RunFolder, atomic
from lethe.tasks import Task
from lethe.versions import versions


class Tuned(Protocol):
    """A benchmark with the usual settings of fine-tuning."""

    @property
    def epochs(self) -> int: ...  # noqa: D102

    @property
    def batch_size(self) -> int: ...  # noqa: D102

    @property
    def learning_rate(self) -> float: ...  # noqa: D102

    @property
    def weight_decay(self) -> float: ...  # noqa: D102


def tuning(benchmark: Tuned, **more: Any) -> FineTune:
    """Return AdamW with the benchmark's own epochs, batch size, learning rate and weight decay.

    Args:
        benchmark: with these settings.
        more: what its protocol says beside: a schedule, a warm-up, a scope.
    """
    return FineTune(
        epochs=benchmark.epochs,
        batch_size=benchmark.batch_size,
        learning_rate=benchmark.learning_rate,
        weight_decay=benchmark.weight_decay,
        optimizer="adamw",
        **more,
    )


def trained(base: nn.Module, task: Task, examples: Examples, recipe: FineTune, run: Run, out: Path) -> nn.Module:
    """Return the base model trained on the examples; a finished run in the folder is loaded, one that stopped goes on.

    Args:
        base: the model to start from; it is left as it is.
        task: how it is fed.
        examples: what it learns.
        recipe: how.
        run: seed, device and progress.
        out: the run folder.

    Raises:
        StorageError: the folder is in use or holds a run of another configuration.
        Diverged: the training stopped at a number that is not finite.
    """
    folder = RunFolder(out)
    configuration = {
        "method": settings(recipe),
        "problem": {"model": models.fingerprint(base), "examples": examples.fingerprint},
        "seed": run.seed,
    }
    with folder.owned():
        folder.claim(configuration)
        record = folder.record()
        if record is not None and record["status"] == "done":
            return models.load_weights(base, folder.model).eval()
        run.checkpoints = Checkpoints(folder.path / CHECKPOINT)
        facts = {"version": 1, "configuration": configuration, "device": str(run.device), "versions": versions()}
        folder.write_record({**facts, "status": "running", "cost": run.cost.as_dict()})
        # Nothing is forgotten here: the recipe reads the retain set alone.
        problem = on_device(Problem(model=base, task=task, forget=examples.take([]), retain=examples), run.device)
        with deterministic(run.device), run.timed():
            model = recipe.unlearn(problem, run).eval()
        models.save(model, folder.model)
        result = {"status": "done", "cost": run.cost.as_dict(), "result": models.fingerprint(model)}
        folder.write_record({**facts, **result})
        run.checkpoints.clear()
    return model


def dress(out: Path, source: str) -> None:
    """Put the tokenizer of a model folder beside the weights in a run folder, so that they load together."""
    for path in companions(source):
        atomic(out / MODEL / path.name, path.read_bytes())
