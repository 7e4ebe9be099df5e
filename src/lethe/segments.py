"""Sums and means over stretches of unequal length: the tokens of each answer in a batch of answers."""

from __future__ import annotations

from torch import Tensor


def sum_by_row(values: Tensor, rows: Tensor, count: int) -> Tensor:
    """Return for each row the sum of its values; 0 for a row without any.

    Args:
        values: [n, ...], stretch after stretch.
        rows: [n] the row each value belongs to, 0 … count-1.
        count: number of rows.

    Returns:
        [count, ...].

    >>> import torch
    >>> sum_by_row(torch.tensor([1.0, 2.0, 4.0]), torch.tensor([0, 0, 2]), 3)
    tensor([3., 0., 4.])
    """
    return values.new_zeros(count, *values.shape[1:]).index_add(0, rows, values)


def mean_by_row(values: Tensor, rows: Tensor, count: int) -> Tensor:
    """Return for each row the mean of its values; 0 for a row without any. Shapes are those of `sum_by_row`.

    >>> import torch
    >>> mean_by_row(torch.tensor([1.0, 2.0, 4.0]), torch.tensor([0, 0, 2]), 3)
    tensor([1.5000, 0.0000, 4.0000])
    """
    lengths = rows.bincount(minlength=count).clamp_min(1).to(values.dtype)
    return sum_by_row(values, rows, count) / lengths.view(-1, *[1] * (values.dim() - 1))
