"""What a language model gives to the true token, and which other token it holds likeliest."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F

from lethe.precision import full_precision


def token_log_probs(logits: Tensor, targets: Tensor) -> Tensor:
    """Return log p(y_t | x, y_<t) of each answer token.

    Minimising it is gradient ascent on the cross-entropy; minimising its negative is fine-tuning.

    Args:
        logits: [n, V] logits at the positions that predict the answer tokens.
        targets: [n] the answer tokens, each in 0 … V - 1.

    Returns:
        [n] values in nats, at most 0.

    Source: Jang et al. 2022, arXiv:2210.01504 (unlearning minimises their sum).

    >>> import torch
    >>> round(token_log_probs(torch.zeros(1, 4), torch.tensor([2])).item(), 6)  # log ¼
    -1.386294
    """
    log_probs = F.log_softmax(full_precision(logits), dim=-1)
    return log_probs.gather(-1, targets.unsqueeze(-1)).squeeze(-1)


def likeliest_other(logits: Tensor, targets: Tensor) -> Tensor:
    """Return argmax_{v≠y_t} p(v | x, y_<t), the likeliest wrong token at each position.

    With the logits of the original model these are the adversarial labels of Yao et al.

    Args:
        logits: [n, V] logits at the positions that predict the answer tokens; V at least 2.
        targets: [n] the answer tokens.

    Returns:
        [n] token ids, none of which is its target.

    Source: Yao et al. 2024, arXiv:2402.15159 (adversarial samples).

    >>> import torch
    >>> likeliest_other(torch.tensor([[3.0, 2.0, 1.0], [3.0, 2.0, 1.0]]), torch.tensor([0, 2]))
    tensor([1, 0])
    """
    return logits.detach().scatter(-1, targets.unsqueeze(-1), float("-inf")).argmax(-1)
