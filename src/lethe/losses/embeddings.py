"""Losses on embeddings without labels: how well a row is explained, and how far rows are from where they were."""

from __future__ import annotations

import torch
from torch import Tensor

from lethe.precision import full_precision


def bounded_exponential(errors: Tensor) -> Tensor:
    """Return F(m) = exp(m / (m + 1)): rises with m and stays below e, so that -F(m) can be minimised.

    F'(m) = F(m) / (m + 1)²: of an error that is large already little gradient is left.

    Args:
        errors: [...] m, at least 0.

    Returns:
        [...] values in [1, e).

    Source: Shen et al. 2024, LAF, arXiv:2404.00506.

    >>> bounded_exponential(torch.tensor([0.0, 1.0]))
    tensor([1.0000, 1.6487])
    """
    values = full_precision(errors)
    return torch.exp(values / (values + 1))


def contrastive_alignment(kept: Tensor, forgotten: Tensor, temperature: float) -> Tensor:
    """Return log(exp(c_r) / Σ_f exp(c_f / τ)) for each kept row: its own distance small, the forgotten ones' large.

    Where all distances are 0 it is -log |B_f|. A large τ weakens the push.

    Args:
        kept: [B_r] distances c_r of the kept rows from where they were.
        forgotten: [B_f] distances c_f of the rows to forget from where they were.
        temperature: τ.

    Returns:
        [B_r] values.

    Source: Shen et al. 2024, LAF, arXiv:2404.00506.

    >>> contrastive_alignment(torch.tensor([0.0, 1.0]), torch.zeros(3), 5.0)  # -log 3 and 1 - log 3
    tensor([-1.0986, -0.0986])
    """
    return full_precision(kept) - torch.logsumexp(full_precision(forgotten) / temperature, dim=0)
