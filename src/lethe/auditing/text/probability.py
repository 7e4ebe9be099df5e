"""Probability: how likely the model finds an answer, alone or among options."""

from __future__ import annotations

import torch
from torch import Tensor

from lethe.auditing.text.tokens import TokenLog
from lethe.errors import InputError


def probability(log: TokenLog) -> Tensor:
    """Return P̄(a | q) = p(a | q)^(1/|a|) = exp(mean_t log p_t) of each row, [N] in [0, 1].

    Source: Maini et al. 2024, arXiv:2401.06121, section 2.2.

    >>> log = TokenLog(torch.tensor([0.5, 0.125]).double().log(), torch.tensor([True, True]), torch.tensor([0, 2]))
    >>> round(float(probability(log)), 12)
    0.25
    """
    return log.means(log.log_probs).exp()


def option_probability(true: Tensor, wrong: Tensor) -> Tensor:
    """Return P̄(true) / (P̄(true) + Σ_i P̄(wrong_i)) of each row, [N] in [0, 1].

    Computed from logarithms: options that are all far below the smallest float still compare.

    Args:
        true: [N] mean log-probability a token of the right answer.
        wrong: [N, K] the same of K wrong answers.

    Raises:
        InputError: the shapes do not fit.

    Source: Maini et al. 2024, arXiv:2401.06121, section 2.2 (real authors and world facts, K = 3).

    >>> option_probability(torch.tensor([-1000.0]), torch.full((1, 3), -1000.0)).tolist()
    [0.25]
    """
    require_options(true, wrong)
    return torch.cat([true.unsqueeze(1), wrong], 1).double().softmax(1)[:, 0]


def require_options(true: Tensor, wrong: Tensor) -> None:
    """Raise InputError unless `wrong` [N, K] holds at least one option for each row of `true` [N]."""
    if true.dim() != 1 or wrong.dim() != 2 or len(wrong) != len(true) or wrong.shape[1] == 0:
        raise InputError(
            f"right answers {list(true.shape)} and wrong answers {list(wrong.shape)} must be [N] and [N, K]"
        )
