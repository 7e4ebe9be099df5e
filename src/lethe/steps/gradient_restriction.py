"""Gradient restriction: train so that gradients stay small, and a later unlearning step is a safe one."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import torch
from torch import Tensor

from lethe.errors import ConfigurationError
from lethe.steps.base import TINY
from lethe.steps.smoothed import SmoothedStep
from lethe.terms import Gradients, Terms


@dataclass(frozen=True)
class GradientRestriction(SmoothedStep):
    """Descend L + α Σ_t ‖∇_t L‖₂, t over the parameter tensors: ∇L + α H u with u_t = g_t / ‖g_t‖.

    The third part of IAU, for the training before anything is deleted: train the original with it, and the retrained
    model it is compared with. It differentiates twice, so a step costs about three.

    Args:
        alpha: weight α of the norms.
        on: the terms whose gradient is restricted: `all`, or the `forget` term alone.

    Source: Liu et al. 2025, Efficient Machine Unlearning via Influence Approximation, arXiv:2507.23257; that each
        tensor has a norm of its own is the authors' release.
    """

    alpha: float = 0.005
    on: Literal["forget", "all"] = field(default="all", kw_only=True)

    def __post_init__(self) -> None:
        if not self.alpha >= 0:
            raise ConfigurationError(f"alpha must not be negative, not {self.alpha}")

    def smoothed(self, weights: list[Tensor], terms: Terms, gradient: Gradients) -> Gradients:
        """Return ∇L + α H u."""
        unit = [g / (torch.linalg.vector_norm(g) + TINY) for g in gradient]
        penalty = self.curvature(weights, terms, unit)
        return list(torch._foreach_add(gradient, penalty, alpha=self.alpha))
