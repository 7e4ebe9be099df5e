"""LoReUn: the forget examples the model fits best are the hardest to forget, so they count most."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from lethe.errors import ConfigurationError
from lethe.methods.baselines.random_labels import RandomLabels
from lethe.weighting import LossReweighting, Uniform, Weighting


@dataclass(frozen=True, kw_only=True)
class LoReUn(RandomLabels):
    """Loss-based reweighting unlearning (LoReUn) on random labelling: each forget loss times exp(-ℓ_i / τ).

    ℓ_i is the true-label loss: small loss, large weight. The weighting combines with every method that has a forget
    term: `SalUn(weighting=LossReweighting())`. With τ = ∞ it is the base method, to the bit.

    Args:
        temperature: τ as a multiple of the original's median loss on the forget set.
        reference: `static` weighs by the original's losses, `dynamic` by the current model's.
        normalise: bring the mean weight of a batch to 1.

    Source: arXiv:2507.22499; its constants are not public, the scale of τ is a choice made here.
    """

    temperature: float = 1.0
    reference: Literal["static", "dynamic"] = "static"
    normalise: bool = True

    def check(self) -> None:
        """Raise ConfigurationError where a second weighting is asked for."""
        super().check()
        if not isinstance(self.weighting, Uniform):
            raise ConfigurationError("LoReUn weighs the forget set itself; use random_labels with another weighting")

    def weigher(self) -> Weighting:
        """Weigh by loss."""
        return LossReweighting(self.temperature, self.reference, self.normalise)
