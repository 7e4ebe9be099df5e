"""Differentially private decoding: mix what a language model predicts with the uniform distribution."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from lethe.errors import ConfigurationError
from lethe.precision import full_precision


def mixed_with_uniform(logits: Tensor, share: float) -> Tensor:
    """Return the logarithm of p' = λ p + (1 - λ)/V, the distribution that differentially private decoding samples from.

    The release of Jang et al. mixes logits with their mean instead, which is a temperature of 1/λ and no mixture.

    Args:
        logits: [..., V].
        share: λ in [0, 1], the model's share.

    Returns:
        [..., V] log-probabilities.

    Raises:
        ConfigurationError: the share is not in [0, 1].

    Source: Majmudar et al. 2022, arXiv:2205.13621; the baseline of Jang et al. 2022, arXiv:2210.01504.

    >>> mixed_with_uniform(torch.tensor([100.0, 0.0]), 0.5).exp()  # ½ + ¼ and ¼
    tensor([0.7500, 0.2500])
    """
    if not 0 <= share <= 1:
        raise ConfigurationError(f"the model's share must lie in [0, 1], not {share}")
    log_probs = F.log_softmax(full_precision(logits), dim=-1)
    own, uniform = torch.tensor([share, (1 - share) / logits.shape[-1]], dtype=log_probs.dtype).log().tolist()
    return torch.logaddexp(log_probs + own, torch.full_like(log_probs, uniform))
