"""Snapshots: weights and gradient of a model at two moments of its training, from which curvature is read later."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from lethe.errors import InputError
from lethe.examples import Examples
from lethe.models import copied, read_weights
from lethe.run import Run
from lethe.scopes.importance import mean_gradient
from lethe.state_arithmetic import assign_weights, moved, weights
from lethe.store import atomic
from lethe.tasks import Task

GRADIENT_BATCH = 256


@dataclass(frozen=True, eq=False)
class Snapshot:
    """One moment.

    Attributes:
        weights: parameter name to value.
        gradient: parameter name to the mean gradient there.
    """

    weights: Mapping[str, Tensor]
    gradient: Mapping[str, Tensor]

    @classmethod
    def take(cls, model: nn.Module, task: Task, examples: Examples, run: Run) -> Snapshot:
        """Return weights and mean gradient over the examples, in eval mode."""
        gradient = mean_gradient(model, examples, task.losses, GRADIENT_BATCH, run)
        return cls({name: value.clone() for name, value in weights(model).items()}, gradient)


def after_a_step(
    model: nn.Module, task: Task, examples: Examples, length: float, run: Run
) -> tuple[Snapshot, Snapshot]:
    """Return the model's snapshot, and the one after a step of gradient descent that is thrown away."""
    first = Snapshot.take(model, task, examples, run)
    copy = copied(model)
    assign_weights(copy, moved(first.weights, first.gradient, -length))
    return first, Snapshot.take(copy, task, examples, run)


def save_snapshots(path: str | Path, earlier: Snapshot, later: Snapshot) -> None:
    """Write two snapshots to a safetensors file: take them after the last two epochs of training."""
    from safetensors.torch import save

    tensors = {
        f"{moment}.{kind}.{name}": value.cpu().clone().contiguous()
        for moment, snapshot in (("earlier", earlier), ("later", later))
        for kind, values in (("weights", snapshot.weights), ("gradient", snapshot.gradient))
        for name, value in values.items()
    }
    atomic(Path(path), save(tensors))


def read_snapshots(path: str | Path, model: nn.Module) -> tuple[Snapshot, Snapshot]:
    """Read two snapshots of a model.

    Raises:
        StorageError: the file is missing or damaged.
        InputError: a parameter of the model is missing in it, or has another shape.
    """
    tensors = read_weights(Path(path))

    def part(prefix: str) -> dict[str, Tensor]:
        found = {}
        for name, parameter in model.named_parameters():
            value = tensors.get(f"{prefix}.{name}")
            if value is None or value.shape != parameter.shape:
                raise InputError(
                    f"{path}: holds no {prefix.replace('.', ' ')} of '{name}' in the model's shape; "
                    "write it with save_snapshots while this model is trained"
                )
            found[name] = value.to(parameter)
        return found

    earlier, later = (Snapshot(part(f"{m}.weights"), part(f"{m}.gradient")) for m in ("earlier", "later"))
    if all(torch.equal(value, later.weights[name]) for name, value in earlier.weights.items()):
        raise InputError(f"{path}: both snapshots have the same weights; take them at two moments of the training")
    return earlier, later
