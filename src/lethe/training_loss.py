"""The training loss of a step's examples, or of others, for steps that ask for it beside the objective."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

import torch
from torch import Tensor, nn

from lethe import feeds
from lethe.feeds import Draw
from lethe.parts import Part, parts, shared
from lethe.problem import Problem
from lethe.run import Run
from lethe.terms import Asked, Evaluations, Named

TrainingLoss = Callable[[nn.Module, Draw, Asked], Evaluations]


def training_loss(problem: Problem, run: Run, most: int) -> TrainingLoss:
    """Return (model, draw, asked) -> the parts of this process, each evaluated when it is called.

    Args:
        problem: where further examples are drawn from.
        run: seed, device and processes.
        most: largest number of examples a forward pass may hold; 0 for no limit.
    """

    def evaluated(model: nn.Module, asked: Asked, seed: int, part: Part) -> Named:
        named: dict[str, Tensor] = {}
        for name, batch in (("forget", part.draw.forget), ("retain", part.draw.retain)):
            if batch is None:
                continue
            with run.autocast():
                outputs = problem.task.outputs(model, batch)
                if asked.labels == "drawn":
                    batch = problem.task.with_drawn_targets(outputs.detach(), batch, seed)  # noqa: PLW2901
                named[name] = part.reduced(name, problem.task.training_losses_from(outputs, batch))
        return named

    def training(model: nn.Module, drawn: Draw, asked: Asked) -> Evaluations:
        shown = _further(problem, drawn, asked, run) if asked.batch else drawn
        shown = replace(
            shown,
            forget=shown.forget if "forget" in asked.of else None,
            retain=shown.retain if "retain" in asked.of else None,
            weights=None,
            substitutes={},
        )
        if shown.forget is None and shown.retain is None:
            return []
        seed = run.key("drawn targets", drawn.step, asked.batch)
        cut: Sequence[Part] = shared(
            parts(shown, problem.task, most, run.parallel.count, problem.task.pads(model)), run.parallel
        )
        return [partial(evaluated, model, asked, seed, part) for part in cut]

    return training


def _further(problem: Problem, drawn: Draw, asked: Asked, run: Run) -> Draw:
    """Return as many other examples of each set that the step sees, the same ones whenever asked."""
    generator = run.generator("further batch", drawn.step, asked.batch)

    def others(count: int, own: Tensor) -> Tensor:
        free = torch.ones(count, dtype=torch.bool)
        free[own] = False
        pool = free.nonzero().flatten() if bool(free.any()) else torch.arange(count)
        return pool[torch.randint(len(pool), (len(own),), generator=generator)]

    rows = (
        others(len(problem.forget), drawn.forget.rows) if drawn.forget is not None else None,
        others(len(problem.kept), drawn.retain.rows) if drawn.retain is not None else None,
    )
    return feeds.draw(problem, rows, drawn.epoch, drawn.step, run.device)
