"""Pruning: set the smallest weights to zero, or random ones, and see what comes back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor

from lethe.auditing.attacks.perturbing import Perturbing
from lethe.errors import ConfigurationError
from lethe.run import Run


@dataclass(frozen=True, kw_only=True)
class Prune(Perturbing):
    """What of the forget set comes back when a share ρ of the weights is set to zero.

    Of N weights the round(ρN) of the smallest magnitude go, those of the same magnitude in their order; or as many
    random ones. What unlearning has laid over the knowledge often sits in small weights, and goes first.

    Args:
        ratios: the shares ρ to try; 0 prunes nothing.
        criterion: `magnitude`, the smallest |w|, or `random`.
        across: `layer` prunes the share of each matrix, `model` of all of them together.

    Source: Han et al. 2015, arXiv:1506.02626 (magnitude); Jia et al. 2023, arXiv:2304.04934, prunes all layers
    together.
    """

    ratios: tuple[float, ...] = (0.1, 0.3)
    criterion: Literal["magnitude", "random"] = "magnitude"
    across: Literal["layer", "model"] = "layer"

    title: ClassVar[str] = "Pruning"
    word: ClassVar[str] = "ratio"

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.ratios or not all(0 <= ratio < 1 for ratio in self.ratios):
            raise ConfigurationError(f"ratios must be shares from 0 to below 1, not {self.ratios}")

    @property
    def strengths(self) -> Sequence[float]:
        """The shares, the smallest first."""
        return sorted(self.ratios)

    def perturb(self, weights: Sequence[Tensor], strength: float, run: Run) -> None:
        """Set that share of them to zero."""
        scores = [self._scores(weight, run, i) for i, weight in enumerate(weights)]
        groups = [torch.cat(scores)] if self.across == "model" else scores
        pruned = torch.cat([_smallest(group, strength) for group in groups])
        for weight, gone in zip(weights, pruned.split([weight.numel() for weight in weights]), strict=True):
            weight.masked_fill_(gone.view(weight.shape).to(weight.device), 0.0)

    def _scores(self, weight: Tensor, run: Run, number: int) -> Tensor:
        if self.criterion == "magnitude":
            return weight.abs().flatten().float().cpu()
        return torch.rand(weight.numel(), generator=run.generator("pruned at random", number))


def _smallest(scores: Tensor, ratio: float) -> Tensor:
    """Return which round(ratio · N) scores are the smallest, [N] boolean.

    >>> _smallest(torch.tensor([0.3, 0.1, 0.1, 0.2]), 0.5).tolist()
    [False, True, True, False]
    """
    count = round(ratio * len(scores))
    gone = torch.zeros(len(scores), dtype=torch.bool)
    gone[scores.argsort(stable=True)[:count]] = True
    return gone
