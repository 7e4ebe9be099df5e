"""Separation: how well a membership score tells the forget set from unseen text, and how far that is from gold."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from lethe.auditing.inference import auc, require_both
from lethe.errors import InputError


@dataclass(frozen=True)
class Separation:
    """How well a score tells members from non-members.

    Attributes:
        auc: the probability that a member scores above a non-member, ties counted half, in [0, 1].
        error: its bootstrap standard error.
        sizes: numbers of members and of non-members.
    """

    auc: float
    error: float
    sizes: tuple[int, int]


def separation(members: Tensor, others: Tensor, generator: torch.Generator, draws: int = 1000) -> Separation:
    """Return the AUC of a membership score and its standard error.

    Args:
        members: [M] scores of rows whose membership is in question (the forget set), larger for more like a member.
        others: [N] scores of unseen rows of the same distribution (the holdout).
        generator: draws the bootstrap samples, members and others apart.
        draws: number of bootstrap samples.

    Raises:
        InputError: one of them is empty.

    Source: Efron 1979, Bootstrap methods.
    """
    require_both(members, others)
    values = [auc(_drawn(members, generator), _drawn(others, generator)) for _ in range(draws)]
    error = torch.tensor(values, dtype=torch.float64).std()
    return Separation(auc(members, others), float(error), (len(members), len(others)))


def privacy_leakage(auc: float, gold: float) -> float:
    """Return ((1 - AUC) - (1 - AUC_gold)) / (1 - AUC_gold), a share (papers print per cent).

    0 is ideal; below 0 forget rows are recognised more often than by gold (-1: always), above 0 they look less likely
    than unseen text, over-unlearned. The formula is MUSE's, whose AUC is 1 for a forget set less likely than the
    holdout; that here is 1 for a forget set that is recognised.

    Args:
        auc: of members against non-members, on the audited model.
        gold: the same on the retrained model.

    Raises:
        InputError: gold is 1, so that there is nothing to compare with.

    Source: Shi et al. 2024, arXiv:2407.06460, section 3.

    >>> privacy_leakage(1.0, 0.5), privacy_leakage(0.5, 0.5), privacy_leakage(0.0, 0.5)
    (-1.0, 0.0, 1.0)
    """
    if gold >= 1:
        raise InputError("gold tells the forget set from the holdout without error; draw both from one distribution")
    return (gold - auc) / (1 - gold)


def _drawn(scores: Tensor, generator: torch.Generator) -> Tensor:
    return scores[torch.randint(len(scores), (len(scores),), generator=generator)]
