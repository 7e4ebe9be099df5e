"""What is taken out of class statistics leaves those of the rest."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from lethe.class_statistics import ClassStatistics, class_means, sample
from lethe.errors import InputError

ROWS = torch.randn(40, 5, generator=torch.Generator().manual_seed(0))
LABELS = torch.arange(40) % 3


@given(st.permutations(range(40)), st.integers(1, 7), st.integers(1, 30))
def test_down_dating_is_taking_the_statistics_of_the_rest(order: list[int], chunk: int, count: int) -> None:
    found = ClassStatistics.of(ROWS, LABELS, 3)
    gone = order[:count]
    for first in range(0, count, chunk):
        part = gone[first : first + chunk]
        found = found.without(ROWS[part], LABELS[part])
    rest = order[count:]
    direct = ClassStatistics.of(ROWS[rest], LABELS[rest], 3)
    torch.testing.assert_close(found.counts, direct.counts)
    torch.testing.assert_close(found.means, direct.means, rtol=1e-6, atol=1e-9)
    torch.testing.assert_close(found.covariances, direct.covariances, rtol=1e-6, atol=1e-9)


def test_a_class_without_rows_leaves_nothing_and_cannot_lose_more() -> None:
    found = ClassStatistics.of(ROWS, LABELS, 3).without(ROWS[LABELS == 1], LABELS[LABELS == 1])
    assert float(found.prior[1]) == 0.0
    assert bool((found.products[1] == 0).all())
    with pytest.raises(InputError, match="class 1 has 0 rows, and 1 are to be taken out"):
        found.without(ROWS[[1]], LABELS[[1]])


def test_drawn_rows_have_the_moments_of_their_classes() -> None:
    found = ClassStatistics.of(ROWS, LABELS, 3)
    rows, labels = sample(found, 30_000, torch.Generator().manual_seed(1))
    again = ClassStatistics.of(rows, labels, 3)
    torch.testing.assert_close(again.prior, found.prior, rtol=0, atol=0.01)
    torch.testing.assert_close(again.means, found.means, rtol=0, atol=0.05)
    torch.testing.assert_close(again.covariances, found.covariances, rtol=0, atol=0.08)


def test_means_alone_are_those_of_the_statistics_and_a_class_goes_without_its_rows() -> None:
    found = ClassStatistics.of(ROWS, LABELS, 4)
    counts, means = class_means(ROWS, LABELS, 4)
    torch.testing.assert_close(counts, found.counts)
    torch.testing.assert_close(means, found.means)
    gone = found.without_classes(torch.tensor([1]))
    direct = found.without(ROWS[LABELS == 1], LABELS[LABELS == 1])
    for name, value in direct.tensors().items():
        torch.testing.assert_close(gone.tensors()[name], value)
