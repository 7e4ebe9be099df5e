"""Gaussian kernels between samples of model outputs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

POOLED = 1_000  # points that bandwidths are taken from: half a million distances fix a quantile well enough


def squared_distances(first: Tensor, second: Tensor) -> Tensor:
    """Return ‖x_i - y_j‖², [..., n, m]; exactly 0 for equal points.

    Args:
        first: [..., n, d].
        second: [..., m, d].
    """
    # The product form of cdist is faster but gives equal points a small distance, which a degenerate case cannot bear.
    return torch.cdist(first, second, compute_mode="donot_use_mm_for_euclid_dist").square()


def bandwidths(points: Tensor, quantiles: Sequence[float]) -> Tensor:
    """Return quantiles of the positive distances between the points, [S]; ones where all points are equal.

    Args:
        points: [N, d] the pooled sample; of more than 1,000 points every k-th is used.
        quantiles: S numbers in (0, 1).
    """
    chosen = points[:: -(-len(points) // POOLED)]
    distances = torch.nn.functional.pdist(chosen)
    distances = distances[distances > 0]
    if not len(distances):
        return points.new_ones(len(quantiles))
    return torch.quantile(distances, torch.tensor(quantiles, dtype=points.dtype))


def gaussian(first: Tensor, second: Tensor, widths: Tensor) -> Tensor:
    """Return exp(-‖x_i - y_j‖² / 2σ²) for every bandwidth, [S, ..., n, m] in [0, 1].

    Args:
        first: [..., n, d].
        second: [..., m, d].
        widths: [S] bandwidths σ.
    """
    squared = squared_distances(first, second)
    return torch.exp(-squared / (2 * widths.square()).view(-1, *[1] * squared.dim()))


@dataclass(frozen=True, eq=False)
class Pair:
    """The kernel matrices of two samples X and Y.

    Attributes:
        first: [S, n, n] within X.
        cross: [S, n, m] from X to Y.
        second: [S, m, m] within Y.
        aligned: whether row i of both is the same input (then n = m).
    """

    first: Tensor
    cross: Tensor
    second: Tensor
    aligned: bool

    def at(self, rows: Tensor) -> Pair:
        """Return the kernel matrices of these inputs alone; the samples must be aligned."""
        first, cross, second = (k[:, rows][:, :, rows] for k in (self.first, self.cross, self.second))
        return Pair(first, cross, second, self.aligned)


def pair(first: Tensor, second: Tensor, widths: Tensor, aligned: bool = True) -> Pair:
    """Return the Gaussian kernel matrices of X [n, d] and Y [m, d] at S bandwidths."""
    return Pair(
        gaussian(first, first, widths), gaussian(first, second, widths), gaussian(second, second, widths), aligned
    )
