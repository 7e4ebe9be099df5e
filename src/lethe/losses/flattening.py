"""Forget losses that flatten the prediction, until no token stands out."""

from __future__ import annotations

from torch import Tensor

from lethe.losses.scores import entropy
from lethe.precision import full_precision


def logit_margin_flattening(logits: Tensor) -> Tensor:
    """Return (max_v z_v - mean_v z_v)² at each position, the forget loss of the primal-dual method PDU.

    Zero only for the uniform prediction; no softmax, so the gradient does not vanish where the model is certain.

    Args:
        logits: [n, V] logits at the positions that predict the answer tokens.

    Returns:
        [n] values, at least 0.

    Source: Entesari et al. 2025, arXiv:2506.05314.

    >>> import torch
    >>> logit_margin_flattening(torch.tensor([[3.0, 0.0, 0.0]])).item()  # (3 - 1)²
    4.0
    """
    logits = full_precision(logits)
    return (logits.amax(-1) - logits.mean(-1)).square()


def correct_logit(logits: Tensor, targets: Tensor, floor: float = 0.0) -> Tensor:
    """Return max(z_{y_t} - mean_v z_v, floor), how far the true token's logit stands above the mean.

    Args:
        logits: [n, V] logits at the positions that predict the answer tokens.
        targets: [n] the answer tokens.
        floor: what it is clipped below at; a token that is there gets no gradient.

    Returns:
        [n] values, at least `floor`.

    Source: Sondej et al. 2025, MUDMAN, arXiv:2506.12484.

    >>> import torch
    >>> correct_logit(torch.tensor([[3.0, 0.0, 0.0], [3.0, 0.0, 0.0]]), torch.tensor([0, 1]))
    tensor([2., 0.])
    """
    logits = full_precision(logits)
    own = logits.gather(-1, targets.unsqueeze(-1)).squeeze(-1)
    return (own - logits.mean(-1)).clamp(min=floor)


def negative_entropy(logits: Tensor) -> Tensor:
    """Return Σ_v p_v log p_v at each position, the forget loss of Tamper-Attack Resistance.

    Args:
        logits: [n, V].

    Returns:
        [n] values in nats, between -log V and 0.

    Source: Tamirisa et al. 2024, TAR, arXiv:2408.00761; an option of MUDMAN.

    >>> import torch
    >>> round(negative_entropy(torch.zeros(1, 4)).item(), 6)  # -log 4
    -1.386294
    """
    return -entropy(full_precision(logits))
