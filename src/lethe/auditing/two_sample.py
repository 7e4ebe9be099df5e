"""The two-sample test: do two models answer alike? Stricter than unlearning asks, since two golds may differ too."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from lethe.auditing.kernels import bandwidths, gaussian


def two_sample_test(
    first: Tensor,
    second: Tensor,
    generator: torch.Generator,
    quantiles: Sequence[float] = (0.1, 0.3, 0.5, 0.7, 0.9),
    permutations: int = 500,
    aligned: bool = True,
) -> float:
    """Return the p-value that two samples come from different distributions, aggregated over bandwidths.

    The statistic is the unbiased MMD². Where row i of both is the same input, a permutation exchanges the two outputs
    of some inputs, which keeps the inputs as they are; otherwise it deals the pooled rows anew. At each bandwidth a
    statistic is turned into its rank among all permutations, and the smallest is compared with the smallest of every
    permutation: exact at any level and for any number of bandwidths.

    Args:
        first: [n, d].
        second: [m, d].
        generator: draws the permutations.
        quantiles: bandwidths as quantiles of the distances in the pooled sample.
        permutations: number of permutations.
        aligned: whether row i of both is the same input.

    Returns:
        A number in [1/(permutations + 1), 1]; 1 for equal samples.

    Source: Gretton et al. 2012, A Kernel Two-Sample Test; Schrab et al. 2023, arXiv:2110.15073 (aggregation).
    """
    if torch.equal(first, second):
        return 1.0  # all permutations tie; rounding would break the tie at random
    pooled = torch.cat([first, second])
    kernels = gaussian(pooled, pooled, bandwidths(pooled, quantiles))
    groups = _assignments(len(first), len(second), permutations, aligned, generator).to(kernels.dtype)
    return _smallest_rank(_discrepancies(kernels, groups))


def _assignments(n: int, m: int, permutations: int, aligned: bool, generator: torch.Generator) -> Tensor:
    """Return which pooled rows stand in the first sample, [n + m, 1 + permutations]; the first column as observed."""
    observed = torch.cat([torch.ones(n, 1), torch.zeros(m, 1)])
    noise = torch.rand(n if aligned else n + m, permutations, generator=generator)
    if aligned:
        stays = (noise < 0.5).float()
        return torch.cat([observed, torch.cat([stays, 1 - stays])], 1)
    return torch.cat([observed, (noise.argsort(0).argsort(0) < n).float()], 1)


def _discrepancies(kernels: Tensor, groups: Tensor) -> Tensor:
    """Return MMD² of every assignment, [S, P], from kernels [S, N, N] with unit diagonal and groups [N, P]."""
    sums = kernels @ groups  # [S, N, P]
    inside = (groups * sums).sum(1)
    across = ((1 - groups) * sums).sum(1)
    outside = kernels.sum((1, 2)).unsqueeze(1) - inside - 2 * across
    n = groups[:, 0].sum()
    m = len(groups) - n
    return (inside - n) / (n * (n - 1)) + (outside - m) / (m * (m - 1)) - 2 * across / (n * m)


def _smallest_rank(statistics: Tensor) -> float:
    """Return the aggregated p-value of the first column of [S, P] among all columns."""
    count = statistics.shape[1]
    as_large = count - torch.searchsorted(statistics.sort(1).values, statistics)
    smallest = as_large.amin(0)
    return float((smallest <= smallest[0]).double().mean())
