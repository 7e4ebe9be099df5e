"""How far to go along a direction: the least forget accuracy that retention allows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor, nn

from lethe.examples import Batch, Examples
from lethe.measuring import over_examples
from lethe.models import copied
from lethe.problem import Problem
from lethe.run import Run
from lethe.state_arithmetic import Weights, assign_weights, moved, weights
from lethe.tasks import Classification, Task


@dataclass(frozen=True)
class Found:
    """Where a search ended.

    Attributes:
        scale: factor on the direction.
        forget: accuracy on the forget set there, in [0, 1].
    """

    scale: float
    forget: float


def accuracy(model: nn.Module, task: Task, examples: Examples, run: Run, within: int = 1) -> float:
    """Return the share of examples whose label is among the `within` most likely classes, in [0, 1]."""
    assert isinstance(task, Classification)

    def right(model: nn.Module, batch: Batch) -> Tensor:
        likeliest = task.outputs(model, batch).topk(within, dim=-1).indices
        return (likeliest == task.labels(batch).unsqueeze(-1)).any(-1).float()

    return float(over_examples(model, task, examples, run, right, "accuracy").mean())


def constrained_search(
    problem: Problem, direction: Weights, scales: Sequence[float], keep_retain: float, run: Run
) -> Found:
    """Return the scale with the lowest forget accuracy among those that keep the retain accuracy.

    Args:
        problem: what is searched on; θ(s) = θ0 + s · direction.
        direction: by parameter name.
        scales: factors to try; the first of equals wins, and 0 always qualifies.
        keep_retain: share of the original's retain accuracy that must remain.
        run: its cost counts the passes.
    """
    task, trial, origin = problem.task, copied(problem.model), weights(problem.model)
    floor = keep_retain * accuracy(problem.model, task, problem.kept, run)
    best = Found(0.0, accuracy(problem.model, task, problem.forget, run))
    for scale in scales:
        assign_weights(trial, moved(origin, direction, scale))
        forget = accuracy(trial, task, problem.forget, run)
        # The retain set is the larger one: it is read only where there is something to win.
        if forget < best.forget and accuracy(trial, task, problem.kept, run) >= floor:
            best = Found(scale, forget)
    return best
