"""TIES of single tensors: trim each, elect a sign for every entry, and average the entries that have it."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from lethe.errors import ConfigurationError


def ties(vectors: Sequence[Tensor], density: float = 0.8, weights: Sequence[float] = ()) -> Tensor:
    """Return the TIES merge of K tensors of one shape.

    Trim: keep the ⌊density·n⌋ entries of largest magnitude in each, the others are 0. Elect: s = +1 where the sum of
    the trimmed tensors is at least 0, else -1. Merge: Σ_k w_k τ_k over the k whose entry has the sign s, divided by how
    many they are; 0 where there is none. With two tensors that is the larger one where their signs differ, and the mean
    where they agree.

    `lethe.methods.edits.merging.Ties` trims over all tensors of a model together, and leaves exact ties at 0.

    Args:
        vectors: K tensors.
        density: share of the entries that are kept, in [0, 1].
        weights: w_k; empty for 1 each. They take no part in the election.

    Raises:
        ConfigurationError: there is no tensor, shapes or the number of weights differ, or the density is not a share.

    Source: Yadav et al. 2023, arXiv:2306.01708, algorithm 1, as peft merges adapters.

    >>> one, other = torch.tensor([4.0, 1.0, -3.0]), torch.tensor([2.0, -2.0, -1.0])
    >>> ties([one, other], 1.0)
    tensor([ 3., -2., -2.])
    """
    if not vectors or len({vector.shape for vector in vectors}) > 1 or len(weights) not in (0, len(vectors)):
        raise ConfigurationError("TIES merges tensors of one shape, at least one, with a weight each or none")
    if not 0 <= density <= 1:
        raise ConfigurationError(f"density must be between 0 and 1, not {density}")
    trimmed = torch.stack([_trimmed(vector, density) for vector in vectors])
    sign = torch.where(trimmed.sum(0) >= 0, 1.0, -1.0).to(trimmed)
    factors = torch.tensor(list(weights) or [1.0] * len(vectors)).to(trimmed)
    agrees = trimmed.sign() == sign
    weighed = trimmed * factors.view(-1, *[1] * (trimmed.dim() - 1))
    return torch.where(agrees, weighed, 0).sum(0) / agrees.sum(0).clamp_min(1)


def _trimmed(vector: Tensor, density: float) -> Tensor:
    flat = vector.flatten()
    kept = flat.abs().topk(int(density * flat.numel())).indices
    return torch.zeros_like(flat).index_copy(0, kept, flat[kept]).view_as(vector)
