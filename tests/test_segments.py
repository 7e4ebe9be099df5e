"""Ragged sums and means count each answer's own tokens, in order, and nothing else."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from lethe import segments
from lethe.errors import InputError

lengths = st.lists(st.integers(0, 6), min_size=1, max_size=6)


def ragged(sizes: list[int], *width: int) -> tuple[torch.Tensor, torch.Tensor]:
    random = torch.Generator().manual_seed(sum(sizes))
    rows = torch.repeat_interleave(torch.arange(len(sizes)), torch.tensor(sizes))
    return torch.randn(len(rows), *width, generator=random, dtype=torch.float64), rows


@given(lengths)
def test_sums_and_means_are_those_of_each_row_alone(sizes):
    for width in ((), (3,)):
        values, rows = ragged(sizes, *width)
        pieces = values.split(sizes)
        sums = torch.stack([piece.sum(0) for piece in pieces])
        means = torch.stack([piece.sum(0) / max(len(piece), 1) for piece in pieces])
        torch.testing.assert_close(segments.sum_by_row(values, rows, len(sizes)), sums, atol=1e-12, rtol=0)
        torch.testing.assert_close(segments.mean_by_row(values, rows, len(sizes)), means, atol=1e-12, rtol=0)


@given(lengths)
def test_lengths_and_positions(sizes):
    _, rows = ragged(sizes)
    assert segments.length_of_rows(rows, len(sizes)).tolist() == sizes
    assert segments.position_in_row(rows, len(sizes)).tolist() == [i for size in sizes for i in range(size)]


def test_gradients_and_second_derivatives_flow():
    values, rows = ragged([2, 0, 3])
    values.requires_grad_()

    def mean(v: torch.Tensor) -> torch.Tensor:
        return segments.mean_by_row(v**3, rows, 3)

    assert torch.autograd.gradcheck(mean, values)
    assert torch.autograd.gradgradcheck(mean, values)


def test_bfloat16_is_summed_in_float32():
    # 1 + 300 · 2^-9 in bfloat16 stays 1: each term is below half a unit in the last place.
    values = torch.full((301,), 2.0**-9, dtype=torch.bfloat16)
    values[0] = 1
    total = segments.sum_by_row(values, torch.zeros(301, dtype=torch.int64), 1)
    assert total.dtype == torch.float32
    assert total.item() == 1 + 300 * 2.0**-9


@pytest.mark.parametrize("rows", [[1, 0], [0, 2], [-1, 0], [0]])
def test_rows_that_do_not_fit_are_refused(rows):
    with pytest.raises(InputError):
        segments.sum_by_row(torch.ones(2), torch.tensor(rows), 2)
