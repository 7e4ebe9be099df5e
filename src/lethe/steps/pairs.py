"""Steps that look at the forget and the retain gradient separately before they add them."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from lethe.steps.base import Step, moving
from lethe.terms import Gradients, Terms


class PairStep(Step):
    """Differentiates the forget term and the rest separately and combines the two gradients."""

    needs: ClassVar[frozenset[str]] = frozenset({"forget", "retain"})

    @abstractmethod
    def combine(self, forget: Gradients, retain: Gradients) -> Gradients:
        """Return the gradient to step with; each list holds one tensor a parameter."""

    def __call__(self, model: nn.Module, terms: Terms, optimizer: torch.optim.Optimizer) -> Mapping[str, Tensor]:
        """Update the weights once."""
        weights = moving(optimizer)
        optimizer.zero_grad(set_to_none=True)
        forget, retain, values = terms.split(weights)
        for weight, gradient in zip(weights, self.combine(forget, retain), strict=True):
            weight.grad = gradient
        optimizer.step()
        return values


@dataclass(frozen=True)
class Orthogonal(PairStep):
    """Take out of the forget gradient what acts along the retain gradient: g_f - (g_f·g_r / ‖g_r‖²) g_r + g_r.

    Args:
        only_conflicts: project only where g_f·g_r < 0, that is where forgetting undoes retention.

    Source: Yu et al. 2020, gradient surgery, arXiv:2001.06782, with the retain gradient left whole.
    """

    only_conflicts: bool = True

    def combine(self, forget: Gradients, retain: Gradients) -> Gradients:
        """Return the projected forget gradient plus the retain gradient."""
        along = torch.stack([(f * r).sum() for f, r in zip(forget, retain, strict=True)]).sum()
        length = torch.stack([r.square().sum() for r in retain]).sum()
        factor = along / length.clamp_min(1e-30)
        if self.only_conflicts:
            factor = factor.clamp_max(0)
        return [f - factor * r + r for f, r in zip(forget, retain, strict=True)]


@dataclass(frozen=True)
class Agreeing(PairStep):
    """Keep the entries of the forget gradient whose sign agrees with the retain gradient: 1[g_f g_r > 0] g_f + g_r."""

    def combine(self, forget: Gradients, retain: Gradients) -> Gradients:
        """Return the agreeing part of the forget gradient plus the retain gradient."""
        return [torch.where(f * r > 0, f, 0) + r for f, r in zip(forget, retain, strict=True)]
