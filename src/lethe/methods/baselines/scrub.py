"""SCRUB: drive the student away from the original on the forget set, then back to it on the rest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

from torch import Tensor, nn

from lethe import feeds, losses
from lethe.descent import Descent, Objective
from lethe.feeds import Draw, Rows
from lethe.measuring import example_outputs
from lethe.problem import Problem
from lethe.run import Run


@dataclass(frozen=True, kw_only=True)
class Scrub(Descent):
    """SCRUB: in each epoch max KL_T(p_0 ‖ p_θ) on the forget set, then min γ L + α KL_T(p_0 ‖ p_θ) on the retain set.

    After the first epochs only the retain pass goes on. The original's outputs are computed once; it is not kept
    in memory a second time.

    Args:
        forget_epochs: how many of the epochs begin with a pass over the forget set.
        alpha: weight α of the divergence to the original on the retain set.
        gamma: weight γ of the cross-entropy on the retain set.
        temperature: T of both softmaxes.

    Source: Kurmanji et al. 2023, arXiv:2302.09880, eq. 3 and algorithm 1.
    """

    aims: ClassVar[str] = "removal"

    epochs: int = 10
    learning_rate: float = 5e-4
    optimizer: Literal["sgd", "adam", "adamw"] = "adam"
    forget_epochs: int = 3
    alpha: float = 0.001
    gamma: float = 0.99
    temperature: float = 4.0

    def together(self) -> frozenset[str]:
        """The two sets take turns."""
        return frozenset()

    def plan(self, problem: Problem, run: Run, epoch: int) -> Sequence[Rows]:
        """The forget set first, in the epochs that have a forget pass, then the retain set."""
        retain = feeds.retain_pass(problem, run, epoch, self.batch_size)
        if epoch >= self.forget_epochs:
            return retain
        return [*feeds.forget_pass(problem, run, epoch, self.batch_size), *retain]

    def objective(self, problem: Problem, run: Run) -> Objective:
        """Return the term of the set whose turn it is."""
        on_forget = example_outputs(problem.model, problem.task, problem.forget, run).to(run.device)
        on_retain = example_outputs(problem.model, problem.task, problem.kept, run).to(run.device)

        def terms(model: nn.Module, draw: Draw) -> Mapping[str, Tensor]:
            if draw.forget is not None:
                outputs = problem.task.outputs(model, draw.forget)
                return {"forget": -losses.kl_divergence(on_forget[draw.forget.rows], outputs, self.temperature)}
            assert draw.retain is not None
            outputs = problem.task.outputs(model, draw.retain)
            divergence = losses.kl_divergence(on_retain[draw.retain.rows], outputs, self.temperature)
            task_loss = problem.task.losses_from(outputs, draw.retain)
            return {"retain": self.gamma * task_loss + self.alpha * divergence}

        return terms
