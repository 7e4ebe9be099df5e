"""Sharpness-aware minimisation: step with the gradient of the worst point nearby."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from lethe.steps.base import Step, moving, norm
from lethe.terms import Terms


@dataclass(frozen=True)
class SAM(Step):
    """θ ← optimiser(θ, ∇L(θ + ρ ∇L(θ)/‖∇L(θ)‖₂)): two evaluations of the terms a step.

    Args:
        rho: radius ρ of the neighbourhood, in units of the weights.

    Source: Foret et al. 2021, arXiv:2010.01412, eq. 2-3.
    """

    rho: float = 0.05

    def __call__(self, model: nn.Module, terms: Terms, optimizer: torch.optim.Optimizer) -> Mapping[str, Tensor]:
        """Update the weights once."""
        weights = moving(optimizer)
        optimizer.zero_grad(set_to_none=True)
        values = terms.backward(weights)
        climbed = [w for w in weights if w.grad is not None]
        before = [w.detach().clone() for w in climbed]
        with torch.no_grad():
            gradients = [w.grad for w in climbed if w.grad is not None]
            scale = self.rho / (norm(gradients) + 1e-12)
            torch._foreach_add_(climbed, torch._foreach_mul(gradients, scale))
        optimizer.zero_grad(set_to_none=True)
        terms.backward(weights)
        with torch.no_grad():
            # Copied back, not subtracted: θ + e - e is not θ in floating point.
            torch._foreach_copy_(climbed, before)
        optimizer.step()
        return values
