"""SalUn: random labelling of the weights that matter for the forget loss, and of no others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import nn

from lethe.loop import Constraint
from lethe.methods.baselines.random_labels import RandomLabels
from lethe.methods.descent.soft_threshold import SoftThreshold
from lethe.problem import Problem
from lethe.scopes import Saliency, Scope


@dataclass(frozen=True, kw_only=True)
class SalUn(RandomLabels):
    """Saliency unlearning (SalUn): θ_u = m ⊙ (Δθ + θ0) + (1 - m) ⊙ θ0, Δθ by random labelling, m by weight saliency.

    m keeps the share ρ of the weights with the largest |∇L(θ0; D_f)|. With ρ = 1 it is random labelling, to the bit.
    The soft variant has no mask and instead pulls the weights that moved least back to θ0, fewer as training goes on.
    The effect to expect in random forgetting is small: the forget accuracy of a retrained model, not zero.

    Args:
        keep: share ρ of the weights that may move (in the soft variant, 1 - ρ is the share held back at the start).
        soft: SalUn-soft: ℓ1 distance to θ0 by proximal soft-thresholding instead of a hard mask.

    Source: Fan et al. 2024, arXiv:2310.12508, eq. 3-6 and appendix.
    """

    keep: float = 0.5
    soft: bool = False

    def reach(self) -> Scope:
        """The salient weights, within the user's scope."""
        return self.scope if self.soft else self.scope & Saliency(self.keep)

    def constraints(self, problem: Problem, model: nn.Module, steps: int) -> Sequence[Constraint]:
        """The soft variant thresholds the change after every step."""
        if not self.soft:
            return ()
        return (SoftThreshold(model, problem.model, 1 - self.keep, self.epochs, steps // self.epochs),)
