"""A step that forgets first and repairs after: two updates of the optimiser a batch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from lethe.steps.base import Step, moving
from lethe.terms import Terms


@dataclass(frozen=True)
class Alternating(Step):
    """θ ← optimiser(θ, ∇L_forget), then θ ← optimiser(θ, ∇ of all other terms) on the same batch, with shared moments.

    Args:
        max_norm: limit on the norm of the second gradient, as in the release, whose first update is not limited;
            0 sets none.

    Source: Choi et al. 2025, Opt-Out, arXiv:2406.12329 (`alternate_updates` of its release).
    """

    needs: ClassVar[frozenset[str]] = frozenset({"forget", "retain"})

    max_norm: float = 0.0

    def __call__(self, model: nn.Module, terms: Terms, optimizer: torch.optim.Optimizer) -> Mapping[str, Tensor]:
        """Update the weights twice and return the values before the first update."""
        weights = moving(optimizer)
        optimizer.zero_grad(set_to_none=True)
        values = terms.backward(weights, only={"forget"})
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        terms.backward(weights, only=values.keys() - {"forget"})
        if self.max_norm:
            nn.utils.clip_grad_norm_(weights, self.max_norm)
        optimizer.step()
        return values
