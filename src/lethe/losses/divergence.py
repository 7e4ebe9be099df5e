"""Distances between predicted distributions, one value an example."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from lethe.precision import full_precision


def kl_divergence(target_logits: Tensor, logits: Tensor, temperature: float = 1.0) -> Tensor:
    """Return T² · KL(softmax(target/T) ‖ softmax(logits/T)) for each example.

    Args:
        target_logits: [..., C] logits of the teacher.
        logits: [..., C] logits of the student.
        temperature: T; the factor T² keeps the size of the gradient independent of it.

    Returns:
        [...] values in nats, at least 0.

    Source: Hinton et al. 2015, arXiv:1503.02531, section 2.

    >>> a, b = torch.tensor([[0.0, 0.0]]), torch.tensor([[0.0, 1.0986122887]])
    >>> round(kl_divergence(a, b).item(), 6)  # KL((1/2, 1/2) ‖ (1/4, 3/4)) = log(2/√3)
    0.143841
    """
    target = F.log_softmax(full_precision(target_logits) / temperature, dim=-1)
    predicted = F.log_softmax(full_precision(logits) / temperature, dim=-1)
    return temperature**2 * (target.exp() * (target - predicted)).sum(-1)


def soft_cross_entropy(target_logits: Tensor, logits: Tensor) -> Tensor:
    """Return -Σ_v p_v log q_v, p = softmax(target), q = softmax(logits), for each example.

    KL(p ‖ q) plus the entropy of p: another value, the same gradient in the student.

    Args:
        target_logits: [..., C] logits of the teacher; they get no gradient.
        logits: [..., C] logits of the student.

    Returns:
        [...] values in nats, at least the entropy of the teacher.

    Source: Yao et al. 2024, arXiv:2402.15159 (its KL term on the retain set).

    >>> round(soft_cross_entropy(torch.zeros(1, 2), torch.tensor([[0.0, 1.0986122887]])).item(), 6)  # -½ log(3/16)
    0.836988
    """
    target = full_precision(target_logits).detach().softmax(-1)
    return -(target * F.log_softmax(full_precision(logits), dim=-1)).sum(-1)


def js_divergence(first_logits: Tensor, second_logits: Tensor) -> Tensor:
    """Return the Jensen-Shannon divergence ½KL(p‖m) + ½KL(q‖m), m = (p+q)/2, for each example.

    Args:
        first_logits: [..., C].
        second_logits: [..., C].

    Returns:
        [...] values in nats, between 0 and log 2.

    >>> a, b = torch.tensor([[100.0, 0.0]]), torch.tensor([[0.0, 100.0]])
    >>> round(js_divergence(a, b).item(), 6)
    0.693147
    """
    first = F.log_softmax(full_precision(first_logits), dim=-1)
    second = F.log_softmax(full_precision(second_logits), dim=-1)
    middle = torch.logaddexp(first, second) - torch.log(torch.tensor(2.0, dtype=first.dtype, device=first.device))
    left = (first.exp() * (first - middle)).sum(-1)
    right = (second.exp() * (second - middle)).sum(-1)
    return 0.5 * (left + right)
