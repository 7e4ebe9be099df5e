"""Exact memorization: the share of an answer that the model would say itself, one token at a time."""

from __future__ import annotations

from torch import Tensor

from lethe.auditing.text.tokens import TokenLog


def exact_memorization(log: TokenLog) -> Tensor:
    """Return (1/|a|) Σ_t 1[argmax p(· | q, a_<t) = a_t] of each row, [N] in [0, 1].

    On logs of the tokens x_2 … x_T of whole sequences it is Memorization Accuracy,
    MA(x) = (1/(T - 1)) Σ_i 1[argmax p(· | x_≤i) = x_{i+1}].

    Source: Tirumala et al. 2022, arXiv:2205.10770 (exact memorization); Jang et al. 2022, arXiv:2210.01504 (MA).

    >>> import torch
    >>> log = TokenLog(torch.zeros(4).double(), torch.tensor([True, True, False, True]), torch.tensor([0, 4]))
    >>> exact_memorization(log).tolist()
    [0.75]
    """
    return log.means(log.greedy)
