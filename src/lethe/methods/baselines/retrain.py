"""Retraining without the forget set: exact unlearning at full price, the gold everything is compared with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from torch import nn

from lethe.methods.baselines.finetune import FineTune
from lethe.problem import Problem
from lethe.run import Run


@dataclass(frozen=True, kw_only=True)
class Retrain(FineTune):
    """Retraining from scratch on the retain set: the problem's own recipe where it has one, this loop otherwise.

    With a scope, what lies outside it keeps the original's weights, and only the rest is drawn anew.
    """

    epochs: int = 50
    learning_rate: float = 0.05
    schedule: Literal["constant", "linear", "cosine"] = "cosine"
    exactness: ClassVar[str] = "exact"

    def unlearn(self, problem: Problem, run: Run) -> nn.Module:
        """Return the retrained model."""
        if problem.retrain is not None and self == type(self)():
            return problem.retrain(problem.kept, run.key("retrain") % 2**31)
        return super().unlearn(problem, run)

    def start(self, problem: Problem, run: Run) -> nn.Module:
        """Return the model with newly drawn weights."""
        return problem.task.fresh(problem.model, run.key("initial weights"))
