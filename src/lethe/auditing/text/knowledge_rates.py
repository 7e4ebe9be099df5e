"""Knowledge forgetting and retention rates: whether an answer still holds, or contradicts, what the reference says."""

from __future__ import annotations

import torch
from torch import Tensor

from lethe.errors import InputError

FEW = 3


def entity_coverage(matches: Tensor, entities: Tensor) -> Tensor:
    """Return the pairs of alike entities over the entities of the reference, [N]; 0 where it has none.

    One entity of the answer may be like several of the reference, so that a coverage can exceed 1.

    Args:
        matches: [N] pairs of an entity of the answer and one of the reference that are alike.
        entities: [N] entities of the reference.

    Raises:
        InputError: the shapes do not fit.

    Source: Xu et al. 2025, arXiv:2502.11190, section 3.1.

    >>> entity_coverage(torch.tensor([1, 3, 0]), torch.tensor([2, 2, 0])).tolist()
    [0.5, 1.5, 0.0]
    """
    if matches.shape != entities.shape or matches.dim() != 1:
        raise InputError(f"matches {list(matches.shape)} and entities {list(entities.shape)} must both be [N]")
    return torch.where(entities > 0, matches.double() / entities.clamp(min=1), 0.0)


def forgetting_rate(coverage: Tensor, entities: Tensor, contradicts: Tensor) -> float:
    """Return KFR = mean 1[the answer contradicts the reference, or coverage ≤ c], in [0, 1].

    c is 0.5 for references of at most 3 entities and 0.3 for others. Gibberish counts as forgotten: read the linguistic
    score beside it.

    Args:
        coverage: [N] entity coverage.
        entities: [N] entities of the reference.
        contradicts: [N] bool, whether the reference is contradicted by what follows from the answer.

    Source: Xu et al. 2025, arXiv:2502.11190, section 3.1, with the bounds of its release.

    >>> forgetting_rate(torch.tensor([1.0, 0.4]).double(), torch.tensor([2, 5]), torch.tensor([False, False]))
    0.0
    """
    bound = torch.where(entities <= FEW, 0.5, 0.3).double()
    return float((contradicts | (coverage <= bound)).double().mean())


def retention_rate(coverage: Tensor, contradicts: Tensor, bound: float = 0.3) -> float:
    """Return KRR = mean 1[the reference does not contradict the answer, and coverage ≥ c], in [0, 1].

    Args:
        coverage: [N] entity coverage.
        contradicts: [N] bool, whether the answer is contradicted by what follows from the reference.
        bound: c.

    Source: Xu et al. 2025, arXiv:2502.11190, section 3.1.

    >>> retention_rate(torch.tensor([1.0, 0.2]).double(), torch.tensor([False, False]))
    0.5
    """
    return float((~contradicts & (coverage >= bound)).double().mean())
