"""The primal-dual step: forget as far as the retain loss allows, with a multiplier that learns what that costs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import ClassVar

import torch
from torch import Tensor, nn

from lethe.steps.base import Step, memory, moving
from lethe.terms import Named, Terms

UNSCALED = "retain, unscaled"


@dataclass(frozen=True)
class PrimalDual(Step):
    """One step on min L_f subject to L_r ≤ ε: θ moves along ∇(L_f + λ L_r), then λ ← max(0, λ + η (L_r - ε)).

    L_r is the retain loss of the whole batch before the step. λ outlives the step in the optimiser's state, so that it
    is saved and resumed with it.

    Args:
        multiplier: λ at the start.
        tolerance: ε, the retain loss that is allowed, in nats per token.
        dual_rate: η, step size of the multiplier.
        warmup: steps before the multiplier begins to move.

    Source: Entesari et al. 2025, arXiv:2506.05314.
    """

    needs: ClassVar[frozenset[str]] = frozenset({"forget", "retain"})

    multiplier: float = 100.0
    tolerance: float = 0.3
    dual_rate: float = 5.0
    warmup: int = 0

    def __call__(self, model: nn.Module, terms: Terms, optimizer: torch.optim.Optimizer) -> Mapping[str, Tensor]:
        """Update the weights, then the multiplier."""
        kept = memory(optimizer)
        multiplier, taken = kept.get("multiplier", self.multiplier), kept.get("steps", 0)
        optimizer.zero_grad(set_to_none=True)
        scaled = replace(terms, parts=[partial(_scaled, part, multiplier) for part in terms.parts])
        values = scaled.backward(moving(optimizer))
        values["retain"] = values.pop(UNSCALED)
        optimizer.step()
        if taken >= self.warmup:
            multiplier = max(0.0, multiplier + self.dual_rate * (float(values["retain"]) - self.tolerance))
        kept["multiplier"], kept["steps"] = multiplier, taken + 1
        return values


def _scaled(part: Callable[[], Named], multiplier: float) -> Named:
    """Return the terms with λ L_r for L_r, and beside them L_r itself, which has no gradient."""
    named = part()
    return {**named, "retain": multiplier * named["retain"], UNSCALED: named["retain"].detach()}
