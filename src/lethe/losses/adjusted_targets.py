"""Distillation toward a distribution from which the true token has been taken out, wholly or in part."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F

from lethe.losses.divergence import soft_cross_entropy
from lethe.precision import full_precision


def ceu(logits: Tensor, targets: Tensor) -> Tensor:
    """Return Cross Entropy Unlearning, -Σ_v q_v log p_v, for each answer token.

    q is the model's own prediction with the true token's logit at -∞, and gets no gradient: the model teaches itself
    to answer as if the true token did not exist.

    Args:
        logits: [n, V] logits at the positions that predict the answer tokens; V at least 2.
        targets: [n] the answer tokens. The paper leaves out each answer's first token
            (`lethe.segments.position_in_row` tells which it is).

    Returns:
        [n] values in nats, at least 0. The release averages them over all tokens of a batch.

    Source: Yang 2025, arXiv:2503.01224.

    >>> import torch
    >>> round(ceu(torch.zeros(1, 3), torch.tensor([0])).item(), 6)  # log 3
    1.098612
    """
    logits = full_precision(logits)
    taught = logits.detach().scatter(-1, targets.unsqueeze(-1), float("-inf"))
    # Not Σ q (log q - log p): log q is -∞ at the true token, where q is 0.
    return -(taught.softmax(-1) * F.log_softmax(logits, dim=-1)).sum(-1)


def undial(logits: Tensor, teacher_logits: Tensor, targets: Tensor, strength: float = 10.0) -> Tensor:
    """Return UNDIAL, the cross-entropy to softmax(z_0 - γ e_{y_t}), for each answer token.

    The teacher is the model before unlearning, with the true token's logit lowered by γ.

    Args:
        logits: [n, V] logits at the positions that predict the answer tokens. Only those: prompt and padding have no
            true token to lower.
        teacher_logits: [n, V] the same of the model before unlearning; they get no gradient.
        targets: [n] the answer tokens.
        strength: γ, at least 0; published runs use 3, 10 and 30.

    Returns:
        [n] values in nats, at least 0.

    Raises:
        RuntimeError: where a target is no token, such as the -100 that other libraries mark padding with.

    Source: Dong et al. 2025, arXiv:2402.10052.

    >>> import torch
    >>> teacher = torch.tensor([[1.0986122887, 0.0]])
    >>> round(undial(torch.zeros(1, 2), teacher, torch.tensor([0]), strength=10.0).item(), 6)  # log 2
    0.693147
    """
    teacher = full_precision(teacher_logits).detach()
    lowered = teacher.scatter_add(-1, targets.unsqueeze(-1), teacher.new_full((len(targets), 1), -strength))
    return soft_cross_entropy(lowered, logits)
