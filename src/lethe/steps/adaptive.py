"""A step whose weight of the retain term grows as retention suffers."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from lethe.steps.base import Step, memory, moving
from lethe.terms import Terms


@dataclass(frozen=True)
class AdaptiveRetain(Step):
    """θ ← optimiser(θ, g_f + α g_r): α = clip(a·b^ΔL + c, low, high), where L_retain exceeds its first mean by ΔL > 0.

    In the first steps α = low, and the mean L̄ of the retain term is taken; afterwards ΔL = L_retain - L̄ of each batch,
    and α = low where it is not positive. L̄ lives in the optimiser's state, so that a resumed run goes on with it.

    Args:
        first: steps over which L̄ is taken.
        factor: a.
        base: b.
        offset: c.
        low: smallest α.
        high: largest α.
        divisor: L̄ is divided by it: 1 is the paper's mean; the release divides by the sequences of a batch.

    Source: SHA256 at SemEval-2025 task 4, arXiv:2504.12996.
    """

    needs: ClassVar[frozenset[str]] = frozenset({"forget", "retain"})

    first: int = 1
    factor: float = 0.3
    base: float = 6.0
    offset: float = 0.8
    low: float = 1.2
    high: float = 2.8
    divisor: float = 1.0

    def __call__(self, model: nn.Module, terms: Terms, optimizer: torch.optim.Optimizer) -> Mapping[str, Tensor]:
        """Update the weights once."""
        weights, kept = moving(optimizer), memory(optimizer)
        optimizer.zero_grad(set_to_none=True)
        retain, rest, values = terms.split(weights, "retain")
        loss, seen = float(values["retain"]), kept.get("steps", 0)
        alpha = self.low
        if seen < self.first:
            kept["steps"], kept["total"] = seen + 1, kept.get("total", 0.0) + loss
        else:
            alpha = self.weight(loss - kept["total"] / seen / self.divisor)
        for weight, forget_gradient, retain_gradient in zip(weights, rest, retain, strict=True):
            weight.grad = forget_gradient + alpha * retain_gradient
        optimizer.step()
        return values

    def weight(self, excess: float) -> float:
        """Return α where the retain loss exceeds its first mean by so much.

        >>> step = AdaptiveRetain()
        >>> [round(step.weight(excess), 4) for excess in (-1.0, 0.0, 1.0, 2.0)]  # 0.3·6 + 0.8 = 2.6
        [1.2, 1.2, 2.6, 2.8]
        """
        if excess <= 0:
            return self.low
        # b^ΔL overflows long after the clip has set in.
        grown = self.factor * math.exp(min(excess * math.log(self.base), 700.0)) + self.offset
        return min(max(grown, self.low), self.high)
