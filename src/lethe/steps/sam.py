"""Sharpness-aware minimisation: step with the gradient of the worst point nearby."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from torch import Tensor

from lethe.steps.base import TINY, norm, restored, shift
from lethe.steps.smoothed import SmoothedStep
from lethe.terms import Gradients, Terms


@dataclass(frozen=True)
class SAM(SmoothedStep):
    """θ ← optimiser(θ, ∇L(θ + ρ ∇L(θ)/‖∇L(θ)‖₂)): two evaluations of the terms a step.

    Against relearning L is the forget term alone (`on=forget`), and ∇ of the other terms at θ is added.

    Args:
        rho: radius ρ of the neighbourhood, in units of the weights.
        on: the terms that L stands for: `all`, or the `forget` term.

    Source: Foret et al. 2021, arXiv:2010.01412, eq. 2-3; on the forget term, Fan et al. 2025, arXiv:2502.05374.
    """

    rho: float = 0.05
    on: Literal["forget", "all"] = field(default="all", kw_only=True)

    def smoothed(self, weights: list[Tensor], terms: Terms, gradient: Gradients) -> Gradients:
        """Return ∇L at the worst point nearby."""
        with restored(weights):
            shift(weights, gradient, float(self.rho / (norm(gradient) + TINY)))
            return self.gradient(weights, terms)
