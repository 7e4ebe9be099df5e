"""Truth ratio: how much likelier the model finds wrong answers of the same form than a right one."""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from lethe.auditing.text.probability import require_options


def log_truth_ratio(right: Tensor, wrong: Tensor, mean: Literal["geometric", "arithmetic"] = "geometric") -> Tensor:
    """Return log R of each row, [N]; R < 1 where the model prefers the truth.

    R = mean_i P̄(wrong_i) / P̄(right), with P̄ = exp(mean log p a token). All forms below take log R, since R itself
    overflows for broken models.

    Args:
        right: [N] mean log-probability a token of the paraphrased answer (of the answer where there is no paraphrase).
        wrong: [N, K] the same of K perturbed answers.
        mean: over the wrong answers. "geometric" is what published tables are made with (the release's aggregation);
            "arithmetic" is the paper's formula.

    Raises:
        InputError: the shapes do not fit.

    Source: Maini et al. 2024, arXiv:2401.06121, equation 1.

    >>> right, wrong = torch.tensor([0.5]).double().log(), torch.tensor([[0.5, 0.125]]).double().log()
    >>> log_truth_ratio(right, wrong).exp().tolist(), log_truth_ratio(right, wrong, "arithmetic").exp().tolist()
    ([0.5], [0.625])
    """
    require_options(right, wrong)
    precise = wrong.double()
    if mean == "geometric":
        return precise.mean(1) - right.double()
    return precise.logsumexp(1) - math.log(wrong.shape[1]) - right.double()


def forget_truth_ratio(log_ratio: Tensor) -> Tensor:
    """Return min(R, 1/R) of each row, [N] in [0, 1]; 1 where the model cannot tell right from wrong.

    >>> forget_truth_ratio(torch.tensor([0.5, 2.0]).double().log()).tolist()
    [0.5, 0.5]
    """
    return torch.exp(-log_ratio.abs())


def utility_truth_ratio(log_ratio: Tensor) -> Tensor:
    """Return max(0, 1 - R) of each row, [N] in [0, 1]; 1 where the model is sure of the truth.

    >>> utility_truth_ratio(torch.tensor([0.25, 2.0]).double().log()).tolist()
    [0.75, 0.0]
    """
    return (-torch.expm1(log_ratio)).clamp(min=0)


def truth_preference(log_ratio: Tensor) -> Tensor:
    """Return 1 / (1 + R) = P̄(right) / (P̄(right) + P̄(wrong)) of each row, [N] in [0, 1]; 1/2 where it cannot tell.

    Source: Dorna et al. 2025, arXiv:2506.12618 (truth ratio as a measure of knowledge).

    >>> truth_preference(torch.tensor([0.25]).double().log()).tolist()
    [0.8]
    """
    return F.sigmoid(-log_ratio)
