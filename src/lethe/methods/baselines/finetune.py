"""Fine-tuning on what is kept: forgets only what training happens to overwrite."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor, nn

from lethe import feeds
from lethe.descent import Descent, Objective
from lethe.feeds import Draw, Rows
from lethe.problem import Problem
from lethe.run import Run
from lethe.tasks import CausalLM, Classification, Regression, Task


def retain_losses(problem: Problem, model: nn.Module, draw: Draw) -> Tensor:
    """Return the training loss of each retain example of a draw, [B]."""
    assert draw.retain is not None
    return problem.task.training_losses(model, draw.retain)


def forget_losses(problem: Problem, model: nn.Module, draw: Draw) -> Tensor:
    """Return the training loss of each forget example of a draw, [B]."""
    assert draw.forget is not None
    return problem.task.training_losses(model, draw.forget)


@dataclass(frozen=True, kw_only=True)
class FineTune(Descent):
    """Fine-tuning (FT): go on training on the retain set alone, min L(θ; D_r) from θ0.

    Source: the FT baseline of Jia et al. 2023, arXiv:2304.04934 (10 epochs, learning rate 0.01).
    """

    tasks: ClassVar[tuple[type[Task], ...]] = (Classification, CausalLM, Regression)

    epochs: int = 10
    weighable: ClassVar[bool] = False
    aims: ClassVar[str] = "removal"

    def together(self) -> frozenset[str]:
        """Only the retain term exists."""
        return frozenset({"retain"})

    def plan(self, problem: Problem, run: Run, epoch: int) -> Sequence[Rows]:
        """One pass over the retain set."""
        return feeds.retain_pass(problem, run, epoch, self.batch_size)

    def objective(self, problem: Problem, run: Run) -> Objective:
        """Return the retain loss."""

        def terms(model: nn.Module, draw: Draw) -> Mapping[str, Tensor]:
            return {"retain": retain_losses(problem, model, draw)}

        return terms
