"""Distances between predicted distributions, one value an example."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


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
    target = F.log_softmax(target_logits / temperature, dim=-1)
    predicted = F.log_softmax(logits / temperature, dim=-1)
    return temperature**2 * (target.exp() * (target - predicted)).sum(-1)


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
    first, second = F.log_softmax(first_logits, dim=-1), F.log_softmax(second_logits, dim=-1)
    middle = torch.logaddexp(first, second) - torch.log(torch.tensor(2.0, dtype=first.dtype, device=first.device))
    left = (first.exp() * (first - middle)).sum(-1)
    right = (second.exp() * (second - middle)).sum(-1)
    return 0.5 * (left + right)
