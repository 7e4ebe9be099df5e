"""ℓ1-sparse unlearning: fine-tune towards a sparse model, which forgets more of what is not rehearsed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from lethe.descent import Objective
from lethe.errors import ConfigurationError
from lethe.feeds import Draw
from lethe.methods.baselines.finetune import FineTune
from lethe.problem import Problem
from lethe.run import Run


@dataclass(frozen=True, kw_only=True)
class L1Sparse(FineTune):
    """ℓ1-sparse unlearning: min L(θ; D_r) + γ_e ‖θ‖₁ with γ_e = γ (1 - e/(E - E₀)) in epoch e < E - E₀, else 0.

    ‖θ‖₁ runs over all parameters, norms and biases included, so γ has to be tuned to the size of the model. With γ = 0
    it is fine-tuning, to the bit. Weights become small, not exactly zero.

    Args:
        penalty: γ, the weight of the ℓ1 norm at the start.
        plain_epochs: E₀, the number of last epochs without the penalty.
        penalty_schedule: `decay` as above (the paper's advice), `constant`, or `growth` (γ e/(E - E₀)).

    Source: Jia et al. 2023, arXiv:2304.04934, eq. 4 and section 4.
    """

    penalty: float = 5e-4
    plain_epochs: int = 0
    penalty_schedule: Literal["decay", "constant", "growth"] = "decay"

    def check(self) -> None:
        """Raise ConfigurationError where no epoch is left for the penalty."""
        super().check()
        if not 0 <= self.plain_epochs < self.epochs:
            raise ConfigurationError(
                f"plain_epochs must lie in 0 … epochs-1 = {self.epochs - 1}, not {self.plain_epochs}"
            )

    def coefficient(self, epoch: int) -> float:
        """Return γ_e."""
        span = self.epochs - self.plain_epochs
        if epoch >= span:
            return 0.0
        factor = {"decay": 1 - epoch / span, "constant": 1.0, "growth": epoch / span}[self.penalty_schedule]
        return self.penalty * factor

    def objective(self, problem: Problem, run: Run) -> Objective:
        """Return the retain loss and the penalty."""
        retain = super().objective(problem, run)

        def terms(model: nn.Module, draw: Draw) -> Mapping[str, Tensor]:
            gamma = self.coefficient(draw.epoch)
            if gamma == 0:
                return retain(model, draw)
            norm = torch.stack([p.abs().sum() for p in model.parameters()]).sum()
            return {**retain(model, draw), "l1": gamma * norm}

        return terms
