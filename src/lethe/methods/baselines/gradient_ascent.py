"""Gradient ascent on the forget set, alone and beside descent on the retain set."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor, nn

from lethe.descent import Descent, ForgetOnly, Objective
from lethe.feeds import Draw
from lethe.methods.baselines.finetune import forget_losses, retain_losses
from lethe.problem import Problem
from lethe.run import Run
from lethe.tasks import CausalLM, Classification, Task


@dataclass(frozen=True, kw_only=True)
class GradientAscent(ForgetOnly):
    """Gradient ascent (GA): undo training on the forget set, min -L(θ; D_f).

    The loss has no lower bound: a little too long or too fast and the model is destroyed.

    Source: the GA baseline of Jia et al. 2023, arXiv:2304.04934 (5 epochs; its learning rate 1e-4 often does nothing).
    """

    tasks: ClassVar[tuple[type[Task], ...]] = (Classification, CausalLM)
    aims: ClassVar[str] = "removal"

    epochs: int = 5
    learning_rate: float = 1e-3

    def objective(self, problem: Problem, run: Run) -> Objective:
        """Return the negative forget loss."""

        def terms(model: nn.Module, draw: Draw) -> Mapping[str, Tensor]:
            return {"forget": -forget_losses(problem, model, draw)}

        return terms


@dataclass(frozen=True, kw_only=True)
class NegGradPlus(Descent):
    """NegGrad+: ascent on the forget set and descent on the retain set at once, min β L(θ; D_r) - (1-β) L(θ; D_f).

    Args:
        beta: weight β of the retain loss; the forget loss has 1-β.

    Source: Kurmanji et al. 2023, arXiv:2302.09880, eq. 4.
    """

    tasks: ClassVar[tuple[type[Task], ...]] = (Classification, CausalLM)
    aims: ClassVar[str] = "removal"

    beta: float = 0.95

    def objective(self, problem: Problem, run: Run) -> Objective:
        """Return the weighted pair of losses."""

        def terms(model: nn.Module, draw: Draw) -> Mapping[str, Tensor]:
            return {
                "forget": -(1 - self.beta) * forget_losses(problem, model, draw),
                "retain": self.beta * retain_losses(problem, model, draw),
            }

        return terms
