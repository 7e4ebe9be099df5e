from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lethe.auditing.text import exact_memorization, extraction_strength
from tests.auditing.text.made import greedy_log

ROWS = st.lists(st.lists(st.booleans(), min_size=1, max_size=8), min_size=1, max_size=6)


@pytest.mark.parametrize(
    ("row", "strength"),
    [
        ([1, 1, 1, 1], 1.0),
        ([0, 1, 1, 1], 0.75),
        ([1, 1, 0, 1], 0.25),
        ([1, 1, 1, 0], 0.0),  # nothing is extracted: not even the last token comes
        ([0, 0, 0, 0], 0.0),
        ([0], 0.0),
        ([1], 1.0),
    ],
)
def test_what_must_be_given_for_the_rest_to_come(row, strength):
    assert extraction_strength(greedy_log(row)).tolist() == [strength]


@given(ROWS)
def test_it_is_the_first_prefix_that_a_search_finds(rows):
    expected = [1 - next(k for k in range(len(row) + 1) if all(row[k:])) / len(row) for row in rows]
    log = greedy_log(*rows)
    assert extraction_strength(log).tolist() == pytest.approx(expected, abs=1e-15)
    assert bool((extraction_strength(log) <= exact_memorization(log) + 1e-12).all())
