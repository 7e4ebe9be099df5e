"""Forget quality: a test whether truth ratios on the forget set are distributed as a retrained model's."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from lethe.errors import InputError


@dataclass(frozen=True)
class KolmogorovSmirnov:
    """The outcome of a two-sample Kolmogorov-Smirnov test.

    Attributes:
        statistic: D = sup_x |F(x) - G(x)|, in [0, 1].
        log10_p: log10 of the p-value, finite; at most 0.
        sizes: numbers of values n and m, without which a p-value says nothing.
    """

    statistic: float
    log10_p: float
    sizes: tuple[int, int]

    @property
    def p_value(self) -> float:
        """Return p in [0, 1]; 0 where it is below the smallest float (log10_p is not)."""
        return 10.0**self.log10_p


def forget_quality(log_ratios: Tensor, gold_log_ratios: Tensor) -> KolmogorovSmirnov:
    """Return the test of the truth ratios on the forget set against those of a model retrained without it.

    A p-value above 0.05 counts as forgotten. It falls with the number of rows and is tiny for a model that is broken
    as for one that has forgotten nothing. Logarithms do as well as ratios: the test depends on ranks alone, and R and
    1/R give the same.

    Args:
        log_ratios: [N] of the unlearned model.
        gold_log_ratios: [M] of the retrained model.

    Source: Maini et al. 2024, arXiv:2401.06121, section 2.2.
    """
    return kolmogorov_smirnov(log_ratios, gold_log_ratios)


def kolmogorov_smirnov(first: Tensor, second: Tensor) -> KolmogorovSmirnov:
    """Return the exact two-sided test that [n] and [m] values come from one distribution, in time O(n·m·D).

    p = P(D' ≥ D) over all orders of the pooled values, computed in logarithms: `scipy.stats.ks_2samp` gives the same
    but 0 below 1e-323, which two separated samples of 540 reach. Ties make it conservative, as there.

    Raises:
        InputError: a sample is empty or has a value that is not a number.

    Source: Hodges 1958, The significance probability of the Smirnov two-sample test.

    >>> test = kolmogorov_smirnov(torch.arange(400), torch.arange(400) + 400)
    >>> f"{test.p_value:.2e}", round(test.log10_p, 2), test.statistic
    ('1.06e-239', -238.97, 1.0)
    """
    if len(first) == 0 or len(second) == 0 or bool(first.isnan().any()) or bool(second.isnan().any()):
        raise InputError("the Kolmogorov-Smirnov test needs two samples of numbers; one is empty or has nan")
    n, m = len(first), len(second)
    reach = _reach(first.double(), second.double())
    return KolmogorovSmirnov(reach / (n * m), _log_tail(n, m, reach) / math.log(10), (n, m))


def _reach(first: Tensor, second: Tensor) -> int:
    """Return n·m·D, an integer, so that no rounding decides what is as extreme as the observed."""
    pooled = torch.cat([first, second]).unique()
    below_first = torch.searchsorted(first.sort().values, pooled, right=True)
    below_second = torch.searchsorted(second.sort().values, pooled, right=True)
    return int((below_first * len(second) - below_second * len(first)).abs().max())


def _log_tail(n: int, m: int, reach: int) -> float:
    """Return log P(a random lattice path from (0, 0) to (n, m) meets a point with |i·m - j·n| ≥ reach).

    touched[i + 1] is the logarithm for paths to (i, s - i), all steps s in turn; the last step of a random path to
    (i, j) came from (i - 1, j) with probability i/s. Sums of positive numbers alone, so nothing cancels.
    """
    if reach == 0:
        return 0.0
    touched = np.zeros(n + 2)  # points beyond the band have been met: log 1
    touched[1] = -np.inf
    with np.errstate(divide="ignore"):
        logs = np.log(np.arange(n + m + 1))
    for s in range(1, n + m + 1):
        low = max((s * n - reach) // (n + m) + 1, 0, s - m)
        high = min(-((-s * n - reach) // (n + m)) - 1, n, s)
        i = np.arange(low, high + 1)
        inside = np.logaddexp(touched[low : high + 1] + logs[i], touched[low + 1 : high + 2] + logs[s - i]) - logs[s]
        touched[low + 1 : high + 2] = inside
        touched[low] = 0.0
    return min(float(touched[n + 1]), 0.0)
