"""The step everybody takes, and the same with clipped gradients."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from lethe.steps.base import Step, moving
from lethe.terms import Terms


@dataclass(frozen=True)
class Plain(Step):
    """Differentiate the sum of all terms and let the optimiser step."""

    def __call__(self, model: nn.Module, terms: Terms, optimizer: torch.optim.Optimizer) -> Mapping[str, Tensor]:
        """Update the weights once."""
        optimizer.zero_grad(set_to_none=True)
        values = terms.backward(moving(optimizer))
        optimizer.step()
        return values


@dataclass(frozen=True)
class Clip(Step):
    """The plain step with the gradient's norm limited: g ← g · min(1, max_norm / ‖g‖₂).

    Args:
        max_norm: largest Euclidean norm of the whole gradient.
    """

    max_norm: float = 1.0

    def __call__(self, model: nn.Module, terms: Terms, optimizer: torch.optim.Optimizer) -> Mapping[str, Tensor]:
        """Update the weights once."""
        optimizer.zero_grad(set_to_none=True)
        values = terms.backward(moving(optimizer))
        nn.utils.clip_grad_norm_(moving(optimizer), self.max_norm)
        optimizer.step()
        return values
