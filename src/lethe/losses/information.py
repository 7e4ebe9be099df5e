"""Mutual information as a network's estimate of it, from its values on pairs and on pairs torn apart."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from lethe.precision import full_precision


def log_mean_exp(values: Tensor) -> Tensor:
    """Return log(1/B Σ exp T) of values [B], a scalar.

    >>> round(log_mean_exp(torch.tensor([0.0, math.log(3.0)])).item(), 6)  # log 2
    0.693147
    """
    return torch.logsumexp(full_precision(values), dim=0) - math.log(len(values))


def mutual_information(paired: Tensor, torn: Tensor, log_average: Tensor) -> Tensor:
    """Return Î(z; g) = mean T(z, g) - log mean exp T(z, g̃), g̃ drawn apart from z; a lower bound in nats.

    The gradient of the second term is exp(T) / (B A), with a moving average A of mean exp T in the place of the
    batch's own, which would make it biased.

    Args:
        paired: [B] T on pairs that belong together.
        torn: [B'] T on pairs that do not.
        log_average: log A, a scalar; it gets no gradient.

    Returns:
        A scalar; of a poor T it may be negative.

    Source: Belghazi et al. 2018, MINE, arXiv:1801.04062, eq. 12.

    >>> torn = torch.tensor([0.0, math.log(3.0)], requires_grad=True)
    >>> mutual_information(torch.ones(2), torn, torch.tensor(math.log(4.0))).backward()
    >>> torn.grad  # -exp(T) / (2 · 4)
    tensor([-0.1250, -0.3750])
    """
    term = log_mean_exp(torn)
    slope = (term - log_average.detach()).exp()
    # The value is the batch's own, the gradient that of the slope.
    return full_precision(paired).mean() - (term.detach() + slope - slope.detach())
