"""Sums and means of ragged token values, one an example: answers differ in length, and padding must not count.

The answer tokens of a batch lie one after the other: `values[i]` belongs to the example `rows[i]`, rows are sorted, and
`count` is the number of examples. Prompt and padding are never in the array, so no mask can be forgotten.
"""

from __future__ import annotations

import torch
from torch import Tensor

from lethe.errors import InputError
from lethe.precision import full_precision


def sum_by_row(values: Tensor, rows: Tensor, count: int) -> Tensor:
    """Return the sum of the values of each row, the same bits at each call on any device.

    Args:
        values: [n] or [n, ...] token values.
        rows: [n] sorted int64 indices of the examples that they belong to, in 0 … count - 1.
        count: number B of examples.

    Returns:
        [B] or [B, ...], in float32 or float64; 0 for a row without tokens.

    Raises:
        InputError: where rows are not sorted, out of range or not one a value.

    >>> sum_by_row(torch.tensor([1.0, 2.0, 4.0]), torch.tensor([0, 0, 2]), 3)
    tensor([3., 0., 4.])
    """
    values = full_precision(values)
    position = position_in_row(rows, count)
    if len(values) != len(rows):
        raise InputError(f"there are {len(values)} token values and {len(rows)} rows; give each value its row")
    longest = int(position.max()) + 1 if len(position) else 0
    # Laid out first and summed after: index_add on a GPU adds in an order that changes from call to call.
    laid_out = values.new_zeros(count, longest, *values.shape[1:]).index_put((rows, position), values)
    return laid_out.sum(1)


def mean_by_row(values: Tensor, rows: Tensor, count: int) -> Tensor:
    """Return the mean of the values of each row, (1/|y|) Σ_t v_t.

    Args:
        values: [n] or [n, ...] token values.
        rows: [n] sorted int64 indices of the examples that they belong to, in 0 … count - 1.
        count: number B of examples.

    Returns:
        [B] or [B, ...], in float32 or float64; 0 for a row without tokens.

    Raises:
        InputError: where rows are not sorted, out of range or not one a value.

    >>> mean_by_row(torch.tensor([1.0, 2.0, 4.0]), torch.tensor([0, 0, 2]), 3)
    tensor([1.5000, 0.0000, 4.0000])
    """
    sums = sum_by_row(values, rows, count)
    lengths = length_of_rows(rows, count).clamp(min=1).to(sums.dtype)
    return sums / lengths.reshape(-1, *[1] * (sums.dim() - 1))


def length_of_rows(rows: Tensor, count: int) -> Tensor:
    """Return the number of tokens |y| of each row, [B] int64.

    >>> length_of_rows(torch.tensor([0, 0, 2]), 3)
    tensor([2, 0, 1])
    """
    numbers = torch.arange(count, device=rows.device)
    return torch.searchsorted(rows, numbers, right=True) - torch.searchsorted(rows, numbers)


def position_in_row(rows: Tensor, count: int) -> Tensor:
    """Return how many tokens of the same row stand before each token, [n] int64.

    Raises:
        InputError: where rows are not sorted or out of range.

    >>> position_in_row(torch.tensor([0, 0, 2]), 3)
    tensor([0, 1, 0])
    """
    if len(rows) and not bool((rows.diff() >= 0).all() & (rows[0] >= 0) & (rows[-1] < count)):
        raise InputError(f"token rows have to be sorted and within 0 … {count - 1}; lay the batch out in its order")
    starts = torch.searchsorted(rows, torch.arange(count, device=rows.device))
    return torch.arange(len(rows), device=rows.device) - starts[rows]
