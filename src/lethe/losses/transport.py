"""Sliced Wasserstein distance between weight matrices: how far the distribution of their rows has moved."""

from __future__ import annotations

import torch
from torch import Tensor

from lethe.precision import full_precision


def unit_directions(width: int, count: int, generator: torch.Generator) -> Tensor:
    """Draw directions uniformly from the unit sphere: Gaussian columns divided by their lengths.

    Args:
        width: d, the number of columns of the matrices to project.
        count: K, the number of directions.
        generator: where the randomness comes from.

    Returns:
        [d, K] float32 on the generator's device; each column has length 1.

    >>> drawn = unit_directions(3, 5, torch.Generator().manual_seed(0))
    >>> torch.allclose(drawn.norm(dim=0), torch.ones(5))
    True
    """
    drawn = torch.randn(width, count, generator=generator, device=generator.device, dtype=torch.float32)
    return drawn / drawn.norm(dim=0)


def as_matrix(weight: Tensor) -> Tensor:
    """Return a parameter as the matrix whose rows are compared: a vector is one row, a kernel is flattened.

    >>> as_matrix(torch.zeros(4)).shape, as_matrix(torch.zeros(4, 3, 2)).shape
    (torch.Size([1, 4]), torch.Size([4, 6]))
    """
    return weight.unsqueeze(0) if weight.dim() < 2 else weight.flatten(1)


def sliced_wasserstein(before: Tensor, now: Tensor, directions: Tensor, power: int = 2) -> Tensor:
    """Return (1/K) Σ_k Σ_i |sort(W_0 P)_ik - sort(W P)_ik|^p, summed over the rows, without a root.

    Zero for any permutation of the rows, which an L2 pull to the initial weights is not; with p = 2 value and gradient
    are 0 at W = W_0. It grows with the number of rows, which published weights of this term (λ = 0.1) take as given.

    Args:
        before: [n, d], or [d] for a vector: the initial weight W_0; it gets no gradient.
        now: the current weight W, of the same shape.
        directions: [d, K] unit columns P; draw them anew at each step.
        power: p.

    Returns:
        A scalar, at least 0, in float32 or float64: in bfloat16 most differences would round to 0.

    Source: Choi et al. 2025, Opt-Out, arXiv:2406.12329.

    >>> before, now = torch.tensor([[0.0], [2.0]]), torch.tensor([[5.0], [0.0]])
    >>> sliced_wasserstein(before, now, torch.ones(1, 1)).item()  # rows 0, 2 against 0, 5
    9.0
    """
    projection = directions.to(device=now.device, dtype=full_precision(now).dtype)
    first = (as_matrix(full_precision(before).detach()).to(projection.dtype) @ projection).sort(dim=0).values
    second = (as_matrix(full_precision(now)) @ projection).sort(dim=0).values
    return (first - second).abs().pow(power).sum() / projection.shape[1]
