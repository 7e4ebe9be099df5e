"""Gaussian-Amnesiac: teach targets drawn from the distribution of all targets where it is to be forgotten."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn

from lethe import feeds
from lethe.descent import Descent, Objective
from lethe.examples import join
from lethe.feeds import Draw, Rows
from lethe.problem import Problem
from lethe.run import Run
from lethe.tasks import Regression, Task, as_regression


@dataclass(frozen=True, kw_only=True)
class GaussianAmnesiac(Descent):
    """Gaussian amnesiac learning: fine-tune on both sets, the forget targets drawn once from N(m, s²).

    m and s are mean and standard deviation of all training targets. Draws outside the range of legal targets stay.

    Source: Tarun et al. 2023, Deep Regression Unlearning, arXiv:2210.08196.
    """

    tasks: ClassVar[tuple[type[Task], ...]] = (Regression,)

    epochs: int = 1
    batch_size: int = 256
    learning_rate: float = 1e-3
    optimizer: Literal["sgd", "adam", "adamw"] = "adam"
    weight_decay: float = 0.0
    divisible: ClassVar[bool] = False  # a batch holds both sets in whatever shares fall into it
    aims: ClassVar[str] = "suppression"

    def together(self) -> frozenset[str]:
        """A mixed batch may hold one kind only."""
        return frozenset()

    def plan(self, problem: Problem, run: Run, epoch: int) -> Sequence[Rows]:
        """One pass over both sets shuffled together."""
        return feeds.mixed(problem, run, epoch, self.batch_size)

    def objective(self, problem: Problem, run: Run) -> Objective:
        """Return the training loss with the drawn targets, each set by its share of the batch."""
        task = as_regression(problem.task, "gaussian_amnesiac")
        wrong = drawn_targets(problem, task, run).to(run.device)

        def terms(model: nn.Module, draw: Draw) -> Mapping[str, Tensor]:
            forget = draw.forget and draw.forget.with_column(task.target, wrong[draw.forget.rows.to(wrong.device)])
            if forget is None or draw.retain is None:
                batch, name = (draw.retain, "retain") if forget is None else (forget, "forget")
                assert batch is not None
                return {name: task.losses(model, batch)}
            losses, count = task.losses(model, join(forget, draw.retain)), len(forget)
            share = count / len(losses)
            return {"forget": share * losses[:count], "retain": (1 - share) * losses[count:]}

        return terms


def drawn_targets(problem: Problem, task: Regression, run: Run) -> Tensor:
    """Return a target for every forget example from N(m, s²), m and s those of all training targets, [N]."""
    every = torch.cat([problem.forget.tensor(task.target), problem.kept.tensor(task.target)]).float()
    noise = torch.randn(len(problem.forget), generator=run.generator("drawn targets"))
    return every.mean() + every.std() * noise
