"""The inverted hinge loss: lower the true token's probability and lift only the runner-up's."""

from __future__ import annotations

from torch import Tensor

from lethe.losses.tokens import likeliest_other
from lethe.precision import full_precision


def inverted_hinge(logits: Tensor, targets: Tensor) -> Tensor:
    """Return [1 + p(y_t) - max_{v≠y_t} p(v)]_+ of each answer token, on probabilities.

    Bounded, unlike ascent: the push on the true token vanishes with its probability, and the rest of the vocabulary is
    left alone where true token and runner-up are equally likely.

    Args:
        logits: [n, V] logits at the positions that predict the answer tokens; V at least 2.
        targets: [n] the answer tokens.

    Returns:
        [n] values between 0 and 2; 2 where the model is certain of the true token. The release pools all tokens of a
        batch in one mean.

    Source: Cha et al. 2025, LoKU, arXiv:2408.06621.

    >>> import torch
    >>> inverted_hinge(torch.tensor([[0.0, 0.0], [0.0, 1.0986122887]]), torch.tensor([0, 0]))  # 1 + ½ - ½, 1 + ¼ - ¾
    tensor([1.0000, 0.5000])
    """
    probabilities = full_precision(logits).softmax(-1)
    true = probabilities.gather(-1, targets.unsqueeze(-1)).squeeze(-1)
    other = probabilities.gather(-1, likeliest_other(logits, targets).unsqueeze(-1)).squeeze(-1)
    return (1 + true - other).clamp(min=0)
