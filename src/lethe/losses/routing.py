"""The anchor that keeps a mixture-of-experts router sending forget tokens to the expert that is being changed."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from lethe.precision import full_precision


def router_anchor(router_logits: Tensor, expert: int, over_experts: Literal["sum", "mean"] = "sum") -> Tensor:
    """Return ‖g_t - a‖² of each token: g is the softmax over all E experts, a the one-hot vector of the chosen one.

    Args:
        router_logits: [n, E] logits of the router at the forget tokens (no padding), before any top-K choice.
        expert: index of the chosen expert.
        over_experts: "sum" is the paper's squared norm; "mean" divides it by E, as the release does, which makes the
            same weight E times weaker.

    Returns:
        [n] values, between 0 and 2 where summed.

    Raises:
        RuntimeError: where the router has no such expert.

    Source: Zhuang et al. 2024, UOE (SEUF), arXiv:2411.18797.

    >>> router_anchor(torch.zeros(1, 4), expert=0).item()  # (3/4)² + 3 (1/4)²
    0.75
    """
    gates = full_precision(router_logits).softmax(-1)
    anchor = F.one_hot(torch.tensor(expert, device=gates.device), gates.shape[-1])
    squared = (gates - anchor).square()
    return squared.sum(-1) if over_experts == "sum" else squared.mean(-1)
