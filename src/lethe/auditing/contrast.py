"""Contrast: is X closer to Y or to Z? The difference of two divergences that share X, and its tests."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from lethe.auditing.estimates import Estimate

ROUNDING = 1e-12  # kernels are at most 1: a difference of their means below this is not a difference


@dataclass(frozen=True, eq=False)
class Contrast:
    """T = D(X,Y) - D(X,Z) at S settings: positive where X is closer to Z.

    Attributes:
        value: [S].
        influences: groups of independent draws, each [S, n_g]: to first order, T moves by the mean over each group.
    """

    value: Tensor
    influences: tuple[Tensor, ...]

    @property
    def deviation(self) -> Tensor:
        """The standard deviation of T, [S]: σ_T² = Σ_g var(influence_g) / n_g."""
        return torch.stack([group.var(1) / group.shape[1] for group in self.influences]).sum(0).sqrt()

    @property
    def standardised(self) -> Tensor:
        """T / σ_T, [S]; 0, not NaN, where Y and Z are the same."""
        return torch.where(self.value.abs() > ROUNDING, self.value, 0) / self.deviation.clamp_min(ROUNDING)

    @property
    def p_values(self) -> Tensor:
        """The p-value at each setting alone that X is closer to Z, Φ(-T/σ_T), [S]."""
        return torch.special.ndtr(-self.standardised)

    def reversed(self) -> Contrast:
        """Return the contrast with Y and Z exchanged."""
        return Contrast(-self.value, tuple(-group for group in self.influences))

    def p_value(self, generator: torch.Generator, draws: int = 500) -> float:
        """Return the p-value over all settings together that X is closer to Z, in [1/(draws + 1), 1].

        The null simulated is the least favourable one, X as far from Y as from Z at every setting at once. There T is
        to first order the mean of the centred influences, and √n T is jointly normal over the settings; so each draw
        of the bootstrap weighs the centred influences of the n inputs with the same n standard normal numbers at all
        settings (a multiplier bootstrap). Given the data its T at one setting is normal with deviation σ_T, so the
        p-value at that setting is Φ(-T/σ_T), and the smallest over the settings is compared with the smallest of each
        draw: the level is that of one test however many settings are looked at. Permuting models would simulate
        another null, Y = Z in distribution, which two imperfect models that miss X equally do not satisfy. Where X, Y
        and Z all agree in distribution T degenerates, σ_T is too large by about √2, and the test errs on the safe side.

        Args:
            generator: draws the weights.
            draws: number of bootstrap draws.

        Source: aggregation after Schrab et al. 2023, MMD Aggregated Two-Sample Test, arXiv:2110.15073; multipliers in
        the place of permutations for the reason given.
        """
        simulated = torch.zeros(draws, len(self.value), dtype=self.value.dtype)
        for group in self.influences:
            weights = torch.randn(draws, group.shape[1], generator=generator, dtype=group.dtype)
            simulated += weights @ (group - group.mean(1, keepdim=True)).T / group.shape[1]
        scaled = torch.where(self.deviation > ROUNDING, simulated / self.deviation.clamp_min(ROUNDING), 0)
        largest = scaled.amax(1)
        return float((1 + (largest >= self.standardised.max()).sum()) / (draws + 1))


def contrast(to_y: Sequence[Estimate], to_z: Sequence[Estimate], aligned: bool = True) -> Contrast:
    """Return the contrast of the mean divergence from several Y with the mean divergence from several Z.

    Args:
        to_y: D(X,Y_k) for each Y_k, all with the same X and settings; averaging takes the idiosyncrasies out of one.
        to_z: D(X,Z_k) for each Z_k.
        aligned: whether row i of all samples is the same input. Then the inputs are the independent draws, and the
            influences of one input are added before their variance is taken; otherwise every sample is its own group,
            σ_T² = var(h_x)/n_x + var(h_y)/n_y + var(h_z)/n_z. On aligned samples that form is several times too large.

    Source: Bounliphone et al. 2016, A Test of Relative Similarity for Model Selection in Generative Models,
    arXiv:1511.04581; the paired variance follows from the same expansion with shared inputs.
    """
    sides = [(1 / len(to_y), to_y), (-1 / len(to_z), to_z)]
    value = torch.stack([sign * e.value for sign, side in sides for e in side]).sum(0)
    first = torch.stack([sign * e.first for sign, side in sides for e in side]).sum(0)
    others = [sign * e.second for sign, side in sides for e in side]
    return Contrast(value, (torch.stack([first, *others]).sum(0),) if aligned else (first, *others))
