"""Numbers an attacker or an auditor reads off logits, one value an example."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


def margin(logits: Tensor, labels: Tensor) -> Tensor:
    """Return f_y - log Σ_{c≠y} exp f_c, the logit-scaled confidence log(p_y / (1 - p_y)).

    Args:
        logits: [N, C].
        labels: [N] class indices.

    Returns:
        [N] values; 0 where the true class and all others together are equally likely.

    Source: Carlini et al. 2022, LiRA, arXiv:2112.03570; Georgiev et al. 2024, arXiv:2410.23232, appendix E.1.

    >>> margin(torch.tensor([[0.0, 0.0, 0.0]]), torch.tensor([1])).item()  # -log 2
    -0.6931471824645996
    """
    own = logits.gather(-1, labels.unsqueeze(-1)).squeeze(-1)
    others = logits.scatter(-1, labels.unsqueeze(-1), float("-inf"))
    return own - torch.logsumexp(others, dim=-1)


def entropy(logits: Tensor) -> Tensor:
    """Return the entropy of the prediction, -Σ p log p, in nats, between 0 and log C.

    >>> round(entropy(torch.zeros(1, 4)).item(), 6)
    1.386294
    """
    log_probs = F.log_softmax(logits, dim=-1)
    return -(log_probs.exp() * log_probs).sum(-1)


def modified_entropy(logits: Tensor, labels: Tensor) -> Tensor:
    """Return -(1 - p_y) log p_y - Σ_{c≠y} p_c log(1 - p_c): small only where the prediction is sure and right.

    Args:
        logits: [N, C].
        labels: [N] class indices.

    Returns:
        [N] values in nats, at least 0.

    Source: Song and Mittal 2021, arXiv:2003.10595, eq. 4.

    >>> round(modified_entropy(torch.zeros(1, 2), torch.tensor([0])).item(), 6)  # ½log2 + ½log2
    0.693147
    >>> modified_entropy(torch.tensor([[0.0, 1000.0]]), torch.tensor([0])).item()  # sure and wrong: large, not infinite
    2000.0
    """
    log_probs = F.log_softmax(logits.double(), dim=-1)
    # For the likeliest class 1 - p rounds to 0 although its logarithm is finite: it is the sum of the others.
    top = log_probs.argmax(-1, keepdim=True)
    others = log_probs.scatter(-1, top, float("-inf")).logsumexp(-1, keepdim=True)
    rest = torch.log1p(-log_probs.exp()).scatter(-1, top, others)
    weighted = (log_probs.exp() * rest).scatter(-1, labels.unsqueeze(-1), 0.0)
    own = log_probs.gather(-1, labels.unsqueeze(-1)).squeeze(-1)
    return (torch.expm1(own) * own - weighted.sum(-1)).to(logits.dtype)
