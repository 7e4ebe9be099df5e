"""Forgetting in the last k layers only: fine-tune them, or draw them anew and train them again."""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn

from lethe.methods.baselines.finetune import FineTune
from lethe.problem import Problem
from lethe.run import Run
from lethe.scopes import LastLayers, Scope


@dataclass(frozen=True, kw_only=True)
class CatastrophicForgettingK(FineTune):
    """Catastrophic forgetting in the last k layers (CF-k): fine-tune them on the retain set, all others fixed.

    Args:
        layers: k, the number of layers with a weight matrix or convolution, counted from the output.

    Source: Goel et al. 2022, arXiv:2201.06640, section 4.
    """

    layers: int = 2

    def reach(self) -> Scope:
        """The last k layers, within the user's scope."""
        return self.scope & LastLayers(self.layers)


@dataclass(frozen=True, kw_only=True)
class ExactUnlearningK(CatastrophicForgettingK):
    """Exact unlearning of the last k layers (EU-k): draw them anew and train them on the retain set, all others fixed.

    Source: Goel et al. 2022, arXiv:2201.06640, section 4.
    """

    learning_rate: float = 0.05
    epochs: int = 20

    def start(self, problem: Problem, run: Run) -> nn.Module:
        """Return the model with newly drawn weights; the scope puts the fixed layers back."""
        return problem.task.fresh(problem.model, run.key("initial weights"))
