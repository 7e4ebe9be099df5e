"""WAGLE on NPO: preference optimisation of the weights that weight attribution picks, and of no others."""

from __future__ import annotations

from dataclasses import dataclass

from lethe.methods.descent.npo import NPO
from lethe.scopes import Scope
from lethe.scopes.wagle import WAGLE


@dataclass(frozen=True, kw_only=True)
class WagleNPO(NPO):
    """WAGLE: NPO that moves only the share ρ of weights with the largest |(θ_i - g_r,i/γ)·g_f,i|.

    The scope `wagle` puts the same mask on any other method. With ρ = 1 it is NPO, to the bit.

    Args:
        keep: share ρ of the weights that may move.
        hessian: γ, stands for the Hessian of the retain loss; it belongs to sums of gradients.

    Source: Jia et al. 2024, arXiv:2410.17509, with the settings of its runs on TOFU.
    """

    epochs: int = 5
    batch_size: int = 4
    warmup_epochs: float = 0.0
    weight_decay: float = 0.1
    keep: float = 0.95
    hessian: float = 1e-6

    def reach(self) -> Scope:
        """The attributed weights, within the user's scope."""
        return self.scope & WAGLE(keep=self.keep, hessian=self.hessian)
