"""Gradient ascent with a weight for each token, taken from the token's own probability."""

from __future__ import annotations

import torch
from torch import Tensor

from lethe.losses.tokens import token_log_probs


def wga(logits: Tensor, targets: Tensor, beta: float = 1.0) -> Tensor:
    """Return Weighted Gradient Ascent, p_t^β log p_t, for each answer token; no gradient through the weight p_t^β.

    The weight cancels the factor 1/p_t of ascent, which pushes hardest on what is forgotten already.

    Args:
        logits: [n, V] logits at the positions that predict the answer tokens.
        targets: [n] the answer tokens.
        beta: β, at least 0; 0 is gradient ascent.

    Returns:
        [n] values, at most 0. The release averages them over all tokens of a batch.

    Source: Wang et al. 2025, arXiv:2502.19301.

    >>> round(wga(torch.zeros(1, 4), torch.tensor([2])).item(), 6)  # ¼ log ¼
    -0.346574
    """
    log_probs = token_log_probs(logits, targets)
    return (beta * log_probs.detach()).exp() * log_probs


def satimp(logits: Tensor, targets: Tensor, saturation: float = 5.0, importance: float = 1.0) -> Tensor:
    """Return SatImp, p_t^β1 (1 - p_t)^β2 log p_t, for each answer token; no gradient through the weight.

    The first factor drops tokens that are forgotten already, the second those that any model would predict.

    Args:
        logits: [n, V] logits at the positions that predict the answer tokens.
        targets: [n] the answer tokens.
        saturation: β1, at least 0; with β2 = 0 this is WGA (SimSat).
        importance: β2, at least 0; with β1 = 0 this is SimImp. The authors' code recommends 0.1 on TOFU, their
            contribution to open-unlearning 1.

    Returns:
        [n] values, at most 0. The release averages them over all tokens of a batch.

    Source: Yang et al. 2025, arXiv:2505.11953, section 5.

    >>> round(satimp(torch.zeros(1, 2), torch.tensor([0]), saturation=2, importance=1).item(), 6)  # ⅛ log ½
    -0.086643
    """
    log_probs = token_log_probs(logits, targets)
    known = log_probs.detach()
    # 1 - p as -expm1(log p): the difference itself would cancel where p is close to 1.
    return (saturation * known).exp() * (-torch.expm1(known)).pow(importance) * log_probs
